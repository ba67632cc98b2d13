"""The state of a log, as its store tells it when it is asked: how long it is, what waits, and what is wrong.

Two rules. It needs no right that serving does not need: what this role may not be told is None. It costs the database
the same however long the log is, so that its size is the database's own figure, or is told by a few entries of many.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Holder:
    """A transaction that can still fill a gap of PostgreSQL's log, and that keeps it open until it ends.

    xid: its number.  pid: of the backend that runs it; None: it is prepared, and waits for its COMMIT PREPARED.
    name: the ``application_name`` of the backend, or what the prepared transaction is called.
    state: as ``pg_stat_activity`` has it, or "prepared"; None where this role may not be told.
    seconds: since it began; None where this role may not be told.
    """

    xid: int
    pid: int | None
    name: str
    state: str | None
    seconds: float | None


@dataclass(frozen=True, slots=True)
class OpenGap:
    """Places of PostgreSQL's log that were drawn, are not filled as yet, and still can be.

    first, last: the places.  seconds: since this process saw them empty.
    is_passed: the feed has gone on without them; if they are filled after all, their channel is reset.
    holders: the transactions that may fill them.
    """

    first: int
    last: int
    seconds: float
    is_passed: bool
    holders: tuple[Holder, ...]


@dataclass(frozen=True, slots=True)
class LogState:
    """One look at a log.

    head: the highest seq.
    behind: entries after the place that was asked about.  SQL: places, of which some may be no entry of a resource's.
    entries: in the log, in the same way; None where only the database knows.
    bytes: what they take in the database.  PostgreSQL: the table, with its indexes.  SQLite: about, by a few of them.
    MongoDB: all that is in the oplog; None where this role may not be told.
    age: seconds since the oldest of them was written, which is how far a client can be told change by change; None
    where there is none, or this role may not be told.  MongoDB: the window of its oplog.
    gap: the one that has been open longest.
    missing: why changes of a source are not captured, by source: its triggers are missing, or old.
    late: seconds for which MongoDB's stream has not told all that there is; 0 where the log is read from its tables.
    """

    head: str
    behind: int
    entries: int | None
    bytes: int | None
    age: float | None
    gap: OpenGap | None
    missing: Mapping[str, str]
    late: float = 0.0
