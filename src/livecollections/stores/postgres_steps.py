"""Steps: what one job does on a connection, inside a transaction that its caller begins and ends.

Three rules. A row is locked before it is read, so that nobody changes it between. Triggers that wait for the commit run
before a row is read back: ours after each step of several, so that each is told by itself, the user's own when all are
done. A repeated request claims its key first, so that of two processes one waits for the other's answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

import orjson
from sqlalchemy.engine.interfaces import Dialect

from ..change import Row
from ..errors import (
    BulkRefused,
    Conflict,
    ConstraintViolated,
    DocumentNotFound,
    InvalidDocument,
    KeyReused,
    SchemaMismatch,
    StoreUnavailable,
)
from ..source import Source
from .base import Bulk, Idempotency, Sweep, Write, Written, noted, tells_commits
from .postgres_answers import recalled
from .postgres_errors import constraint_fields, is_busy, is_lost, translated
from .postgres_log import PostgresLog
from .postgres_rows import locked, selection
from .postgres_shape import Found, Shape
from .postgres_triggers import quote
from .sql import Expression, TableSource, decode_row, table_source
from .sql_write import PLACED, Job, Theirs, differs, placed, writes_of

T = TypeVar("T")

_GONE = "a rule of the database took the document away"


class Shaped(Protocol):
    """Gives the statements for a source. Raises SchemaMismatch without a connection, if they are not remembered.

    afresh: as the catalogue is now, rather than as it is remembered.
    """

    def __call__(self, source: TableSource, connection: Any, *, afresh: bool = False) -> Awaitable[Shape]: ...


class Steps:
    """One job's. shape: gives the statements for a source.  clock: the seconds since 1970."""

    def __init__(
        self, connection: Any, log: PostgresLog, shape: Shaped, dialect: Dialect, clock: Callable[[], float]
    ) -> None:
        self._connection = connection
        self._log = log
        self._shape = shape
        self._dialect = dialect
        self._clock = clock
        self._start = 0

    async def done(self, job: Job) -> Written | list[Written]:
        """Do a job. What it raises undoes it, which is the caller's to do."""
        self._start = await self._log.drawn(self._connection)
        outcome = await self._did(job)
        if not tells_commits():
            return outcome
        return noted(outcome, await self._log.logged(self._connection, self._start))

    async def _did(self, job: Job) -> Written | list[Written]:
        if isinstance(job, Write):
            return await self._do(job)
        if isinstance(job, Sweep):
            rows, writes = await self._swept(job)
            return await self._do_all(Bulk(writes), rows)
        return await self._do_all(job)

    async def named(self, write: Write, error: Exception) -> Exception:
        """What a write raised, as an error of ours that names the attributes concerned."""
        found = translated(error)
        if not isinstance(found, ConstraintViolated):
            return found
        source = table_source(write.source)
        if getattr(error, "table_name", None) not in (None, source.table.name):
            return ConstraintViolated(found.kind)
        try:
            shape = await self._shape(source, None)
        except SchemaMismatch:  # forgotten meanwhile, and a transaction that was refused reads nothing
            return ConstraintViolated(found.kind)
        attributes = {field.name: field.attribute for field in source.fields.values()}
        return ConstraintViolated(found.kind, constraint_fields(error, shape.described.unique, attributes))

    # --- one write ------------------------------------------------------------------------------------------

    async def _do(self, write: Write) -> Written:
        asked = write.idempotency
        if asked and (remembered := await self._claimed(asked, write.source)):
            return remembered[0]
        shape, found, _ = await self._step(write, self._start, self._log.settle)
        written = Written(found.row, await self._log.written(self._connection, self._start))
        if asked:
            await self._remember(shape, asked, asked.key, found, written)
        return written

    async def _step(
        self, write: Write, start: int, settle: Callable[[Any], Awaitable[None]]
    ) -> tuple[Shape, Found, list[Any]]:
        """Do a write as far as its own row is concerned; the answer has its key as well.

        start: a place after which this transaction has logged nothing else of that row.
        """
        shape = await self._shape(table_source(write.source), self._connection)
        if write.key is None:
            key = await self._insert(shape, write)
            before = None
        else:
            key, before = await self._change(shape, write)
        await settle(self._connection)
        found = before or await self._reread(shape, key)
        if write.origin:
            await self._log.stamp(self._connection, write.origin, start, shape.source.name, found.key)
        if write.check:
            await self._call(write, write.check, found.row)
        return shape, found, key

    async def _call(self, write: Write, function: Callable[[Any], T], row: Row | None) -> T:
        """Run what the caller gave, beside the loop if it may wait there."""
        try:
            return await asyncio.to_thread(function, row) if write.blocks else function(row)
        except Exception as error:
            raise Theirs(error) from error

    async def _insert(self, shape: Shape, write: Write) -> list[Any]:
        wanted = await self._call(write, write.change, None)
        values = await self._encoded(shape, wanted or {}, insert=True)
        names, places, parameters = _listed(values)
        into = f"({', '.join(names)}) VALUES ({', '.join(places)})" if names else "DEFAULT VALUES"
        row = await self._connection.fetchrow(
            f"INSERT INTO {shape.table} {into} RETURNING {shape.key}", *parameters
        )
        if row is None:
            raise Conflict(_GONE)
        return list(row)

    async def _change(self, shape: Shape, write: Write) -> tuple[list[Any], Found | None]:
        """The key afterwards, and the row, if it is not to be read back."""
        assert write.key is not None
        key = shape.source.encode_key(write.key)
        before = shape.found(await self._connection.fetchrow(shape.lock, *key))
        if before is None:
            raise DocumentNotFound("there is no such document")
        wanted = await self._call(write, write.change, before.row)
        if wanted is None:
            if await self._connection.execute(shape.delete, *key) == "DELETE 0":
                raise Conflict("a rule of the database kept the document")
            return key, before
        changed = {name: value for name, value in wanted.items() if differs(before.row, name, value)}
        if not changed:
            return key, before
        values = await self._encoded(shape, changed, insert=False)
        names, places, parameters = _listed(values, len(key))
        pairs = ", ".join(f"{name} = {place}" for name, place in zip(names, places, strict=True))
        row = await self._connection.fetchrow(
            f"UPDATE {shape.table} t SET {pairs} WHERE {shape.match} RETURNING {shape.key_of_t}",
            *key,
            *parameters,
        )
        if row is None:
            raise Conflict("a rule of the database kept the document as it was")
        return list(row), None

    async def _encoded(self, shape: Shape, values: Mapping[str, Any], *, insert: bool) -> dict[str, Any]:
        try:
            return shape.encoded(values, insert=insert)
        except InvalidDocument:  # a column may have become another under way
            afresh = await self._shape(shape.source, self._connection, afresh=True)
            return afresh.encoded(values, insert=insert)

    async def _reread(self, shape: Shape, key: Sequence[Any]) -> Found:
        found = shape.found(await self._connection.fetchrow(shape.select, *key))
        if found is None:
            raise Conflict(_GONE)
        return found

    # --- several writes -------------------------------------------------------------------------------------

    async def _do_all(self, bulk: Bulk, swept: Sequence[Row] = ()) -> list[Written]:
        """Do several writes. swept: the rows that they are of, if these were looked for."""
        asked = bulk.idempotency
        if asked and (found := await self._claimed(asked, bulk.writes[0].source)):
            return found
        steps = [await self._placed(place, write, swept) for place, write in enumerate(bulk.writes)]
        await self._log.settle(self._connection)
        # A later one may have changed an earlier one's row: by a trigger, or because it is the same.
        left = [
            await self._left(place, write, *step)
            for place, (write, step) in enumerate(zip(bulk.writes, steps, strict=True))
        ]
        seq = await self._log.written(self._connection, self._start)
        written = [Written(each.row, seq) for each in left]
        if asked:
            for place, ((shape, _, _), each) in enumerate(zip(steps, left, strict=True)):
                await self._remember(shape, asked, placed(asked.key, place), each, written[place])
        return written

    async def _placed(self, place: int, write: Write, swept: Sequence[Row]) -> tuple[Shape, Found, list[Any]]:
        try:
            start = await self._log.drawn(self._connection) if write.origin else 0
            return await self._step(write, start, self._log.fire)
        except Exception as error:
            if isinstance(error, DocumentNotFound) and swept and write.key is not None:
                shape = await self._shape(table_source(write.source), self._connection)
                # It was there, and locked, when they were looked for: an earlier one has taken it along.
                return shape, Found([], [], swept[place]), shape.source.encode_key(write.key)
            if is_busy(error) or is_lost(error):
                raise
            found = await self.named(write, error)
            if isinstance(found, StoreUnavailable) and not isinstance(error, Theirs):
                raise  # it is no fault of this one
            raise BulkRefused(place, found) from error

    async def _left(self, place: int, write: Write, shape: Shape, found: Found, key: list[Any]) -> Found:
        row = shape.found(await self._connection.fetchrow(shape.select, *key))
        if row is None and write.key is None:
            raise BulkRefused(place, Conflict(_GONE))
        return row or found

    async def _swept(self, sweep: Sweep) -> tuple[list[Row], list[Write]]:
        shape = await self._shape(table_source(sweep.source), self._connection)
        if sweep.check:
            # Until nobody is in the midst of a write, the last entry does not tell which state the table is in.
            await self._connection.execute(f"LOCK TABLE {shape.table} IN SHARE ROW EXCLUSIVE MODE")
            sweep.check(await self._log.version(self._connection, shape.source.name))
        selected = selection(shape, sweep.query, self._dialect)
        rows = [decode_row(selected.fields, row) for row in await locked(self._connection, selected)]
        return rows, writes_of(sweep, rows)

    # --- repeated requests ----------------------------------------------------------------------------------

    async def _claimed(self, asked: Idempotency, source: Source) -> list[Written] | None:
        """The remembered answers; None: the key is ours from here on."""
        names = self._log.names
        claimed = await self._connection.execute(
            f"INSERT INTO {names.idempotency} (key, digest, source, at) VALUES ($1, $2, $3, $4) "
            "ON CONFLICT (key) DO NOTHING",
            asked.key,
            asked.digest,
            source.name,
            self._clock(),
        )
        if claimed == "INSERT 0 1":
            return None
        rows = await self._connection.fetch(
            f"SELECT digest, source, layout, image, seq FROM {names.idempotency} "
            'WHERE key = $1 OR (key COLLATE "C" > $2 AND key COLLATE "C" < $3) ORDER BY key COLLATE "C"',
            asked.key,
            asked.key + PLACED,
            asked.key + " ",
        )
        if any((row["digest"], row["source"]) != (asked.digest, source.name) for row in rows):
            raise KeyReused("this Idempotency-Key was used for another request")
        return [
            Written(recalled(source, row["layout"], row["image"]), row["seq"], repeated=True) for row in rows
        ]

    async def _remember(
        self, shape: Shape, asked: Idempotency, name: str, found: Found, written: Written
    ) -> None:
        await self._connection.execute(
            f"INSERT INTO {self._log.names.idempotency} (key, digest, source, layout, image, seq, at) "
            "VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (key) DO UPDATE SET "
            "layout = excluded.layout, image = excluded.image, seq = excluded.seq",
            name,
            asked.digest,
            shape.source.name,
            orjson.dumps(shape.columns).decode(),
            found.image,
            written.seq,
            self._clock(),
        )


def _listed(values: Mapping[str, Any], before: int = 0) -> tuple[list[str], list[str], list[Any]]:
    """Quoted columns, their places in SQL, and the values bound. before: how many are bound already."""
    places: list[str] = []
    bound: list[Any] = []
    for value in values.values():
        if isinstance(value, Expression):
            places.append(value.sql)
        else:
            bound.append(value)
            places.append(f"${before + len(bound)}")
    return [quote(name) for name in values], places, bound
