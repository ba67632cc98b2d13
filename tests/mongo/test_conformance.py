"""MongoDB passes what every store promises, said of its own models where the suite's are of SQL."""

from __future__ import annotations

import asyncio
import datetime
import re
from contextlib import nullcontext, suppress
from typing import Any

import pytest
from pydantic import BaseModel

from livecollections.cause import Cause
from livecollections.change import Row
from livecollections.errors import CaptureMissing, ConfigurationError, ConstraintViolated
from livecollections.query import Equal, Query
from livecollections.stores.base import Write
from livecollections.testing import StoreConformance
from livecollections.testing.stores import models as sql
from livecollections.testing.stores.documents import EVERYTHING
from livecollections.testing.stores.rig import StoreRig, change, changes, conforming, create, rows

from .rig import MongoRig, Todo
from .server import REAL

TODOS = "store_todo"
MOMENT = datetime.datetime(2026, 2, 28, 12, 30, 1, 5000, tzinfo=datetime.UTC)


class Nameless(BaseModel):
    id: int


class Keyless(BaseModel):
    class Settings:
        name = "keyless"

    title: str


@conforming
class TestMongo(StoreConformance):
    """The suite. What is said anew here is said of what only SQL has: tables, triggers, a log of our own."""

    @pytest.fixture
    def rig(self) -> MongoRig:
        return MongoRig()

    # The log is the oplog, and its life is the server's affair: nothing is trimmed here.
    test_the_log_is_trimmed_by_count_and_never_begins_anew_15 = None  # type: ignore[assignment]
    test_entries_go_by_age = None  # type: ignore[assignment]
    test_a_durable_cursor_keeps_the_log_within_bounds_15 = None  # type: ignore[assignment]
    # The suite's histories are of SQL; MongoDB's are in test_histories.py.
    test_the_log_replayed_is_the_database_whatever_was_written = None  # type: ignore[assignment]

    # A replica set that takes no writes has no primary, and is read by nobody either: test_stream.py stops a server.
    test_while_nothing_can_be_written_reads_go_on = None  # type: ignore[assignment]

    # Documents

    @pytest.mark.parametrize(
        ("model", "exclude", "says"),
        [
            (int, (), "int has no table or collection"),
            (sql.Todo, (), "Todo has no table or collection"),
            (Todo, ("nothing",), "nothing"),
            (Todo, ("id",), "primary key"),
            (Nameless, (), "class Settings"),
            (Keyless, (), "no primary key"),
        ],
    )
    async def test_what_is_no_model_is_refused(
        self, rig: StoreRig, model: type, exclude: tuple[str, ...], says: str
    ) -> None:
        with pytest.raises(ConfigurationError, match=says):
            rig.store.describe(model, exclude)

    async def test_a_model_is_read_with_attributes_columns_and_defaults(self, rig: StoreRig) -> None:
        todo, everything = rig.sources[sql.Todo], rig.sources[sql.Everything]
        assert [(c.attribute, c.name, c.nullable, c.has_default, c.generated) for c in todo.columns] == [
            ("id", "_id", False, True, False),
            ("title", "title", False, False, False),
            ("completed", "completed", False, True, False),
            ("order", "order", True, True, False),
        ]
        columns = {column.attribute: column for column in everything.columns}
        assert everything.key == ("place",)
        assert columns["text"].name == 'te"xt'
        assert columns["changed"].default is not None
        assert columns["changed"].default() == 0
        assert "secret" not in columns

    async def test_composite_keys_and_a_key_made_by_python(self, rig: StoreRig) -> None:
        ticket = await create(rig, sql.Ticket, {})
        assert (await rig.store.get(rig.sources[sql.Ticket], (ticket.row["id"],))).rows == [ticket.row]
        assert ticket.row["note"] == "none"

    async def test_answer_list_and_log_hold_the_same_values(self, rig: StoreRig) -> None:
        before = await rig.store.head()
        written = await create(rig, sql.Everything, {**EVERYTHING, "moment": MOMENT})
        assert written.row == {"place": 1, **EVERYTHING, "moment": MOMENT, "changed": 0}
        assert (await rig.store.find(rig.sources[sql.Everything], Query())).rows == [written.row]
        (logged,) = await changes(rig, before)
        assert logged.after == written.row
        assert [type(logged.after[name]) for name in written.row] == [type(v) for v in written.row.values()]

    async def test_excluded_columns_are_written_but_neither_shown_nor_logged(self, rig: StoreRig) -> None:
        before = await rig.store.head()
        written = await create(rig, sql.Everything, {"secret": "hush"})
        assert "secret" not in written.row
        await change(rig, sql.Everything, (1,), {"secret": "hush hush"})
        rig.execute("UPDATE \"store everything\" SET secret = 'louder'")
        (told,) = await changes(rig, before)
        assert "hush" not in repr(told)

    async def test_a_change_is_given_the_row_and_sets_what_it_returns(self, rig: StoreRig) -> None:
        await create(rig, sql.Everything, {"text": "a"})
        seen: list[Row | None] = []

        def rename(row: Row | None) -> dict[str, Any]:
            seen.append(row)
            return {"text": "b"}

        written = await rig.store.write(Write(rig.sources[sql.Everything], (1,), rename))
        assert seen[0] is not None
        assert seen[0]["text"] == "a"
        assert written.row["text"] == "b"

    @pytest.mark.parametrize(
        ("model", "values", "kind", "fields"),
        [
            (sql.Todo, {"title": "milk"}, "unique", ["title"]),
            (sql.Todo, {}, "not null", ["title"]),
            (sql.Tag, {"name": "home"}, "unique", ["name"]),
        ],
    )
    async def test_constraints_are_named(
        self, rig: StoreRig, model: type, values: dict[str, Any], kind: str, fields: list[str]
    ) -> None:
        await create(rig, sql.Todo, {"title": "milk"})
        await create(rig, sql.Tag, {"name": "home"})
        before = await rig.store.head()
        with pytest.raises(ConstraintViolated) as raised:
            await create(rig, model, values)
        assert (raised.value.kind, list(raised.value.fields)) == (kind, fields)
        assert await changes(rig, before) == []

    async def test_a_time_with_an_offset_is_kept_as_utc_where_the_column_keeps_none(
        self, rig: StoreRig
    ) -> None:
        """BSON has times in UTC, to the millisecond."""
        east = datetime.timezone(datetime.timedelta(hours=5))
        moment = datetime.datetime(2026, 1, 1, 10, 30, 0, 1999, tzinfo=east)
        written = await create(rig, sql.Everything, {"moment": moment})
        kept = datetime.datetime(2026, 1, 1, 5, 30, 0, 1000, tzinfo=datetime.UTC)
        assert written.row["moment"] == kept
        found = await rig.store.find(rig.sources[sql.Everything], Query(where=(Equal("moment", kept),)))
        assert [row["moment"] for row in found.rows] == [kept]

    # Entries

    async def test_a_seq_is_of_fixed_width_and_rises(self, rig: StoreRig) -> None:
        seqs = [await rig.store.head()]
        for number in range(20):
            seqs.append((await create(rig, sql.Todo, {"title": str(number)})).seq or "")
            assert await rig.store.last(TODOS) == seqs[-1] < await rig.store.head()
        assert sorted(set(seqs)) == seqs
        assert all(re.fullmatch("[0-9a-f]{30}", seq) for seq in seqs)

    async def test_an_origin_goes_to_the_addressed_document_alone(self, rig: StoreRig) -> None:
        start = await rig.store.head()
        await create(rig, sql.Todo, {"title": "milk"}, origin="mine")
        rig.execute("UPDATE store_todo SET title = 'eggs'")
        assert [entry.origin for entry in await changes(rig, start)] == ["mine", None]

    async def test_a_place_is_located_or_not(self, rig: StoreRig) -> None:
        empty = await rig.store.head()
        first = (await create(rig, sql.Todo, {"title": "a"})).seq or ""
        second = (await create(rig, sql.Todo, {"title": "b"})).seq or ""
        for seq in (empty, first, second):
            assert await rig.store.why_reset(seq, TODOS) is None
        other = "0" if first[0] != "0" else "1"
        for wrong, cause in (
            ("", Cause.NOT_A_SEQ),
            ("x" * 30, Cause.NOT_A_SEQ),
            (first[:-1], Cause.NOT_A_SEQ),
            (first + "0", Cause.NOT_A_SEQ),
            (other + first[1:], Cause.OTHER_EPOCH),
            (first[:8] + "f" * 22, Cause.BEYOND_END),
        ):
            assert await rig.store.why_reset(wrong, TODOS) is cause, wrong
            assert (await rig.store.read(wrong, 10)).lost is cause, wrong

    async def test_every_list_is_as_new_as_its_seq_says(self, rig: StoreRig) -> None:
        """SecantusDB has no snapshot outside transactions: there, writes and lists take turns."""
        start = await rig.store.head()
        source = rig.sources[sql.Todo]
        turn: Any = nullcontext() if REAL else asyncio.Lock()

        async def write_much() -> None:
            for number in range(25):
                async with turn:
                    await create(rig, sql.Todo, {"title": str(number)})
                    if number % 3 == 0:
                        rig.execute(f'UPDATE store_todo SET "order" = {number} WHERE id % 2 = 0')
                    if number % 7 == 0:
                        rig.execute(f"DELETE FROM store_todo WHERE id = {number}")

        writing = asyncio.create_task(write_much())
        snapshots = []
        while not writing.done():
            async with turn:
                snapshots.append(await rig.store.find(source, Query()))
        await writing
        every = await changes(rig, start)
        for snapshot in snapshots:
            state: dict[Any, Row | None] = {c.key: c.after for c in every if c.seq <= snapshot.seq}
            assert {source.key_of(row): row for row in snapshot.rows} == {k: v for k, v in state.items() if v}
        assert len({snapshot.seq for snapshot in snapshots}) > 5

    # Lives

    async def test_a_session_stamps_its_commits_and_tells_their_seq(self, rig: StoreRig) -> None:
        """It is a transaction of PyMongo's. Finding 10: the first of its changes alone bears its origin."""
        head = await rig.store.head()
        heard: list[str] = []
        todos = rig.store._database[TODOS]  # type: ignore[attr-defined]
        async with rig.store.session("mine", heard.append) as session:
            await todos.insert_one({"_id": 1, "title": "a"}, session=session)
            await todos.insert_one({"_id": 2, "title": "b"}, session=session)
        with suppress(KeyError):
            async with rig.store.session("mine", heard.append) as session:
                await todos.insert_one({"_id": 3, "title": "never"}, session=session)
                raise KeyError
        found = await changes(rig, head)
        assert [(c.after and c.after["title"], c.origin) for c in found] == [("a", "mine"), ("b", None)]
        (seq,) = heard
        assert seq > found[1].seq

    @pytest.mark.parametrize("locks", [False])
    async def test_a_session_may_read_and_then_write_26(self, rig: StoreRig, locks: bool) -> None:
        await create(rig, sql.Todo, {"title": "a", "order": 0})
        todos = rig.store._database[TODOS]  # type: ignore[attr-defined]
        async with rig.store.session() as session:
            todo = await todos.find_one({"_id": 1}, session=session)
            await todos.update_one({"_id": 1}, {"$set": {"order": todo["order"] + 1}}, session=session)
        await rig.settle()
        assert (await rows(rig))[0]["order"] == 1

    def test_stores_may_start_together(self, rig: StoreRig) -> None:
        stores = [rig.open() for _ in range(4)]

        async def together() -> list[str]:
            await asyncio.gather(*(rig.start(store) for store in stores))
            source = rig.sources[sql.Todo]
            writes = [Write(source, None, lambda row, n=n: {"title": str(n)}) for n in range(4)]  # type: ignore[misc]
            await asyncio.gather(*(store.write(write) for store, write in zip(stores, writes, strict=True)))
            heads = [await store.head() for store in stores]
            await asyncio.gather(*(store.stop() for store in stores))
            return heads

        assert len({head[:8] for head in asyncio.run(together())}) == 1

    async def test_a_failed_database_is_an_error_of_ours(self, rig: StoreRig) -> None:
        """A collection that was dropped is an empty one, and those who held its documents read again."""
        await create(rig, sql.Todo, {"title": "a"})
        head = await rig.store.head()
        rig.execute("DROP TABLE store_todo")
        (told,) = await changes(rig, head)
        assert (told.method, told.source, told.cause) == ("RESET", TODOS, Cause.TABLE_GONE)
        assert await rig.store.why_reset(head, TODOS) is Cause.TABLE_GONE
        assert await rows(rig) == []
        assert (await create(rig, sql.Tag, {"name": "still"})).row["name"] == "still"

    # Installs

    @pytest.mark.parametrize("harm", ["lost"])
    async def test_what_is_missing_or_of_an_older_version_is_put_right_with_a_reset(
        self, rig: StoreRig, harm: str
    ) -> None:
        """There are no triggers, only images; and the oplog tells what was written without them: nothing is reset."""
        await create(rig, sql.Todo, {"title": "a"})
        head = await rig.store.head()
        await rig.store.stop()
        rig.execute(*rig.harm[harm])
        with pytest.raises(CaptureMissing, match="store_todo"):
            await rig.start(rig.open(capture="check"))
        rig.store = rig.open()
        await rig.start(rig.store)
        rig.execute("UPDATE store_todo SET title = 'b'")
        (told,) = await changes(rig, head)
        assert (told.before and told.before["title"], told.after and told.after["title"]) == ("a", "b")
        assert await rig.store.why_reset(head, TODOS) is None
