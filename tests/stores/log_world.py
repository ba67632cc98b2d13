"""A world of one real store and one real feed: writes, reads and misfortunes come in an order that a seed draws.

Rules: statements run at once, so a history is its seed's; what the table holds at each seq is kept by looking at the
database past the store. Every answer, snapshot, push and replay is compared with that; a reset must have its cause.
"""

from __future__ import annotations

import asyncio
import random
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

from livecollections import feed as feed_module
from livecollections.bayeux.message import decode
from livecollections.cause import Cause
from livecollections.change import epoch, number
from livecollections.errors import Conflict, ConstraintViolated, DocumentNotFound, RequestError
from livecollections.feed import Feed
from livecollections.query import Query
from livecollections.resource import Resource
from livecollections.stores.base import Idempotency, Log, Write, Written
from livecollections.stores.sqlite import SQLiteStore, new_epoch

from .chance import drawn
from .things import COLUMNS, USER_TRIGGERS, Aside, Receiver, Rows, Thing, Wanted

CHANNEL, OTHER = "/things", "/asides"
NAMES = (None, "a", "b", "c", "d")
KEYS = range(1, 7)
REFUSALS = (RequestError, ConstraintViolated, Conflict, DocumentNotFound)
CALM = 6
"""Turns of the loop after which a feed at the end of the log is about to do nothing more."""
FEED = {"BATCH": 8, "BACKLOG": 12, "TURN": 3, "MAINTENANCE": 1e9}
"""Sizes of the feed, so that what is rare happens."""


async def at_once(lane: str, function: Callable[[], Any]) -> Any:
    """No thread: the order is the history's alone. Others may go on before each."""
    await asyncio.sleep(0)
    return function()


class World:
    """``async with`` it, then ``run``. happened: counts what did."""

    def __init__(self, folder: Path, seed: int, happened: Counter[str]) -> None:
        self.path = folder / "log.db"
        self.backup = folder / "backup.db"
        self.happened = happened
        self.rng = random.Random(seed)
        self.log = Log(changes=self.rng.choice((6, 25, 1_000)))
        self.states: dict[str, Rows] = {}
        self.kept_states: dict[str, Rows] = {}
        self.receivers: list[Receiver] = []
        self.answers: dict[str, tuple[Wanted, Written]] = {}
        self.origins: dict[str, Any] = {}
        self.stamped: set[str] = set()
        self.causes: set[Cause] = set()
        self.violation: AssertionError | None = None
        self.marks = 0
        self.head = ""

    async def __aenter__(self) -> World:
        self.shell("PRAGMA user_version = 1")
        self.ends = ExitStack()
        self.ends.enter_context(drawn(self.rng.getrandbits(32)))
        for name, value in FEED.items():
            self.ends.enter_context(patch.object(feed_module, name, value))
        await self.start()
        # Ours are made anew, to come after the user's.
        self.causes = {Cause.CAPTURE_REINSTALLED}
        self.shell(*self.rng.sample(USER_TRIGGERS, self.rng.randint(0, 5)))
        self.store._look()
        await self.settle()
        self.causes = set()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.stop()
        self.ends.close()

    async def stop(self) -> None:
        await self.feed.stop()
        await self.store.stop()
        self.eye.close()

    async def start(self) -> None:
        self.store = SQLiteStore(
            f"sqlite:///{self.path}", log=self.log, synchronous="NORMAL", run=at_once, clock=lambda: 1_000.0
        )
        self.thing = self.store.describe(Thing)
        things, asides = (
            Resource.build(CHANNEL, self.thing),
            Resource.build(OTHER, self.store.describe(Aside)),
        )
        await self.store.start([things.source, asides.source])
        self._watch_backlog()
        self.feed = Feed(self.store, self, {CHANNEL: things, OTHER: asides}, lambda: 1_000.0)
        self.eye = sqlite3.connect(self.path, isolation_level=None)
        self.head = self._raw_head()
        self.states[self.head] = self.table()
        await self.feed.start()
        self.mirror, self.is_told = Receiver(self.table(), self.head), False

    def _watch_backlog(self) -> None:
        """Count for ourselves what waits when the feed asks: a moment later it has made up for it."""
        backlog = self.store.backlog

        async def counted(after: str) -> dict[str, int]:
            told = await backlog(after)
            if self._entries_after(after) > FEED["BACKLOG"]:
                self.causes.add(Cause.BACKLOG)
            return told

        self.store.backlog = counted  # type: ignore[method-assign]

    # What the database holds, past the store

    def _entries_after(self, seq: str, method: str = "%") -> int:
        (count,) = self.eye.execute(
            "SELECT count(*) FROM live_changes WHERE method LIKE ? AND source = 'log_thing' AND seq > ?",
            (method, number(seq)),
        ).fetchone()
        assert isinstance(count, int)
        return count

    def shell(self, *statements: str) -> None:
        """One transaction of another program."""
        with closing(sqlite3.connect(self.path)) as connection, connection:
            connection.execute("PRAGMA synchronous = OFF")
            for statement in statements:
                connection.execute(statement)

    def table(self) -> Rows:
        rows = self.eye.execute(f"SELECT {', '.join(COLUMNS)} FROM log_thing")
        return {row[0]: dict(zip(COLUMNS, row, strict=True)) for row in rows}

    def _meta(self, name: str) -> str:
        (value,) = self.eye.execute("SELECT value FROM live_meta WHERE name = ?", (name,)).fetchone()
        assert isinstance(value, str)
        return value

    def _raw_head(self) -> str:
        top = self.eye.execute(
            "SELECT printf('%016x', seq) || check_digits FROM live_changes ORDER BY seq DESC LIMIT 1"
        ).fetchone()
        return self._meta("epoch") + (top[0] if top else self._meta("trimmed_to"))

    async def observe(self) -> None:
        """Know the table at every seq that has come; the log must tell how it came to be as it is."""
        if self.violation is not None:
            raise self.violation
        rows = {key: dict(row) for key, row in self.states[self.head].items()}
        batch = await self.store.read(self.head, 10_000)
        told = batch.lost is None
        for change in batch.changes:
            if change.source == "log_thing" and change.method == "RESET":
                told = False
            elif change.source == "log_thing":
                self._apply(rows, change.key[0], change.after)
                self._check_origin(change.origin, change.key[0])
            self.states[change.seq] = {key: dict(row) for key, row in rows.items()}
        self.head = self._raw_head()
        if told:
            assert rows == self.table(), "the log does not tell the table"
        self.states[self.head] = self.table()

    def _apply(self, rows: Rows, key: int, after: Any) -> None:
        if after is None:
            rows.pop(key, None)
        else:
            rows[key] = dict(after)

    def _check_origin(self, origin: str | None, key: int) -> None:
        if origin is not None:
            self.stamped.add(origin)
            assert self.origins.get(origin, key) in (key, None), f"{origin} stands on the change of {key}"

    # The publisher's side of the feed

    def publish_nowait(
        self, channel: str, data: Any, seq: str | None = None, cause: Cause | None = None
    ) -> None:
        # The feed is no place for an oracle to raise in.
        if channel == CHANNEL and self.violation is None:
            try:
                self._hear(data, cause)
            except AssertionError as error:
                self.violation = error

    def _hear(self, data: dict[str, Any], cause: Cause | None) -> None:
        prev, position = data.get("prev") or "", self.mirror.position
        is_other = epoch(data["seq"]) != epoch(position)
        # Trimmed under, the feed writes its RESET after what others commit meanwhile: that shows a gap.
        is_trimmed = prev > position and Cause.TRIMMED in self.causes
        if data["method"] == "RESET" or is_other or is_trimmed:
            # Of another log, or of a gap, a receiver makes a reset by itself.
            self.check_cause(cause or (Cause.OTHER_EPOCH if is_other else Cause.TRIMMED))
            self.mirror = Receiver(self.table(), data["seq"])
        else:
            assert not self.is_told or prev == position, "prev is not the one before"
            self.mirror.hear(data)
        self.is_told = True

    async def wait_room(self) -> None:
        await asyncio.sleep(0)

    def check_cause(self, cause: Cause | None) -> None:
        assert cause in self.causes, f"a reset without a cause: {cause}"
        self.happened["resets"] += 1

    # Steps

    async def run(self) -> None:
        weights = {
            self.write: 6, self.foreign: 4, self.read: 3, self.catch_up: 3, self.turn: 2, self.join: 1,
            self.trim: 1, self.keep: 1, self.rare: 1,
        }  # fmt: skip
        for _ in range(self.rng.randint(25, 50)):
            (step,) = self.rng.choices([*weights], [*weights.values()])
            self.happened[step.__name__] += 1
            await step()
        await self.settle()
        for receiver in self.receivers:
            await self.follow(receiver, to_the_end=True)
            await self.follow(receiver, to_the_end=True)
            assert receiver.rows == self.table(), "a receiver holds something else"

    async def settle(self) -> None:
        """Let the feed come to the end of the log, and stay there: it may be about to write what it has noticed."""
        calm = 0
        for _ in range(500):
            await self.observe()
            is_calm = self.feed.position() == self._raw_head() and self.store._repairing is None
            calm = calm + 1 if is_calm else 0
            if calm == CALM:
                break
            if self.store._repairing is not None and self.store._repairing.done():
                self.store._repairing = None
            self.store._notice()
            await asyncio.sleep(0)
        else:
            raise AssertionError("the feed does not come to the end of the log")
        assert self.mirror.rows == self.table(), "what was pushed is not the table"

    async def turn(self) -> None:
        for _ in range(self.rng.randrange(6)):
            self.store._notice()
            await asyncio.sleep(0)

    def _values(self) -> dict[str, Any]:
        self.marks += 1
        values = {"name": self.rng.choice(NAMES), "n": self.rng.randrange(5)}
        chosen = self.rng.sample(sorted(values), self.rng.randint(1, 2))
        return {"mark": self.marks, **{name: values[name] for name in chosen}}

    def _want(self) -> Wanted:
        rng, kind = (
            self.rng,
            self.rng.choice(("create", "create", "change", "change", "delete", "nothing", "refuse")),
        )
        values = self._values()
        key = None if kind == "create" else rng.choice(KEYS)
        origin = f"o{self.marks}" if rng.random() < 0.6 else None
        once = Idempotency(f"k{self.marks}", "same") if kind == "create" and rng.random() < 0.4 else None

        def change(row: Any) -> dict[str, Any] | None:
            if kind == "refuse":
                raise RequestError("it is refused")
            return None if kind == "delete" else {} if kind == "nothing" else values

        write = Write(self.thing, None if key is None else (key,), change, origin, once)
        return Wanted(write, key, kind, self.marks)

    async def write(self) -> None:
        wanted = [self._want() for _ in range(self.rng.choice((1, 1, 2, 3, 4)))]
        if self.answers and self.rng.random() < 0.3:
            wanted.append(self.answers[self.rng.choice(sorted(self.answers))][0])
        before = self.table()
        outcomes = await asyncio.gather(
            *(self.store.write(each.write) for each in wanted), return_exceptions=True
        )
        for each, outcome in zip(wanted, outcomes, strict=True):
            if isinstance(outcome, Written) and each.write.origin:
                self.origins.setdefault(each.write.origin, each.key or outcome.row["id"])
        await self.observe()
        for each, outcome in zip(wanted, outcomes, strict=True):
            if isinstance(outcome, Written):
                self._check_written(each, outcome)
            elif isinstance(outcome, REFUSALS):
                self.happened["refused"] += 1
                marks = {row["mark"] for row in self.table().values()}
                assert each.mark not in marks, "a refused write has changed something"
            else:
                raise outcome
        if all(isinstance(outcome, Exception) for outcome in outcomes):
            assert before == self.table(), "refused writes have changed something"

    def _check_written(self, wanted: Wanted, written: Written) -> None:
        """The answer shows the document as it was at its seq, and a repeated request was met once."""
        self.happened["written"] += 1
        write, seq = wanted.write, written.seq
        if write.idempotency is not None:
            _, first = self.answers.setdefault(write.idempotency.key, (wanted, written))
            assert (first.row, first.seq) == (written.row, seq), "a repeated request was met twice"
            if written.repeated:
                self.happened["repeated"] += 1
                return
        assert seq in self.states, f"{seq} is no place in the log"
        is_logged = wanted.kind in ("create", "delete")
        assert not is_logged or write.origin in (None, *self.stamped), f"{write.origin} stands on no change"
        row = self.states[seq].get(written.row["id"])
        if wanted.kind == "delete":
            assert row is None, f"the answer to a delete says {seq}, where the row was still there"
        else:
            assert row == written.row, f"the answer at {seq} shows {written.row}, the log {row}"

    async def foreign(self) -> None:
        rng, statements = self.rng, []
        for _ in range(rng.choice((1, 2, 20, 40) if rng.random() < 0.3 else (1, 2))):
            self.marks += 1
            key, name, n = rng.choice(KEYS), rng.choice("abcd"), rng.randrange(5)
            statements.append(
                rng.choice(
                    (
                        f"INSERT OR REPLACE INTO log_thing (id, name, mark) VALUES ({key}, '{name}', {self.marks})",
                        f"UPDATE OR REPLACE log_thing SET name = '{name}', mark = {self.marks} WHERE id = {key}",
                        f"UPDATE log_thing SET n = {n}, mark = {self.marks}",
                        f"UPDATE OR IGNORE log_thing SET id = {key} WHERE name = '{name}'",
                        f"DELETE FROM log_thing WHERE id = {key}",
                        f"INSERT INTO log_aside (note) VALUES ({n})",
                    )
                )
            )
        self.shell(*statements)
        await self.observe()

    @contextmanager
    def _meanwhile(self) -> Iterator[None]:
        """Somebody commits while the store reads, after the statement that is drawn."""
        countdown = self.rng.randrange(1, 5)

        def traced(sql: str) -> None:
            nonlocal countdown
            countdown -= 1
            if countdown == 0:
                self.marks += 1
                self.shell(f"INSERT OR REPLACE INTO log_thing (id, n, mark) VALUES (1, 1, {self.marks})")

        connection = self.store._connections["read"]
        connection.set_trace_callback(traced)
        try:
            yield
        finally:
            connection.set_trace_callback(None)

    async def snapshot(self) -> tuple[Rows, str]:
        if self.rng.random() < 0.5:
            with self._meanwhile():
                found = await self.store.find(self.thing, Query())
        else:
            found = await self.store.find(self.thing, Query())
        await self.observe()
        rows = {row["id"]: dict(row) for row in found.rows}
        assert rows == self.states[found.seq], f"the list at {found.seq} is not the table then"
        return rows, found.seq

    async def read(self) -> None:
        key = self.rng.choice(KEYS)
        if self.rng.random() < 0.5:
            await self.snapshot()
            return
        with self._meanwhile():
            found = await self.store.get(self.thing, (key,))
        await self.observe()
        row = self.states[found.seq].get(key)
        assert [dict(one) for one in found.rows] == ([row] if row else []), (
            f"not {key} as it was at {found.seq}"
        )

    async def join(self) -> None:
        if len(self.receivers) < 4:
            self.receivers.append(Receiver(*await self.snapshot()))

    async def catch_up(self) -> None:
        if self.receivers:
            await self.follow(self.rng.choice(self.receivers), to_the_end=self.rng.random() < 0.4)

    async def follow(self, receiver: Receiver, *, to_the_end: bool) -> None:
        """Read on from where it is, a few pages or all of them."""
        await self.observe()
        cause = await self.feed.why_reset(CHANNEL, receiver.position)
        while cause is None:
            squash, limit = self.rng.random() < 0.3, self.rng.randint(1, 6)
            page = await self.feed.read(CHANNEL, receiver.position, limit, squash)
            for message in page.messages:
                data = decode(message)["data"]
                if data["method"] == "RESET":
                    cause = message.cause
                    break
                receiver.hear(data)
            if cause is not None:
                break
            receiver.position = page.upto
            if receiver.position >= self.head and receiver.rows == self.table():
                return
            if receiver.position >= self.head:
                raise AssertionError(f"at the end a receiver holds {receiver.rows}, not {self.table()}")
            if not to_the_end and self.rng.random() < 0.4:
                return
            if not to_the_end and self.rng.random() < 0.2:
                await self.trim()
        self._check_lost(receiver.position, cause)
        receiver.rows, receiver.position = await self.snapshot()

    def _check_lost(self, position: str, cause: Cause) -> None:
        if cause in (Cause.TRIMMED, Cause.TRIMMED_IN_REPLAY):
            trimmed = number(self._meta("epoch") + self._meta("trimmed_to"))
            is_trimmed = number(position) < trimmed
            self.happened["trimmed under a receiver"] += is_trimmed
            # The feed itself may have been trimmed under, and said so in the log.
            assert is_trimmed or self._entries_after(position, "RESET"), (
                "a reset without a cause: nothing was trimmed"
            )
        else:
            self.check_cause(cause)

    async def trim(self) -> None:
        await self.observe()
        before = self._meta("trimmed_to")
        await self.store.maintain(1_000.0)
        if self._meta("trimmed_to") != before:
            self.happened["trimmed"] += 1
            self.causes |= {Cause.TRIMMED}
        await self.observe()

    # Misfortunes

    async def keep(self) -> None:
        """A backup is made."""
        await self.observe()
        with closing(sqlite3.connect(self.path)) as source, closing(sqlite3.connect(self.backup)) as target:
            source.backup(target)
        self.kept_states = dict(self.states)

    async def rare(self) -> None:
        await self.rng.choice(
            (self.restore, self.restore, self.draw_epoch, self.lose_triggers, self.restart)
        )()

    async def restart(self) -> None:
        await self.settle()
        await self.stop()
        await self.start()
        await self.settle()

    async def restore(self) -> None:
        """The database as it was when the backup was made."""
        if not self.kept_states:
            return
        self.happened["restored"] += 1
        await self.settle()
        await self.stop()
        for path in (self.path, self.path.with_name("log.db-wal"), self.path.with_name("log.db-shm")):
            path.unlink(missing_ok=True)
        with closing(sqlite3.connect(self.backup)) as source, closing(sqlite3.connect(self.path)) as target:
            source.backup(target)
        self.states, self.answers = dict(self.kept_states), {}
        self.origins = {}
        self.causes |= {Cause.OTHER_CHECK, Cause.BEYOND_END, Cause.OTHER_EPOCH, Cause.NO_ENTRY}
        await self.start()
        await self.settle()

    async def draw_epoch(self) -> None:
        self.happened["new epoch"] += 1
        await (self.settle() if self.rng.random() < 0.4 else self.observe())
        new_epoch(f"sqlite:///{self.path}")
        self.causes |= {Cause.OTHER_EPOCH}
        self.head = self._raw_head()
        self.states[self.head] = self.table()
        await self.settle()

    async def lose_triggers(self) -> None:
        """A migration takes a trigger away, and somebody writes."""
        self.happened["triggers lost"] += 1
        await self.settle()
        self.causes |= {Cause.CAPTURE_REINSTALLED}
        self.shell("DROP TRIGGER live_log_thing_update", f"UPDATE log_thing SET mark = {-self.marks}")
        self.states[self.head] = self.table()
        self.store._look()
        await self.settle()
