"""Writes: several share one transaction, each in its savepoint; what is to be done as a whole has one savepoint.

Three rules. The answer is the row re-read by its key after the last trigger, and the highest seq then, before the
next writer's savepoint. What one write does wrong undoes that one alone. A transaction that can't stand as a whole
is undone, and each of its writes gets one of its own; so ``Write.change`` may run twice. A query whose rows are to be
written is read no longer than a list.
This module blocks; it knows no thread and no event loop.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.engine.interfaces import Dialect

from ..change import Row
from ..errors import BulkRefused, Conflict, ConstraintViolated, DocumentNotFound, KeyReused, StoreUnavailable
from ..source import Source
from .base import Bulk, Idempotency, Sweep, Write, Written, noted, tells_commits
from .sql import Expression, TableSource, decode_row, encode_values, table_source
from .sql_log import place_of
from .sql_query import select_rows
from .sql_write import PLACED, Job, Outcome, Theirs, differs, placed, writes_of
from .sqlite_answers import recalled
from .sqlite_conditions import SQLiteConditions
from .sqlite_connection import FileConnection, is_broken_text, lenient, translated
from .sqlite_limit import Limit
from .sqlite_log import ChangeLog, Images
from .sqlite_schema import Table, quote
from .sqlite_triggers import fields, image, of


class _Spoilt(Exception):
    """The transaction that several writes share can't stand."""


class _NotBegun(_Spoilt):
    """There was no transaction to be had, and for one write alone there would be none either."""


@dataclass(frozen=True, slots=True)
class Found:
    """A row as it is stored, and its key as the log writes it."""

    key: str
    row: Row


class Shape:
    """The statements for one source. columns: what images of it hold."""

    def __init__(self, source: TableSource, table: Table, columns: Sequence[str]) -> None:
        self.source = source
        self.table = quote(table.name)
        self.rowid_key = table.rowid_key
        self.key = [quote(found.name) for found in source.key_fields]
        # SQLite takes a bare name in quotes that no column has for a text.
        self.match = " AND ".join(f"{self.table}.{name} = ?" for name in self.key)
        shown = ", ".join(f"{self.table}.{quote(found.name)}" for found in source.shown)
        key = fields(of(self.table), table.key)
        self.select = f"SELECT {key}, {shown} FROM {self.table} WHERE {self.match}"
        self.image = f"SELECT {image(of(self.table), columns)} FROM {self.table} WHERE {self.match}"
        self.delete = f"DELETE FROM {self.table} WHERE {self.match}"
        self._shown = source.shown

    def found(self, stored: Sequence[Any] | None) -> Found | None:
        """What ``select`` gave."""
        return None if stored is None else Found(stored[0], decode_row(self._shown, stored[1:]))


class Writer:
    """Does writes on one connection. shape: gives the statements for a source."""

    def __init__(
        self,
        connection: FileConnection,
        log: ChangeLog,
        images: Images,
        shape: Callable[[TableSource, sqlite3.Connection], Shape],
        dialect: Dialect,
        clock: Callable[[], float] = lambda: time.time(),
        limit: Limit | None = None,
    ) -> None:
        self._connection = connection
        self._log = log
        self._images = images
        self._shape = shape
        self._dialect = dialect
        self._clock = clock
        self._limit = limit or Limit()

    def perform(self, jobs: Sequence[Job]) -> list[Outcome]:
        """Do the jobs in order; the answer has one outcome for each, in that order."""
        if len(jobs) > 1:
            try:
                return self._together(jobs)
            except _NotBegun as error:
                # Each would wait for the lock as long again, and all others behind it.
                return [_cause(error) for _ in jobs]
            except _Spoilt:
                pass
        return [self._alone(job) for job in jobs]

    def _alone(self, job: Job) -> Outcome:
        try:
            return self._together([job])[0]
        except _Spoilt as error:
            return _cause(error)

    def _together(self, jobs: Sequence[Job]) -> list[Outcome]:
        connection = self._connection
        try:
            connection.begin_immediate()
        except sqlite3.Error as error:
            raise _NotBegun from error
        try:
            outcomes = [self._in_savepoint(job) for job in jobs]
            connection.execute("COMMIT")
        except _Spoilt:
            self._undo()
            raise
        except sqlite3.Error as error:
            self._undo()
            raise _Spoilt from error
        return outcomes

    def _undo(self) -> None:
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")

    def _in_savepoint(self, job: Job) -> Outcome:
        connection = self._connection
        connection.execute("SAVEPOINT live_write")
        try:
            outcome = self._leniently(job)
        except Exception as error:
            if not connection.in_transaction:
                raise _Spoilt from error
            connection.execute("ROLLBACK TO live_write")
            connection.execute("RELEASE live_write")
            return self._named(job, translated(error)) if isinstance(job, Write) else translated(error)
        connection.execute("RELEASE live_write")
        return outcome

    def _leniently(self, job: Job) -> Outcome:
        try:
            return self._done(job)
        except sqlite3.OperationalError as error:
            if not is_broken_text(error):
                raise
        self._connection.execute("ROLLBACK TO live_write")
        with lenient(self._connection):
            return self._done(job)

    def _done(self, job: Job) -> Outcome:
        if not tells_commits():
            return self._did(job)
        start = place_of(self._log.head(self._connection))
        return noted(self._did(job), self._log.logged(self._connection, start))

    def _did(self, job: Job) -> Written | list[Written]:
        if isinstance(job, Write):
            return self._do(job)
        if isinstance(job, Sweep):
            rows, writes = self._swept(job)
            return self._do_all(Bulk(writes), rows)
        return self._do_all(job)

    def _named(self, write: Write, error: Exception) -> Exception:
        if not isinstance(error, ConstraintViolated):
            return error
        attributes = {found.name: found.attribute for found in table_source(write.source).fields.values()}
        return ConstraintViolated(
            error.kind, [attributes[name] for name in error.fields if name in attributes]
        )

    # --- one write ------------------------------------------------------------------------------------------

    def _do(self, write: Write) -> Written:
        if write.idempotency and (remembered := self._remembered(write.idempotency, write.source)):
            return remembered[0]
        shape, key, found = self._step(write)
        written = Written(found.row, self._log.head(self._connection))
        if write.idempotency:
            self._remember(shape, write.idempotency, write.idempotency.key, key, written)
        return written

    def _step(self, write: Write) -> tuple[Shape, list[Any], Found]:
        """Do a write as far as its own row is concerned."""
        shape = self._shape(table_source(write.source), self._connection)
        start = place_of(self._log.head(self._connection)) if write.origin else 0
        key, found = self._insert(shape, write) if write.key is None else self._change(shape, write)
        if write.origin:
            self._log.stamp(self._connection, write.origin, start, shape.source.name, found.key)
        if write.check:
            _called(write.check, found.row)
        return shape, key, found

    def _insert(self, shape: Shape, write: Write) -> tuple[list[Any], Found]:
        values = encode_values(shape.source, _called(write.change, None) or {}, self._dialect, insert=True)
        names, places, parameters = _listed(values)
        into = f"({', '.join(names)}) VALUES ({', '.join(places)})" if names else "DEFAULT VALUES"
        given = [values.get(found.name) for found in shape.source.key_fields]
        known = not any(value is None or isinstance(value, Expression) for value in given)
        returning = "" if known or shape.rowid_key else f" RETURNING {', '.join(shape.key)}"
        cursor = self._connection.execute(f"INSERT INTO {shape.table} {into}{returning}", parameters)
        if returning:
            given = list(cursor.fetchall()[0])
        elif not known:
            given = [cursor.lastrowid]
        return given, self._reread(shape, given)

    def _change(self, shape: Shape, write: Write) -> tuple[list[Any], Found]:
        assert write.key is not None
        key = shape.source.encode_key(write.key)
        before = shape.found(self._connection.execute(shape.select, key).fetchone())
        if before is None:
            raise DocumentNotFound("there is no such document")
        wanted = _called(write.change, before.row)
        if wanted is None:
            self._connection.execute(shape.delete, key)
            return key, before
        changed = {name: value for name, value in wanted.items() if differs(before.row, name, value)}
        if not changed:
            return key, before
        values = encode_values(shape.source, changed, self._dialect, insert=False)
        names, places, parameters = _listed(values)
        pairs = ", ".join(f"{name} = {place}" for name, place in zip(names, places, strict=True))
        self._connection.execute(f"UPDATE {shape.table} SET {pairs} WHERE {shape.match}", [*parameters, *key])
        key = [
            values.get(found.name, value) for found, value in zip(shape.source.key_fields, key, strict=True)
        ]
        return key, self._reread(shape, key)

    def _reread(self, shape: Shape, key: Sequence[Any]) -> Found:
        found = shape.found(self._connection.execute(shape.select, key).fetchone())
        if found is None:
            raise Conflict("a rule of the database took the document away")
        return found

    # --- several writes -------------------------------------------------------------------------------------

    def _do_all(self, bulk: Bulk, swept: Sequence[Row] = ()) -> list[Written]:
        """Do several writes. swept: the rows that they are of, if these were looked for."""
        if bulk.idempotency and (found := self._remembered(bulk.idempotency, bulk.writes[0].source, True)):
            return found
        steps = [self._placed(place, write, swept) for place, write in enumerate(bulk.writes)]
        # A later one may have changed an earlier one's row: by a trigger, or because it is the same.
        left = [self._left(place, write, *steps[place]) for place, write in enumerate(bulk.writes)]
        seq = self._log.head(self._connection)
        written = [Written(each.row, seq) for each in left]
        if bulk.idempotency:
            for place, (shape, key, _) in enumerate(steps):
                name = placed(bulk.idempotency.key, place)
                self._remember(shape, bulk.idempotency, name, key, written[place])
        return written

    def _placed(self, place: int, write: Write, swept: Sequence[Row]) -> tuple[Shape, list[Any], Found]:
        try:
            return self._step(write)
        except Exception as error:
            if isinstance(error, DocumentNotFound) and swept and write.key is not None:
                source = table_source(write.source)
                shape, key = self._shape(source, self._connection), source.encode_key(write.key)
                if self._connection.execute(shape.select, key).fetchone() is None:
                    # It was there when they were looked for: an earlier one has taken it along.
                    return shape, key, Found("", swept[place])
            if is_broken_text(error):
                raise
            found = self._named(write, translated(error))
            if isinstance(found, StoreUnavailable) and not isinstance(error, Theirs):
                raise  # it is no fault of this one
            raise BulkRefused(place, found) from error

    def _left(self, place: int, write: Write, shape: Shape, key: Sequence[Any], found: Found) -> Found:
        row = self._connection.execute(shape.select, key).fetchone()
        if row is None and write.key is None:
            raise BulkRefused(place, Conflict("a rule of the database took the document away"))
        return shape.found(row) or found

    def _swept(self, sweep: Sweep) -> tuple[list[Row], list[Write]]:
        source = table_source(sweep.source)
        statement = select_rows(SQLiteConditions(source), sweep.query, self._dialect)
        if sweep.check:
            sweep.check(self._log.version(self._connection, source.name))
        with self._limit.on(self._connection):
            stored = self._connection.run(statement).fetchall()
        rows = [decode_row(source.shown, row) for row in stored]
        return rows, writes_of(sweep, rows)

    # --- repeated requests ----------------------------------------------------------------------------------

    def _remembered(self, asked: Idempotency, source: Source, several: bool = False) -> list[Written] | None:
        is_asked = "key = ? OR (key > ? AND key < ?) ORDER BY key" if several else "key = ?"
        rows = self._connection.execute(
            f"SELECT digest, source, image, seq FROM {self._log.names.idempotency} WHERE {is_asked}",
            (asked.key, asked.key + PLACED, asked.key + " ") if several else (asked.key,),
        ).fetchall()
        if any(row[:2] != (asked.digest, source.name) for row in rows):
            raise KeyReused("this Idempotency-Key was used for another request")
        return [
            Written(self._recalled(source, image), seq, repeated=True) for _, _, image, seq in rows
        ] or None

    def _recalled(self, source: Source, image: str) -> Row:
        return recalled(self._connection, self._log, self._images, source, image)

    def _remember(
        self, shape: Shape, asked: Idempotency, name: str, key: Sequence[Any], written: Written
    ) -> None:
        row = self._connection.execute(shape.image, key).fetchone()
        self._connection.execute(
            f"INSERT INTO {self._log.names.idempotency} (key, digest, source, image, seq, at) "
            "VALUES (?, ?, ?, ?, ?, ?)",
            (name, asked.digest, shape.source.name, row and row[0], written.seq, self._clock()),
        )


def _cause(error: _Spoilt) -> Exception:
    return translated(error.__cause__ if isinstance(error.__cause__, Exception) else error)


def _listed(values: Mapping[str, Any]) -> tuple[list[str], list[str], list[Any]]:
    """Quoted columns, their places in SQL, and the values bound."""
    places = [value.sql if isinstance(value, Expression) else "?" for value in values.values()]
    bound = [value for value in values.values() if not isinstance(value, Expression)]
    return [quote(name) for name in values], places, bound


def _called(function: Callable[[Any], Any], row: Row | None) -> Any:
    """Run what the caller gave."""
    try:
        return function(row)
    except Exception as error:
        raise Theirs(error) from error
