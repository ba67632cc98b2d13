"""Capture in PostgreSQL: every value, every writer and every statement."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest

from livecollections.cause import Cause
from livecollections.stores.postgres_triggers import LARGEST_ROW, LARGEST_TRANSACTION

from .reading import connected, install, mended, methods, target, todo, told

# --- values -------------------------------------------------------------------------------------------------

VALUES = {
    "uuid": ["'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'"],
    "timestamptz": ["'2024-02-29 12:00:00.123456+05:30'", "'infinity'", "'0044-03-15 00:00:00+00 BC'"],
    "timestamp": ["'294276-12-31 23:59:59.999999'"],
    "date": ["'-infinity'", "'4713-01-01 BC'"],
    "timetz": ["'23:59:60-15:59'"],
    "interval": ["'-1 year 2 mons -3 days 04:05:06.789'"],
    "numeric": ["'NaN'", "'Infinity'", "1.10", "1e-1000", "9" * 400],
    "float8": ["'NaN'", "'-Infinity'", "0.1", "5e-324", "-0.0", "1.7976931348623157e308"],
    "float4": ["0.1", "3.4028235e38"],
    "int8": ["9223372036854775807", "-9223372036854775808"],
    "bool": ["true", "NULL"],
    "int[]": ["'{}'", "'{{1,NULL},{3,4}}'", "'[2:3]={1,2}'"],
    "text[]": ["""ARRAY['a,b', '"', '\\', 'NULL', NULL, '']"""],
    "json": ["""'{"a": "\\u0000", "a": 2, "n": 1.10}'"""],
    "jsonb": ["""'{"b": [1.10, null]}'""", "'null'"],
    "bytea": ["'\\x00ff'", "''"],
    "char(5)": ["'ab'", "'  a '"],
    "varchar": ["''", "'a'';%'", "E'\\x7f\\u00e9\\U0001F600\\n'"],
    "name": ["'x'"],
    "inet": ["'10.0.0.1'", "'::1/64'"],
    "int4range": ["'[1,5)'", "'empty'"],
    "mood": ["'so so'"],
    "pair": ["ROW(1, 'a,b')", "ROW(NULL, NULL)"],
    "positive": ["7"],
    "oid": ["4294967295"],
    "bit(3)": ["B'101'"],
    "xml": ["'<a/>'"],
    "tsvector": ["'a:1 b'"],
    "money": ["12.34"],
    "point": ["'(0.1,2)'"],
}


async def test_every_value_is_kept_as_the_database_puts_it_out(connection: asyncpg.Connection) -> None:
    """Finding 12: of a json with ``\\u0000`` and of types without equality an image made the write fail."""
    await connection.execute(
        "CREATE TYPE mood AS ENUM ('so so', 'ok'); CREATE TYPE pair AS (x int, y text);"
        "CREATE DOMAIN positive AS int CHECK (value > 0); CREATE FUNCTION hide(pair) RETURNS text LANGUAGE sql AS "
        "$$ SELECT 'another' $$; CREATE CAST (pair AS text) WITH FUNCTION hide(pair) AS ASSIGNMENT"
    )
    columns = [(kind, f"c{number}") for number, kind in enumerate(VALUES)]
    await connection.execute(
        f"CREATE TABLE todo (id int PRIMARY KEY, {', '.join(f'{name} {kind}' for kind, name in columns)})"
    )
    await install(connection, target("todo"))
    number = 0
    for kind, name in columns:
        for value in VALUES[kind]:
            number += 1
            # Another session's ways of putting values out make no difference.
            await connection.execute(
                "SET datestyle = 'German'; SET timezone = 'Asia/Kolkata'; SET intervalstyle = 'sql_standard';"
                f"SET extra_float_digits = -15; SET bytea_output = 'escape'; INSERT INTO todo (id, {name}) "
                f"VALUES ({number}, {value}); RESET ALL"
            )
            put_out = await connection.fetchval(
                f"SELECT CASE WHEN num_nulls({name}) = 0 THEN concat({name}) END FROM todo WHERE id = $1",
                number,
            )
            (_, key, after) = (await told(connection))[-1]
            assert key == [str(number)]
            assert after is not None
            assert dict(zip([name for _, name in columns], after[1:], strict=True))[name] == put_out, (
                kind,
                value,
            )
    assert await methods(connection) == ["POST"] * number


async def test_keys_of_every_kind_are_told_apart(connection: asyncpg.Connection) -> None:
    await connection.execute(
        "CREATE COLLATION loose (provider = icu, locale = 'und-u-ks-level2', deterministic = false)"
    )
    await todo(connection, "a text COLLATE loose, b numeric, c date, title text, PRIMARY KEY (c, a, b)")
    await connection.execute("INSERT INTO todo VALUES ('x', 1.0, '2024-01-01', 't')")
    await connection.execute("UPDATE todo SET title = 'u'")
    await connection.execute("UPDATE todo SET a = 'X', b = 1.00")
    await connection.execute("DELETE FROM todo")
    one, other = ["2024-01-01", "x", "1.0"], ["2024-01-01", "X", "1.00"]
    assert [(method, key) for method, key, _ in await told(connection)] == [
        ("POST", one),
        ("PUT", one),
        ("DELETE", one),
        ("POST", other),
        ("DELETE", other),
    ]


@pytest.mark.parametrize("table", ['we"ird', "a.b", "Üben", "x" * 60, "$live$"])
async def test_names_of_every_kind(connection: asyncpg.Connection, table: str) -> None:
    quoted = '"' + table.replace('"', '""') + '"'
    await connection.execute(
        f"""CREATE TABLE {quoted} ("or""der" int PRIMARY KEY, "a'b\\" text, "$live$" text)"""
    )
    await install(connection, target(table))
    await connection.execute(f"INSERT INTO {quoted} VALUES (1, 'x', 'y')")
    assert await told(connection, table) == [("POST", ["1"], ["1", "x", "y"])]


async def test_what_is_excluded_is_not_in_the_log_and_its_changes_are_none(
    connection: asyncpg.Connection,
) -> None:
    await connection.execute("CREATE TABLE todo (id int PRIMARY KEY, secret text, title text)")
    await install(connection, target("todo", ["title"]))
    await connection.execute("INSERT INTO todo VALUES (1, 'hush', 'a')")
    await connection.execute("UPDATE todo SET secret = 'hush!'")
    await connection.execute("UPDATE todo SET title = title")
    assert await told(connection) == [("POST", ["1"], ["1", "a"])]
    assert "hush" not in str(await connection.fetch("SELECT * FROM live_changes, live_waiting"))


async def test_a_row_too_large_to_keep_is_a_reset_and_no_failure(connection: asyncpg.Connection) -> None:
    await todo(connection)
    await connection.execute(f"INSERT INTO todo VALUES (1, repeat('a', {LARGEST_ROW + 1}))")
    await connection.execute("UPDATE todo SET title = 'small'; INSERT INTO todo VALUES (2, 'b')")
    assert await methods(connection) == [Cause.UNDECODABLE] * 2 + ["POST"]


# --- writers and statements -----------------------------------------------------------------------------------


async def test_copy_merge_cascades_and_upserts_are_captured(connection: asyncpg.Connection) -> None:
    await connection.execute("CREATE TABLE owner (id int PRIMARY KEY)")
    await connection.execute(
        "CREATE TABLE todo (id int PRIMARY KEY, owner int REFERENCES owner ON DELETE CASCADE ON UPDATE CASCADE)"
    )
    await install(connection, target("todo"))
    await connection.execute("INSERT INTO owner VALUES (1)")
    await connection.copy_records_to_table("todo", records=[(1, 1), (2, 1)])
    await connection.execute(
        "INSERT INTO todo VALUES (1, 1), (3, NULL) ON CONFLICT (id) DO UPDATE SET owner = NULL"
    )
    await connection.execute("UPDATE owner SET id = 2")
    await connection.execute("DELETE FROM owner")
    await connection.execute(
        "MERGE INTO todo USING (VALUES (1)) v (id) ON todo.id = v.id WHEN MATCHED THEN DELETE"
    )
    assert [(method, key[0]) for method, key, _ in await told(connection)] == [
        ("POST", "1"),
        ("POST", "2"),
        ("PUT", "1"),
        ("POST", "3"),
        ("PUT", "2"),
        ("DELETE", "2"),
        ("DELETE", "1"),
    ]


async def test_a_role_without_rights_on_our_tables_writes_as_before(
    connection: asyncpg.Connection, url: str
) -> None:
    """Finding 12: another role's write failed for want of a right on our table."""
    await todo(connection)
    schema = await connection.fetchval("SELECT current_schema()")
    await connection.execute(
        f"CREATE ROLE guest; GRANT USAGE ON SCHEMA {schema} TO guest; GRANT INSERT, UPDATE, DELETE ON todo TO guest"
    )
    try:
        async with connected(url) as guest:
            await guest.execute("SET search_path = pg_temp; SET row_security = off; SET ROLE guest")
            await guest.execute("CREATE TEMPORARY TABLE live_changes (x int)")
            await guest.execute(f"INSERT INTO {schema}.todo VALUES (1, 'a')")
            await guest.execute(f"UPDATE {schema}.todo SET title = 'b'; DELETE FROM {schema}.todo")
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await guest.fetch(f"SELECT * FROM {schema}.live_changes")
        assert await methods(connection) == ["POST", "PUT", "DELETE"]
    finally:
        await connection.execute("DROP OWNED BY guest; DROP ROLE guest")


async def test_replication_and_restores_are_captured(connection: asyncpg.Connection) -> None:
    """Finding 11: TRUNCATE, pg_restore and what replication applies went by unseen."""
    await todo(connection)
    await connection.execute("SET session_replication_role = replica")
    await connection.execute("INSERT INTO todo VALUES (1, 'a'); TRUNCATE todo")
    assert await methods(connection) == ["POST", Cause.TRUNCATED]


async def test_partitions_and_heirs_are_captured_whole(connection: asyncpg.Connection) -> None:
    """Finding 11: partitions came and went by unseen."""
    await connection.execute(
        "CREATE TABLE todo (id int, k text, v text, PRIMARY KEY (id, k)) PARTITION BY LIST (k);"
        "CREATE TABLE todo_a PARTITION OF todo FOR VALUES IN ('a');"
        "CREATE TABLE todo_b PARTITION OF todo FOR VALUES IN ('b') PARTITION BY LIST (id);"
        "CREATE TABLE todo_b1 PARTITION OF todo_b DEFAULT;"
        "CREATE TABLE plain (id int PRIMARY KEY); CREATE TABLE heir (x int) INHERITS (plain)"
    )
    capture = await install(connection, target("todo"), target("plain"))
    await connection.execute(
        "INSERT INTO todo VALUES (1, 'a', 'x'); INSERT INTO todo_b1 VALUES (1, 'b', 'y')"
    )
    await connection.execute("UPDATE todo SET k = 'b', id = 2 WHERE k = 'a'")
    await connection.execute("TRUNCATE todo_a")
    await connection.execute("INSERT INTO heir VALUES (5)")
    assert await methods(connection) == ["POST", "POST", "DELETE", "POST", Cause.TRUNCATED]
    assert await told(connection, "plain") == [("POST", ["5"], ["5"])]

    await connection.execute("CREATE TABLE todo_c PARTITION OF todo FOR VALUES IN ('c')")
    await connection.execute("INSERT INTO todo VALUES (1, 'c', 'z')")
    assert (await methods(connection))[-1] == "POST", "the new one has its row trigger from the start"
    await mended(connection, capture, Cause.CAPTURE_REINSTALLED)
    await connection.execute("TRUNCATE todo_c")
    assert (await methods(connection))[-1] == Cause.TRUNCATED
    await connection.execute("ALTER TABLE todo DETACH PARTITION todo_c")
    await mended(connection, capture, Cause.CAPTURE_REINSTALLED)
    await connection.execute("ALTER TABLE todo ATTACH PARTITION todo_c FOR VALUES IN ('c')")
    await mended(connection, capture, Cause.CAPTURE_REINSTALLED)


async def test_serializable_transactions_are_refused_no_more_often_than_without(
    connection: asyncpg.Connection, url: str
) -> None:
    await todo(connection, "id serial PRIMARY KEY, title text")

    async def write() -> None:
        async with connected(url) as each:
            for _ in range(10):
                async with each.transaction(isolation="serializable"):
                    await each.execute("INSERT INTO todo (title) VALUES ('a')")

    await asyncio.gather(*(write() for _ in range(8)))
    assert await methods(connection) == ["POST"] * 80


@pytest.mark.parametrize("end", ["COMMIT", "SET CONSTRAINTS ALL IMMEDIATE; COMMIT"])
async def test_what_a_deferred_trigger_changes_comes_after_what_it_met(
    connection: asyncpg.Connection, end: str
) -> None:
    await connection.execute(
        "CREATE FUNCTION late() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "UPDATE todo SET title = title || '!' WHERE id = NEW.id AND length(title) < 4; RETURN NULL; END $$"
    )
    await todo(connection)
    await connection.execute(
        "CREATE CONSTRAINT TRIGGER late AFTER INSERT OR UPDATE ON todo DEFERRABLE INITIALLY DEFERRED "
        "FOR EACH ROW EXECUTE FUNCTION late()"
    )
    await connection.execute(
        f"BEGIN; INSERT INTO todo VALUES (1, 'a'); INSERT INTO todo VALUES (2, 'b'); {end}"
    )
    for key in ("1", "2"):
        after = [image[1] for _, (found,), image in await told(connection) if found == key and image]
        assert after == sorted(after), after
        assert after[-1].endswith("!!!")


async def test_a_long_import_is_told_as_one_reset_and_keeps_nobody(
    connection: asyncpg.Connection, url: str
) -> None:
    await connection.execute(
        "CREATE TABLE todo (id int PRIMARY KEY, title text); CREATE TABLE other (id int PRIMARY KEY)"
    )
    await install(connection, target("todo"), target("other"))
    rows = LARGEST_TRANSACTION + 500
    async with connected(url) as other, connection.transaction():
        await connection.execute(f"INSERT INTO todo SELECT i, 'x' FROM generate_series(1, {rows}) i")
        await other.execute("INSERT INTO other VALUES (1)")
        assert await methods(other, "other") == ["POST"]
    assert await methods(connection) == [Cause.BACKLOG]
    await connection.execute("INSERT INTO todo VALUES (0, 'x')")
    assert (await methods(connection))[-1] == "POST", "the next transaction counts anew"


async def test_nobody_can_keep_his_changes_out_of_the_log_by_a_setting(
    connection: asyncpg.Connection,
) -> None:
    await todo(connection)
    body = await connection.fetchval(
        "SELECT prosrc FROM pg_proc WHERE prosrc ~ 'live.n_' AND pronamespace = current_schema()::regnamespace"
    )
    counter = "live.n_" + body.split("live.n_")[1][:12]
    await connection.execute(f"SET {counter} = 999999; INSERT INTO todo VALUES (1, 'a')")
    assert await methods(connection) == [Cause.BACKLOG]
    await connection.execute(f"SET {counter} = 'nonsense'; INSERT INTO todo VALUES (2, 'a')")
    assert await methods(connection) == [Cause.BACKLOG, Cause.CAPTURE_FAILED]
