"""The log's tables in PostgreSQL, and what may be asked of them.

Three rules. Nothing is told beyond the watermark. What decides whether entries are missing is read in their own
statement, so in one snapshot. Whatever is appended is noted first, and gets its place when its transaction commits.
This module knows the log's tables, and no trigger and no table of the user's.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import asyncpg

from ..cause import Cause
from ..change import CHECK_WIDTH, EPOCH_WIDTH, PLACE_WIDTH, Change, Method
from .base import Batch, Log, Logged
from .gaps import Gaps
from .postgres_connection import answering
from .postgres_images import Image, PostgresImages
from .postgres_letters import PostgresLetters
from .postgres_lookout import Lookout
from .postgres_schema import schema_of
from .postgres_triggers import Names
from .postgres_watermark import Watermark, seq_of
from .sql import Field
from .sql_images import told
from .sql_log import IDEMPOTENT_FOR, TRIM, WENT_BACK, held, is_seq, new_epoch, place_of

ENTRY = "seq, check_digits, source, method, key, before, after, layout, origin, at"
"""What a Change is made of."""
PIECE, LARGEST_PIECE = 100, 3_200
"""Entries that are looked at together, where the last of a kind is looked for: it is mostly among the last."""
READING = 60.0
"""Seconds in which entries come, whose rows may be large, or are counted or trimmed."""


class PostgresLog:
    """One process's view of a log.

    pool: its connections put values out under SETTINGS.  keys: of each source, the fields of its primary key.
    gaps: as of a Watermark.
    """

    names: Names
    letters: PostgresLetters

    def __init__(
        self,
        pool: asyncpg.Pool,
        log: Log,
        images: PostgresImages,
        keys: Mapping[str, Sequence[Field]],
        gaps: Callable[[int], Gaps] = Gaps,
    ) -> None:
        self._pool = pool
        self._log = log
        self._images = images
        self._keys = keys
        self._make_gaps = gaps

    async def start(self) -> None:
        """Look where the log stands; it is installed by now."""
        async with self._pool.acquire() as connection:
            self.names = names = Names(self._log, await schema_of(connection, self._log))
            self.letters = PostgresLetters(self._pool, names)
            self._reading = Watermark(self._pool, names, gaps=self._make_gaps)
            self._epoch = f"(SELECT value FROM {names.meta} WHERE name = 'epoch')"
            self._bounds = (
                f"SELECT {self._epoch} AS epoch, "
                f"(SELECT value FROM {names.meta} WHERE name = 'trimmed_to') AS trimmed_to, "
                f"(SELECT check_digits FROM {names.changes} WHERE seq = $1) AS found, "
                f"(SELECT max(seq) FROM {names.changes}) AS top"
            )
            await self._learn(connection)
            await self._reading.settle(connection)

    async def stop(self) -> None:
        """Wait no more."""
        if hasattr(self, "_reading"):
            await self._reading.stop()

    async def _learn(self, connection: asyncpg.Connection) -> None:
        rows = await connection.fetch(f"SELECT name, value FROM {self.names.meta} WHERE name LIKE 'layout:%'")
        self._images.learn({name.partition(":")[2]: json.loads(value) for name, value in rows})

    async def _learn_new(self, connection: asyncpg.Connection, rows: Sequence[Any]) -> None:
        if any(self._images.is_new(row["layout"]) for row in rows):
            await self._learn(connection)

    def lookout(self, dsn: str) -> Lookout:
        """Who looks at it over a connection of his own."""
        return Lookout(dsn, self.names, lambda: self._reading.gaps)

    # --- reading --------------------------------------------------------------------------------------------

    async def head(self) -> str:
        """The highest seq at and below which nothing can still appear."""
        async with answering(self._pool) as connection:
            return await self._reading.look(connection)

    async def oldest(self) -> str:
        """The seq after which everything is kept."""
        async with answering(self._pool) as connection:
            row = await connection.fetchrow(self._bounds, 0)
        return f"{row['epoch']}{row['trimmed_to']}"

    async def watermark(self, connection: asyncpg.Connection) -> str:
        """The same, before the snapshot of rows is taken. The connection must be in no transaction."""
        return await self._reading.look(connection)

    async def last(self, source: str) -> str | None:
        """The seq of a source's last entry that may be told."""
        async with answering(self._pool) as connection:
            await self._reading.look(connection)
            row = await connection.fetchrow(
                f"SELECT {self._epoch}, seq, check_digits "
                f"FROM {self.names.changes} WHERE source = $1 AND seq <= $2 ORDER BY seq DESC LIMIT 1",
                source,
                self._reading.place,
            )
        return None if row is None else seq_of(*row)

    async def until(self, connection: asyncpg.Connection, source: str, after: str) -> str | None:
        """The highest seq of a source in the connection's snapshot, if that is above ``after``."""
        row = await connection.fetchrow(
            f"SELECT seq, check_digits FROM {self.names.changes} WHERE source = $1 AND seq > $2 "
            "ORDER BY seq DESC LIMIT 1",
            source,
            place_of(after),
        )
        return None if row is None else seq_of(after[:EPOCH_WIDTH], *row)

    async def last_seen(
        self, source: str, after: str, until: str, sees: Callable[[Change], object]
    ) -> str | None:
        """Of a source's entries after a seq, up to another, the last that somebody sees.

        They may be beyond the watermark: nothing is told of them.
        """
        start, end, piece = place_of(after), place_of(until), PIECE
        async with answering(self._pool, READING) as connection:
            while end > start:
                rows = await connection.fetch(
                    f"SELECT {ENTRY} FROM {self.names.changes} WHERE source = $1 AND seq > $2 AND seq <= $3 "
                    "ORDER BY seq DESC LIMIT $4",
                    source,
                    start,
                    end,
                    piece,
                )
                await self._learn_new(connection, rows)
                for row in rows:
                    change = self._change(until[:EPOCH_WIDTH], row)
                    if sees(change):
                        return change.seq
                end = rows[-1]["seq"] - 1 if len(rows) == piece else start
                piece = min(2 * piece, LARGEST_PIECE)
        return None

    async def version(self, connection: asyncpg.Connection, source: str) -> str:
        """The seq of a source's last entry in the connection's snapshot; where that is trimmed, of the last one so."""
        names = self.names
        return cast(
            str,
            await connection.fetchval(
                f"SELECT {self._epoch} || coalesce("
                f"(SELECT lpad(to_hex(seq), {PLACE_WIDTH}, '0') || check_digits FROM {names.changes} "
                "WHERE source = $1 ORDER BY seq DESC LIMIT 1), "
                f"(SELECT value FROM {names.meta} WHERE name = 'trimmed_to'))",
                source,
            ),
        )

    async def read(self, after: str, limit: int, source: str | None = None) -> Batch:
        """Entries after a seq, as far as they may be told; what has been trimmed is told from the same snapshot."""
        place = place_of(after) if is_seq(after) else 0
        one = "" if source is None else " AND source = $4"
        statement = (
            f"SELECT bound.*, entry.* FROM ({self._bounds}) AS bound LEFT JOIN LATERAL ("
            f"SELECT {ENTRY} FROM {self.names.changes} WHERE seq > $1 AND seq <= $2{one} ORDER BY seq LIMIT $3"
            ") AS entry ON true ORDER BY entry.seq"
        )
        async with answering(self._pool, READING) as connection:
            end = await self._reading.look(connection)
            parameters = (place, place_of(end), limit)
            rows = await connection.fetch(statement, *parameters, *([] if source is None else [source]))
            await self._learn_new(connection, rows)
        return self._batch(rows, after, limit, end)

    def _batch(self, rows: Sequence[Any], after: str, limit: int, end: str) -> Batch:
        epoch, trimmed_to = rows[0]["epoch"], rows[0]["trimmed_to"]
        if (lost := _why_lost(after, rows[0])) is not None:
            is_trimmed = lost is Cause.TRIMMED
            return Batch([], end, lost=lost, trimmed_to=f"{epoch}{trimmed_to}" if is_trimmed else None)
        found = [row for row in rows if row["seq"] is not None]
        changes = [self._change(epoch, row) for row in found if self._images.knows(row["source"])]
        more = len(found) == limit
        if more:
            return Batch(changes, seq_of(epoch, found[-1]["seq"], found[-1]["check_digits"]), more)
        return Batch(changes, max(after, end))

    def _change(self, epoch: str, row: Any) -> Change:
        seq, source, method = seq_of(epoch, row["seq"], row["check_digits"]), row["source"], row["method"]
        if method == "RESET":
            return Change(seq, source, "RESET", (), None, None, None, row["at"], Cause.stored(row["key"][0]))
        return told(seq, source, row["at"], lambda: self._decoded(seq, row))

    def _decoded(self, seq: str, row: Any) -> Change:
        source, layout = row["source"], row["layout"]
        before, after = row["before"], row["after"]
        return Change(
            seq,
            source,
            cast(Method, row["method"]),
            self._images.key(source, self._keys[source], row["key"]),
            None if before is None else self._images.row(source, layout, before),
            None if after is None else self._images.row(source, layout, after),
            row["origin"],
            row["at"],
        )

    async def why_reset(self, since: str, source: str) -> Cause | None:
        """Why what came of a source after ``since`` can't be told: it names no entry, or the source was reset."""
        place = place_of(since) if is_seq(since) else 0
        async with answering(self._pool) as connection:
            row = await connection.fetchrow(
                f"{self._bounds}, (SELECT key[1] FROM {self.names.changes} WHERE source = $2 AND method = 'RESET' "
                "AND seq > $1 ORDER BY seq DESC LIMIT 1) AS reset",
                place,
                source,
            )
        if (lost := _why_lost(since, row)) is not None:
            return lost
        return None if row["reset"] is None else Cause.stored(row["reset"])

    async def backlog(self, after: str) -> dict[str, int]:
        """How many entries of each source wait after a seq."""
        async with answering(self._pool, READING) as connection:
            end = await self._reading.look(connection)
            is_ours = is_seq(after) and after[:EPOCH_WIDTH] == end[:EPOCH_WIDTH]
            rows = await connection.fetch(
                f"SELECT source, count(*) FROM {self.names.changes} WHERE seq > $1 AND seq <= $2 "
                "GROUP BY source",
                place_of(after) if is_ours else 0,
                place_of(end),
            )
        return {source: count for source, count in rows if self._images.knows(source)}

    async def wait_changed(self, after: str) -> None:
        """Return when the log may be read beyond ``after``, or is another. Cancel-safe."""
        await self._reading.wait_changed(after)

    def notice(self) -> None:
        """Something was committed here: those who wait look at once."""
        self._reading.notice()

    # --- writing --------------------------------------------------------------------------------------------

    async def drawn(self, connection: asyncpg.Connection) -> int:
        """The last place that anybody drew."""
        return cast(
            int,
            await connection.fetchval(
                f"SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM {self.names.seq}"
            ),
        )

    async def fire(self, connection: asyncpg.Connection) -> None:
        """Draw the places of what the transaction has noted so far."""
        trigger = self.names.of(self.names.commit)
        await connection.execute(f"SET CONSTRAINTS {trigger} IMMEDIATE; SET CONSTRAINTS {trigger} DEFERRED")

    async def settle(self, connection: asyncpg.Connection) -> None:
        """The same, after all that the user's own triggers have put off."""
        trigger = self.names.of(self.names.commit)
        await connection.execute(
            f"SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS {trigger} IMMEDIATE; SET CONSTRAINTS ALL DEFERRED"
        )

    async def stamp(
        self,
        connection: asyncpg.Connection,
        origin: str,
        start: int,
        source: str | None = None,
        key: Image | None = None,
    ) -> None:
        """Write the origin on the transaction's first entry of a document after a place; without one, on its first."""
        changes = self.names.changes
        one = "method <> 'RESET'" if key is None else "source = $3 AND key = $4"
        await connection.execute(
            f"UPDATE {changes} SET origin = $1 WHERE seq = (SELECT seq FROM {changes} "
            f"WHERE seq > $2 AND xid = pg_current_xact_id_if_assigned() AND {one} ORDER BY seq LIMIT 1)",
            *((origin, start) if key is None else (origin, start, source, list(key))),
        )

    async def written(self, connection: asyncpg.Connection, start: int) -> str:
        """The highest seq that the transaction drew after a place; if none, the last that anybody drew."""
        row = await connection.fetchrow(
            f"SELECT {self._epoch}, seq, check_digits FROM {self.names.changes} "
            "WHERE seq > $1 AND xid = pg_current_xact_id_if_assigned() ORDER BY seq DESC LIMIT 1",
            start,
        )
        return seq_of(*row) if row is not None else await self.named(connection, await self.drawn(connection))

    async def logged(self, connection: asyncpg.Connection, start: int) -> list[Logged]:
        """The entries that the transaction has made after a place."""
        rows = await connection.fetch(
            f"SELECT {self._epoch}, seq, check_digits, source FROM {self.names.changes} "
            "WHERE seq > $1 AND xid = pg_current_xact_id_if_assigned() ORDER BY seq",
            start,
        )
        return [Logged(seq_of(*place), source) for *place, source in rows]

    async def named(self, connection: asyncpg.Connection, place: int) -> str:
        """A place as a seq: its check is 0000 where nobody can know it yet."""
        names = self.names
        return cast(
            str,
            await connection.fetchval(
                f"SELECT {self._epoch} || lpad(to_hex($1::bigint), {PLACE_WIDTH}, '0') "
                f"|| coalesce((SELECT check_digits FROM {names.changes} WHERE seq = $1), "
                f"'{'0' * CHECK_WIDTH}')",
                place,
            ),
        )

    async def reset(self, source: str, cause: Cause = Cause.REQUESTED) -> str:
        """Append a RESET."""
        async with answering(self._pool) as connection, connection.transaction():
            start = await self.drawn(connection)
            await connection.execute(
                f"INSERT INTO {self.names.waiting} (source, method, key) VALUES ($1, 'RESET', ARRAY[$2::text])",
                source,
                cause.value,
            )
            await self.fire(connection)
            seq = await self.written(connection, start)
        self.notice()
        return seq

    async def renew(self, lost: str) -> str:
        """Begin a new epoch if ``lost`` is of this one, was not trimmed, and names no entry."""
        meta = self.names.meta
        async with answering(self._pool) as connection:
            async with connection.transaction():
                await connection.execute(f"SELECT FROM {meta} WHERE name = 'epoch' FOR UPDATE")
                row = await connection.fetchrow(self._bounds, place_of(lost) if is_seq(lost) else 0)
                if _why_lost(lost, row) in WENT_BACK:
                    await connection.execute(
                        f"UPDATE {meta} SET value = $1 WHERE name = 'epoch'", new_epoch()
                    )
            return await self._reading.look(connection)

    # --- keeping house --------------------------------------------------------------------------------------

    async def trim(self, now: float) -> bool:
        """Trim at most TRIM entries; whether there is more to trim."""
        async with answering(self._pool, READING) as connection:
            top = place_of(await self._reading.look(connection))
            return await self._trim(connection, now, top)

    async def _trim(self, connection: asyncpg.Connection, now: float, top: int) -> bool:
        names = self.names
        async with connection.transaction():
            trimmed_to = await connection.fetchval(
                f"SELECT value FROM {names.meta} WHERE name = 'trimmed_to' FOR UPDATE SKIP LOCKED"
            )
            if trimmed_to is None:  # another process is at it
                return False
            end = await self._cut(connection, now, top, int(trimmed_to[:PLACE_WIDTH], 16))
            row = await connection.fetchrow(
                f"SELECT seq, check_digits FROM (SELECT seq, check_digits FROM {names.changes} "
                f"WHERE seq <= $1 ORDER BY seq LIMIT {TRIM}) AS oldest ORDER BY seq DESC LIMIT 1",
                end,
            )
            if row is None or row["seq"] <= int(trimmed_to[:PLACE_WIDTH], 16):
                return False
            await connection.execute(f"DELETE FROM {names.changes} WHERE seq <= $1", row["seq"])
            await connection.execute(
                f"UPDATE {names.meta} SET value = $1 WHERE name = 'trimmed_to'",
                f"{row['seq']:0{PLACE_WIDTH}x}{row['check_digits']}",
            )
        return bool(row["seq"] < end)

    async def _cut(self, connection: asyncpg.Connection, now: float, top: int, trimmed: int) -> int:
        """The place up to which the log may be trimmed. top: up to which this process may tell it."""
        names = self.names
        # No further than may be trimmed at once: beyond, it is looked for again.
        young = await connection.fetchval(
            f"SELECT seq FROM (SELECT seq, at FROM {names.changes} ORDER BY seq LIMIT {TRIM}) AS oldest "
            "WHERE at >= $1 ORDER BY seq LIMIT 1",
            now - self._log.days * 86400,
        )
        wanted = min(top, max(top - self._log.changes, top if young is None else young - 1))
        epoch = self._reading.seq[:EPOCH_WIDTH]
        cursors = await connection.fetch(f"SELECT name, seq FROM {names.cursors}")
        places = [(name, place_of(seq)) for name, seq in cursors if seq and seq[:EPOCH_WIDTH] == epoch]
        return held(wanted, top, self._log.changes, trimmed, places)

    async def forget(self, now: float) -> None:
        """Forget the answers whose Idempotency-Keys have expired, what has got its place, and gaps that are dead."""
        async with answering(self._pool, READING) as connection:
            await connection.execute(
                f"DELETE FROM {self.names.idempotency} WHERE at < $1", now - IDEMPOTENT_FOR
            )
            # Whoever waits for a place does so unseen: its transaction has not committed.
            await connection.execute(f"DELETE FROM {self.names.waiting}")
            await self._reading.forget_dead(connection)

    # --- cursors --------------------------------------------------------------------------------------------

    async def cursor(self, name: str) -> str | None:
        """Where a durable listener stands."""
        async with answering(self._pool) as connection:
            return cast(
                str | None,
                await connection.fetchval(f"SELECT seq FROM {self.names.cursors} WHERE name = $1", name),
            )

    async def hold_cursor(self, name: str, owner: str, until: float, now: float) -> bool:
        """Take or keep the lease."""
        async with answering(self._pool) as connection:
            taken = await connection.fetchval(
                f"INSERT INTO {self.names.cursors} AS c (name, owner, until) VALUES ($1, $2, $3) "
                "ON CONFLICT (name) DO UPDATE SET owner = $2, until = $3 "
                "WHERE c.owner IS NULL OR c.owner = $2 OR c.until IS NULL OR c.until <= $4 RETURNING true",
                name,
                owner,
                until,
                now,
            )
        return bool(taken)

    async def move_cursor(self, name: str, owner: str, seq: str) -> bool:
        """Move a cursor that ``owner`` holds."""
        async with answering(self._pool) as connection:
            moved = await connection.fetchval(
                f"UPDATE {self.names.cursors} SET seq = $1 WHERE name = $2 AND owner = $3 RETURNING true",
                seq,
                name,
                owner,
            )
        return bool(moved)


def _why_lost(seq: str, bounds: Any) -> Cause | None:
    """Why not everything after ``seq`` is in the log; None: it names an entry, or the last one trimmed."""
    if not is_seq(seq):
        return Cause.NOT_A_SEQ
    epoch, trimmed_to, found = bounds["epoch"], bounds["trimmed_to"], bounds["found"]
    if seq[:EPOCH_WIDTH] != epoch:
        return Cause.OTHER_EPOCH
    place, trimmed = place_of(seq), int(trimmed_to[:PLACE_WIDTH], 16)
    if place < trimmed:
        return Cause.TRIMMED
    if found is None and place == trimmed:
        found = trimmed_to[-CHECK_WIDTH:]
    if found is None:
        return Cause.BEYOND_END if place > (bounds["top"] or 0) else Cause.NO_ENTRY
    return None if found == seq[-CHECK_WIDTH:] else Cause.OTHER_CHECK
