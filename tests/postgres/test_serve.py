"""`livecollections serve` on a PostgreSQL database that others made, and what a database administrator does."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from livecollections import LiveClient
from livecollections.cli import main
from livecollections.stores.administrations import administration_of
from livecollections.stores.choice import open_store
from livecollections.stores.postgres_administration import PostgresAdministration
from livecollections.survey import Survey, Wishes
from tests.command import Command, command, finished
from tests.serving import wait_until

from .server import PostgresServer, execute, program

SCHEMA = """
CREATE TYPE mood AS ENUM ('sad', 'glad');
CREATE DOMAIN positive AS integer CHECK (value > 0);
CREATE SCHEMA sales;
CREATE TABLE customer (
  id serial PRIMARY KEY, name varchar(30) NOT NULL, password_hash text, tags text[], j jsonb, m mood, p positive,
  u uuid DEFAULT gen_random_uuid(), t timestamptz, n numeric(10, 2), d date, bin bytea, around int4range
);
CREATE TABLE purchase (
  shop integer, number integer, customer_id integer REFERENCES customer ON DELETE CASCADE, total numeric(10, 2),
  PRIMARY KEY (shop, number)
);
CREATE TABLE identified (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, v text);
CREATE TABLE counted (id integer PRIMARY KEY, twice integer GENERATED ALWAYS AS (id * 2) STORED);
CREATE TABLE sales.deal (id integer PRIMARY KEY, name text);
CREATE TABLE part (id integer, day date, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
CREATE TABLE part_2024 PARTITION OF part FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
CREATE TABLE heir (more text, PRIMARY KEY (id)) INHERITS (counted);
CREATE TABLE booked (id integer PRIMARY KEY, during int4range NOT NULL);
CREATE TABLE plain (line text);
CREATE UNLOGGED TABLE quick (id integer PRIMARY KEY);
CREATE VIEW cheap AS SELECT * FROM purchase WHERE total < 5;
CREATE MATERIALIZED VIEW counts AS SELECT count(*) FROM plain;
INSERT INTO customer (name, tags, j, m, p, t, n, d, bin)
  VALUES ('Ann', '{a,"b c"}', '{"a": 1}', 'glad', 3, '2024-01-01 10:00+02', 1.5, '2024-01-02', '\\x00ff');
INSERT INTO purchase VALUES (1, 1, 1, 3.5);
INSERT INTO sales.deal VALUES (1, 'x');
"""


class Shop:
    """The database: its URL, and others' work on it."""

    def __init__(self, postgres: PostgresServer) -> None:
        self.url = postgres.database()
        self.run(SCHEMA)

    def run(self, script: str) -> None:
        """Do what another program does, in one transaction."""
        execute(self.url, script)

    def dumped(self) -> str:
        """All that the catalog says."""
        postgres = program("postgres")
        assert postgres
        dump = [str(postgres.with_name("pg_dump")), "--schema-only", "--dbname", self.url]
        run = subprocess.run(dump, capture_output=True, text=True, timeout=60, check=True)
        # Newer ones draw a key for each dump.
        return re.sub(r"\\(un)?restrict .*", "", run.stdout)


@pytest.fixture
def shop(postgres: PostgresServer) -> Shop:
    return Shop(postgres)


@pytest.fixture(scope="module")
def untouched(postgres: PostgresServer) -> Shop:
    """One that nothing is done to."""
    return Shop(postgres)


Serve = Callable[..., tuple[Command, httpx.Client]]


@pytest.fixture
def serve(shop: Shop, tmp_path: Path) -> Iterator[Serve]:
    served: list[tuple[object, httpx.Client]] = []

    def serve(*arguments: str) -> tuple[Command, httpx.Client]:
        context = command("serve", shop.url, *arguments, "--port", "0", cwd=tmp_path)
        serving = context.__enter__()
        client = httpx.Client(base_url=serving.address())
        served.append((context, client))
        return serving, client

    yield serve
    for context, client in served:
        client.close()
        context.__exit__(None, None, None)  # type: ignore[attr-defined]


def test_all_that_can_be_is_served_with_its_types(serve: Serve) -> None:
    serving, client = serve("--all-tables", "--write", "--yes")
    said = [" ".join(line.split()) for line in serving.lines]
    for line in (
        "/api/customer id, name, tags, j, m, p, u, t, n, d, bin; without password_hash, around",
        "/api/booked id; without during; no POST, which would need them",
        "cheap it is a view: serve the tables behind it",
        "counts it is a view: serve the tables behind it",
        "part_2024 its rows are those of another table, which it is a part of: serve that",
        "heir its rows are those of another table, which it is a part of: serve that",
        "plain it has no primary key",
        "quick it is unlogged: a crash would empty it, and nothing would tell",
    ):
        assert line in said
    ann = client.get("/api/customer/1").json()
    assert len(ann.pop("u")) == 36
    assert ann == {
        "id": 1, "name": "Ann", "tags": ["a", "b c"], "j": {"a": 1}, "m": "glad", "p": 3,
        "t": "2024-01-01T08:00:00Z", "n": "1.50", "d": "2024-01-02", "bin": "AP8=",
    }  # fmt: skip
    assert client.get("/api/purchase/1,1?populate=customer_id").json()["customer_id"]["name"] == "Ann"
    assert client.post("/api/purchase", json={"shop": 2, "number": 1, "total": "4.10"}).status_code == 201
    assert client.post("/api/identified", json={"v": "x"}).json() == {"id": 1, "v": "x"}
    assert client.post("/api/counted", json={}).status_code == 422
    assert client.post("/api/counted", json={"id": 4}).json() == {"id": 4, "twice": 8}
    assert client.post("/api/part", json={"id": 1, "day": "2024-02-03"}).status_code == 201
    for refused in ({"m": "cross"}, {"p": -1}):
        assert client.patch("/api/customer/1", json=refused).status_code == 422
    assert client.get("/api/sales.deal").status_code == 404


async def test_another_schema_is_named_and_what_others_write_is_heard(shop: Shop, serve: Serve) -> None:
    _, client = serve("--table", "sales.deal", "--table", "customer", "--yes")
    async with (
        LiveClient(str(client.base_url)) as live,
        live.collection("/api/sales.deal") as deals,
        live.collection("/api/customer") as customers,
    ):
        await wait_until(lambda: [each["name"] for each in deals] == ["x"])
        shop.run("UPDATE sales.deal SET name = 'y'; INSERT INTO sales.deal VALUES (2, 'z')")
        await deals.wait_until(lambda held: [each["name"] for each in held] == ["y", "z"], timeout=10)
        shop.run("ALTER TABLE customer ADD COLUMN city text DEFAULT 'Oslo', DROP COLUMN j")
        await customers.wait_until(
            lambda held: all("city" in each and "j" not in each for each in held), timeout=20
        )
        shop.run("UPDATE customer SET city = 'Bergen'; TRUNCATE sales.deal")
        await customers.wait_until(lambda held: {each["city"] for each in held} == {"Bergen"}, timeout=10)
        await deals.wait_until(lambda held: len(held) == 0, timeout=10)


def test_uninstall_leaves_the_database_as_it_was(shop: Shop, serve: Serve, tmp_path: Path) -> None:
    before = shop.dumped()
    serving, _ = serve("--all-tables", "--yes")
    assert shop.dumped() != before
    refused = finished("uninstall", shop.url, "--yes", cwd=tmp_path)
    assert (refused.returncode, "is in use" in refused.stderr) == (2, True)
    serving.stop()
    assert finished("uninstall", shop.url, "--yes", cwd=tmp_path).stdout == "removed\n"
    assert shop.dumped() == before
    assert finished("uninstall", shop.url, "--yes", cwd=tmp_path).returncode == 0


async def test_what_a_dba_has_installed_is_all_that_is_needed(shop: Shop) -> None:
    administration = administration_of(shop.url)
    printed = await administration.plan(["customer"], ["customer.password_hash", "customer.around"])
    assert printed.additions[1:] == ("a function, and triggers on customer",)
    shop.run(printed.script.replace("BEGIN;", "").replace("COMMIT;", ""))
    choice = await Survey(administration, open_store(shop.url)).choose(Wishes(("customer",)))
    assert choice.plan.additions == ()
    assert await administration.new_epoch() != await administration.new_epoch()
    assert not await administration.install(["customer"], ["customer.password_hash", "customer.around"])
    assert await administration.install(["purchase"])


def test_a_role_serves_what_a_dba_has_installed(shop: Shop, serve: Serve) -> None:
    administration = administration_of(shop.url)
    left_out = ["customer.password_hash", "customer.around"]
    asyncio.run(administration.install(["customer"], left_out))
    shop.run(
        "CREATE ROLE teller LOGIN; GRANT SELECT ON customer TO teller; "
        "GRANT SELECT, INSERT, UPDATE, DELETE ON live_changes, live_waiting, live_passed, live_meta, live_cursors, "
        "live_idempotency, live_letters TO teller; GRANT USAGE, SELECT ON live_seq TO teller"
    )
    shop.url = shop.url.replace("user=postgres", "user=teller")
    serving, client = serve("--table", "customer")
    assert "to be installed:" not in serving.lines
    shop.url = shop.url.replace("user=teller", "user=postgres")
    before = client.get("/api/customer").headers["live-seq"]
    shop.run("UPDATE customer SET name = 'Eve'")
    after = client.get("/api/customer")
    assert [each["name"] for each in after.json()] == ["Eve"]
    assert after.headers["live-seq"] > before


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("install", "--table", "nothing"), "no table nothing"),
        (("install", "--exclude", "customer.nothing"), "customer.nothing"),
        (("install", "--exclude", "customer.id"), "belongs to the key"),
        (("serve", "--table", "quick"), "unlogged"),
        (("serve", "--table", "part_2024"), "part of"),
        (("serve", "--table", "sales.nothing"), "no table sales.nothing"),
        (("new-epoch",), "no change log"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_is_wrong_is_one_line(
    untouched: Shop,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    says: str,
) -> None:
    name, *more = arguments
    monkeypatch.setattr(sys, "argv", ["livecollections", name, untouched.url, *more])
    with pytest.raises(SystemExit) as left:
        main()
    told = capsys.readouterr()
    assert (left.value.code, told.out, told.err.count("\n")) == (2, "", 1)
    assert says in told.err


async def test_a_change_of_shape_is_seen(shop: Shop) -> None:
    administration = administration_of(shop.url)
    shapes = [await administration.shape()]
    for change in (
        "ALTER TABLE customer ADD COLUMN city text",
        "ALTER TABLE customer ALTER COLUMN city TYPE varchar(3)",
        "ALTER TABLE customer RENAME COLUMN city TO town",
        "ALTER TABLE plain ADD PRIMARY KEY (line)",
        "CREATE TABLE fresh (id integer)",
        "DROP TABLE sales.deal",
    ):
        shop.run(change)
        shapes.append(await administration.shape())
    assert len(set(shapes)) == len(shapes)
    shop.run("UPDATE customer SET name = 'x'; CREATE INDEX by_name ON customer (name)")
    assert await administration.shape() == shapes[-1]


def test_a_row_that_holds_what_python_can_not_is_written_all_the_same(shop: Shop, serve: Serve) -> None:
    shop.run("UPDATE customer SET t = 'infinity', d = '0044-03-15 BC', n = 'NaN'")
    _, client = serve("--table", "customer", "--write", "--yes")
    shown = client.get("/api/customer/1").json()
    assert (shown["t"], shown["d"], shown["n"]) == ("infinity", "0044-03-15 BC", "NaN")
    assert client.patch("/api/customer/1", json={"name": "Bea"}).json() == shown | {"name": "Bea"}
    assert client.put("/api/customer/1", json=shown).json() == shown
    assert client.patch("/api/customer/1", json={"p": -1}).status_code == 422
    assert client.patch("/api/customer/1", json={"t": None}).json() == shown | {"t": None}


def test_no_password_is_told() -> None:
    assert (
        PostgresAdministration("postgres://me:hidden@host:1/shop").database == "postgresql://me@host:1/shop"
    )
