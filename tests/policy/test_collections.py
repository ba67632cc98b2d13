"""Collections of two users: each shows what GET shows its user, also when that has changed or a token has ended."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from livecollections import Live, LiveClient, LiveCollection
from livecollections.collection.client import _channel as channel_of
from livecollections.errors import RequestRefused
from tests.databases.database import Database
from tests.node import Node, running
from tests.serving import served, wait_until

from .conftest import Line, Sheet, User, Users, now

PROGRAM = Path(__file__).parent / "two_users.js"
SHEETS, PLANS = "/api/sheets", "/api/plans"


class Served:
    """A served Live with users, and its database."""

    def __init__(self, live: Live, address: str, database: Database, users: Users) -> None:
        self.live, self.address, self.database, self.users = live, address, database, users

    def client(self, token: str, transport: str = "websocket") -> LiveClient:
        bearer = {"Authorization": f"Bearer {token}"}
        return LiveClient(self.address, headers=bearer, transports=[transport], timeout=10)


@pytest.fixture
async def site(database: Database) -> AsyncIterator[Served]:
    users = Users()
    live = database.live(authenticate=users)
    live.add_resource(SHEETS, Sheet, partition="owner", by=lambda user: user.id)
    live.add_resource("/api/rooms/{room}/lines", Line, by=lambda user: user.rooms)
    live.add_resource(PLANS, Sheet, hidden={"secret": lambda user: not user.is_boss})
    async with served(live.app) as address:
        yield Served(live, address, database, users)


def insert_two(site: Served) -> None:
    site.database.insert(Sheet, {"title": "a", "owner": 1}, {"title": "b", "owner": 2})


def titles(collection: LiveCollection[Any]) -> list[str]:
    return [document["title"] for document in collection]


def test_the_channel_of_a_url_is_its_path_in_bayeux_characters() -> None:
    urls = {
        "/api/todos": "/api/todos",
        "/s.t/ü%20x": "/s~2Et/~C3~BC~20x",
        "/a/~b!(c)$@-_": "/a/~b!(c)$@-_",
        "/rooms/a%2Fb/lines": "/rooms/a~2Fb/lines",
        "/rooms/a%2F": "/rooms/a~2F",
    }
    assert {url: channel_of(url) for url in urls} == urls


async def test_a_nested_value_with_a_slash_is_collected(site: Served) -> None:
    site.users.by_token["ann"].rooms = ("a/b",)
    async with site.client("ann") as ann, ann.collection("/api/rooms/a%2Fb/lines") as lines:
        assert lines._replica.channel == "/api/rooms/a~2Fb/lines"
        site.database.insert(Line, {"room": "a/b", "text": "one"}, {"room": "a", "text": "other"})
        await wait_until(lambda: len(lines) == 1)
        made = await lines.create({"text": "two"})
        await lines.update(made["id"], text="three")
        assert [document["text"] for document in lines] == ["one", "three"]


@pytest.mark.parametrize("transport", ["websocket", "long-polling"])
async def test_each_has_his_own_rows(site: Served, transport: str) -> None:
    insert_two(site)
    async with (
        site.client("ann", transport) as ann,
        site.client("bob", transport) as bob,
        ann.collection(SHEETS) as hers,
        bob.collection(SHEETS) as his,
    ):
        assert (hers.live, titles(hers), titles(his)) == ("live", ["a"], ["b"])
        await hers.create({"title": "c"})
        site.database.update(Sheet, {"owner": 2, "title": "d"}, id=1)
        await his.wait_until(lambda it: titles(it) == ["b", "d"], 10)
        await hers.wait_until(lambda it: titles(it) == ["c"], 10)


async def test_who_sees_less_than_before_shows_less(site: Served) -> None:
    site.database.insert(Sheet, {"title": "a", "secret": 7})
    async with site.client("boss") as boss, boss.collection(PLANS) as plans:
        assert plans[1]["secret"] == 7
        site.users.by_token["boss"] = User(9)
        await site.live.recheck(User(9))
        await plans.wait_until(lambda it: "secret" not in it[1], 10)
        site.database.update(Sheet, {"secret": 8, "title": "b"})
        await plans.wait_until(lambda it: it[1]["title"] == "b" and "secret" not in it[1], 10)
        assert plans.live == "live"
        site.users.by_token["boss"] = User(9, is_boss=True)
        await site.live.recheck(User(9))
        await plans.wait_until(lambda it: it[1].get("secret") == 8, 10)


async def test_a_token_that_ends_is_followed_by_another(site: Served) -> None:
    tokens = ["first"]

    def token() -> str:
        return tokens.pop() if tokens else "second"

    site.users.by_token |= {"first": User(1, expires_at=now() + 600), "second": User(1)}
    client = LiveClient(site.address, headers={"Authorization": "Bearer ann"}, token=token, timeout=10)
    site.users.by_connection = False
    async with client, client.collection(SHEETS) as sheets:
        first = next(iter(site.live.bayeux.sessions))
        site.users.by_token["first"].expires_at = now() - 1
        await site.live.recheck(User(1))
        await sheets.wait_until(lambda it: first not in site.live.bayeux.sessions and it.live == "live", 10)
        site.database.insert(Sheet, {"title": "a", "owner": 1})
        await sheets.wait_until(lambda it: titles(it) == ["a"], 10)


async def test_who_is_disconnected_for_good_is_refused(site: Served) -> None:
    async with site.client("ann") as ann, ann.collection(SHEETS) as sheets:
        del site.users.by_token["ann"]
        site.live.disconnect(User(1))
        await sheets.wait_until(lambda it: it.live != "live", 10)
        with pytest.raises(RequestRefused, match="without saying who you are"):
            await sheets.create({"title": "x"})


def shown(user: Node) -> list[str]:
    rows = user.told("rows")
    return [row["title"] for row in rows[-1]["rows"]] if rows else []


async def test_the_browsers_collection_finds_its_channel(site: Served) -> None:
    insert_two(site)
    async with (
        running(Node, PROGRAM, site.address, "ann", SHEETS) as ann,
        running(Node, PROGRAM, site.address, "bob", SHEETS) as bob,
    ):
        await wait_until(lambda: ann.told("live", state="live") and bob.told("live", state="live"), 20)
        assert (shown(ann), shown(bob)) == (["a"], ["b"])
        ann.send({"create": {"title": "c"}})
        await wait_until(lambda: shown(ann) == ["a", "c"], 10)
        site.database.update(Sheet, {"owner": 2}, id=1)
        await wait_until(lambda: shown(bob) == ["b", "a"], 10)
        await wait_until(lambda: shown(ann) == ["c"], 10)
        assert not ann.told("error")
        assert not ann.told("live", state="refused")


async def test_the_browsers_collection_shows_less_when_its_user_sees_less(site: Served) -> None:
    site.database.insert(Sheet, {"title": "a", "secret": 7})

    def row(user: Node) -> dict[str, Any]:
        found: dict[str, Any] = user.told("rows")[-1]["rows"][0]
        return found

    async with running(Node, PROGRAM, site.address, "boss", PLANS) as boss:
        await wait_until(lambda: boss.told("live", state="live"), 20)
        assert row(boss)["secret"] == 7
        site.users.by_token["boss"] = User(9)
        await site.live.recheck(User(9))
        await wait_until(lambda: "secret" not in row(boss), 10)
        site.database.update(Sheet, {"secret": 8, "title": "b"})
        await wait_until(lambda: row(boss)["title"] == "b", 10)
        assert "secret" not in row(boss)
