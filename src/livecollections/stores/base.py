"""The port of every store: rows, and the log of their changes, in one database.

Two rules. What a write did and its entry in the log commit together. A seq that is given with rows never
says more than the rows hold (design, section 5). A store knows no channel, no HTTP and no session of Bayeux.
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol, TypeVar

from .. import step
from ..cause import Cause
from ..change import Change, Key, Row
from ..errors import ConfigurationError, StoreUnavailable
from ..query import Query
from ..source import Source
from .log_state import LogState

T = TypeVar("T")

logger = logging.getLogger("livecollections.store")


Lane = Literal["read", "write", "list", "judged"]


class Run(Protocol):
    """Runs a blocking function of the store: on a thread in production, at once in a simulation.

    lane "write" runs one function at a time, in order; the others may run beside it, and "judged", which has the lists
    whose conditions Python judges, beside all other lists.
    """

    def __call__(self, lane: Lane, function: Callable[[], T], /) -> Awaitable[T]: ...


@dataclass(frozen=True, slots=True)
class Log:
    """How long the log is kept and what its tables are called.

    days, changes: an entry goes when it is older, or further back, than this.
    prefix, schema: of the tables ``<prefix>changes``, ``<prefix>meta``, ….
    """

    days: float = 7
    changes: int = 1_000_000
    prefix: str = "live_"
    schema: str | None = None

    def __post_init__(self) -> None:
        for option in ("days", "changes"):
            value = getattr(self, option)
            if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
                raise ConfigurationError(f"{option}: more than 0 is needed, not {value!r}")
        if not isinstance(self.changes, int):
            raise ConfigurationError(f"changes: a whole number is needed, not {self.changes!r}")
        for option in ("prefix", "schema"):
            value = getattr(self, option)
            if not (value is None and option == "schema") and not (
                isinstance(value, str) and value.isidentifier()
            ):
                raise ConfigurationError(f"{option}: a name such as live_ is needed, not {value!r}")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Rows and the seq up to which they hold every change, read in one transaction."""

    rows: list[Row]
    seq: str
    until: str | None = None


@dataclass(frozen=True, slots=True)
class Count:
    """How many rows there are; seq, version, until: as of a Listing."""

    number: int
    seq: str
    version: str | None = None
    until: str | None = None


class Listing(ABC):
    """A list that was read in one snapshot, which is let go already; its rows are taken piece by piece.

    seq: up to which the rows hold every change.  count: of the rows.  until: as of a Snapshot.
    version: another one whenever any row of the source is; None where the store can't tell.
    more: the query's limit left rows out; place: then, the last row's, from which ``Query.after`` goes on.
    """

    def __init__(
        self,
        seq: str,
        count: int,
        until: str | None = None,
        version: str | None = None,
        more: bool = False,
        place: tuple[Any, ...] | None = None,
    ) -> None:
        self.seq = seq
        self.count = count
        self.until = until
        self.version = version
        self.more = more
        self.place = place

    @property
    @abstractmethod
    def is_short(self) -> bool:
        """Whether the first piece is all."""

    @abstractmethod
    async def piece(self) -> list[Row]:
        """The next rows; none at the end."""

    @abstractmethod
    def close(self) -> None:
        """Let go of what is left. Safe to call twice."""


@dataclass(frozen=True, slots=True)
class Idempotency:
    """A write that may be repeated: the client's key, and a digest of what it asked for."""

    key: str
    digest: str


@dataclass(frozen=True, slots=True)
class Write:
    """One write of one document.

    key: of the document; None for an insert.
    change: given the row as it is (None for an insert), the attributes to set; None deletes. It runs inside
    the transaction and may raise a RequestError, which undoes this write alone.
    origin: stamped on the first change of the document that the request addressed.
    check: given the row read back, inside the transaction; what it raises undoes this write alone.
    blocks: those two may wait for something, or work for long, so they never run on the loop.
    """

    source: Source
    key: Key | None
    change: Callable[[Row | None], dict[str, Any] | None]
    origin: str | None = None
    idempotency: Idempotency | None = None
    check: Callable[[Row], None] | None = None
    blocks: bool = False


@dataclass(frozen=True, slots=True)
class Bulk:
    """Several writes of one source (one at least) in one transaction, in their order: all are done, or none.

    idempotency: of the whole; their own are not asked for.
    """

    writes: Sequence[Write]
    idempotency: Idempotency | None = None


@dataclass(frozen=True, slots=True)
class Sweep:
    """One write of each row that a query finds, in one transaction: all are done, or none.

    change: as of a Write; it is given each row.  origin: ``<origin>.0`` is stamped for the first, and so on.
    around: makes of each write the one that is done.
    check: given the version of the source, as of a Listing, in the transaction and before a row is looked for; what it
    raises undoes this alone.  seen: the same, of stores that tell no version, given the rows that were found.
    """

    source: Source
    query: Query
    change: Callable[[Row | None], dict[str, Any] | None]
    origin: str | None = None
    around: Callable[[Write], Write] | None = None
    check: Callable[[str | None], None] | None = None
    seen: Callable[[Sequence[Row]], None] | None = None


@dataclass(frozen=True, slots=True)
class Logged:
    """An entry that a transaction has made: its seq, and the name of its source."""

    seq: str
    source: str


@dataclass(frozen=True, slots=True)
class Written:
    """What a write left: the row read back after the last trigger (for a delete, as it was last), the seq
    that the row holds, and whether it is the remembered answer to a repeated request.

    logged: on the last of a job, all entries that it made; where they are not told, none.
    """

    row: Row
    seq: str | None
    repeated: bool = False
    logged: Sequence[Logged] = ()


def tells_commits() -> bool:
    """Whether the log of the process is told what is committed, so that stores have to find it out."""
    return step.is_told(logger)


def tell_committed(logged: Sequence[Logged], **facts: object) -> None:
    """Tell the log of the process what a transaction has made, each entry by itself, so that its seq is found."""
    for each in logged:
        step.tell(logger, "committed", each.seq, source=each.source, **facts)


def noted(outcome: Written | list[Written], logged: Sequence[Logged]) -> Written | list[Written]:
    """What a job left, with the entries that it made."""
    if isinstance(outcome, Written):
        return replace(outcome, logged=logged)
    return [*outcome[:-1], replace(outcome[-1], logged=logged)] if outcome else outcome


def told(outcome: T) -> T:
    """What became of a job, once it is durable and the log of the process was told."""
    written: list[Written] = [outcome] if isinstance(outcome, Written) else outcome  # type: ignore[assignment]
    if written and written[-1].logged:
        tell_committed(written[-1].logged, documents=len(written))
    return outcome


@dataclass(frozen=True, slots=True)
class Batch:
    """Changes in order. ``upto``: everything at and below it has been read (of the sources asked for).
    ``more``: the limit ended it.  ``lost``: why entries after the place asked for can't be told, so that the caller
    must say RESET; ``trimmed_to`` is the last of those that are gone, where the place is one of this log.
    ``size``: characters of the images that they were read from, where they were counted."""

    changes: list[Change]
    upto: str
    more: bool = False
    lost: Cause | None = None
    trimmed_to: str | None = None
    size: int = 0


DISTINCT = 10_000
"""Values that are remembered, so that each is told once."""


class Distinct:
    """Tells values that come for the first time, as far as so many can be remembered."""

    def __init__(self) -> None:
        self._known: set[Any] = set()

    def is_new(self, value: Any) -> bool:
        """Whether a value is not among those that are remembered."""
        if value in self._known:
            return False
        if len(self._known) < DISTINCT:
            self._known.add(value)
        return True


def too_long(seconds: float) -> StoreUnavailable:
    """What is raised where the rows of a query take longer than that to read."""
    return StoreUnavailable(
        f"this list takes more than {seconds:g} s to read: ask for a part of it, with limit and skip"
    )


def not_started() -> StoreUnavailable:
    """What is raised before a store's start, and after its stop."""
    return StoreUnavailable("the store is not started")


LetterState = Literal["failing", "dead", "ended", "resumed", "told"]


@dataclass(frozen=True, slots=True)
class Letter:
    """A message that the receiver of a webhook has not taken.

    webhook: its name.  seq: of the change.  body: what is posted.
    state: "failing", it is tried again; "dead", it was given up; "ended", it was given up, and the webhook with it;
    "resumed", that webhook goes on; "told", a mark without a body: nothing after it was taken or given up.
    attempts: so far.  reason: why the last one failed.
    since: the time of the first.  due: of the next; both in seconds since 1970.
    """

    webhook: str
    seq: str
    body: bytes
    state: LetterState = "failing"
    attempts: int = 0
    reason: str = ""
    since: float = 0.0
    due: float = 0.0


class Letters(ABC):
    """The letters that a store keeps, at most one for each webhook and seq."""

    @abstractmethod
    async def read(
        self, webhook: str, states: Collection[LetterState], after: str = "", limit: int = 100
    ) -> list[Letter]:
        """Letters of a webhook in some states, in the order of their seqs, after one of those."""

    @abstractmethod
    async def keep(self, letter: Letter, most: int) -> int:
        """Keep a letter in the place of what was kept of it; of more dead ones than ``most`` the oldest go.

        The answer is how many went.
        """

    @abstractmethod
    async def drop(self, webhook: str, seq: str) -> None:
        """Forget a letter; nothing happens if there is none."""


class Store(ABC):
    """A database that keeps rows and the log of their changes.

    letters: those of webhooks.
    """

    letters: Letters

    @property
    @abstractmethod
    def is_shared(self) -> bool:
        """Whether other processes can open the same database."""

    @abstractmethod
    def describe(self, model: type, exclude: Collection[str] = ()) -> Source:
        """Read a model. Raises ConfigurationError if it has no table or no primary key."""

    @abstractmethod
    async def start(self, sources: Sequence[Source]) -> None:
        """Open, make missing tables if asked to, and install or check capture. May run again after stop, on
        another loop. Raises StoreUnavailable, CaptureMissing."""

    @abstractmethod
    def hasten(self) -> None:
        """A stop is near: what waits for another process's lock waits half a second more at most."""

    @abstractmethod
    async def stop(self) -> None:
        """Finish the writes that wait, and close. Safe to call twice."""

    @abstractmethod
    async def find(self, source: Source, query: Query) -> Snapshot:
        """The rows that a query asks for."""

    @abstractmethod
    async def listing(self, source: Source, query: Query) -> Listing:
        """The same, however many they are, in bounded memory. Raises StoreUnavailable if that takes too long."""

    @abstractmethod
    async def count(self, source: Source, query: Query) -> Count:
        """How many rows a query asks for. Raises StoreUnavailable if that takes too long."""

    @abstractmethod
    async def distinct(self, source: Source, attribute: str, query: Query) -> Listing:
        """The values that a field has in the rows of a query: rows of nothing but that field, each once as it is
        stored, in no order; beyond DISTINCT some may come again. Raises StoreUnavailable if that takes too long."""

    @abstractmethod
    async def get(self, source: Source, key: Key) -> Snapshot:
        """The row with this key (no rows if there is none)."""

    async def made(self, source: Source, keys: Sequence[str]) -> dict[str, Row]:
        """The rows that were first answered to writes of one document with these keys of Idempotency, as far as they
        are remembered, by key. It reads; a store that can't tell tells of none."""
        return {}

    @abstractmethod
    async def write(self, write: Write) -> Written:
        """Do one write; concurrent writes may share a transaction, each in its savepoint.

        Returns when it is durable. Raises DocumentNotFound, Conflict, ConstraintViolated, StoreUnavailable;
        then nothing was changed.
        """

    @abstractmethod
    async def write_all(self, writes: Bulk | Sweep) -> list[Written]:
        """Do several writes; each of what is answered holds what all have done.

        Returns when they are durable. Raises BulkRefused, which tells of one of them, KeyReused, StoreUnavailable,
        MalformedRequest for a query; then nothing was changed.
        """

    @abstractmethod
    async def head(self) -> str:
        """The highest seq of the log (of an empty log too)."""

    @abstractmethod
    async def last(self, source: str) -> str | None:
        """The seq of the last change of a source that the log still knows."""

    @abstractmethod
    async def read(self, after: str, limit: int, source: str | None = None) -> Batch:
        """Changes after a seq, in order: of every source, or of one."""

    async def last_seen(
        self, source: str, after: str, until: str, sees: Callable[[Change], object]
    ) -> str | None:
        """Of a source's changes after a seq, up to the ``until`` of what was read: the last that somebody sees.

        It is asked only where there is an ``until``.
        """
        return until

    @abstractmethod
    async def why_reset(self, since: str, source: str) -> Cause | None:
        """Why a receiver at ``since`` can't be told the rest change by change; None: it can, for it names an entry
        of this log (epoch, check digits, not trimmed, not beyond the end) and no RESET of the source came after it.
        """

    @abstractmethod
    async def backlog(self, after: str) -> dict[str, int]:
        """How many changes of each source wait after a seq."""

    @abstractmethod
    async def look(self, after: str) -> LogState:
        """The state of the log, as seen from a seq: the database is asked, and waited for, whatever it takes.

        It does not wait for a connection that others have. Raises StoreError.
        """

    @abstractmethod
    async def reset(self, source: str, cause: Cause = Cause.REQUESTED) -> str:
        """Append a RESET of a source to the log, which says why; the answer is its seq."""

    @abstractmethod
    async def renew(self, lost: str) -> str:
        """Begin a new epoch if the log, in the epoch of ``lost``, went back to before it; the answer is the head."""

    @abstractmethod
    async def wait_changed(self, after: str) -> None:
        """Return when the log may hold something after ``after``, whoever wrote it. Cancel-safe."""

    @abstractmethod
    async def maintain(self, now: float) -> None:
        """Trim the log, forget old idempotency keys, beat the heart, check capture. now: since 1970."""

    @abstractmethod
    async def cursor(self, name: str) -> str | None:
        """Where a durable listener stands."""

    @abstractmethod
    async def hold_cursor(self, name: str, owner: str, until: float, now: float) -> bool:
        """Take or keep the lease on a cursor until a time; False while another owner holds it."""

    @abstractmethod
    async def move_cursor(self, name: str, owner: str, seq: str) -> bool:
        """Move a cursor that ``owner`` holds; False if it is held by another."""

    @abstractmethod
    def session(self, origin: str | None = None, committed: Callable[[str], None] | None = None) -> Any:
        """An async context manager that gives an AsyncSession on this database; its commits stamp ``origin``
        and call ``committed(seq)``."""
