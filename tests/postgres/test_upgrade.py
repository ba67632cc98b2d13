"""PostgreSQL databases of earlier versions open with this one, with all that they hold; newer ones are refused."""

from __future__ import annotations

import asyncpg
import pytest

from livecollections import ConfigurationError
from livecollections.stores import postgres_triggers
from livecollections.stores.administrations import administration_of
from livecollections.stores.base import Log
from livecollections.stores.postgres_capture import Capture
from tests.upgrade.opening import FOR_EVER, is_reset_once, kept, read, resumed
from tests.upgrade.shop import Shop

from .reading import NOW, connected, methods, target
from .server import PostgresServer, execute

OURS = "FROM pg_proc WHERE pronamespace = current_schema()::regnamespace"
NEWER = '{"format": 2, "since": "7.1.0"}'


def shop_of(url: str, **options: str) -> Shop:
    return Shop(url, log=FOR_EVER, **options)


@pytest.mark.parametrize("version", kept("postgres"))
async def test_a_restored_database_resets_once_and_loses_nothing(
    version: str, postgres: PostgresServer
) -> None:
    """A table that is restored is another one to PostgreSQL, whatever version captured it."""
    text, told = read(version, "postgres")
    url = postgres.database()
    execute(url, text, together=False)
    async with connected(url) as connection:
        await connection.execute("SET search_path = public")
        entries = "SELECT seq, check_digits FROM live_changes WHERE method <> 'RESET' ORDER BY seq"
        before = await connection.fetch(entries)
        assert len(before) == len(told) + 1
        assert is_reset_once(await resumed(shop_of(url), told))
        assert (await connection.fetch(entries))[: len(before)] == before
        assert (await methods(connection, "product")).count("capture-reinstalled") == 1
        async with shop_of(url).live:
            pass
        assert (await methods(connection, "product")).count("capture-reinstalled") == 1


async def opened_by_another_version(connection: asyncpg.Connection, url: str) -> None:
    """A database with the triggers of another version."""
    async with shop_of(url).live:
        pass
    await connection.execute("DELETE FROM live_meta WHERE name LIKE 'source:%'")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(postgres_triggers, "LARGEST_ROW", 1_234_567)
        async with connection.transaction():
            await Capture(Log(), [target("product")], version="0.0.9").install(connection, NOW)
        body = (
            await connection.fetchval(f"SELECT prosrc {OURS} AND proname = 'live_commit'")
            + "-- another version"
        )
        await connection.execute(
            f"CREATE OR REPLACE FUNCTION live_commit() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER "
            f"SET search_path = pg_catalog, pg_temp AS $live${body}$live$"
        )
        told = postgres_triggers.digest(body)
        await connection.execute("UPDATE live_meta SET value = $1 WHERE name = 'drawing'", told)


async def test_another_versions_triggers_are_replaced_without_a_reset(
    connection: asyncpg.Connection, url: str
) -> None:
    await opened_by_another_version(connection, url)
    await connection.execute("INSERT INTO product (name, price, stock) VALUES ('a', 1, 1)")
    others = f"SELECT count(*) {OURS} AND prosrc ~ '1234567|-- another version'"
    assert await connection.fetchval(others) == 2
    async with shop_of(url).live:
        pass
    assert await connection.fetchval(others) == 0
    assert await methods(connection, "product") == ["POST"]


@pytest.mark.parametrize(
    "change",
    [
        f"DO $$ BEGIN EXECUTE (SELECT format('ALTER FUNCTION %s RESET ALL', oid::regprocedure) {OURS} "
        "AND proname ~ 'live_capture'); END $$",
        "DROP FUNCTION live_commit CASCADE",
        'ALTER TABLE product DISABLE TRIGGER "!live_capture"',
        "CREATE TABLE special () INHERITS (product)",
    ],
    ids=["settings", "what draws places", "a trigger", "an heir"],
)
async def test_what_another_version_may_have_missed_is_a_reset(
    connection: asyncpg.Connection, url: str, change: str
) -> None:
    await opened_by_another_version(connection, url)
    await connection.execute(change)
    async with shop_of(url).live:
        pass
    assert await methods(connection, "product") == ["capture-reinstalled"]


async def test_a_log_of_a_newer_version_is_refused_and_left_as_it_is(
    connection: asyncpg.Connection, url: str
) -> None:
    async with shop_of(url).live:
        pass
    await connection.execute("UPDATE live_meta SET value = $1 WHERE name = 'format'", NEWER)
    before = await connection.fetch("SELECT name, value FROM live_meta ORDER BY name")
    refused = r"format 2, which livecollections 7\.1\.0 and newer know"
    for capture in ("install", "check"):
        with pytest.raises(ConfigurationError, match=refused):
            await shop_of(url, capture=capture).live.__aenter__()
    administration = administration_of(url)
    for act in (
        administration.plan,
        administration.install,
        administration.uninstall,
        administration.new_epoch,
    ):
        with pytest.raises(ConfigurationError, match=refused):
            await act()
    assert await connection.fetch("SELECT name, value FROM live_meta ORDER BY name") == before


async def test_a_table_of_the_log_that_is_gone_is_made_again_without_a_reset(
    connection: asyncpg.Connection, url: str
) -> None:
    async with shop_of(url).live:
        pass
    await connection.execute("DROP TABLE live_letters")
    async with shop_of(url).live:
        pass
    assert await connection.fetchval("SELECT count(*) FROM live_letters") == 0
    assert await methods(connection, "product") == []
