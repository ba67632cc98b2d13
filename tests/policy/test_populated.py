"""A populated list is live: what changes inside its documents is heard by whoever may hear it, and by nobody else."""

import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlmodel import Field, Relationship, SQLModel

from livecollections import Live
from livecollections.collection import LiveClient, LiveCollection
from tests.databases.fixtures import is_offered, only
from tests.databases.tables import Tables
from tests.node import Node, running
from tests.scale import scaled
from tests.serving import served, wait_until

from .conftest import User, Users

pytestmark = only("sqlite", "postgres", because="documents refer to others by links")

PROGRAM = Path(__file__).parent / "two_users.js"


class Marked(SQLModel, table=True):
    __tablename__ = "populated_marked"
    song_id: int = Field(foreign_key="populated_song.id", primary_key=True)
    mark_name: str = Field(foreign_key="populated_mark.name", primary_key=True)


class Mark(SQLModel, table=True):
    __tablename__ = "populated_mark"
    name: str = Field(primary_key=True)
    colour: str = "red"


class Label(SQLModel, table=True):
    __tablename__ = "populated_label"
    id: int | None = Field(default=None, primary_key=True)
    name: str


class Singer(SQLModel, table=True):
    __tablename__ = "populated_singer"
    id: int | None = Field(default=None, primary_key=True)
    name: str
    fee: int = 0
    label_id: int | None = Field(default=None, foreign_key="populated_label.id")
    label: Label | None = Relationship()


class Song(SQLModel, table=True):
    __tablename__ = "populated_song"
    id: int | None = Field(default=None, primary_key=True)
    title: str
    singer_id: int | None = Field(default=None, foreign_key="populated_singer.id")
    singer: Singer | None = Relationship()
    marks: list[Mark] = Relationship(link_model=Marked)


class Served:
    """A served Live with users, and its database."""

    def __init__(self, live: Live, address: str, database: Tables, users: Users) -> None:
        self.live, self.address, self.database, self.users = live, address, database, users

    def sql(self, statement: str) -> None:
        self.database.script(statement)

    def client(self, token: str, transport: str = "websocket") -> LiveClient:
        bearer = {"Authorization": f"Bearer {token}"}
        return LiveClient(self.address, headers=bearer, transports=[transport], timeout=10)

    async def signal(self, asked: str, token: str) -> str | None:
        """The channels that a list names."""
        async with httpx.AsyncClient(base_url=self.address) as http:
            answer = await http.get(asked, headers={"Authorization": f"Bearer {token}"})
            assert answer.status_code == 200, answer.text
            assert "live-channel" not in answer.headers
            named: str | None = answer.headers.get("live-signal")
            return named


@pytest.fixture
async def site(database: Tables) -> AsyncIterator[Served]:
    users = Users()
    live = database.live(authenticate=users)
    live.add_resource("/api/songs", Song, policy=True)
    live.add_resource(
        "/api/singers",
        Singer,
        policy={"list": True, "read": True, "subscribe": lambda user: user is not None},
        hidden={"fee": lambda user: not user.is_boss},
    )
    live.add_resource("/api/labels", Label, policy=True)
    live.add_resource("/api/marks", Mark, policy=True)
    live.add_resource("/api/marked", Marked, policy=True)
    async with served(live.app) as address:
        site = Served(live, address, database, users)
        site.sql("INSERT INTO populated_label VALUES (1, 'indie')")
        site.sql("INSERT INTO populated_singer VALUES (1, 'Ada', 5, 1)")
        site.sql("INSERT INTO populated_song (title, singer_id) VALUES ('one', 1)")
        site.sql("INSERT INTO populated_mark VALUES ('new', 'red')")
        yield site


def singer(collection: LiveCollection[Any]) -> dict[str, Any]:
    found: dict[str, Any] = collection[1]["singer"]
    return found


@pytest.mark.parametrize("transport", ["websocket", "long-polling"])
async def test_a_change_of_a_document_inside_is_heard(site: Served, transport: str) -> None:
    """Finding 21: what GET puts inside has no trigger of its own."""
    async with (
        site.client("ann", transport) as ann,
        ann.collection("/api/songs?populate=singer.label,marks") as songs,
    ):
        assert (singer(songs)["label"]["name"], songs[1]["marks"]) == ("indie", [])
        site.sql("UPDATE populated_singer SET name = 'Bea'")
        await songs.wait_until(lambda it: singer(it)["name"] == "Bea", 10)
        site.sql("UPDATE populated_label SET name = 'major'")
        await songs.wait_until(lambda it: singer(it)["label"]["name"] == "major", 10)
        site.sql("INSERT INTO populated_marked VALUES (1, 'new')")
        await songs.wait_until(lambda it: [one["colour"] for one in it[1]["marks"]] == ["red"], 10)
        site.sql("UPDATE populated_mark SET colour = 'blue'")
        await songs.wait_until(lambda it: [one["colour"] for one in it[1]["marks"]] == ["blue"], 10)
        site.sql("DELETE FROM populated_singer")
        await songs.wait_until(lambda it: it[1]["singer"] is None, 10)
        assert songs.live == "live"


async def test_the_browsers_collection_hears_it_too(site: Served) -> None:
    async with running(Node, PROGRAM, site.address, "ann", "/api/songs?populate=singer") as ann:

        def name() -> str | None:
            rows = ann.told("rows")
            return rows[-1]["rows"][0]["singer"]["name"] if rows else None

        await wait_until(lambda: ann.told("live", state="live"), 20)
        assert name() == "Ada"
        site.sql("UPDATE populated_singer SET name = 'Bea'")
        await wait_until(lambda: name() == "Bea", 10)
        assert not ann.told("error")


async def test_channels_are_named_that_the_user_may_hear(site: Served) -> None:
    every = "/api/songs?populate=singer.label,marks"
    boss = "/api/songs, /api/singers, /api/labels, /api/marks, /api/marked"
    assert await site.signal(every, "boss") == boss
    named = (await site.signal(every, "ann") or "").split(", ")
    assert named[1].startswith("/api/singers/~view/")
    assert [named[0], *named[2:]] == ["/api/songs", "/api/labels", "/api/marks", "/api/marked"]
    assert await site.signal("/api/songs?populate=singer", "nobody") == "/api/songs"
    assert await site.signal("/api/songs?populate=singer_id,singer", "boss") == "/api/songs, /api/singers"
    # Of a list that he may not hear none, though he may hear what is inside: he would take it for live.
    assert await site.signal("/api/singers?populate=label", "nobody") is None


async def test_what_is_hidden_inside_says_nothing_when_it_changes(site: Served) -> None:
    async with site.client("ann") as ann, ann.collection("/api/songs?populate=singer") as songs:
        reads = 0
        read = songs._follower._rest.read

        async def counted(reading: Any) -> None:
            nonlocal reads
            reads += 1
            await read(reading)

        songs._follower._rest.read = counted  # type: ignore[method-assign]
        site.sql("UPDATE populated_singer SET fee = 6")
        site.sql("UPDATE populated_singer SET name = 'Bea'")
        await songs.wait_until(lambda it: singer(it)["name"] == "Bea", 10)
        assert "fee" not in singer(songs)
        assert reads == 1


async def test_who_sees_other_things_inside_hears_another_channel(site: Served) -> None:
    async with site.client("boss") as boss, boss.collection("/api/songs?populate=singer") as songs:
        assert singer(songs)["fee"] == 5
        site.users.by_token["boss"] = User(9)
        await site.live.recheck(User(9))
        await songs.wait_until(lambda it: "fee" not in singer(it) and it.live == "live", 10)
        site.sql("UPDATE populated_singer SET name = 'Bea'")
        await songs.wait_until(lambda it: singer(it)["name"] == "Bea", 10)


async def test_what_changed_while_it_was_away_is_seen(site: Served) -> None:
    async with site.client("ann") as ann, ann.collection("/api/songs?populate=singer") as songs:
        site.live.disconnect(User(1))
        site.sql("UPDATE populated_singer SET name = 'Bea'")
        await songs.wait_until(lambda it: singer(it)["name"] == "Bea" and it.live == "live", 10)


ASKED = ("singer", "singer.label", "singer,marks", "marks", "singer_id.label_id,marks")
WRITES = (
    "INSERT INTO populated_song (title, singer_id) VALUES ('n{a}', {b})",
    "UPDATE populated_song SET singer_id = {b} WHERE id = {a}",
    "DELETE FROM populated_song WHERE id = {a}",
    "INSERT INTO populated_singer VALUES ({a}, 's{c}', {c}, {b}) "
    "ON CONFLICT (id) DO UPDATE SET name = excluded.name, fee = excluded.fee, label_id = excluded.label_id",
    "UPDATE populated_singer SET name = 'x{c}', label_id = {b} WHERE id = {a}",
    "UPDATE populated_singer SET fee = {c}",
    "DELETE FROM populated_singer WHERE id = {a}",
    "INSERT INTO populated_label VALUES ({b}, 'l{c}') ON CONFLICT (id) DO UPDATE SET name = excluded.name",
    "INSERT INTO populated_marked VALUES ({a}, 'new') ON CONFLICT DO NOTHING",
    "DELETE FROM populated_marked WHERE song_id = {a}",
    "UPDATE populated_mark SET colour = 'c{c}'",
)


STORIES = (("sqlite", scaled(2, 30)), ("postgres", scaled(1, 6) if is_offered("postgres") else 0))


@pytest.mark.parametrize(
    ("database", "seed"),
    [(kind, 3 + number) for kind, count in STORIES for number in range(count)],
    indirect=["database"],
)
async def test_whatever_changes_it_ends_as_get_says(site: Served, seed: int) -> None:
    drawn = random.Random(seed)
    path = f"/api/songs?populate={drawn.choice(ASKED)}"

    async def wait_equal(songs: LiveCollection[Any]) -> None:
        async with httpx.AsyncClient(base_url=site.address, headers={"Authorization": "Bearer ann"}) as http:
            listed = (await http.get(path)).raise_for_status().json()
        wanted = {song["id"]: song for song in listed}
        await songs.wait_until(
            lambda it: it.live == "live" and {song["id"]: song for song in it} == wanted, 20
        )

    transport = drawn.choice(["websocket", "long-polling"])
    async with site.client("ann", transport) as ann, ann.collection(path) as songs:
        for _ in range(drawn.randrange(5, 20)):
            values = {"a": drawn.randrange(1, 4), "b": drawn.randrange(1, 4), "c": drawn.randrange(100)}
            site.sql(drawn.choice(WRITES).format(**values))
            if drawn.random() < 0.1:
                site.live.disconnect(User(1))
            if drawn.random() < 0.1:
                site.users.by_token["ann"] = User(1, is_boss=drawn.random() < 0.5)
                await site.live.recheck(User(1))
            if drawn.random() < 0.5:
                await wait_equal(songs)
        await wait_equal(songs)
