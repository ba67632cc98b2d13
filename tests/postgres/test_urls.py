"""URLs as hosts hand them out, engines, and what is said where a database can't be opened."""

from __future__ import annotations

import os
import shutil
import ssl
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import create_async_engine

from livecollections import ConfigurationError, StoreUnavailable
from livecollections.stores.choice import open_store
from livecollections.stores.postgres import PostgresStore
from livecollections.stores.postgres_connection import arguments, connect, dsn_of, shown

from .rig import PostgresRig
from .server import PostgresServer, server

URLS = {
    "postgres://ann:p%40ss@db.example:5433/shop": "postgresql://ann:p%40ss@db.example:5433/shop",
    "postgresql+asyncpg://ann@db/shop?ssl=require": "postgresql://ann@db/shop?sslmode=require",
    "postgresql+psycopg://db/shop?sslmode=require&channel_binding=require": "postgresql://db/shop?sslmode=require",
    "postgres://db/shop?pgbouncer=true&connection_limit=1&schema=public": "postgresql://db/shop",
    "postgresql:///shop?host=%2Frun%2Fpg&port=5433": "postgresql:///shop?host=%2Frun%2Fpg&port=5433",
    "postgresql://a,b:5433/shop?target_session_attrs=primary": "postgresql://a,b:5433/shop?target_session_attrs=primary",
}


@pytest.mark.parametrize(("url", "dsn"), URLS.items())
def test_a_url_for_any_driver_is_read(url: str, dsn: str) -> None:
    assert dsn_of(url) == dsn


@pytest.mark.parametrize("password", ["s3c/ret", "s3c?ret", "s3c#ret"])
def test_a_password_that_ends_the_host_is_in_no_error(password: str) -> None:
    with pytest.raises(ConfigurationError, match="%2F") as caught:
        dsn_of(f"postgresql://ann:{password}@db/shop")
    assert "s3c" not in str(caught.value)


def test_an_engine_gives_its_url_with_the_password() -> None:
    url = sa.make_url("postgresql+asyncpg://ann:secret@db/shop")
    assert dsn_of(url) == dsn_of(create_async_engine(url)) == "postgresql://ann:secret@db/shop"
    assert shown("postgresql://ann:secret@db/shop?password=x") == "postgresql://ann@db/shop"


def test_what_the_driver_does_not_know_is_done_for_it() -> None:
    asked = arguments("postgresql://db/shop?connect_timeout=3&sslmode=verify-full&sslrootcert=system")
    assert asked["timeout"] == 3
    assert isinstance(asked["ssl"], ssl.SSLContext)
    assert asked["dsn"] == "postgresql://db/shop"
    assert asked["server_settings"] == {"application_name": "livecollections"}
    named = arguments("postgresql://db/shop?application_name=mine")
    assert named["server_settings"]["application_name"] == "mine"


@pytest.mark.parametrize("url", ["mysql://db/shop", "postgresql://[::1/shop", "postgresql://db/shop?sslmode"])
def test_what_is_no_url_of_postgresql_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match="database: "):
        PostgresStore(url)


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+asyncpg"])
def test_the_scheme_names_the_store(scheme: str) -> None:
    assert isinstance(open_store(f"{scheme}://db/shop", synchronous="FULL", notify=False), PostgresStore)


@pytest.mark.parametrize(
    ("options", "says"), [({"capture": "maybe"}, "capture"), ({"notify": "yes"}, "notify")], ids=str
)
def test_a_wrong_option_is_named(options: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigurationError, match=says):
        PostgresStore("postgresql://db/shop", **options)


async def test_a_database_that_is_not_there_is_named_without_its_password(postgres: PostgresServer) -> None:
    url = f"postgresql://postgres:secret@127.0.0.1:{postgres.port}/nothing"
    with pytest.raises(
        StoreUnavailable, match=rf"postgresql://postgres@127.0.0.1:{postgres.port}/nothing"
    ) as told:
        await PostgresRig(url, postgres).start()
    assert "secret" not in str(told.value)


async def test_tls_is_spoken_where_a_url_asks_for_it(certified: dict[str, Path]) -> None:
    def prepare(running: PostgresServer) -> None:
        for option, name in (("ssl_certfile", "server.crt"), ("ssl_keyfile", "server.key")):
            shutil.copy(certified[option], running.data / name)
            (running.data / name).chmod(0o600)
            owner = running.data.stat()
            os.chown(running.data / name, owner.st_uid, owner.st_gid)

    with server({"ssl": "on"}, prepare) as running:
        for mode, is_spoken in (("require", True), ("disable", False)):
            dsn = dsn_of(f"postgres://postgres@127.0.0.1:{running.port}/postgres?sslmode={mode}")
            connection = await connect(dsn, {})
            spoken = await connection.fetchval("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
            await connection.close()
            assert spoken is is_spoken
        url = f"postgres://postgres@127.0.0.1:{running.port}/postgres?sslmode=require"
        async with PostgresRig(url, running) as rig:
            assert await rig.store.head()
