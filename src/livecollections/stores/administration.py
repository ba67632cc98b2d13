"""The port of administration: what is done to a database beside serving it.

Three rules. Each method opens the database, does its work in one transaction where the database has such, and closes
it. Nothing is said of a database that holds its password. What others made is read as it is, and never altered.

It is for the command line, and for tables that are offered by their names; its methods may block the loop for as long
as the database takes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from ..cause import Cause
from ..change import Change
from ..errors import ConfigurationError
from ..source import Source
from .base import Batch

BATCH = 500
"""Entries read at a time."""


@dataclass(frozen=True, slots=True)
class Found:
    """A table, a view or a collection as it was found.

    name: as a source has it, with its schema where that is not the usual one.
    model: a class that the store of this database describes; None where it can't be live.
    reason: then, why; it completes "left out: ".
    unshown: attributes that no document can show, and whether each insert must name them.
    """

    name: str
    model: type | None
    reason: str = ""
    unshown: Mapping[str, bool] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Plan:
    """What capture lacks. additions: each a line for people, nothing if it lacks nothing.  script: adds it all."""

    additions: tuple[str, ...]
    script: str


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that was looked at. told: how it is.  advice: what is to be done about it; nothing if it is well."""

    subject: str
    told: str
    advice: str = ""


class Administration(ABC):
    """One database, by its URL."""

    @property
    @abstractmethod
    def database(self) -> str:
        """The database's URL, or its file, as people may be told it."""

    @abstractmethod
    async def reflect(self, names: Collection[str] = ()) -> list[Found]:
        """What there is, in the order of the names; a log of ours is not.

        names: these alone. The models of one call know one another by their foreign keys.
        Raises ConfigurationError for a name that the database lacks, StoreUnavailable.
        """

    async def models(self, names: Collection[str]) -> dict[str, type]:
        """The models of tables, by their names. Raises as ``reflect``, and so for what can't be live."""
        models = {}
        for found in await self.reflect(names):
            if found.model is None:
                raise ConfigurationError(f"table: {found.name} can't be live: {found.reason}")
            models[found.name] = found.model
        return models

    @abstractmethod
    async def shape(self) -> str:
        """Another one whenever a table or a column may have changed. Raises StoreUnavailable."""

    @abstractmethod
    async def plan(self, tables: Sequence[str] = (), exclude: Sequence[str] = ()) -> Plan:
        """What ``install`` would add.

        tables: those to capture; all if none is named.  exclude: columns that the log must not keep, ``todo.secret``.
        Raises ConfigurationError, StoreUnavailable.
        """

    @abstractmethod
    async def install(self, tables: Sequence[str] = (), exclude: Sequence[str] = ()) -> bool:
        """Add what is missing, as ``plan`` tells it; whether anything was. Raises as that does."""

    @abstractmethod
    async def uninstall(self) -> list[str]:
        """Remove every trace of livecollections; the answer names what was dropped.

        Raises ConfigurationError, and StoreUnavailable; then nothing was removed.
        """

    @abstractmethod
    async def new_epoch(self) -> str:
        """Begin a new epoch of the log: every receiver then reads again. The answer is the epoch.

        Raises ConfigurationError where there is no log, StoreUnavailable.
        """

    @abstractmethod
    async def examine(self, sources: Sequence[Source] | None = None) -> list[Finding]:
        """How the database is, its log and its capture; nothing in it is changed.

        sources: those that an application shows; None: those that the log captures.
        Raises ConfigurationError, StoreUnavailable.
        """

    @abstractmethod
    def changes(self, since: str | None = None, *, follow: bool = False) -> AsyncIterator[Change]:
        """The entries of the log in order, with rows by the database's own names and values.

        since: the seq after which they begin; None: the oldest that is kept.  follow: wait for more at the end.
        Raises ConfigurationError where there is no log, and where what came after a seq can't be told;
        StoreUnavailable.
        """


async def batched(
    read: Callable[[str], Awaitable[Batch]], after: str, more: Callable[[str], Awaitable[object]] | None
) -> AsyncIterator[Change]:
    """The entries after a seq, batch by batch.

    read: gives those after a seq.  more: waits until there may be some after it; None: end where there are none.
    Raises ConfigurationError where they can't be told.
    """
    while True:
        batch = await read(after)
        if batch.lost is not None:
            raise untold(after, batch.lost)
        for change in batch.changes:
            yield change
        after = batch.upto
        if not batch.more:
            if more is None:
                return
            await more(after)


def untold(after: str, cause: Cause) -> ConfigurationError:
    """Why entries can't be told."""
    return ConfigurationError(f"since: what came after {after} can't be told ({cause.value})")


def without(
    columns: Mapping[str, Sequence[str]], keys: Mapping[str, Collection[str]], exclude: Iterable[str]
) -> dict[str, list[str]]:
    """The columns of tables without some, which are named as ``todo.secret``.

    Raises ConfigurationError for one that is not there, or of the key.
    """
    left = {table: list(names) for table, names in columns.items()}
    for named in exclude:
        table, _, column = named.rpartition(".")
        if column not in left.get(table, ()):
            raise ConfigurationError(f"exclude: there is no column {named} to capture")
        if column in keys[table]:
            raise ConfigurationError(f"exclude: {named} belongs to the key, which the log needs")
        left[table].remove(column)
    return left
