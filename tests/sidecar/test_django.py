"""A Django application that knows nothing of us, its ORM and its ``migrate``, and those who follow its tables.

Both run as programs of their own on one database: the application writes and migrates, the sidecar serves.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import async_playwright, expect

from livecollections import LiveClient, LiveCollection
from tests.command import ROOT, command, finished
from tests.demo.window import CHROMIUM, SWITCHES

from . import shop

SERVE = ("serve", "--table", "shop_customer", "--table", "shop_order", "--port", "0")


class Application:
    """The application on a database of its own, by its URL."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.release = 1

    def manage(self, *arguments: str) -> str:
        """Run one of Django's commands, as ``manage.py`` does; gives what it prints."""
        return self._run("django", *arguments)

    def work(self, what: str) -> dict[str, dict[str, Any]]:
        """Work as a release does; gives the rows that there are then, by their tables and keys."""
        rows: dict[str, dict[str, Any]] = json.loads(self._run("tests.sidecar.django_shop.work", what))
        return rows

    def _run(self, module: str, *arguments: str) -> str:
        environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "tests.sidecar.django_shop.settings",
            "SHOP_DATABASE": self.url,
            "SHOP_RELEASE": str(self.release),
        }
        run = subprocess.run(
            [sys.executable, "-m", module, *arguments],
            cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert run.returncode == 0, run.stderr
        return run.stdout


@pytest.fixture
def django(tmp_path: Path) -> Application:
    application = Application(f"sqlite:///{tmp_path / 'shop.db'}")
    application.manage("migrate", "shop", "0001")
    return application


async def holds(held: LiveCollection[Any], rows: Mapping[str, Mapping[str, Any]], *hidden: str) -> None:
    """Wait until a collection is what the ORM has."""
    wanted = {key: read({name: row[name] for name in row if name not in hidden}) for key, row in rows.items()}
    await held.wait_until(lambda held: {str(each["id"]): read(each) for each in held} == wanted, timeout=15)


def read(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row with values that both have in one form: what SQLite keeps as text or number, others know the type of."""
    readers: dict[str, Callable[[Any], Any]] = {
        "credit": float,
        "placed": lambda text: datetime.fromisoformat(text).replace(tzinfo=None),
        "lines": lambda lines: json.loads(lines) if isinstance(lines, str) else lines,
    }
    return {name: readers.get(name, lambda value: value)(value) for name, value in row.items()}


async def test_browsers_follow_its_orm_and_its_migrations(django: Application, tmp_path: Path) -> None:
    with command(*SERVE, django.url, "--yes", cwd=tmp_path) as serving:
        address, link = serving.address(), serving.inspector()
        async with (
            async_playwright() as playwright,
            LiveClient(address) as client,
            client.collection("/api/shop_customer") as customers,
            client.collection("/api/shop_order") as orders,
        ):
            browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=SWITCHES)
            page = await browser.new_page()
            await page.goto(f"{link}#/api/shop_order")
            await expect(page.locator(".table .state")).to_have_text("live")
            worked = django.work("first")
            await holds(customers, worked["customer"], "password")
            await holds(orders, worked["order"])
            await expect(page.locator(".grid tbody tr")).to_have_count(len(worked["order"]))
            django.release = 2
            assert "Applying shop.0002_second... OK" in django.manage("migrate", "shop")
            worked = django.work("second")
            await holds(customers, worked["customer"], "password")
            await holds(orders, worked["order"])
            await expect(page.locator(".grid thead")).to_contain_text("status", timeout=10_000)
            await expect(page.locator(".grid tbody tr")).to_contain_text(
                ["new"] + ["sent"] * 2, timeout=10_000
            )
            await browser.close()
    assert not [line for line in serving.said() if "Traceback" in line]


def test_it_migrates_with_capture_on_and_nobody_there_and_is_rid_of_it_without_a_trace(
    django: Application, tmp_path: Path
) -> None:
    with command(*SERVE, django.url, "--yes", cwd=tmp_path) as serving:
        serving.address()
        serving.stop()
    django.work("first")
    django.release = 2
    django.manage("migrate")
    django.manage("migrate", "--check")
    rows = django.work("second")
    with command(*SERVE, django.url, cwd=tmp_path, answer="y\n") as serving:
        serving.address()
        assert "  triggers on shop_order" in serving.lines
        serving.stop()
    assert finished("uninstall", django.url, "--yes", cwd=tmp_path).returncode == 0
    never = Application(f"sqlite:///{tmp_path / 'never.db'}")
    never.manage("migrate", "shop", "0001")
    never.release = 2
    never.manage("migrate")
    assert shop.schema(tmp_path / "shop.db") == shop.schema(tmp_path / "never.db")
    assert rows["order"]
