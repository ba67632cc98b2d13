"""What every store promises, whatever its database: the port's own suite, run on each."""

from __future__ import annotations

import asyncio
import datetime
import decimal
import re
import time
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from livecollections.cause import Cause
from livecollections.change import Change, Row
from livecollections.errors import (
    ConfigurationError,
    Conflict,
    ConstraintViolated,
    DocumentNotFound,
    InvalidDocument,
    KeyReused,
    MalformedRequest,
    StoreError,
    StoreUnavailable,
)
from livecollections.query import Equal, Order, Query
from livecollections.stores.base import Idempotency, Log, Write, Written
from livecollections.stores.sqlite_log import place_of

from .conftest import SQLiteRig
from .models import Colour, Everything, Line, Tag, Ticket, Todo

EVERYTHING = {
    "text": "milk; 100% 🥛",
    "number": 0.1 + 0.2,
    "price": decimal.Decimal("12.50"),
    "flag": True,
    "day": datetime.date(2026, 2, 28),
    "moment": datetime.datetime(2026, 2, 28, 12, 30, 1, 5),
    "colour": Colour.blue,
    "blob": b"\0;%\xff",
    "data": {"a": [1, None, "x"]},
    "ticket": uuid.UUID(int=5),
}


def create(rig: SQLiteRig, model: type, values: dict[str, Any], **options: Any) -> Awaitable[Written]:
    return rig.store.write(Write(rig.sources[model], None, lambda row: values, **options))


def change(
    rig: SQLiteRig, model: type, key: tuple[Any, ...], values: dict[str, Any] | None, **options: Any
) -> Awaitable[Written]:
    return rig.store.write(Write(rig.sources[model], key, lambda row: values, **options))


async def changes(rig: SQLiteRig, after: str) -> list[Change]:
    return (await rig.store.read(after, 1000)).changes


async def wait_until(condition: Callable[[], bool], seconds: float = 5) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "not in time"
        await asyncio.sleep(0.001)


# --- models -------------------------------------------------------------------------------------------------


def test_a_model_is_read_with_attributes_columns_and_defaults(rig: SQLiteRig) -> None:
    todo, everything = rig.sources[Todo], rig.sources[Everything]
    assert [(c.attribute, c.type, c.nullable, c.has_default, c.generated) for c in todo.columns] == [
        ("id", int, False, True, True),
        ("title", str, False, False, False),
        ("completed", bool, False, True, False),
        ("order", int, True, True, False),
    ]
    columns = {column.attribute: column for column in everything.columns}
    assert everything.key == ("place",)
    assert columns["place"].name == "select"
    assert columns["text"].name == 'te"xt'
    assert columns["made"].has_default
    assert columns["changed"].default is not None
    assert columns["changed"].default() == 0
    assert "secret" not in columns
    assert rig.sources[Line].key == ("list", "number")
    assert rig.sources[Ticket].columns[0].type is uuid.UUID


@pytest.mark.parametrize(
    ("model", "exclude", "says"),
    [(int, (), "int has no table"), (Todo, ("nothing",), "nothing"), (Todo, ("id",), "primary key")],
)
def test_what_is_no_model_is_refused(
    rig: SQLiteRig, model: type, exclude: tuple[str, ...], says: str
) -> None:
    with pytest.raises(ConfigurationError, match=says):
        rig.store.describe(model, exclude)


# --- rows ---------------------------------------------------------------------------------------------------


async def test_a_created_row_is_read_back(rig: SQLiteRig) -> None:
    written = await create(rig, Todo, {"title": "milk"})
    assert written.row == {"id": 1, "title": "milk", "completed": False, "order": None}
    snapshot = await rig.store.get(rig.sources[Todo], (1,))
    assert snapshot.rows == [written.row]
    assert snapshot.seq == written.seq
    assert not written.repeated


@pytest.mark.parametrize(
    ("model", "values", "key"),
    [
        (Tag, {"name": "a/b,c"}, ("a/b,c",)),
        (Ticket, {"id": uuid.UUID(int=7)}, (uuid.UUID(int=7),)),
        (Everything, {"place": -5}, (-5,)),
        (Everything, {"place": 2**63 - 1}, (2**63 - 1,)),
    ],
)
async def test_keys_of_every_kind(
    rig: SQLiteRig, model: type, values: dict[str, Any], key: tuple[Any, ...]
) -> None:
    before = await rig.store.head()
    written = await create(rig, model, values)
    source = rig.sources[model]
    assert source.key_of(written.row) == key
    assert (await rig.store.get(source, key)).rows == [written.row]
    assert [found.key for found in await changes(rig, before)] == [key]
    await change(rig, model, key, None)
    assert (await rig.store.get(source, key)).rows == []


async def test_composite_keys_and_a_key_made_by_python(rig: SQLiteRig) -> None:
    await create(rig, Tag, {"name": "home"})
    line = await create(rig, Line, {"list": "home", "number": 2, "amount": 1})
    assert (await rig.store.get(rig.sources[Line], ("home", 2))).rows == [line.row]
    ticket = await create(rig, Ticket, {})
    assert isinstance(ticket.row["id"], uuid.UUID)
    assert ticket.row["note"] == "none"


async def test_answer_list_and_log_hold_the_same_values(rig: SQLiteRig) -> None:
    before = await rig.store.head()
    written = await create(rig, Everything, EVERYTHING)
    assert written.row == {"place": 1, **EVERYTHING, "changed": 0, "made": "by the database"}
    assert (await rig.store.find(rig.sources[Everything], Query())).rows == [written.row]
    (logged,) = await changes(rig, before)
    assert logged.after is not None
    assert logged.after == written.row
    assert [type(logged.after[name]) for name in written.row] == [type(v) for v in written.row.values()]


async def test_excluded_columns_are_written_but_neither_shown_nor_logged(rig: SQLiteRig) -> None:
    before = await rig.store.head()
    written = await create(rig, Everything, {"secret": "hush"})
    assert "secret" not in written.row
    await change(rig, Everything, (1,), {"secret": "hush hush"})
    assert [found.method for found in await changes(rig, before)] == [
        "POST",
        "PUT",
    ]  # onupdate has set changed
    rig.foreign("UPDATE \"store everything\" SET secret = 'louder'")
    assert len(await changes(rig, before)) == 2
    for found in await changes(rig, before):
        assert "hush" not in repr(found)


async def test_lists_are_filtered_sorted_and_cut(rig: SQLiteRig) -> None:
    for title, order in (("a", 3), ("b", 1), ("c", None), ("d", 3)):
        await create(rig, Todo, {"title": title, "order": order})

    async def titles(**options: Any) -> str:
        found = await rig.store.find(rig.sources[Todo], Query(**options))
        return "".join(row["title"] for row in found.rows)

    assert await titles(where=(Equal("order", 3),)) == "ad"
    assert await titles(where=(Equal("order", None),)) == "c"
    assert await titles(where=(Equal("order", 3), Equal("title", "d"))) == "d"
    assert await titles(where=(Equal("order", 2**70),)) == ""
    assert await titles(sort=(Order("order", True), Order("title", True)), limit=2) == "da"
    assert await titles(sort=(Order("title"),), skip=1, limit=2) == "bc"
    assert await titles(skip=3) == "d"
    assert await titles(limit=0) == ""
    with pytest.raises(MalformedRequest):
        await titles(where=(Equal("nothing", 1),))


async def test_a_change_is_given_the_row_and_sets_what_it_returns(rig: SQLiteRig) -> None:
    await create(rig, Everything, {"text": "a"})
    seen: list[Row | None] = []

    def rename(row: Row | None) -> dict[str, Any]:
        seen.append(row)
        return {"text": "b"}

    written = await rig.store.write(Write(rig.sources[Everything], (1,), rename))
    assert seen[0] is not None
    assert seen[0]["text"] == "a"
    assert written.row["text"] == "b"
    assert written.row["changed"] == 7


async def test_a_delete_answers_the_row_as_it_was_last(rig: SQLiteRig) -> None:
    created = await create(rig, Todo, {"title": "milk"})
    deleted = await change(rig, Todo, (1,), None)
    assert deleted.row == created.row
    (last,) = await changes(rig, created.seq or "")
    assert (last.method, last.before, last.after, last.seq) == ("DELETE", created.row, None, deleted.seq)


async def test_a_write_that_changes_nothing_logs_nothing(rig: SQLiteRig) -> None:
    created = await create(rig, Todo, {"title": "milk"})
    other = await create(rig, Todo, {"title": "eggs"})
    again = await change(rig, Todo, (1,), {"title": "milk", "completed": False})
    assert again.row == created.row
    assert again.seq == other.seq == await rig.store.head()


# --- refusals -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "values", "kind", "fields"),
    [
        (Todo, {"title": "milk"}, "unique", ["title"]),
        (Todo, {}, "not null", ["title"]),
        (Tag, {"name": "home"}, "unique", ["name"]),
        (Line, {"list": "home", "number": 1, "amount": 0}, "check", []),
        (Line, {"list": "nowhere", "number": 1, "amount": 1}, "foreign key", []),
    ],
)
async def test_constraints_are_named(
    rig: SQLiteRig, model: type, values: dict[str, Any], kind: str, fields: list[str]
) -> None:
    await create(rig, Todo, {"title": "milk"})
    await create(rig, Tag, {"name": "home"})
    before = await rig.store.head()
    with pytest.raises(ConstraintViolated) as raised:
        await create(rig, model, values)
    assert (raised.value.kind, list(raised.value.fields)) == (kind, fields)
    assert await rig.store.head() == before


@pytest.mark.parametrize(
    "values",
    [
        {"place": 2**63},
        {"text": "\ud800"},
        {"colour": 5},
        {"moment": "yesterday"},
        {"data": {1, 2}},
        {"nothing": 1},
        {"place": "x"},
        {"text": ["x"]},
    ],
)
async def test_what_no_column_holds_is_refused(rig: SQLiteRig, values: dict[str, Any]) -> None:
    before = await rig.store.head()
    with pytest.raises(InvalidDocument):
        await create(rig, Everything, values)
    assert await rig.store.head() == before


async def test_unknown_keys_are_not_found(rig: SQLiteRig) -> None:
    for key in ((9,), (2**70,)):
        assert (await rig.store.get(rig.sources[Todo], key)).rows == []
    with pytest.raises(DocumentNotFound):
        await change(rig, Todo, (9,), {"title": "x"})
    with pytest.raises(DocumentNotFound):
        await change(rig, Todo, (9,), None)


async def test_one_refused_write_undoes_itself_alone(rig: SQLiteRig) -> None:
    def refuse(row: Row | None) -> dict[str, Any]:
        raise Conflict("not today")

    source = rig.sources[Todo]
    writes = [Write(source, None, lambda row, n=n: {"title": f"t{n}"}) for n in range(40)]  # type: ignore[misc]
    writes.insert(7, Write(source, None, refuse))
    writes.insert(20, Write(source, None, lambda row: {"title": "t1"}))
    outcomes = await asyncio.gather(*map(rig.store.write, writes), return_exceptions=True)
    assert [type(o) for o in outcomes if not isinstance(o, Written)] == [Conflict, ConstraintViolated]
    written = [o for o in outcomes if isinstance(o, Written)]
    assert sorted(w.seq or "" for w in written) == [w.seq for w in written]
    assert len({w.seq for w in written}) == 40
    assert len((await rig.store.find(source, Query())).rows) == 40


async def test_before_start_and_after_stop_the_store_says_so(rig: SQLiteRig) -> None:
    await rig.store.stop()
    await rig.store.stop()
    with pytest.raises(StoreUnavailable):
        await rig.store.head()
    with pytest.raises(StoreUnavailable):
        await create(rig, Todo, {"title": "x"})


# --- repeated requests --------------------------------------------------------------------------------------


async def test_a_repeated_create_answers_as_the_first(rig: SQLiteRig) -> None:
    once = Idempotency("key", "digest")
    first, second = await asyncio.gather(
        create(rig, Todo, {"title": "milk"}, idempotency=once),
        create(rig, Todo, {"title": "milk"}, idempotency=once),
    )
    await change(rig, Todo, (1,), {"title": "changed since"})
    third = await create(rig, Todo, {"title": "milk"}, idempotency=once)
    assert (first.repeated, second.repeated, third.repeated) == (False, True, True)
    assert first.row == second.row == third.row
    assert first.seq == second.seq == third.seq
    with pytest.raises(KeyReused) as raised:
        await create(rig, Todo, {"title": "eggs"}, idempotency=Idempotency("key", "other"))
    assert raised.value.status == 422
    with pytest.raises(ConstraintViolated):
        await create(rig, Todo, {"title": "changed since"}, idempotency=Idempotency("refused", "d"))
    assert not (await create(rig, Todo, {"title": "fine"}, idempotency=Idempotency("refused", "d"))).repeated


async def test_repeats_are_forgotten_after_a_day(rig: SQLiteRig) -> None:
    once = Idempotency("key", "digest")
    await create(rig, Todo, {"title": "milk"}, idempotency=once)
    await rig.store.maintain(time.time() + 23 * 3600)
    assert (await create(rig, Todo, {"title": "eggs"}, idempotency=once)).repeated
    await rig.store.maintain(time.time() + 25 * 3600)
    assert not (await create(rig, Todo, {"title": "eggs"}, idempotency=once)).repeated


# --- the log ------------------------------------------------------------------------------------------------


async def test_a_seq_is_of_fixed_width_and_rises(rig: SQLiteRig) -> None:
    empty = await rig.store.head()
    assert re.fullmatch("[0-9a-f]{8}0{20}", empty)
    assert await rig.store.last("store_todo") is None
    seqs = [empty]
    for number in range(20):
        seqs.append((await create(rig, Todo, {"title": str(number)})).seq or "")
        assert await rig.store.head() == await rig.store.last("store_todo") == seqs[-1]
    assert sorted(seqs) == seqs
    assert len({len(seq) for seq in seqs}) == 1
    assert len({seq[-4:] for seq in seqs}) > 10


async def test_an_entry_tells_the_change(rig: SQLiteRig) -> None:
    start = await rig.store.head()
    await create(rig, Todo, {"title": "a"}, origin="token-1")
    await change(rig, Todo, (1,), {"title": "b"}, origin="token-2")
    rig.foreign("UPDATE store_todo SET title = 'c'")
    await change(rig, Todo, (1,), None)
    batch = await rig.store.read(start, 100)
    told = [
        (c.method, c.before and c.before["title"], c.after and c.after["title"], c.origin)
        for c in batch.changes
    ]
    assert told == [
        ("POST", None, "a", "token-1"),
        ("PUT", "a", "b", "token-2"),
        ("PUT", "b", "c", None),
        ("DELETE", "c", None, None),
    ]
    assert batch.upto == await rig.store.head() == batch.changes[-1].seq
    assert all(abs(c.at - time.time()) < 60 for c in batch.changes)


async def test_an_origin_goes_to_the_addressed_document_alone(rig: SQLiteRig) -> None:
    rig.foreign(
        "INSERT INTO store_tag VALUES ('counter', 0)",
        "CREATE TRIGGER count AFTER INSERT ON store_todo BEGIN "
        "UPDATE store_tag SET weight = weight + 1; INSERT INTO store_tag VALUES (NEW.title, 0); "
        'UPDATE store_todo SET "order" = 5 WHERE id = NEW.id; END',
    )
    start = await rig.store.head()
    written = await create(rig, Todo, {"title": "milk"}, origin="mine")
    assert written.row["order"] == 5
    found = await changes(rig, start)
    assert [c.seq for c in found if c.origin] == [next(c.seq for c in found if c.source == "store_todo")]
    assert found[-1].seq == written.seq


async def test_the_log_is_read_by_source_and_in_pieces(rig: SQLiteRig) -> None:
    start = await rig.store.head()
    for number in range(5):
        await create(rig, Todo, {"title": str(number)})
        await create(rig, Tag, {"name": str(number)})
    assert await rig.store.backlog(start) == {"store_todo": 5, "store_tag": 5}
    first = await rig.store.read(start, 3, "store_todo")
    assert [c.source for c in first.changes] == ["store_todo"] * 3
    assert first.upto == first.changes[-1].seq
    rest = await rig.store.read(first.upto, 3, "store_todo")
    assert len(rest.changes) == 2
    assert rest.upto == await rig.store.head()
    assert await rig.store.backlog(rest.upto) == {}
    assert (await rig.store.read(rest.upto, 3)).changes == []


async def test_a_place_is_located_or_not(rig: SQLiteRig) -> None:
    empty = await rig.store.head()
    first = (await create(rig, Todo, {"title": "a"})).seq or ""
    second = (await create(rig, Todo, {"title": "b"})).seq or ""

    for seq in (empty, first, second):
        assert await rig.store.why_reset(seq, "store_todo") is None
    other = "0" if first[0] != "0" else "1"
    check = "0000" if first[-4:] != "0000" else "ffff"
    for wrong, cause in (
        ("", Cause.NOT_A_SEQ),
        ("x" * 28, Cause.NOT_A_SEQ),
        (first[:-1], Cause.NOT_A_SEQ),
        (first + "0", Cause.NOT_A_SEQ),
        (first[:8] + "f" * 20, Cause.NOT_A_SEQ),
        (other + first[1:], Cause.OTHER_EPOCH),
        (first[:-4] + check, Cause.OTHER_CHECK),
        (first[:8] + "7" + "f" * 19, Cause.BEYOND_END),
    ):
        assert await rig.store.why_reset(wrong, "store_todo") is cause, wrong
        assert (await rig.store.read(wrong, 10)).lost is cause, wrong
    rig.foreign(f"DELETE FROM live_changes WHERE seq = {place_of(first)}")
    assert await rig.store.why_reset(first, "store_todo") is Cause.NO_ENTRY


async def test_after_a_reset_what_came_before_is_no_place(rig: SQLiteRig) -> None:
    first = (await create(rig, Todo, {"title": "a"})).seq or ""
    reset = await rig.store.reset("store_todo")
    assert await rig.store.why_reset(first, "store_todo") is Cause.REQUESTED
    assert await rig.store.why_reset(first, "store_tag") is None
    assert await rig.store.why_reset(reset, "store_todo") is None
    (entry,) = await changes(rig, first)
    assert (entry.method, entry.source, entry.key, entry.seq) == ("RESET", "store_todo", (), reset)
    assert entry.cause is Cause.REQUESTED


async def test_a_reset_of_another_version_has_an_unknown_cause(rig: SQLiteRig) -> None:
    start = await rig.store.head()
    for told in ("''", "NULL", "'something later'"):
        rig.foreign(
            f"INSERT INTO live_changes (check_digits, source, method, key, at) "
            f"VALUES ('0000', 'store_todo', 'RESET', {told}, 0)"
        )
    assert [entry.cause for entry in await changes(rig, start)] == [Cause.UNKNOWN] * 3
    assert await rig.store.why_reset(start, "store_todo") is Cause.UNKNOWN


async def test_every_list_is_as_new_as_its_seq_says(rig: SQLiteRig) -> None:
    """Replaying the log to a list's seq gives the list, while others write."""
    start = await rig.store.head()
    source = rig.sources[Todo]

    async def write_much() -> None:
        for number in range(60):
            await create(rig, Todo, {"title": str(number)})
            if number % 3 == 0:
                rig.foreign(f'UPDATE store_todo SET "order" = {number} WHERE id % 2 = 0')
            if number % 7 == 0:
                rig.foreign(f"DELETE FROM store_todo WHERE id = {number}")

    writing = asyncio.create_task(write_much())
    snapshots = []
    while not writing.done():
        snapshots.append(await rig.store.find(source, Query()))
    await writing
    every = await changes(rig, start)
    for snapshot in snapshots:
        state: dict[Any, Row | None] = {c.key: c.after for c in every if c.seq <= snapshot.seq}
        assert {source.key_of(row): row for row in snapshot.rows} == {k: v for k, v in state.items() if v}
    assert len({snapshot.seq for snapshot in snapshots}) > 5


# --- waiting ------------------------------------------------------------------------------------------------


async def test_own_writes_wake_at_once_and_others_soon(rig: SQLiteRig) -> None:
    head = await rig.store.head()
    waiting = asyncio.create_task(rig.store.wait_changed(head))
    written = await create(rig, Todo, {"title": "a"})
    await asyncio.wait_for(waiting, 0.015)  # less than the interval in which others are noticed
    delays = []
    for number in range(5):
        waiting = asyncio.create_task(rig.store.wait_changed(written.seq or ""))
        await wait_until(lambda: bool(rig.store._watchers))
        rig.foreign(f'UPDATE store_todo SET "order" = {number}')
        since = time.monotonic()
        await asyncio.wait_for(waiting, 5)
        delays.append(time.monotonic() - since)
        written = Written({}, await rig.store.head())
    assert sorted(delays)[2] < 0.05


async def test_waiting_ends_only_for_a_change_and_may_be_cancelled(rig: SQLiteRig) -> None:
    head = await rig.store.head()
    waiting = asyncio.create_task(rig.store.wait_changed(head))
    done, _ = await asyncio.wait({waiting}, timeout=0.1)
    assert not done
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await create(rig, Todo, {"title": "a"})
    await asyncio.wait_for(rig.store.wait_changed(head), 1)
    await asyncio.wait_for(rig.store.wait_changed("of another log"), 1)


async def test_a_cancelled_caller_does_not_stop_its_write(rig: SQLiteRig) -> None:
    head = await rig.store.head()
    writing = asyncio.ensure_future(create(rig, Todo, {"title": "a"}))
    await asyncio.sleep(0)
    writing.cancel()
    await asyncio.wait_for(rig.store.wait_changed(head), 10)
    assert len(await _rows(rig)) == 1


async def _rows(rig: SQLiteRig) -> list[Row]:
    return (await rig.store.find(rig.sources[Todo], Query())).rows


# --- sessions -----------------------------------------------------------------------------------------------


async def test_a_session_stamps_its_commits_and_tells_their_seq(rig: SQLiteRig) -> None:
    head = await rig.store.head()
    heard: list[str] = []
    waiting = asyncio.create_task(rig.store.wait_changed(head))
    async with rig.store.session("mine", heard.append) as session:
        session.add(Todo(title="a"))
        await session.commit()
        await asyncio.wait_for(waiting, 0.5)
        session.add_all([Todo(title="b"), Todo(title="c")])
        await session.commit()
        session.add(Todo(title="never"))
        await session.rollback()
    found = await changes(rig, head)
    assert [(c.after and c.after["title"], c.origin) for c in found] == [
        ("a", "mine"),
        ("b", "mine"),
        ("c", None),
    ]
    assert heard == [found[0].seq, found[2].seq]


@pytest.mark.parametrize("locks", [False, True])
async def test_a_session_may_read_and_then_write_26(rig: SQLiteRig, locks: bool) -> None:
    """Finding 26: in a deferred transaction this fails at once as soon as somebody else has written between."""
    await create(rig, Todo, {"title": "a", "order": 0})

    async def increase() -> None:
        async with rig.store.session() as session:
            todo = await session.get(Todo, 1, with_for_update=locks)
            await asyncio.sleep(0)
            todo.order += 1
            await session.commit()

    await asyncio.gather(*(increase() for _ in range(5)))
    assert (await _rows(rig))[0]["order"] in ({5} if locks else {1, 2, 3, 4, 5})


# --- retention and cursors ----------------------------------------------------------------------------------


async def test_the_log_is_trimmed_by_count_and_never_begins_anew_15(rig: SQLiteRig) -> None:
    store = rig.another(log=Log(changes=3))
    await rig.start(store)
    rig.store, old = store, rig.store
    await old.stop()
    empty = await store.head()
    seqs = [(await create(rig, Todo, {"title": str(n)})).seq or "" for n in range(8)]
    await store.maintain(time.time())
    causes = [await store.why_reset(seq, "store_todo") for seq in (empty, *seqs)]
    assert causes == [Cause.TRIMMED] * 5 + [None] * 4
    assert (await store.read(seqs[3], 10)).lost is Cause.TRIMMED
    kept = await store.read(seqs[4], 10)
    assert kept.lost is None
    assert [c.seq for c in kept.changes] == seqs[5:]
    await store.maintain(time.time() + 8 * 86400)
    assert await store.head() == seqs[-1]
    assert await store.last("store_todo") is None
    assert await store.why_reset(seqs[-1], "store_todo") is None
    assert await store.why_reset(seqs[-2], "store_todo") is Cause.TRIMMED
    assert ((await create(rig, Todo, {"title": "next"})).seq or "") > seqs[-1]


async def test_entries_go_by_age(rig: SQLiteRig) -> None:
    seq = (await create(rig, Todo, {"title": "a"})).seq or ""
    await rig.store.maintain(time.time() + 6.9 * 86400)
    assert await rig.store.last("store_todo") == seq
    await rig.store.maintain(time.time() + 7.1 * 86400)
    assert await rig.store.last("store_todo") is None


async def test_a_durable_cursor_keeps_the_log_within_bounds_15(
    rig: SQLiteRig, caplog: pytest.LogCaptureFixture
) -> None:
    store = rig.another(log=Log(changes=2))
    await rig.start(store)
    rig.store, old = store, rig.store
    await old.stop()
    start = await store.head()
    assert await store.cursor("mail") is None
    assert await store.hold_cursor("mail", "me", 100, now=0)
    assert await store.move_cursor("mail", "me", start)
    for number in range(10):
        await create(rig, Todo, {"title": str(number)})
    await store.maintain(time.time())
    assert (await store.read(start, 100)).lost is None
    for number in range(15):
        await create(rig, Tag, {"name": str(number)})
    await store.maintain(time.time())
    assert (await store.read(start, 100)).lost is Cause.TRIMMED
    assert sum((await store.backlog(start[:8] + "0" * 20)).values()) == 20
    await store.maintain(time.time())
    assert caplog.text.count("mail") == 1


async def test_a_cursor_has_one_owner_at_a_time(rig: SQLiteRig) -> None:
    seq = await rig.store.head()
    assert await rig.store.hold_cursor("mail", "a", until=10, now=0)
    assert await rig.store.hold_cursor("mail", "a", until=20, now=5)
    assert not await rig.store.hold_cursor("mail", "b", until=30, now=15)
    assert not await rig.store.move_cursor("mail", "b", seq)
    assert await rig.store.move_cursor("mail", "a", seq)
    assert await rig.store.cursor("mail") == seq
    assert await rig.store.hold_cursor("mail", "b", until=40, now=20)
    assert not await rig.store.move_cursor("mail", "a", seq)
    assert await rig.store.cursor("mail") == seq


# --- lives --------------------------------------------------------------------------------------------------


def test_a_store_starts_again_on_another_loop(rig: SQLiteRig) -> None:
    store = rig.another()

    async def live() -> str:
        await rig.start(store)
        rig.store, mine = store, rig.store
        await create(rig, Todo, {"title": str(time.time())})
        rig.store = mine
        head = await store.head()
        await store.stop()
        return head

    first, second = asyncio.run(live()), asyncio.run(live())
    assert first[:8] == second[:8]
    assert first < second


async def test_stores_may_start_together(rig: SQLiteRig, tmp_path: Path) -> None:
    together = [SQLiteRig(tmp_path / "together.db") for _ in range(4)]
    await asyncio.gather(*(each.start() for each in together))
    await asyncio.gather(*(create(each, Todo, {"title": str(n)}) for n, each in enumerate(together)))
    assert len({await each.store.head() for each in together}) == 1
    await asyncio.gather(*(each.store.stop() for each in together))


async def test_two_stores_hear_each_other(rig: SQLiteRig) -> None:
    other = rig.another()
    await rig.start(other)
    head = await other.head()
    waiting = asyncio.create_task(other.wait_changed(head))
    written = await create(rig, Todo, {"title": "a"})
    await asyncio.wait_for(waiting, 5)
    assert (await other.read(head, 10)).upto == written.seq
    await other.stop()


async def test_a_failed_database_is_an_error_of_ours(rig: SQLiteRig) -> None:
    rig.foreign("DROP TABLE store_todo")
    with pytest.raises(StoreError):
        await rig.store.find(rig.sources[Todo], Query())
    with pytest.raises(StoreError):
        await create(rig, Todo, {"title": "a"})
    assert (await create(rig, Tag, {"name": "still"})).row["name"] == "still"


async def test_a_time_with_an_offset_is_kept_as_utc_where_the_column_keeps_none(rig: SQLiteRig) -> None:
    east = datetime.timezone(datetime.timedelta(hours=5))
    moment = datetime.datetime(2026, 1, 1, 10, 30, tzinfo=east)
    written = await create(rig, Everything, {"moment": moment})
    assert written.row["moment"] == datetime.datetime(2026, 1, 1, 5, 30)
    found = await rig.store.find(rig.sources[Everything], Query(where=(Equal("moment", moment),)))
    assert [row["moment"] for row in found.rows] == [datetime.datetime(2026, 1, 1, 5, 30)]
