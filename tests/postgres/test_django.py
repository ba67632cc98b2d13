"""A Django application that knows nothing of us, on PostgreSQL: its ORM and its ``migrate``, and those who follow."""

from __future__ import annotations

from pathlib import Path

from livecollections import LiveClient
from tests.command import command
from tests.sidecar.test_django import SERVE, Application, holds

from .server import PostgresServer


async def test_collections_follow_its_orm_and_its_migrations(
    postgres: PostgresServer, tmp_path: Path
) -> None:
    django = Application(postgres.database())
    django.manage("migrate", "shop", "0001")
    with command(*SERVE, django.url, "--yes", cwd=tmp_path) as serving:
        async with (
            LiveClient(serving.address()) as client,
            client.collection("/api/shop_customer") as customers,
            client.collection("/api/shop_order") as orders,
        ):
            worked = django.work("first")
            await holds(customers, worked["customer"], "password")
            await holds(orders, worked["order"])
            django.release = 2
            assert "Applying shop.0002_second... OK" in django.manage("migrate", "shop")
            worked = django.work("second")
            await holds(customers, worked["customer"], "password")
            await holds(orders, worked["order"])
    assert not [line for line in serving.said() if "Traceback" in line]
