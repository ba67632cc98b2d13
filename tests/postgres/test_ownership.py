"""Whose the log's relations are: a stranger who was there first, or has put something on them, runs nothing by it."""

from __future__ import annotations

import asyncio
import secrets
import shlex
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import pytest

from livecollections import ConfigurationError
from livecollections.demo import Todo
from livecollections.stores.administrations import administration_of
from livecollections.stores.base import Log
from livecollections.stores.postgres import PostgresStore
from livecollections.stores.postgres_capture import Capture
from livecollections.stores.postgres_triggers import digest

from .reading import NOW, connected, install, methods, target
from .server import PostgresServer, program, run_elsewhere
from .test_rights import of

TODO = 'CREATE TABLE todo (id serial PRIMARY KEY, title text NOT NULL, completed bool NOT NULL, "order" int)'
SPY = (
    "CREATE TABLE mine (who text); GRANT INSERT ON mine TO public;"
    "CREATE FUNCTION spy() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
    "INSERT INTO {schema}.mine VALUES (current_user); RETURN NULL; END $$;"
    "CREATE FUNCTION peek() RETURNS text LANGUAGE plpgsql AS $$ BEGIN "
    "INSERT INTO {schema}.mine VALUES (current_user); RETURN 'x'; END $$;"
)
META = "CREATE TABLE live_meta (name text PRIMARY KEY, value text)"
SPIED = f"{META}; CREATE TRIGGER spy AFTER INSERT ON live_meta FOR EACH ROW EXECUTE FUNCTION spy()"
FUNCTION = "() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$"
SQUATS = [
    SPIED,
    "CREATE TABLE live_changes (seq bigint)",
    "CREATE VIEW live_meta AS SELECT 'format'::text AS name, peek() AS value; CREATE TABLE live_changes (n int);"
    "CREATE TABLE live_waiting (n int); CREATE SEQUENCE live_seq",
    "CREATE SEQUENCE live_seq",
    f"CREATE FUNCTION live_commit{FUNCTION}",
    f"CREATE FUNCTION live_capture_{digest('todo')}{FUNCTION}",
    "CREATE TYPE live_letters AS ENUM ('a')",
    "CREATE TABLE live_changes_source (n int)",
]


@asynccontextmanager
async def role(url: str, name: str) -> AsyncIterator[str]:
    """A role that may create in the schema of a URL, and that URL as it uses it."""
    await run_elsewhere(url, f"CREATE ROLE {name} LOGIN; GRANT ALL ON SCHEMA {schema_of(url)} TO {name}")
    try:
        yield of(name, url)
    finally:
        await run_elsewhere(url, f"DROP OWNED BY {name} CASCADE; DROP ROLE {name}")


def schema_of(url: str) -> str:
    return url.rpartition("search_path=")[2]


@pytest.fixture
async def mallory(url: str) -> AsyncIterator[str]:
    """A stranger, who has functions that tell with whose rights they ran."""
    async with role(url, "mallory") as found:
        await run_elsewhere(found, SPY.format(schema=schema_of(url)))
        yield found


async def piped(command: str, text: bytes = b"") -> bytes:
    """What a command prints for what it is given."""
    process = await asyncio.create_subprocess_exec(*shlex.split(command), stdin=PIPE, stdout=PIPE)
    printed, _ = await asyncio.wait_for(process.communicate(text), 60)
    assert process.returncode == 0
    return printed


async def told(url: str) -> str:
    """What doctor says is to be done about the log."""
    return " ".join(one.told for one in await administration_of(url).examine() if one.subject == "log")


@pytest.mark.parametrize("squat", SQUATS)
async def test_who_was_there_first_gets_nothing_run(url: str, mallory: str, squat: str) -> None:
    await run_elsewhere(url, TODO)
    await run_elsewhere(mallory, squat)
    administration = administration_of(url)
    for doing in (administration.install(["todo"]), administration.plan(["todo"])):
        with pytest.raises(ConfigurationError, match=r"log: .*live_.* mallory.*drop what is not yours"):
            await doing
    store = PostgresStore(url)
    with pytest.raises(ConfigurationError, match="mallory"):
        await store.start([store.describe(Todo)])
    if "capture_" not in squat:
        assert "live_" in await told(url)
    async with connected(url) as connection:
        assert await connection.fetch("SELECT * FROM mine") == []
        assert (
            await connection.fetchval("SELECT count(*) FROM pg_trigger WHERE tgrelid = 'todo'::regclass") == 0
        )


@pytest.mark.parametrize("squat", [SPIED, *SQUATS[4:6]])
async def test_who_comes_before_the_script_is_run_ends_it(url: str, mallory: str, squat: str) -> None:
    await run_elsewhere(url, TODO)
    plan = await administration_of(url).plan(["todo"])
    await run_elsewhere(mallory, squat)
    async with connected(url) as connection:
        with pytest.raises(asyncpg.PostgresError, match="mallory"):
            await connection.execute(plan.script)
        await connection.execute("ROLLBACK")
        assert await connection.fetch("SELECT * FROM mine") == []
        assert await connection.fetchval("SELECT to_regclass('live_waiting')") is None


async def test_who_comes_while_it_is_installed_ends_it(
    url: str, mallory: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await run_elsewhere(url, TODO)
    plan = Capture._plan

    async def late(*arguments: object) -> tuple[list[str], list[str]]:
        found = await plan(*arguments)  # type: ignore[arg-type]
        await run_elsewhere(mallory, SPIED)
        return found

    monkeypatch.setattr(Capture, "_plan", late)
    with pytest.raises(ConfigurationError, match="live_meta belongs to the role mallory"):
        await administration_of(url).install(["todo"])
    async with connected(url) as connection:
        assert await connection.fetch("SELECT * FROM mine") == []


@pytest.mark.parametrize(
    "addition",
    [
        "CREATE TRIGGER spy AFTER INSERT ON live_waiting FOR EACH ROW EXECUTE FUNCTION spy()",
        "CREATE RULE spy AS ON INSERT TO live_meta DO ALSO INSERT INTO mine VALUES (current_user)",
        "CREATE POLICY spy ON live_changes USING (peek() = 'x')",
        "ALTER TABLE live_letters ALTER COLUMN state SET DEFAULT peek()",
        "ALTER TABLE live_cursors ADD CONSTRAINT spy CHECK (peek() = 'x')",
        "CREATE DOMAIN spied AS text; ALTER TABLE live_passed ADD spy spied",
    ],
)
async def test_what_stands_on_our_tables_and_is_not_ours_is_refused(
    url: str, mallory: str, addition: str
) -> None:
    await run_elsewhere(url, TODO)
    administration = administration_of(url)
    assert await administration.install(["todo"])
    await run_elsewhere(url, addition)
    for doing in (administration.install(["todo"]), administration.new_epoch()):
        with pytest.raises(ConfigurationError, match=r"stands what is not ours \(.*(spy|state)"):
            await doing
    store = PostgresStore(url, capture="check")
    with pytest.raises(ConfigurationError, match="not ours"):
        await store.start([store.describe(Todo)])
    assert "not ours" in await told(url)


async def test_an_owner_of_tables_is_trusted_by_who_serves_them_and_not_by_who_installs(url: str) -> None:
    async with role(url, "tenant") as tenant, role(url, "clerk") as clerk:
        await run_elsewhere(tenant, TODO)
        assert await administration_of(tenant).install(["todo"])
        assert not await administration_of(tenant).install(["todo"]), "its own is in place"
        for kind in ("TABLES", "SEQUENCES"):
            await run_elsewhere(tenant, f"GRANT ALL ON ALL {kind} IN SCHEMA {schema_of(url)} TO clerk")
        for served, capture in ((clerk, "check"), (clerk, "install"), (url, "install")):
            store = PostgresStore(served, capture=capture)  # type: ignore[arg-type]
            await store.start([store.describe(Todo)])
            await store.stop()
        assert not [one for one in await administration_of(clerk).examine() if one.advice]
        await run_elsewhere(tenant, 'DROP TRIGGER "!live_capture" ON todo')
        with pytest.raises(ConfigurationError, match="live_meta belongs to the role tenant"):
            await administration_of(url).install(["todo"])
        assert await administration_of(tenant).install(["todo"])


async def test_what_a_superuser_has_installed_is_mended_by_another_and_by_the_owner_of_the_schema(
    url: str,
) -> None:
    async with role(url, "dba"), role(url, "boss") as boss:
        await run_elsewhere(url, "ALTER ROLE dba SUPERUSER")
        await run_elsewhere(of("dba", url), TODO)
        assert await administration_of(of("dba", url)).install(["todo"])
        await run_elsewhere(url, 'DROP TRIGGER "!live_capture" ON todo')
        assert await administration_of(url).install(["todo"])
        await run_elsewhere(url, f"ALTER SCHEMA {schema_of(url)} OWNER TO boss")
        await administration_of(url).uninstall()
        await run_elsewhere(boss, "CREATE TABLE other (id int PRIMARY KEY)")
        assert await administration_of(boss).install(["other"])
        assert await administration_of(url).install(["todo"])
        await run_elsewhere(url, f"ALTER SCHEMA {schema_of(url)} OWNER TO postgres")


async def test_a_dump_that_another_restores_without_owners_is_opened(postgres: PostgresServer) -> None:
    url, restored = postgres.database(), postgres.database()
    await run_elsewhere(url, TODO)
    assert await administration_of(url).install(["todo"])
    name = f"heir_{secrets.token_hex(3)}"
    await run_elsewhere(restored, f"CREATE ROLE {name} LOGIN; GRANT ALL ON SCHEMA public TO {name}")
    heir = of(name, restored)
    dump, shell = program("pg_dump"), program("psql")
    text = await piped(f"{dump} --no-owner '{url}'")
    await piped(f"{shell} -q '{heir}'", text)
    store = PostgresStore(heir)
    await store.start([store.describe(Todo)])
    await store.stop()
    assert not [one for one in await administration_of(heir).examine() if one.advice]


async def test_a_table_of_another_log_is_refused_and_left_to_it(connection: asyncpg.Connection) -> None:
    await connection.execute("DROP SCHEMA IF EXISTS aside CASCADE; CREATE TABLE todo (id int PRIMARY KEY)")
    capture = await install(connection, target("todo"))
    with pytest.raises(
        ConfigurationError, match=r"todo can't be live: it is captured by the log in s.*prefix"
    ):
        await install(connection, target("todo"), log=Log(schema="aside"))
    assert await capture.stale(connection, NOW) == {}
    await install(connection, target("todo"), log=Log(schema="aside", prefix="more_"))
    await connection.execute("INSERT INTO todo VALUES (1)")
    assert await methods(connection) == ["POST"]
    assert await connection.fetchval("SELECT count(*) FROM aside.more_changes") == 1
