"""Capture in PostgreSQL: installing, mending and removing it, whatever others do to the schema."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest

from livecollections import ConfigurationError
from livecollections.cause import Cause
from livecollections.stores.base import Log
from livecollections.stores.postgres_capture import Capture, remove
from livecollections.stores.postgres_catalog import Target

from .reading import NOW, connected, install, mended, methods, target, todo, told

# --- others' changes of the schema ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "table"),
    [
        ("ALTER TABLE todo DROP COLUMN title", "todo"),
        ("ALTER TABLE todo RENAME COLUMN title TO name", "todo"),
        ("ALTER TABLE todo RENAME TO todo_old", "todo_old"),
        ("ALTER TABLE todo RENAME COLUMN id TO number", "todo"),
        ("ALTER TABLE todo DROP COLUMN id", "todo"),
        ("ALTER TABLE todo SET SCHEMA elsewhere", "elsewhere.todo"),
        ("ALTER TABLE todo ENABLE ROW LEVEL SECURITY; ALTER TABLE todo FORCE ROW LEVEL SECURITY", "todo"),
        ("COMMIT; DROP TABLE live_waiting; BEGIN", "todo"),
        ("COMMIT; DROP TABLE live_changes; BEGIN", "todo"),
        ("COMMIT; DROP TABLE live_meta, live_passed; BEGIN", "todo"),
    ],
)
async def test_no_change_of_the_schema_makes_a_write_fail(
    connection: asyncpg.Connection, change: str, table: str
) -> None:
    """Finding 12: a column that is gone made writes fail."""
    await connection.execute("DROP SCHEMA IF EXISTS elsewhere CASCADE; CREATE SCHEMA elsewhere")
    await todo(connection, "id int PRIMARY KEY, title text, done bool")
    await connection.execute("INSERT INTO todo VALUES (1, 'a', false)")
    await connection.execute("BEGIN; UPDATE todo SET done = true")
    for statement in change.split("; "):
        await connection.execute(statement)
    await connection.execute(
        f"UPDATE {table} SET done = NOT done; DELETE FROM {table}; TRUNCATE {table}; COMMIT"
    )


async def test_columns_that_come_change_and_go_are_followed(connection: asyncpg.Connection) -> None:
    capture = await todo(connection)
    await connection.execute(
        "BEGIN; INSERT INTO todo VALUES (1, 'a'); ALTER TABLE todo ADD COLUMN n int; COMMIT"
    )
    await mended(connection, capture, Cause.COLUMNS_CHANGED)
    await connection.execute("UPDATE todo SET n = 1")
    assert (await told(connection))[-1] == ("PUT", ["1"], ["1", "a", "1"])
    await connection.execute("ALTER TABLE todo DROP COLUMN title")
    await connection.execute("UPDATE todo SET n = 2")
    assert (await methods(connection))[-1] == Cause.CAPTURE_FAILED
    await mended(connection, capture, Cause.COLUMNS_CHANGED)
    await connection.execute("ALTER TABLE todo ALTER COLUMN n TYPE text")
    await mended(connection, capture, Cause.CAPTURE_REINSTALLED)
    await connection.execute("UPDATE todo SET n = 'x'")
    assert (await told(connection))[-1] == ("PUT", ["1"], ["1", "x"])


async def test_a_table_that_goes_and_comes_back_is_captured_again(connection: asyncpg.Connection) -> None:
    """Finding 11: a table that was dropped went by unseen."""
    capture = await todo(connection)
    await connection.execute("DROP TABLE todo")
    await mended(connection, capture, Cause.TABLE_GONE)
    await connection.execute("CREATE TABLE todo (id int PRIMARY KEY, title text)")
    await mended(connection, capture, Cause.TABLE_REBUILT)
    await connection.execute("INSERT INTO todo VALUES (1, 'a')")
    assert (await methods(connection))[-1] == "POST"


async def test_a_table_swapped_for_another_of_its_name(connection: asyncpg.Connection) -> None:
    capture = await todo(connection)
    await connection.execute(
        "ALTER TABLE todo RENAME TO todo_old; CREATE TABLE todo (id int PRIMARY KEY, title text)"
    )
    await mended(connection, capture, Cause.CAPTURE_REINSTALLED)
    before = await methods(connection)
    await connection.execute("INSERT INTO todo_old VALUES (1, 'a')")
    assert await methods(connection) == before, "what was renamed is captured no more"
    await connection.execute("INSERT INTO todo VALUES (1, 'a')")
    assert await methods(connection) == [*before, "POST"]


async def test_an_owner_can_not_have_his_functions_run_with_the_rights_of_who_installed(
    connection: asyncpg.Connection, url: str
) -> None:
    schema = await connection.fetchval("SELECT current_schema()")
    await connection.execute(f"CREATE ROLE mallory; GRANT ALL ON SCHEMA {schema} TO mallory")
    try:
        await connection.execute(
            "CREATE TABLE todo (id int PRIMARY KEY, title text); ALTER TABLE todo OWNER TO mallory"
        )
        await install(connection, target("todo"))
        await connection.execute(
            "SET ROLE mallory; CREATE TABLE mine (who text); GRANT INSERT ON mine TO public;"
            "CREATE FUNCTION peek(text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN "
            f"INSERT INTO {schema}.mine VALUES (current_user); RETURN $1; END $$;"
            "ALTER TABLE todo RENAME TO hidden; CREATE VIEW todo AS SELECT id, peek(title) AS title FROM hidden;"
            "INSERT INTO hidden VALUES (1, 'a'); RESET ROLE"
        )
        assert await connection.fetch("SELECT * FROM mine") == []
        assert await methods(connection) == [Cause.CAPTURE_FAILED]
    finally:
        await connection.execute("DROP OWNED BY mallory CASCADE; DROP ROLE mallory")


async def test_a_stranger_who_has_our_functions_called_for_tables_of_his_own_gets_nothing_done(
    connection: asyncpg.Connection, url: str
) -> None:
    capture = await todo(connection)
    await connection.execute("INSERT INTO todo VALUES (1, 'secret')")
    schema = await connection.fetchval("SELECT current_schema()")
    function = await connection.fetchval(
        "SELECT proname FROM pg_proc WHERE proname ~ 'capture' AND pronamespace = current_schema()::regnamespace"
    )
    await connection.execute(f"CREATE ROLE mallory; GRANT USAGE ON SCHEMA {schema} TO mallory")
    try:
        async with connected(url) as mallory:
            await mallory.execute(
                "SET ROLE mallory; CREATE TYPE pg_temp.evil AS (x int); CREATE TABLE pg_temp.mine (who text);"
                "GRANT INSERT ON pg_temp.mine TO public;"
                "CREATE FUNCTION pg_temp.peek(pg_temp.evil) RETURNS int LANGUAGE plpgsql AS $$ BEGIN "
                "INSERT INTO pg_temp.mine VALUES (current_user); RETURN 1; END $$;"
                "CREATE CAST (pg_temp.evil AS int) WITH FUNCTION pg_temp.peek(pg_temp.evil) AS IMPLICIT;"
                "CREATE TABLE pg_temp.bait (id pg_temp.evil, title text);"
                "CREATE TABLE pg_temp.forged (source text, method text, key text[], before text[], after text[],"
                "  layout text, xid xid8);"
                f"CREATE TRIGGER bait AFTER INSERT OR DELETE ON pg_temp.bait FOR EACH ROW"
                f"  EXECUTE FUNCTION {schema}.{function}();"
                f"CREATE TRIGGER forged AFTER INSERT ON pg_temp.forged FOR EACH ROW"
                f"  EXECUTE FUNCTION {schema}.live_commit();"
                "INSERT INTO pg_temp.forged VALUES ('todo', 'POST', '{1}', NULL, '{1,a}');"
                "INSERT INTO pg_temp.bait VALUES (row(1), 'a'); DELETE FROM pg_temp.bait"
            )
            async with mallory.transaction(isolation="serializable"):
                await mallory.execute("INSERT INTO pg_temp.bait VALUES (row(1), 'a')")
            assert await mallory.fetch("SELECT * FROM pg_temp.mine") == [], "nothing ran with our rights"
            assert await methods(connection) == ["POST"], "and nothing is told as ours"
            assert await capture.stale(connection, NOW) == {}, "nor is there anything to put right"
    finally:
        await connection.execute("DROP OWNED BY mallory CASCADE; DROP ROLE mallory")


async def test_a_column_of_another_type_does_not_bring_its_conversions(
    connection: asyncpg.Connection,
) -> None:
    capture = await todo(connection)
    schema = await connection.fetchval("SELECT current_schema()")
    await connection.execute(
        "CREATE TYPE evil AS (x text); CREATE TABLE mine (who text);"
        "CREATE FUNCTION peek(evil) RETURNS text LANGUAGE plpgsql AS $$ BEGIN "
        f"INSERT INTO {schema}.mine VALUES (current_user); RETURN ''; END $$;"
        "CREATE CAST (evil AS text) WITH FUNCTION peek(evil) AS IMPLICIT;"
        "ALTER TABLE todo ALTER title TYPE evil USING row(title)::evil; INSERT INTO todo VALUES (1, row('a'))"
    )
    assert await connection.fetch("SELECT * FROM mine") == []
    assert await methods(connection) == [Cause.CAPTURE_FAILED]
    await mended(connection, capture, Cause.CAPTURE_REINSTALLED)
    await connection.execute("INSERT INTO todo VALUES (2, row('b'))")
    assert (await told(connection))[-1] == ("POST", ["2"], ["2", "(b)"])


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE todo ALTER n TYPE bigint USING n * 2",
        "ALTER TABLE todo ALTER title TYPE varchar(1)",
        "ALTER TYPE mood RENAME VALUE 'good' TO 'better'",
    ],
)
async def test_a_change_that_makes_other_values_of_those_there_is_a_reset(
    connection: asyncpg.Connection, change: str
) -> None:
    await connection.execute("DROP TYPE IF EXISTS mood; CREATE TYPE mood AS ENUM ('bad', 'good')")
    capture = await todo(connection, "id int PRIMARY KEY, n int, title varchar(9), feels mood")
    await connection.execute("INSERT INTO todo VALUES (1, 1, 'a', 'good')")
    await connection.execute(change)
    await mended(connection, capture, Cause.CAPTURE_REINSTALLED)


@pytest.mark.parametrize(
    "harm",
    [
        'DROP TRIGGER "!live_capture" ON todo',
        'ALTER TABLE todo DISABLE TRIGGER "!live_truncate"',
        "ALTER TABLE todo DISABLE TRIGGER ALL",
        "ALTER TABLE live_waiting DISABLE TRIGGER ALL",
        "DROP TRIGGER live_commit ON live_waiting",
        "DO $$ BEGIN EXECUTE (SELECT format('ALTER FUNCTION %s RESET ALL', oid::regprocedure) FROM pg_proc "
        "WHERE proname ~ 'live_capture' AND pronamespace = current_schema()::regnamespace); END $$",
    ],
)
async def test_triggers_that_are_harmed_are_put_right(connection: asyncpg.Connection, harm: str) -> None:
    capture = await todo(connection)
    await connection.execute(harm)
    await mended(connection, capture, Cause.CAPTURE_REINSTALLED)
    await connection.execute("INSERT INTO todo VALUES (1, 'a')")
    assert (await methods(connection))[-1] == "POST"


# --- installing -------------------------------------------------------------------------------------------------


async def test_installing_again_changes_nothing(connection: asyncpg.Connection) -> None:
    capture = await todo(connection)
    async with connection.transaction():
        assert not await capture.install(connection, NOW)
    assert await capture.plan(connection, NOW) == []
    assert await methods(connection) == []


async def test_the_plan_is_a_script_that_anybody_may_run(connection: asyncpg.Connection) -> None:
    await connection.execute("DROP SCHEMA IF EXISTS aside CASCADE; CREATE TABLE todo (id int PRIMARY KEY)")
    log = Log(schema="aside", prefix="change_")
    capture = Capture(log, [target("todo")])
    plan = await capture.plan(connection, NOW)
    await connection.execute(f"BEGIN; {'; '.join(plan)}; COMMIT")
    assert await capture.stale(connection, NOW) == {}
    await connection.execute("INSERT INTO todo VALUES (1)")
    assert await connection.fetchval("SELECT count(*) FROM aside.change_changes") == 1


async def test_processes_that_install_at_once_do_it_once(connection: asyncpg.Connection, url: str) -> None:
    await connection.execute("CREATE TABLE todo (id int PRIMARY KEY)")

    async def another() -> bool:
        async with connected(url) as each:
            capture = Capture(Log(), [target("todo")])
            async with each.transaction():
                return await capture.install(each, NOW)

    assert sorted(await asyncio.gather(*(another() for _ in range(6)))) == [False] * 5 + [True]


async def test_columns_are_only_widened_while_another_process_wants_them(
    connection: asyncpg.Connection,
) -> None:
    """Finding 30: two releases upgraded the triggers to and fro."""
    await connection.execute("CREATE TABLE todo (id int PRIMARY KEY, a text, b text)")
    old = Capture(Log(), [target("todo", ["id", "a"])], version="1")
    new = Capture(Log(), [target("todo", ["id", "b"])], version="2")
    async with connection.transaction():
        await old.install(connection, NOW)
        await old.beat(connection, NOW)
        await new.install(connection, NOW)
        await new.beat(connection, NOW)
    assert await new.columns(connection, "todo") == ["id", "a", "b"]
    assert await old.stale(connection, NOW) == {}
    assert await new.stale(connection, NOW) == {}
    await old.leave(connection)
    assert await new.stale(connection, NOW) == {"todo": "the log also keeps a"}


@pytest.mark.parametrize(
    ("table", "why"),
    [
        ("CREATE TABLE todo (id int)", "has no primary key"),
        ("CREATE UNLOGGED TABLE todo (id int PRIMARY KEY)", "unlogged"),
        ("CREATE TABLE todo (number int PRIMARY KEY)", "has the primary key number"),
    ],
)
async def test_what_can_not_be_captured_is_refused(
    connection: asyncpg.Connection, table: str, why: str
) -> None:
    """Findings 11 and 27: an unlogged table is empty after a crash; without a key nothing names a row."""
    await connection.execute(table)
    with pytest.raises(ConfigurationError, match=why):
        await install(connection, Target("todo", None, "todo", None, ("id",)))
    assert await connection.fetchval("SELECT to_regclass('live_changes')") is None


async def test_a_role_that_may_not_install_is_told_what_to_do(connection: asyncpg.Connection) -> None:
    schema = await connection.fetchval("SELECT current_schema()")
    await connection.execute(
        "CREATE TABLE todo (id int PRIMARY KEY); CREATE ROLE tenant;"
        f"GRANT ALL ON SCHEMA {schema} TO tenant; GRANT ALL ON todo TO tenant"
    )
    try:
        await connection.execute("SET ROLE tenant")
        with pytest.raises(ConfigurationError, match="must own the tables"):
            await install(connection, target("todo"))
    finally:
        await connection.execute("RESET ROLE; DROP OWNED BY tenant; DROP ROLE tenant")


async def test_a_table_and_its_partition_can_not_both_be_live(connection: asyncpg.Connection) -> None:
    await connection.execute(
        "CREATE TABLE todo (id int PRIMARY KEY) PARTITION BY HASH (id);"
        "CREATE TABLE part PARTITION OF todo FOR VALUES WITH (MODULUS 1, REMAINDER 0)"
    )
    with pytest.raises(ConfigurationError, match="are rows of todo and of part"):
        await install(connection, target("todo"), target("part"))


async def test_whoever_installs_waits_for_a_writer_and_refuses_nobody(
    connection: asyncpg.Connection, url: str
) -> None:
    await connection.execute("CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (id int PRIMARY KEY)")
    async with connected(url) as writer, connected(url) as installer:
        await writer.execute("BEGIN; INSERT INTO b VALUES (1)")
        installing = asyncio.create_task(install(installer, target("a"), target("b")))
        async with asyncio.timeout(10):
            waits = "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND relation = 'b'::regclass)"
            while not await connection.fetchval(waits):
                pass
        await writer.execute("INSERT INTO a VALUES (1); COMMIT")  # it holds a, and waits for b
        capture = await installing
        assert await capture.stale(connection, NOW) == {}


async def test_removing_leaves_no_trace(connection: asyncpg.Connection) -> None:
    await connection.execute(
        "DROP SCHEMA IF EXISTS aside CASCADE; CREATE SCHEMA shop; CREATE TABLE shop.todo (id int PRIMARY KEY)"
    )
    before = await traces(connection)
    log = Log(schema="aside")
    await install(connection, target("todo", schema="shop"), log=log)
    await connection.execute("BEGIN; INSERT INTO shop.todo VALUES (1)")
    dropped = await remove(connection, log)
    await connection.execute("COMMIT")
    assert await traces(connection) == before
    assert dropped[:2] == ["!live_capture on shop.todo", "!live_truncate on shop.todo"]
    await connection.execute("INSERT INTO shop.todo VALUES (2)")


async def traces(connection: asyncpg.Connection) -> list[tuple[object, ...]]:
    return [
        tuple(row)
        for row in await connection.fetch(
            "SELECT relname FROM pg_class WHERE oid >= 16384 AND relname NOT LIKE 'pg_toast%' UNION ALL "
            "SELECT tgname FROM pg_trigger UNION ALL SELECT proname FROM pg_proc WHERE oid >= 16384 UNION ALL "
            "SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_(toast_)?temp' ORDER BY 1"
        )
    ]
