"""The rights of roles: who serves has those of docs/howto/postgresql.md, other programs have none on our tables."""

from __future__ import annotations

import enum
import re
import time
from collections.abc import AsyncIterator

import asyncpg
import httpx
import pytest
from sqlmodel import Field, SQLModel

from livecollections import Live, LiveClient
from livecollections.cause import Cause
from livecollections.demo import Todo
from livecollections.errors import CaptureMissing
from livecollections.stores.administrations import administration_of
from livecollections.stores.base import Letter, Log
from livecollections.stores.postgres import PostgresStore
from livecollections.testing import wait_until
from tests.command import ROOT
from tests.serving import served

from .server import PostgresServer, run_elsewhere

SERVER, OTHER = "shop_server", "till"
PAGE = (ROOT / "docs" / "howto" / "postgresql.md").read_text("utf-8")
(GRANTS,) = re.findall(r"^```sql\n(.*?)^```$", PAGE, re.M | re.S)
TABLE = 'CREATE TABLE todo (id serial PRIMARY KEY, title text NOT NULL, completed bool NOT NULL, "order" int)'


def of(role: str, url: str) -> str:
    """The URL as a role uses it."""
    return url.replace("user=postgres", f"user={role}")


@pytest.fixture
async def shop(postgres: PostgresServer) -> AsyncIterator[str]:
    """A database that an administrator has made, and captured by the script."""
    url = postgres.database()
    await run_elsewhere(url, f"CREATE ROLE {SERVER} LOGIN; CREATE ROLE {OTHER} LOGIN", TABLE)
    plan = await administration_of(url).plan(["todo"])
    await run_elsewhere(url, plan.script.replace("BEGIN;", "").replace("COMMIT;", ""))
    await run_elsewhere(
        url,
        GRANTS,
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON todo TO {OTHER}; GRANT USAGE ON todo_id_seq TO {OTHER}",
    )
    yield url
    await run_elsewhere(url, *(f"DROP OWNED BY {role}; DROP ROLE {role}" for role in (SERVER, OTHER)))


async def test_a_role_with_just_these_rights_serves_reads_writes_and_follows(shop: str) -> None:
    live = Live(of(SERVER, shop), capture="check")
    live.add_resource("/api/todos", Todo, delete_all=True)
    async with (
        served(live.app) as address,
        httpx.AsyncClient(base_url=f"{address}/api/todos") as http,
        LiveClient(address) as client,
        client.collection("/api/todos") as todos,
    ):
        made = await todos.create({"title": "milk"})
        assert (await http.patch(f"/{made['id']}", json={"completed": True})).status_code == 200
        once = {"Idempotency-Key": "once"}
        answers = [await http.post("", json={"title": "eggs"}, headers=once) for _ in range(2)]
        assert [each.status_code for each in answers] == [201, 201]
        assert answers[0].json() == answers[1].json()
        assert (await http.post("", json=[{"title": "bread"}, {"title": "tea"}])).status_code == 201
        await run_elsewhere(
            of(OTHER, shop), "UPDATE todo SET title = title || '!'", "DELETE FROM todo WHERE title = 'tea!'"
        )
        await wait_until(lambda: [each["title"] for each in todos] == ["milk!", "eggs!", "bread!"], 10)
        assert (await http.get("")).json() == [dict(each) for each in todos]
        assert (await http.delete(f"/{made['id']}")).status_code == 204
        assert (await http.delete("", params={"title": "bread!"})).status_code == 200
        await wait_until(lambda: [each["title"] for each in todos] == ["eggs!"], 10)


class Colour(enum.Enum):
    """A type of a table that is no resource, among the same models."""

    RED = "red"


class Paint(SQLModel, table=True):
    """That table; it is missing."""

    __tablename__ = "rights_paint"
    id: int | None = Field(default=None, primary_key=True)
    colour: Colour


async def test_with_these_rights_the_log_is_kept_too(shop: str) -> None:
    store = PostgresStore(of(SERVER, shop), capture="check", log=Log(changes=2))
    await store.start([store.describe(Todo)])
    try:
        empty = await store.head()
        await run_elsewhere(
            of(OTHER, shop),
            "INSERT INTO todo (title, completed) SELECT n, false FROM generate_series(1, 5) n",
        )
        assert len((await store.read(empty, 10)).changes) == 5
        assert await store.hold_cursor("mail", "me", time.time() + 5, time.time())
        assert await store.move_cursor("mail", "me", await store.head())
        assert await store.letters.keep(Letter("mail", empty, b"x", "dead"), most=1) == 0
        await store.letters.drop("mail", empty)
        await store.maintain(time.time())
        assert await store.why_reset(empty, "todo") is Cause.TRIMMED
        assert await store.reset("todo") == await store.head()
        async with store.session("mine") as session:
            session.add(Todo(title="of a session"))
            await session.commit()
    finally:
        await store.stop()


async def test_a_role_that_may_not_install_does_not_and_says_what_is_missing(shop: str) -> None:
    await run_elsewhere(shop, 'DROP TRIGGER "!live_capture" ON todo')
    store = PostgresStore(of(SERVER, shop), capture="check")
    with pytest.raises(CaptureMissing, match="todo"):
        await store.start([store.describe(Todo)])


async def test_another_programs_role_can_not_even_read_the_log(shop: str) -> None:
    for table in ("live_changes", "live_meta", "live_waiting"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await run_elsewhere(of(OTHER, shop), f"SELECT FROM {table}")
