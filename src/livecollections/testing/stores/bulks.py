"""Bulks: what a store promises of several writes in one transaction."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from ...change import Row
from ...errors import (
    BulkRefused,
    Conflict,
    ConstraintViolated,
    DocumentNotFound,
    InvalidDocument,
    KeyReused,
    PreconditionFailed,
)
from ...query import Equal, Order, Query
from ...stores.base import Bulk, Idempotency, Sweep, Write
from .models import Tag, Todo
from .rig import StoreRig, are_alike, change, changes, conforming, create, rows

Change = Callable[[Row | None], dict[str, Any] | None]


def creation(rig: StoreRig, values: dict[str, Any], origin: str | None = None) -> Write:
    """The write that inserts a todo."""
    return Write(rig.sources[Todo], None, lambda row: values, origin)


def creations(rig: StoreRig, titles: str, origin: str | None = None) -> list[Write]:
    """The writes that insert a todo for each letter."""
    return [
        creation(rig, {"title": title}, origin and f"{origin}.{place}") for place, title in enumerate(titles)
    ]


@conforming
class Bulks:
    """Several writes are one: all are done, or none."""

    async def test_what_is_swept_may_depend_on_the_version_of_its_source(self, rig: StoreRig) -> None:
        source = rig.sources[Todo]
        await rig.store.write_all(Bulk(creations(rig, "ab")))
        seen = await rig.store.listing(source, Query(limit=0))
        found: list[str | None] = []

        def check(version: str | None) -> None:
            found.append(version)
            if version != seen.version:
                raise PreconditionFailed("another one")

        sweep = Sweep(source, Query((Equal("title", "a"),)), lambda row: None, check=check)
        assert [done.row["title"] for done in await rig.store.write_all(sweep)] == ["a"]
        assert found[-1] == seen.version
        if seen.version is not None:
            with pytest.raises(PreconditionFailed):
                await rig.store.write_all(replace(sweep, query=Query()))
            assert [row["title"] for row in await rows(rig, Todo)] == ["b"]

    async def test_several_are_done_in_order_and_answered_as_all_have_left_them(self, rig: StoreRig) -> None:
        before = (await create(rig, Todo, {"title": "z"})).seq or ""
        source = rig.sources[Todo]
        written = await rig.store.write_all(
            Bulk(
                [
                    *creations(rig, "ab", "token"),
                    Write(source, (2,), lambda row: {"order": 5}),
                    Write(source, (1,), lambda row: None),
                ]
            )
        )
        assert [(each.row["title"], each.row["order"]) for each in written] == [
            ("a", 5),
            ("b", None),
            ("a", 5),
            ("z", None),
        ]
        assert len({each.seq for each in written}) == 1
        assert await are_alike(rig, written[0].seq, await rig.store.head())
        logged = await changes(rig, before)
        assert [(each.method, each.key) for each in logged] == [
            ("POST", (2,)),
            ("POST", (3,)),
            ("PUT", (2,)),
            ("DELETE", (1,)),
        ]
        assert [each.origin for each in logged] == ["token.0", "token.1", None, None]
        assert [row["title"] for row in await rows(rig)] == ["a", "b"]

    async def test_one_that_a_later_one_takes_away_is_refused(self, rig: StoreRig) -> None:
        before = await rig.store.head()
        removal = Write(rig.sources[Todo], (1,), lambda row: None)
        with pytest.raises(BulkRefused, match="took the document away"):
            await rig.store.write_all(Bulk([*creations(rig, "ab"), removal]))
        assert await changes(rig, before) == []

    async def test_one_that_is_refused_undoes_all_and_nobody_elses(self, rig: StoreRig) -> None:
        def refuse(row: Row | None) -> dict[str, Any]:
            raise Conflict("not today")

        await create(rig, Todo, {"title": "taken"})
        source = rig.sources[Todo]
        refusals: Sequence[tuple[Write, type[Exception]]] = [
            (creation(rig, {"title": "taken"}), ConstraintViolated),
            (creation(rig, {"title": "a"}), ConstraintViolated),
            (creation(rig, {"title": "c", "order": 2**70}), InvalidDocument),
            (Write(source, (99,), lambda row: {"order": 1}), DocumentNotFound),
            (Write(source, (1,), refuse), Conflict),
        ]
        for number, (write, kind) in enumerate(refusals):
            before = await rig.store.head()
            bulk = rig.store.write_all(
                Bulk([*creations(rig, "ab"), write, creation(rig, {"title": "d"})], Idempotency("k", "d"))
            )
            outcomes = await asyncio.gather(
                create(rig, Todo, {"title": f"before {number}"}),
                bulk,
                create(rig, Todo, {"title": f"after {number}"}),
                return_exceptions=True,
            )
            refused = outcomes[1]
            assert isinstance(refused, BulkRefused)
            assert (refused.place, type(refused.error)) == (2, kind)
            if isinstance(refused.error, ConstraintViolated):
                assert list(refused.error.fields) == ["title"]
            told = {each.after["title"] for each in await changes(rig, before) if each.after}
            assert told == {f"before {number}", f"after {number}"}
        assert len(await rows(rig)) == 1 + 2 * len(refusals)

    async def test_a_repeated_bulk_is_done_once(self, rig: StoreRig) -> None:
        asked = Idempotency("key", "digest")
        first = await rig.store.write_all(Bulk(creations(rig, "abcdefghijkl"), asked))
        assert not any(each.repeated for each in first)
        await change(rig, Todo, (2,), {"title": "changed"})
        head = await rig.store.head()
        again = await rig.store.write_all(Bulk(creations(rig, "abcdefghijkl"), asked))
        assert [(each.row, each.seq) for each in again] == [(each.row, each.seq) for each in first]
        assert all(each.repeated for each in again)
        for bulk in (
            Bulk(creations(rig, "xy"), Idempotency("key", "another")),
            Bulk([Write(rig.sources[Tag], None, lambda row: {"name": "x"})], asked),
        ):
            with pytest.raises(KeyReused):
                await rig.store.write_all(bulk)
        with pytest.raises(KeyReused):
            await create(rig, Todo, {"title": "x"}, idempotency=Idempotency("key", "another"))
        assert await changes(rig, head) == []

    async def test_what_writes_of_one_have_made_is_told_by_their_keys(self, rig: StoreRig) -> None:
        source = rig.sources[Todo]

        async def told(*keys: str) -> dict[str, Row]:
            return await rig.store.made(source, keys)

        first, second = [
            await create(rig, Todo, {"title": title}, idempotency=Idempotency(title, "d")) for title in "ab"
        ]
        await rig.store.write_all(Bulk(creations(rig, "cd"), Idempotency("several", "d")))
        await create(rig, Tag, {"name": "a"}, idempotency=Idempotency("of a tag", "d"))
        with pytest.raises(ConstraintViolated):
            await create(rig, Todo, {"title": "a"}, idempotency=Idempotency("refused", "d"))
        await change(rig, Todo, (1,), {"title": "changed since"})
        await change(rig, Todo, (2,), None)
        head = await rig.store.head()
        made = await told("a", "b", "several", "of a tag", "refused", "unknown")
        assert made == {"a": first.row, "b": second.row}
        assert (await told("b"), await told("unknown"), await told()) == ({"b": second.row}, {}, {})
        assert await changes(rig, head) == []
        await rig.store.maintain(time.time() + 25 * 3600)
        assert await told("a", "b") == {}

    async def test_a_sweep_writes_what_a_query_finds(self, rig: StoreRig) -> None:
        for title, order in (("a", 1), ("b", 2), ("c", 1), ("d", 1)):
            await create(rig, Todo, {"title": title, "order": order})
        before = await rig.store.head()
        query = Query(where=(Equal("order", 1),), sort=(Order("title", True),), limit=2)
        swept = await rig.store.write_all(Sweep(rig.sources[Todo], query, lambda row: None, "token"))
        assert [each.row["title"] for each in swept] == ["d", "c"]
        logged = await changes(rig, before)
        assert [(each.method, each.key, each.origin) for each in logged] == [
            ("DELETE", (4,), "token.0"),
            ("DELETE", (3,), "token.1"),
        ]
        assert swept[0].seq == logged[-1].seq
        assert await are_alike(rig, swept[0].seq, await rig.store.head())
        moved = await rig.store.write_all(Sweep(rig.sources[Todo], Query(), lambda row: {"order": 7}))
        assert [each.row["order"] for each in moved] == [7, 7]
        nothing = Sweep(rig.sources[Todo], Query(where=(Equal("order", 1),)), lambda row: None)
        assert await rig.store.write_all(nothing) == []

    async def test_a_sweep_of_which_one_is_refused_does_nothing(self, rig: StoreRig) -> None:
        for title in "abc":
            await create(rig, Todo, {"title": title})
        before = await rig.store.head()
        with pytest.raises(BulkRefused) as refused:
            await rig.store.write_all(Sweep(rig.sources[Todo], Query(), lambda row: {"title": "same"}))
        assert (refused.value.place, type(refused.value.error)) == (1, ConstraintViolated)
        assert await changes(rig, before) == []
        assert [row["title"] for row in await rows(rig)] == ["a", "b", "c"]
