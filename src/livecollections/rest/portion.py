"""Portion: the part of a store that a view has, where a view has not all of it: a partition, or not all fields.

Two rules. Whatever is asked, a row of another partition is not there: it is neither found nor counted, no precondition
is compared with it, and it is written as little as one that does not exist. What is not said here can't be asked.
What the view's channel does not tell, ``until`` never names, or who reads would wait for it for ever.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from ..change import Key, Row
from ..query import Equal, Query
from ..resource import Resource
from ..source import Source
from ..stores.base import Bulk, Count, Listing, Snapshot, Store, Sweep, Write, Written
from ..view import seen

Change = Callable[[Row | None], dict[str, Any] | None]


class Portion:
    """Asked as a store is."""

    def __init__(self, store: Store, view: Resource) -> None:
        self._store = store
        self._view = view

    async def head(self) -> str:
        """As the store's."""
        return await self._store.head()

    async def get(self, source: Source, key: Key) -> Snapshot:
        """As the store's."""
        found = await self._store.get(source, key)
        rows = [row for row in found.rows if self._view.holds(row)]
        return replace(found, rows=rows, until=await self._until(found))

    async def listing(self, source: Source, query: Query) -> Listing:
        """As the store's."""
        return await self._told(await self._store.listing(source, self._narrowed(query)))

    async def count(self, source: Source, query: Query) -> Count:
        """As the store's."""
        found = await self._store.count(source, self._narrowed(query))
        return replace(found, until=await self._until(found))

    async def distinct(self, source: Source, attribute: str, query: Query) -> Listing:
        """As the store's."""
        return await self._told(await self._store.distinct(source, attribute, self._narrowed(query)))

    async def made(self, source: Source, keys: Sequence[str]) -> dict[str, Row]:
        """As the store's."""
        made = await self._store.made(source, keys)
        return {key: row for key, row in made.items() if self._view.holds(row)}

    async def find(self, source: Source, query: Query) -> Snapshot:
        """As the store's."""
        found = await self._store.find(source, self._narrowed(query))
        return replace(found, until=await self._until(found))

    async def _told(self, found: Listing) -> Listing:
        try:
            found.until = await self._until(found)
        except BaseException:
            found.close()
            raise
        return found

    async def _until(self, found: Snapshot | Listing | Count) -> str | None:
        if found.until is None:
            return None
        view = self._view
        return await self._store.last_seen(
            view.source.name, found.seq, found.until, lambda change: seen(view, change)
        )

    async def write(self, write: Write) -> Written:
        """As the store's."""
        return await self._store.write(replace(write, change=self._checked(write)))

    async def write_all(self, writes: Bulk | Sweep) -> list[Written]:
        """As the store's."""
        if isinstance(writes, Sweep):
            return await self._store.write_all(replace(writes, query=self._narrowed(writes.query)))
        checked = [replace(write, change=self._checked(write)) for write in writes.writes]
        return await self._store.write_all(replace(writes, writes=checked))

    def _checked(self, write: Write) -> Change:
        def change(row: Row | None) -> dict[str, Any] | None:
            if row is not None:
                self._view.check_holds(row)
            return write.change(row)

        return change

    def _narrowed(self, query: Query) -> Query:
        given = tuple(Equal(attribute, value) for attribute, value in self._view.given.items())
        return replace(query, where=(*given, *query.where))


def portion(store: Store, view: Resource) -> Store | Portion:
    """What of a store a view has."""
    return Portion(store, view) if view.is_part else store
