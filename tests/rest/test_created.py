"""What a user's POSTs have made, told beside a list to one who may have lost their answers."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from sqlmodel import Field, SQLModel
from starlette.requests import HTTPConnection

from livecollections import Live
from livecollections.errors import StoreUnavailable
from livecollections.rest.listing import LongAnswer
from livecollections.stores.base import Listing
from livecollections.stores.spooled_list import SpooledList
from tests.databases.database import Database
from tests.databases.fixtures import only
from tests.models import Todo
from tests.rest.conftest import Api, connected, is_problem

TODOS = "/api/todos"


class Card(SQLModel, table=True):
    """It is known by a code, which documents call otherwise."""

    __tablename__ = "rest_card"
    id: int | None = Field(default=None, primary_key=True)
    code: str = Field(unique=True, alias="theCode")
    text: str = ""


class Nobody:
    """Told from others by its address alone."""


@pytest.fixture
async def cards(database: Database) -> AsyncIterator[Api]:
    live = database.live()
    live.add_resource("/api/cards", Card, find_by="code")
    async with connected(live, database) as api:
        yield api


@pytest.fixture
async def users(database: Database) -> AsyncIterator[Api]:
    """A list for all, and one of which each user has the part that he says: ``ann/1`` is ann, and has the first."""

    def authenticate(connection: HTTPConnection, ext: Any) -> Any:
        name, _, order = connection.headers.get("authorization", "").removeprefix("Bearer ").partition("/")
        return Nobody() if name == "nobody" else {"sub": name, "order": int(order or 0)} if name else None

    live = database.live(authenticate=authenticate)
    live.add_resource(TODOS, Todo, policy=True)
    live.add_resource("/api/parts", Todo, policy=True, partition="order", by=lambda user: user["order"])
    async with connected(live, database) as api:
        yield api


async def post(api: Api, token: str, path: str = TODOS, user: str = "", **values: Any) -> Any:
    """What was answered, and is lost in these stories."""
    headers = {"Live-Origin": token, "Idempotency-Key": token, **named(user)}
    answer = await api.client.post(path, json=values or {"title": token}, headers=headers)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def read(
    api: Api, asked: str, path: str = TODOS, user: str = "", method: str = "GET", **options: Any
) -> httpx.Response:
    headers = {"Live-Origin": asked, **named(user), **options.pop("headers", {})}
    answer = await api.client.request(method, path, headers=headers, **options)
    assert answer.status_code in (200, 304), answer.text
    return answer


async def told(api: Api, asked: str, *where: Any, **options: Any) -> Any:
    return created(await read(api, asked, *where, **options))


def created(answer: httpx.Response) -> Any:
    assert answer.headers["live-created"].isascii()
    return json.loads(answer.headers["live-created"])


def named(user: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {user}"} if user else {}


async def test_a_lost_answer_is_told_beside_the_list(api: Api) -> None:
    await api.todo(title="another's")
    ours = await post(api, "t-1")
    answer = await read(api, "t-1")
    assert created(answer) == {"t-1": {"id": ours["id"]}}
    assert ours in answer.json()
    assert "live-created" not in (await api.client.get(TODOS)).headers
    assert await told(api, "unknown") == await told(api, "") == await told(api, " , ,") == {}


async def test_two_are_asked_at_once_and_what_nobody_knows_is_left_out(api: Api) -> None:
    one, two = [(await post(api, token))["id"] for token in ("t.1", "t-2")]
    asked = " t.1 ,, unknown,t-2, t-2 ,\xe9," + "x" * 256
    headers = [(b"Live-Origin", asked.encode("latin-1"))]
    answer = await api.client.get(TODOS, headers=headers)
    assert created(answer) == {"t.1": {"id": one}, "t-2": {"id": two}}
    apart = await api.client.get(TODOS, headers=[("Live-Origin", "t.1"), ("Live-Origin", "t-2")])
    assert created(apart) == created(answer)


async def test_a_hundred_are_told_and_no_more(api: Api) -> None:
    first, last = await post(api, "first"), await post(api, "last")
    between = ", ".join(f"t-{number}" for number in range(98))
    told_of = {"first": {"id": first["id"]}, "last": {"id": last["id"]}}
    assert await told(api, f"first, {between}, last") == told_of
    assert await told(api, f"first, {between}, one more, last") == {"first": told_of["first"]}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", f"{TODOS}?title=nothing"),
        ("GET", f"{TODOS}?count=true"),
        ("GET", f"{TODOS}?distinct=title"),
        ("GET", f"{TODOS}?limit=1&skip=1"),
        ("GET", f"{TODOS}/"),
        ("HEAD", TODOS),
        ("HEAD", f"{TODOS}?count=true"),
        ("QUERY", TODOS),
        ("POST", f"{TODOS}/search"),
    ],
)
async def test_every_read_of_a_list_tells_it(api: Api, method: str, path: str) -> None:
    ours = await post(api, "t-1")
    for title in "ab":
        await api.todo(title=title)
    body: dict[str, Any] = {"json": {"limit": 1}} if method in ("QUERY", "POST") else {}
    assert await told(api, "t-1", path, method=method, **body) == {"t-1": {"id": ours["id"]}}
    plain = await api.client.request(method, path, **body)
    assert (plain.status_code, "live-created" in plain.headers) == (200, False)


async def test_a_list_that_is_as_it_was_tells_it(api: Api) -> None:
    ours = await post(api, "t-1")
    seen = await api.client.get(TODOS)
    headers = {"If-None-Match": seen.headers["etag"]}
    answer = await read(api, "t-1", headers=headers)
    assert (answer.status_code, created(answer)) == (304, {"t-1": {"id": ours["id"]}})
    plain = await api.client.get(TODOS, headers=headers)
    assert (plain.status_code, "live-created" in plain.headers) == (304, False)


async def test_what_is_made_after_the_list_was_read_is_told(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    listing, ours = api.live._store.listing, {}

    async def late(*asked: Any) -> Listing:
        found = await listing(*asked)
        ours.update(await post(api, "t-1"))
        return found

    monkeypatch.setattr(api.live._store, "listing", late)
    answer = await read(api, "t-1")
    assert (answer.json(), created(answer)) == ([], {"t-1": {"id": ours["id"]}})


async def test_another_path_has_keys_of_its_own(api: Api) -> None:
    await post(api, "t-1", "/api/two")
    assert await told(api, "t-1") == {}
    assert len(await told(api, "t-1", "/api/two")) == 1


async def test_what_several_are_made_by_is_not_told(api: Api) -> None:
    headers = {"Idempotency-Key": "several"}
    answer = await api.client.post(TODOS, json=[{"title": "a"}, {"title": "b"}], headers=headers)
    assert answer.status_code == 201
    changed = await post(api, "t-1")
    headers["Idempotency-Key"] = "change"
    await api.client.patch(f"{TODOS}/{changed['id']}", json={"title": "c"}, headers=headers)
    assert await told(api, "several, change, several\x1f000000001") == {}


async def test_what_was_made_stays_told_whatever_became_of_it(api: Api) -> None:
    ours = await post(api, "t-1")
    assert (await api.client.delete(f"{TODOS}/{ours['id']}")).status_code == 204
    answer = await read(api, "t-1")
    assert (answer.json(), created(answer)) == ([], {"t-1": {"id": ours["id"]}})


@only("sqlite", "postgres", because="the model that stands for this one on MongoDB has no aliases")
async def test_members_are_named_as_documents_name_them(cards: Api) -> None:
    ours = await post(cards, "t-1", "/api/cards", theCode="\u00e9-1")
    assert await told(cards, "t-1", "/api/cards") == {"t-1": {"id": ours["id"], "theCode": "\u00e9-1"}}


@only("sqlite", "postgres", because="MongoDB's documents have one key")
async def test_a_key_of_several_members_is_told_whole(api: Api) -> None:
    await post(api, "t-1", "/api/seats", row="a,b", place=7)
    assert await told(api, "t-1", "/api/seats") == {"t-1": {"row": "a,b", "place": 7}}


async def test_each_user_is_told_of_his_own(users: Api) -> None:
    ours, theirs = await post(users, "t", user="ann"), await post(users, "t", user="bob", title="another")
    assert await told(users, "t", user="ann") == {"t": {"id": ours["id"]}}
    assert await told(users, "t", user="bob") == {"t": {"id": theirs["id"]}}
    answer = await read(users, "t")
    assert created(answer) == {}
    assert "Authorization" in answer.headers["vary"]


async def test_who_is_not_told_apart_reads_all_the_same(users: Api) -> None:
    await post(users, "t", user="ann")
    answer = await read(users, "t", user="nobody")
    assert len(answer.json()) == 1
    assert "live-created" not in answer.headers


async def test_what_is_in_another_partition_is_not_told(users: Api) -> None:
    ours = await post(users, "t", "/api/parts", "ann/1")
    assert await told(users, "t", "/api/parts", "ann/1") == {"t": {"id": ours["id"]}}
    assert await told(users, "t", "/api/parts", "ann/2") == {}


@only("sqlite", because="its images are written by hand")
async def test_what_can_not_be_read_back_is_left_out(api: Api) -> None:
    await post(api, "t-1")
    ours = await post(api, "t-2")
    await post(api, "t-3")
    api.sql("UPDATE live_idempotency SET image = 'none' WHERE key LIKE '% t-1'")
    api.sql("UPDATE live_idempotency SET image = NULL WHERE key LIKE '% t-3'")
    assert await told(api, "t-1, t-2, t-3") == {"t-2": {"id": ours["id"]}}


async def test_a_list_is_let_go_of_where_it_can_not_be_told(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def failing(*asked: Any) -> Any:
        raise StoreUnavailable("gone")

    closed: list[Any] = []
    monkeypatch.setattr(SpooledList, "is_short", False)
    monkeypatch.setattr(api.live._store, "made", failing)
    monkeypatch.setattr(LongAnswer, "close", lambda answer: closed.append(answer))
    is_problem(await api.client.get(TODOS, headers={"Live-Origin": "t"}), 503)
    assert len(closed) == 1


async def test_a_store_that_can_not_tell_tells_of_none(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    live: Live = database.live()
    monkeypatch.delattr(type(live._store), "made")
    live.add_resource(TODOS, Todo)
    async with connected(live, database) as api:
        await post(api, "t")
        assert await told(api, "t") == {}


async def test_what_is_too_long_for_a_header_is_not_told_at_all(api: Api) -> None:
    tokens = [f"t{number}-" + "x" * 56 for number in range(40)]
    for token in tokens:
        await post(api, token)
    few = await api.client.get(TODOS, headers={"Live-Origin": ", ".join(tokens[:20])})
    assert len(json.loads(few.headers["live-created"])) == 20
    assert "Live-Origin" in few.headers["vary"]
    many = await api.client.get(TODOS, headers={"Live-Origin": ", ".join(tokens)})
    assert many.status_code == 200
    assert "live-created" not in many.headers
