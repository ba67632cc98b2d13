"""Database: an empty one for a test, what a Live is that serves it, and how strangers write to it and see it.

Models are SQLModel and mapped classes; where a store takes others, ``taken`` gives the equal one.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, Self

from livecollections import Live
from livecollections.cause import Cause
from livecollections.stores.base import Store
from tests.scale import scaled


class Database(ABC):
    """One of them. kind: sqlite, postgres or mongo.  url: as ``Live`` takes it."""

    kind: str
    refusals: tuple[type[Exception], ...]
    """What a stranger's write raises that the database refuses."""
    url: str
    moment = "2020-01-02T03:04:05.000006Z"
    """A time as exact as it keeps one."""
    nul = "\0"
    """In a text: nothing, where it takes none."""
    draws_keys = True
    """Whether it makes the keys of tables that leave them to it: then no body may name one."""
    tells_versions = True
    """Whether it tells one state of a table from another: then a list has a tag before it is read."""

    part = 5
    """In full it has one in so many of SQLite's random cases, since each takes longer."""

    def scaled(self, small: int, full: int) -> int:
        """The count of random cases for this run."""
        return scaled(small, max(small, full // self.part))

    def is_level(self, read: str, written: str) -> bool:
        """Whether a read with this seq may come right after that write: its seq is that of the write."""
        return read == written

    def live(self, **options: Any) -> Live:
        """A Live on it, whose resources are declared by the tables' models, whatever it takes itself."""
        return _Live(self, **{"synchronous": "NORMAL", **options})

    async def prepare(  # noqa: B027  most have nothing to prepare
        self, options: Mapping[str, Any], resources: Sequence[tuple[Any, ...]]
    ) -> None:
        """Be as an empty one is that has been served with these before, if that is had sooner than by serving."""

    async def end(self, store: Store) -> str:
        """The seq of all that is written by now, to which what is published comes. store: a started one of it."""
        return await store.head()

    def taken(self, model: type[Any]) -> type[Any]:
        """The model as its store takes it."""
        return model

    @abstractmethod
    def insert(self, model: type[Any], *rows: Mapping[str, Any]) -> None:
        """Insert rows, as a stranger does."""

    @abstractmethod
    def update(self, model: type[Any], values: Mapping[str, Any], **where: Any) -> None:
        """Set values in the rows that have others, as a stranger does."""

    @abstractmethod
    def delete(self, model: type[Any], **where: Any) -> None:
        """Delete the rows that have values, as a stranger does."""

    @abstractmethod
    def spoil(self, model: type[Any]) -> Cause:
        """Do to a table what can't be told change by change, as a stranger does; the answer is why it can't."""

    @abstractmethod
    def rows(self, model: type[Any]) -> list[dict[str, Any]]:
        """The rows that are stored, by attribute, in the order of their keys."""

    def version(self) -> int:
        """Of all that is in the log, where it tells versions."""
        return 0

    @abstractmethod
    def held(self) -> Any:
        """Every row of every table, the log, and the answers remembered, byte for byte."""

    @abstractmethod
    def close(self) -> None:
        """Let go of it."""


class _Live(Live):
    """One that is told models of tables."""

    def __init__(self, database: Database, **options: Any) -> None:
        super().__init__(database.url, **options)
        self._of = database
        self._options = options
        self._resources: list[tuple[Any, ...]] = []

    def add_resource(self, path: str, model: Any, **options: Any) -> None:
        super().add_resource(path, self._of.taken(model), **options)
        self._resources.append((path, model, options))

    async def __aenter__(self) -> Self:
        await self._of.prepare(self._options, self._resources)
        return await super().__aenter__()
