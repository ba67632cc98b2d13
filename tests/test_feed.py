"""The feed on a real SQLite store, with a publisher that writes down what it is given."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import Field, SQLModel

from livecollections import feed as feed_module
from livecollections.bayeux import Page
from livecollections.bayeux.message import decode
from livecollections.cause import Cause
from livecollections.errors import StoreError, StoreUnavailable
from livecollections.feed import RECENT, Feed
from livecollections.query import Query
from livecollections.resource import Resource
from livecollections.stores.base import Log, Write
from livecollections.stores.sqlite import SQLiteStore
from tests.serving import wait_until


class Note(SQLModel, table=True):
    __tablename__ = "feed_note"
    id: int | None = Field(default=None, primary_key=True)
    text: str


class Other(SQLModel, table=True):
    __tablename__ = "feed_other"
    id: int | None = Field(default=None, primary_key=True)
    text: str = ""


class Notebook:
    """A publisher that remembers, by channel."""

    def __init__(self) -> None:
        self.messages: dict[str, list[dict[str, Any]]] = {"/notes": [], "/others": []}
        self.causes: set[Cause] = set()

    def publish_nowait(
        self, channel: str, data: Any, seq: str | None = None, cause: Cause | None = None
    ) -> None:
        assert data["seq"] == seq
        assert (cause is not None) == (data["method"] == "RESET")
        self.causes.update([cause] if cause else [])
        self.messages[channel].append(data)

    async def wait_room(self) -> None:
        """There is always some."""


def told(page: Page) -> list[dict[str, Any]]:
    """The data of the messages of a page."""
    return [decode(message)["data"] for message in page.messages]


class Rig:
    def __init__(self, path: Path, log: Log) -> None:
        self.path = path
        self.store = SQLiteStore(f"sqlite:///{path}", log=log)
        self.notebook = Notebook()
        self.notes = Resource.build("/notes", self.store.describe(Note))
        self.others = Resource.build("/others", self.store.describe(Other))
        self.now = 1_000_000.0
        self.feed = Feed(
            self.store, self.notebook, {"/notes": self.notes, "/others": self.others}, lambda: self.now
        )

    async def insert(self, text: str, resource: Resource | None = None) -> str:
        written = await self.store.write(
            Write((resource or self.notes).source, None, lambda row: {"text": text}, origin="me")
        )
        assert written.seq is not None
        return written.seq

    def shell(self, *statements: str) -> None:
        with closing(sqlite3.connect(self.path)) as connection:
            for statement in statements:
                connection.execute(statement)
            connection.commit()

    @property
    def heard(self) -> list[dict[str, Any]]:
        return self.notebook.messages["/notes"]


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
async def rig(tmp_path: Path, log: Log) -> AsyncIterator[Rig]:
    rig = Rig(tmp_path / "feed.db", log)
    await rig.store.start([rig.notes.source, rig.others.source])
    await rig.feed.start()
    yield rig
    await rig.feed.stop()
    await rig.store.stop()


async def test_a_change_is_published_in_the_original_shape(rig: Rig) -> None:
    seq = await rig.insert("milk")
    await wait_until(lambda: rig.heard)
    assert rig.heard == [{"method": "POST", "body": {"id": 1, "text": "milk"}, "seq": seq, "origin": "me"}]
    rig.shell("update feed_note set text = 'bread'", "delete from feed_note")
    await wait_until(lambda: len(rig.heard) == 3)
    assert [data["method"] for data in rig.heard] == ["POST", "PUT", "DELETE"]
    assert rig.heard[2]["body"] == {"id": 1, "text": "bread"}
    assert [data.get("prev") for data in rig.heard] == [None, rig.heard[0]["seq"], rig.heard[1]["seq"]]
    assert "origin" not in rig.heard[1]


async def test_finding_1_prev_is_the_channels_and_not_the_logs(rig: Rig) -> None:
    """Another channel's changes lie between."""
    first = await rig.insert("a")
    await rig.insert("x", rig.others)
    await rig.insert("b")
    await wait_until(lambda: len(rig.heard) == 2)
    assert rig.heard[1]["prev"] == first


async def test_the_last_changes_are_read_from_the_log(rig: Rig) -> None:
    seqs = [await rig.insert(text, resource) for text in "abc" for resource in (rig.notes, rig.others)]
    await wait_until(lambda: rig.feed.position() == seqs[-1])
    assert [change.seq for change in await rig.feed.last_changes()] == seqs
    assert [change.seq for change in await rig.feed.last_changes(seqs[3])] == seqs[4:]
    assert await rig.feed.last_changes(seqs[-1]) == []
    seqs += [await rig.insert(str(number)) for number in range(RECENT)]
    await wait_until(lambda: rig.feed.position() == seqs[-1])
    assert [change.seq for change in await rig.feed.last_changes()] == seqs[-RECENT:]
    assert [change.seq for change in await rig.feed.last_changes(seqs[0])] == seqs[-RECENT:]


async def test_a_replay_says_everything_after_a_position(rig: Rig) -> None:
    seqs = [await rig.insert(text) for text in "abcd"]
    await wait_until(lambda: len(rig.heard) == len(seqs))
    page = await rig.feed.read("/notes", seqs[0], 10)
    assert [message.seq for message in page.messages] == seqs[1:]
    assert [data["prev"] for data in told(page)] == seqs[:-1]
    assert page.upto >= seqs[-1]
    limited = await rig.feed.read("/notes", seqs[0], 2)
    assert [message.seq for message in limited.messages] == seqs[1:3]
    assert limited.upto == seqs[2]


async def test_finding_14_a_squashed_replay_keeps_the_last_of_each_document(rig: Rig) -> None:
    start = await rig.insert("a")
    rig.shell(
        "update feed_note set text = 'b' where id = 1",
        "insert into feed_note (text) values ('new')",
        "update feed_note set text = 'c' where id = 1",
        "update feed_note set text = 'newer' where id = 2",
    )
    page = await rig.feed.read("/notes", start, 100, True)
    shown = [(data["method"], data["body"]["text"]) for data in told(page)]
    assert shown == [("PUT", "c"), ("POST", "newer")]
    assert told(page)[0]["prev"] == start
    assert told(page)[1]["prev"] == page.messages[0].seq


async def test_it_knows_the_places_of_this_log_and_no_other(rig: Rig) -> None:
    seq = await rig.insert("a")
    assert await rig.feed.why_reset("/notes", seq) is None
    other_check = seq[:-4] + ("0000" if seq[-4:] != "0000" else "0001")
    assert await rig.feed.why_reset("/notes", other_check) is Cause.OTHER_CHECK
    assert await rig.feed.why_reset("/notes", "00000000" + seq[8:]) is Cause.OTHER_EPOCH
    assert await rig.feed.why_reset("/notes", "nonsense") is Cause.NOT_A_SEQ


async def test_a_long_backlog_becomes_one_reset(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_module, "BACKLOG", 2_000)
    before = await rig.insert("a")
    rig.shell(
        "with recursive n(i) as (select 1 union all select i + 1 from n where i < 5000)"
        " insert into feed_note (text) select 'row ' || i from n"
    )
    await wait_until(lambda: any(data["method"] == "RESET" for data in rig.heard), 20)
    after = await rig.insert("b")
    await wait_until(lambda: rig.heard[-1]["seq"] == after)
    assert len(rig.heard) < 2_000
    reset = next(data for data in rig.heard if data["method"] == "RESET")
    assert rig.heard[-1]["prev"] == reset["seq"]
    assert await rig.feed.why_reset("/notes", before) is Cause.BACKLOG
    assert await rig.feed.why_reset("/notes", reset["seq"]) is None
    assert rig.notebook.causes == {Cause.BACKLOG}


@pytest.mark.parametrize("log", [Log(changes=10)])
async def test_a_trimmed_replay_says_reset(rig: Rig) -> None:
    first = await rig.insert("a")
    for _ in range(30):
        await rig.insert("b")
    await rig.store.maintain(rig.now)
    assert await rig.feed.why_reset("/notes", first) is Cause.TRIMMED
    page = await rig.feed.read("/notes", first, 10)
    assert [data["method"] for data in told(page)] == ["RESET"]
    assert page.messages[0].cause is Cause.TRIMMED_IN_REPLAY
    assert page.upto == (await rig.store.find(rig.notes.source, Query())).seq


TRIMMED_PAST = (
    "insert into feed_note (text) values ('b'), ('b')",
    "update live_meta set value = (select printf('%016x', seq) || check_digits from live_changes"
    " order by seq desc limit 1) where name = 'trimmed_to'",
    "delete from live_changes",
)
WENT_BACK = ("delete from live_changes where seq > 1",)


async def test_what_is_written_before_the_reset_after_a_trim_shows_the_gap(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without ``prev`` a receiver would take it for the next message, and miss what was trimmed until the RESET."""
    first = await rig.insert("a")
    await wait_until(lambda: rig.heard)
    reset, written = rig.store.reset, []

    async def reset_later(source: str, cause: Cause) -> str:
        if source == "feed_note":
            written.append(await rig.insert("c"))
        return await reset(source, cause)

    monkeypatch.setattr(rig.store, "reset", reset_later)
    rig.shell(*TRIMMED_PAST)
    await wait_until(lambda: rig.heard[-1]["method"] == "RESET")
    assert [data["seq"] for data in rig.heard[:-1]] == [first, *written]
    assert rig.heard[1]["prev"] > first


@pytest.mark.parametrize("statements", [TRIMMED_PAST, WENT_BACK])
async def test_a_reset_that_fails_in_the_midst_is_tried_again_with_all(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, statements: tuple[str, ...]
) -> None:
    for _ in range(3):
        seq = await rig.insert("a")
    await wait_until(lambda: rig.feed.position() == seq)
    reset, epochs = rig.store.reset, []

    async def fail_once(source: str, cause: Cause) -> str:
        epochs.append((await rig.store.head())[:8])
        if source == "feed_other" and len(epochs) == 2:
            raise StoreUnavailable("locked")
        return await reset(source, cause)

    monkeypatch.setattr(feed_module, "RETRY", (0.01, 0.01))
    monkeypatch.setattr(rig.store, "reset", fail_once)
    rig.shell(*statements, "insert into feed_other (text) values ('c')")
    heard = rig.notebook.messages
    await wait_until(lambda: all("RESET" in {data["method"] for data in heard[name]} for name in heard))
    assert len(epochs) == 4
    assert len({*epochs}) == 1, "one new epoch is enough"


async def test_a_new_epoch_resets_every_channel(rig: Rig) -> None:
    from livecollections.stores.sqlite import new_epoch

    await rig.insert("a")
    await wait_until(lambda: rig.heard)
    new_epoch(f"sqlite:///{rig.path}")
    rig.shell("insert into feed_note (text) values ('b')")
    await wait_until(lambda: any(data["method"] == "RESET" for data in rig.heard))
    seq = await rig.insert("c")
    await wait_until(lambda: rig.heard[-1]["seq"] == seq)
    assert seq[:8] != rig.heard[0]["seq"][:8]
    assert rig.notebook.causes == {Cause.OTHER_EPOCH}
    last = await rig.feed.last_changes(rig.heard[0]["seq"])
    assert (last[0].method, last[-1].seq) == ("RESET", seq)
    assert {change.seq[:8] for change in last} == {seq[:8]}


async def test_a_new_epoch_in_the_midst_of_a_long_backlog_resets_every_channel(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the backlog let the feed pass over was of the old epoch: nothing of the new one is before it."""

    async def another_epoch() -> None:
        rig.shell("update live_meta set value = '00000000' where name = 'epoch'")

    monkeypatch.setattr(feed_module, "BACKLOG", 2_000)
    monkeypatch.setattr(rig.notebook, "wait_room", another_epoch)
    rig.shell(
        "with recursive n(i) as (select 1 union all select i + 1 from n where i < 3000)"
        " insert into feed_note (text) select 'row ' || i from n"
    )
    await wait_until(lambda: bool(rig.heard), 20)
    assert rig.heard[0]["method"] == "RESET"
    assert rig.heard[0]["seq"].startswith("00000000")
    assert rig.notebook.causes == {Cause.OTHER_EPOCH}


@pytest.mark.parametrize("error", [StoreError("the disk is gone"), ValueError("no disk foresaw this")])
@pytest.mark.parametrize("method", ["read", "maintain"])
async def test_a_store_that_fails_is_no_good_health(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, method: str, error: Exception
) -> None:
    async def fail(*arguments: Any) -> None:
        raise error

    monkeypatch.setattr(feed_module, "MAINTENANCE", 0.01)
    assert rig.feed.running
    # A read that runs already would find what is written here, and none would follow that could fail.
    await wait_until(lambda: bool(rig.store._watchers))
    with monkeypatch.context() as broken:
        broken.setattr(rig.store, method, fail)
        rig.shell("insert into feed_note (text) values ('written meanwhile')")
        await wait_until(lambda: not rig.feed.running)
    await wait_until(lambda: rig.feed.running)
    await wait_until(lambda: [data["body"]["text"] for data in rig.heard] == ["written meanwhile"])
    assert "disk" in caplog.text
