"""Documents: what a store gives and takes: models, rows, refusals, repeated requests."""

from __future__ import annotations

import asyncio
import datetime
import decimal
import time
import uuid
from typing import Any

import pytest

from ...change import Row
from ...errors import (
    ConfigurationError,
    Conflict,
    ConstraintViolated,
    DocumentNotFound,
    InvalidDocument,
    KeyReused,
    StoreUnavailable,
)
from ...query import Query
from ...stores.base import Idempotency, Write, Written
from .models import Colour, Everything, Line, Tag, Ticket, Todo
from .rig import StoreRig, are_alike, change, changes, conforming, create

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


@conforming
class Documents:
    """Rows are what was written, and a write is all or nothing."""

    async def test_a_model_is_read_with_attributes_columns_and_defaults(self, rig: StoreRig) -> None:
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
    async def test_what_is_no_model_is_refused(
        self, rig: StoreRig, model: type, exclude: tuple[str, ...], says: str
    ) -> None:
        with pytest.raises(ConfigurationError, match=says):
            rig.store.describe(model, exclude)

    async def test_a_created_row_is_read_back(self, rig: StoreRig) -> None:
        written = await create(rig, Todo, {"title": "milk"})
        assert written.row == {"id": 1, "title": "milk", "completed": False, "order": None}
        snapshot = await rig.store.get(rig.sources[Todo], (1,))
        assert snapshot.rows == [written.row]
        assert await are_alike(rig, snapshot.seq, written.seq)
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
        self, rig: StoreRig, model: type, values: dict[str, Any], key: tuple[Any, ...]
    ) -> None:
        before = await rig.store.head()
        written = await create(rig, model, values)
        source = rig.sources[model]
        assert source.key_of(written.row) == key
        assert (await rig.store.get(source, key)).rows == [written.row]
        assert [found.key for found in await changes(rig, before)] == [key]
        await change(rig, model, key, None)
        assert (await rig.store.get(source, key)).rows == []

    async def test_composite_keys_and_a_key_made_by_python(self, rig: StoreRig) -> None:
        await create(rig, Tag, {"name": "home"})
        line = await create(rig, Line, {"list": "home", "number": 2, "amount": 1})
        assert (await rig.store.get(rig.sources[Line], ("home", 2))).rows == [line.row]
        ticket = await create(rig, Ticket, {})
        assert isinstance(ticket.row["id"], uuid.UUID)
        assert ticket.row["note"] == "none"

    async def test_a_list_tells_whether_any_row_of_its_source_has_changed(self, rig: StoreRig) -> None:
        async def version(limit: int | None = None) -> str | None:
            listing = await rig.store.listing(rig.sources[Todo], Query(limit=limit))
            listing.close()
            return listing.version

        versions = [await version()]
        wanted: list[dict[str, Any] | None] = [{"title": "a"}, {"title": "b"}, None]
        for number, values in enumerate(wanted):
            await (change(rig, Todo, (1,), values) if number else create(rig, Todo, {"title": "x"}))
            versions.append(await version())
            await create(rig, Tag, {"name": f"of another table {number}"})
            assert await version() == await version(0) == versions[-1]
        if versions[0] is not None:
            assert len(set(versions)) == len(versions)

    async def test_answer_list_and_log_hold_the_same_values(self, rig: StoreRig) -> None:
        before = await rig.store.head()
        written = await create(rig, Everything, EVERYTHING)
        assert written.row == {"place": 1, **EVERYTHING, "changed": 0, "made": "by the database"}
        assert (await rig.store.find(rig.sources[Everything], Query())).rows == [written.row]
        (logged,) = await changes(rig, before)
        assert logged.after is not None
        assert logged.after == written.row
        assert [type(logged.after[name]) for name in written.row] == [type(v) for v in written.row.values()]

    async def test_excluded_columns_are_written_but_neither_shown_nor_logged(self, rig: StoreRig) -> None:
        before = await rig.store.head()
        written = await create(rig, Everything, {"secret": "hush"})
        assert "secret" not in written.row
        await change(rig, Everything, (1,), {"secret": "hush hush"})
        assert [found.method for found in await changes(rig, before)] == [
            "POST",
            "PUT",
        ]  # onupdate has set changed
        rig.execute("UPDATE \"store everything\" SET secret = 'louder'")
        assert len(await changes(rig, before)) == 2
        for found in await changes(rig, before):
            assert "hush" not in repr(found)

    async def test_a_change_is_given_the_row_and_sets_what_it_returns(self, rig: StoreRig) -> None:
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

    async def test_a_delete_answers_the_row_as_it_was_last(self, rig: StoreRig) -> None:
        created = await create(rig, Todo, {"title": "milk"})
        deleted = await change(rig, Todo, (1,), None)
        assert deleted.row == created.row
        (last,) = await changes(rig, created.seq or "")
        assert (last.method, last.before, last.after, last.seq) == ("DELETE", created.row, None, deleted.seq)

    async def test_a_write_that_changes_nothing_logs_nothing(self, rig: StoreRig) -> None:
        created = await create(rig, Todo, {"title": "milk"})
        other = await create(rig, Todo, {"title": "eggs"})
        again = await change(rig, Todo, (1,), {"title": "milk", "completed": False})
        assert again.row == created.row
        assert again.seq is not None
        assert other.seq is not None
        assert again.seq >= other.seq
        assert await are_alike(rig, again.seq, other.seq, await rig.store.head())

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
        self, rig: StoreRig, model: type, values: dict[str, Any], kind: str, fields: list[str]
    ) -> None:
        await create(rig, Todo, {"title": "milk"})
        await create(rig, Tag, {"name": "home"})
        before = await rig.store.head()
        with pytest.raises(ConstraintViolated) as raised:
            await create(rig, model, values)
        assert (raised.value.kind, list(raised.value.fields)) == (kind, fields)
        assert await changes(rig, before) == []

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
    async def test_what_no_column_holds_is_refused(self, rig: StoreRig, values: dict[str, Any]) -> None:
        before = await rig.store.head()
        with pytest.raises(InvalidDocument):
            await create(rig, Everything, values)
        assert await changes(rig, before) == []

    async def test_unknown_keys_are_not_found(self, rig: StoreRig) -> None:
        for key in ((9,), (2**70,)):
            assert (await rig.store.get(rig.sources[Todo], key)).rows == []
        with pytest.raises(DocumentNotFound):
            await change(rig, Todo, (9,), {"title": "x"})
        with pytest.raises(DocumentNotFound):
            await change(rig, Todo, (9,), None)

    async def test_one_refused_write_undoes_itself_alone(self, rig: StoreRig) -> None:
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

    async def test_before_start_and_after_stop_the_store_says_so(self, rig: StoreRig) -> None:
        await rig.store.stop()
        await rig.store.stop()
        with pytest.raises(StoreUnavailable):
            await rig.store.head()
        with pytest.raises(StoreUnavailable):
            await create(rig, Todo, {"title": "x"})

    async def test_a_repeated_create_answers_as_the_first(self, rig: StoreRig) -> None:
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
        assert not (
            await create(rig, Todo, {"title": "fine"}, idempotency=Idempotency("refused", "d"))
        ).repeated

    async def test_repeats_are_forgotten_after_a_day(self, rig: StoreRig) -> None:
        once = Idempotency("key", "digest")
        await create(rig, Todo, {"title": "milk"}, idempotency=once)
        await rig.store.maintain(time.time() + 23 * 3600)
        assert (await create(rig, Todo, {"title": "eggs"}, idempotency=once)).repeated
        await rig.store.maintain(time.time() + 25 * 3600)
        assert not (await create(rig, Todo, {"title": "eggs"}, idempotency=once)).repeated
