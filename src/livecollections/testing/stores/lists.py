"""Lists: what a store gives of many rows: those that conditions mean, in order, in pages, counted."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from ...change import Row
from ...errors import MalformedRequest
from ...query import And, Compare, Condition, Equal, In, Not, Or, Order, Query, Size, Some, Text, matches
from ...stores.base import Listing
from .documents import EVERYTHING
from .models import Everything, Todo
from .rig import StoreRig, are_alike, conforming, create


async def rows_of(listing: Listing) -> AsyncIterator[Row]:
    """The rows of a list, which is let go at the end."""
    while rows := await listing.piece():
        for row in rows:
            yield row
    listing.close()


@conforming
class Lists:
    """A list is what the filter language says, whatever the database."""

    async def test_lists_are_filtered_sorted_and_cut(self, rig: StoreRig) -> None:
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

    async def test_conditions_mean_what_the_filter_language_says(self, rig: StoreRig) -> None:
        source = rig.sources[Everything]
        rows = [(await create(rig, Everything, values)).row for values in (EVERYTHING, {"text": "A"}, {})]
        for name, value in EVERYTHING.items():
            known: list[Condition] = [
                Equal(name, value),
                In(name, (value, None)),
                Not(Equal(name, None)),
                Compare(name, ">=", value),
                Not(Compare(name, "<", value)),
            ]
            for each in known:
                query = Query((each,))
                found = await rig.store.find(source, query)
                assert found.rows == [row for row in rows if matches(row, query)], each
        several: list[Condition] = [
            Text("text", "MILK", starts=True, any_case=True),
            Equal("data", 1, ("a",)),
            Equal("data", "x", ("a", "2")),
            Some("data", Equal("", "x"), ("a",)),
            Size("data", 3, ("a",)),
            Or((Equal("text", "A"), And((Equal("flag", True), Compare("number", "<", 1))))),
        ]
        for asked in several:
            query = Query((asked,))
            found = await rig.store.find(source, query)
            assert found.rows == [row for row in rows if matches(row, query)] != [], asked

    async def test_lists_are_counted_and_their_values_told(self, rig: StoreRig) -> None:
        source = rig.sources[Todo]
        for title, order in (("a", 3), ("b", 1), ("c", None), ("d", 3)):
            await create(rig, Todo, {"title": title, "order": order})
        head = await rig.store.head()
        for query, number in ((Query(), 4), (Query((Equal("order", 3),)), 2), (Query(skip=1, limit=2), 2)):
            counted = await rig.store.count(source, query)
            assert counted.number == number
            assert await are_alike(rig, counted.seq, head)
        for query, values in ((Query(), {1, 3, None}), (Query((Compare("title", ">", "b"),)), {None, 3})):
            found = await rig.store.distinct(source, "order", query)
            assert await are_alike(rig, found.seq, head)
            rows = [row async for row in rows_of(found)]
            assert all(row.keys() == {"order"} for row in rows)
            assert {row["order"] for row in rows} == values

    async def test_pages_go_on_after_their_last_row(self, rig: StoreRig) -> None:
        source = rig.sources[Todo]
        for title, order in (("a", 3), ("b", 1), ("c", None), ("d", 3), ("e", None)):
            await create(rig, Todo, {"title": title, "order": order})
        for sort in ((), (Order("order"),), (Order("order", True),), (Order("order"), Order("title", True))):
            whole = [
                row["id"] async for row in rows_of(await rig.store.listing(source, Query(sort=sort, limit=9)))
            ]
            for limit in (1, 2, 5):
                ids: list[int] = []
                query = Query(sort=sort, limit=limit)
                while True:
                    found = await rig.store.listing(source, query)
                    ids += [row["id"] async for row in rows_of(found)]
                    assert found.more == (len(ids) < 5)
                    if not found.more:
                        break
                    query = replace(query, after=found.place)
                assert ids == whole
