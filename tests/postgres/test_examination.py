"""What `doctor` and `log` say of a database of PostgreSQL, and that a new epoch ends what was read before."""

from __future__ import annotations

import asyncio
import json
import time

import httpx
import pytest
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from livecollections import ConfigurationError, Live
from livecollections.demo import Todo
from livecollections.live import examine
from livecollections.stores import postgres_examination
from livecollections.stores.administrations import administration_of
from livecollections.stores.base import Log
from livecollections.testing import wait_until
from tests.serving import served

from .reading import connected
from .server import run_elsewhere


class Base(DeclarativeBase):
    pass


class Note(Base):
    __tablename__ = "note"

    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str]


@pytest.fixture
async def kept(url: str) -> str:
    """A database with a table that is captured, and three entries."""
    await run_elsewhere(url, "CREATE TABLE note (id integer PRIMARY KEY, text text NOT NULL)")
    await administration_of(url).install()
    for statement in ("INSERT INTO note VALUES (1, 'x')", "UPDATE note SET text = 'y'", "DELETE FROM note"):
        await run_elsewhere(url, statement)
    return url


async def advised(url: str) -> dict[str, str]:
    return {found.subject: found.advice for found in await administration_of(url).examine() if found.advice}


async def test_all_is_well_as_installed(kept: str) -> None:
    found = {one.subject: one for one in await administration_of(kept).examine()}
    assert not [one for one in found.values() if one.advice]
    assert list(found) == [
        "PostgreSQL",
        "server",
        "pooler",
        "processes",
        "triggers",
        "log",
        "retention",
        "wake-up",
    ]
    assert found["triggers"].told == "in place on note"
    assert found["log"].told.startswith("3 changes")
    assert "20 ms" in found["wake-up"].told


async def test_an_application_is_looked_at_and_nothing_is_changed(kept: str) -> None:
    live = Live(kept, notify=True)
    live.add_resource("/api/notes", Note)
    async with connected(kept) as connection:
        before = await connection.fetch("SELECT * FROM live_meta ORDER BY name")
        assert not [one for one in await examine(live) if one.advice]
        await connection.execute('DROP TRIGGER "!live_capture" ON note')
        assert "note: " in next(one.told for one in await examine(live) if one.advice)
        assert before == await connection.fetch("SELECT * FROM live_meta ORDER BY name")
    async with live:
        found = {one.subject: one for one in await examine(live)}
    assert found["processes"].told.startswith("1 of ")
    assert not found["triggers"].advice
    assert found["wake-up"].told == "NOTIFY at each commit"


async def test_what_is_to_be_done_is_told(url: str) -> None:
    assert (await advised(url)).keys() == {"log"}
    await administration_of(url).install()
    assert (await advised(url)).keys() == {"triggers"}
    async with connected(url) as connection:
        beat = json.dumps({"version": "0.0.1", "at": time.time(), "columns": {}})
        await connection.execute("INSERT INTO live_meta VALUES ('heartbeat:x', $1)", beat)
        await connection.execute(
            "INSERT INTO live_changes (seq, check_digits, source, method, key, at) "
            "VALUES (1, '0000', 'n', 'PUT', '{1}', 0)"
        )
        assert (await advised(url)).keys() == {"processes", "triggers", "retention"}
        shared = await postgres_examination.pooler(connection, connection)
        assert "session mode" in shared.advice


async def test_a_database_without_a_log_has_none_to_print(url: str) -> None:
    with pytest.raises(ConfigurationError, match="has no change log"):
        _ = [change async for change in administration_of(url).changes()]


async def test_the_log_is_told_and_followed(kept: str) -> None:
    administration = administration_of(kept, Log())
    found = [change async for change in administration.changes()]
    assert [(one.source, one.method, one.key) for one in found] == [
        ("note", "POST", ("1",)), ("note", "PUT", ("1",)), ("note", "DELETE", ("1",)),
    ]  # fmt: skip
    assert (found[1].before, found[1].after) == ({"id": "1", "text": "x"}, {"id": "1", "text": "y"})
    assert [one async for one in administration.changes(found[1].seq)] == found[2:]
    following = administration.changes(found[-1].seq, follow=True)
    later = asyncio.ensure_future(anext(following))
    await run_elsewhere(kept, "INSERT INTO note VALUES (2, 'later')")
    assert (await asyncio.wait_for(later, 10)).after == {"id": "2", "text": "later"}
    await following.aclose()  # type: ignore[attr-defined]


async def test_a_since_that_names_no_entry_is_refused(kept: str) -> None:
    administration = administration_of(kept)
    old, *_ = [change.seq async for change in administration.changes()]
    await administration.new_epoch()
    for since, cause in (("x", "not-a-seq"), (old, "other-epoch"), ("", "not-a-seq")):
        with pytest.raises(ConfigurationError, match=f"since: .*{cause}"):
            _ = [change async for change in administration.changes(since)]
    assert len([change async for change in administration.changes()]) == 3


async def test_a_write_is_told_on_its_whole_way(url: str, caplog: pytest.LogCaptureFixture) -> None:
    live = Live(url)
    live.add_resource("/api/todos", Todo)
    caplog.set_level("DEBUG", "livecollections")
    async with served(live.app) as address, httpx.AsyncClient(base_url=address) as http:
        seq = (await http.post("/api/todos", json={"title": "milk"})).headers["Live-Seq"]
        steps = [f"{step} seq={seq}" for step in ("committed", "read", "published")]
        await wait_until(lambda: all(step in caplog.text for step in steps), 5)
