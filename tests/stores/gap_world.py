"""A database's transactions, as far as the rule of gaps sees them: xids, places, snapshots, and a reader.

Three rules. A writer has its xid before it draws a place, as each does that has written something. A snapshot's upper
end is the last xid that completed, and one more, as PostgreSQL's is. What the reader asks takes time: others may do
anything between the question and the answer, and answers to looks may come in any order.

Told to be right is what the reader said of its own: a place that it went past may fill only if it was written down.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from livecollections.stores.gaps import PATIENCE, Gaps, Horizon, Look, Span

Action = Callable[["World", int], None]


class RuleOff(Gaps):
    """Whatever is seen is told at once."""

    def see(self, look: Look, now: float) -> None:
        self.watermark = max(self.watermark, look.top)


class SnapshotBound(Gaps):
    """Gaps are bound by the end of the snapshot that shows them, which is the last xid that completed, and one more."""

    def see(self, look: Look, now: float) -> None:
        super().see(look, now)
        self.bind(self.begin(), look.horizon.xmax)


@dataclass
class Transaction:
    """xid: of it.  places: drawn.  is_writer: it may draw some; a stranger never does."""

    xid: int
    is_writer: bool
    places: list[int] = field(default_factory=list)


def holes(filled: Sequence[int], after: int) -> list[Span]:
    """The empty places between a place and the last filled one."""
    found, last = [], after
    for place in filled:
        if place > last + 1:
            found.append(Span(last + 1, place - 1))
        last = max(last, place)
    return found


class World:
    """gaps: the rule."""

    def __init__(self, gaps: Callable[[int], Gaps] = Gaps) -> None:
        self.gaps = gaps(0)
        self.next_xid, self.completed, self.place = 100, 99, 0
        self.running: dict[int, Transaction] = {}
        self.filled: set[int] = set()
        self.passed: list[Span] = []
        self.told: list[int] = []
        self.late: set[int] = set()
        self.now = 0.0
        self._answers: list[Callable[[], None]] = []

    # --- the database ---------------------------------------------------------------------------------------

    def begin(self, is_writer: bool = True) -> Transaction:
        """A transaction that has written."""
        found = self.running[self.next_xid] = Transaction(self.next_xid, is_writer)
        self.next_xid += 1
        return found

    def draw(self, transaction: Transaction) -> None:
        """The next place."""
        self.place += 1
        transaction.places.append(self.place)

    def end(self, transaction: Transaction, commits: bool = True) -> None:
        """Commit, or roll back."""
        del self.running[transaction.xid]
        self.completed = max(self.completed, transaction.xid)
        if commits:
            for place in transaction.places:
                is_passed = any(span.first <= place <= span.last for span in self.passed)
                assert place > self.gaps.watermark or is_passed, f"{place} filled, and nobody will be told"
                if is_passed:
                    self.late.add(place)
                self.filled.add(place)

    def horizon(self) -> Horizon:
        """A snapshot of who runs."""
        xmax = self.completed + 1
        running = frozenset(xid for xid in self.running if xid < xmax)
        return Horizon(min(running, default=xmax), xmax, running)

    # --- the reader -----------------------------------------------------------------------------------------

    def look(self) -> None:
        """Look; the answer comes later."""
        after = self.gaps.watermark
        filled = sorted(place for place in self.filled if place > after)
        look = Look(
            max(filled, default=after),
            holes(filled, after),
            self.horizon(),
            passed=tuple(self.passed),
        )
        asked = self.now

        def answer() -> None:
            before = self.gaps.watermark
            self.gaps.see(look, asked)
            self.told += sorted(place for place in self.filled if before < place <= self.gaps.watermark)

        self._answers.append(answer)

    def bind(self) -> None:
        """Draw an xid; it is known later."""
        ticket = self.gaps.begin()
        xid, self.next_xid = self.next_xid, self.next_xid + 1
        self.completed = max(self.completed, xid)
        self._answers.append(lambda: self.gaps.bind(ticket, xid))

    def ask(self) -> None:
        """Ask who may have drawn places; the answer comes later."""
        ticket = self.gaps.begin()
        writers = [xid for xid, each in self.running.items() if each.is_writer and each.places]
        self._answers.append(lambda: self.gaps.suspect(ticket, writers))

    def write_down(self) -> None:
        """Write down what is overdue."""
        for gap in self.gaps.overdue(self.now):
            # It may have filled since; then it is told twice, which hurts nobody.
            self.passed.append(gap.span)

    def answer(self, number: int = 0) -> None:
        """One of the answers comes in."""
        if self._answers:
            self._answers.pop(number % len(self._answers))()

    def read(self) -> None:
        """Whatever a reader does in one round, at once."""
        self.look()
        self.answer(-1)
        if self.gaps.is_unbound:
            self.bind()
            self.answer(-1)
        if self.gaps.is_suspect(self.now):
            self.ask()
            self.answer(-1)
        self.write_down()

    # --- histories ------------------------------------------------------------------------------------------

    def any_running(self, number: int, is_writer: bool = True) -> Transaction | None:
        """One of those who run."""
        found = [each for each in self.running.values() if each.is_writer is is_writer]
        return found[number % len(found)] if found else None

    def do(self, action: int, number: int) -> None:
        """One step of a history."""
        ACTIONS[action % len(ACTIONS)](self, number)

    def finish(self) -> None:
        """All answers come, all writers end; strangers run on."""
        while self._answers:
            self.answer()
        while (writer := self.any_running(0)) is not None:
            self.end(writer)
        for _ in range(4):
            self.now += 0.2
            self.read()
        top = max(self.filled, default=0)
        assert self.gaps.watermark == top, f"stuck at {self.gaps.watermark} of {top}: {self.gaps.gaps}"
        assert sorted(self.told) == self.told
        assert set(self.told) | self.late == self.filled


def _begin(world: World, number: int) -> None:
    world.begin()


def _draw(world: World, number: int) -> None:
    if (writer := world.any_running(number)) is not None:
        world.draw(writer)


def _end(world: World, number: int) -> None:
    if (writer := world.any_running(number // 4)) is not None:
        world.end(writer, commits=number % 4 > 0)


def _stranger(world: World, number: int) -> None:
    stranger = world.any_running(number, is_writer=False)
    if stranger is None or number % 3:
        world.begin(is_writer=False)
    else:
        world.end(stranger)


def _wait(world: World, number: int) -> None:
    world.now += (0.02, 0.2, PATIENCE)[number % 3 if number % 7 == 0 else 0]


ACTIONS: tuple[Action, ...] = (
    _begin,
    _draw,
    _draw,
    _end,
    _end,
    _stranger,
    lambda world, number: world.look(),
    lambda world, number: world.answer(number),
    lambda world, number: world.answer(number),
    lambda world, number: world.bind(),
    lambda world, number: world.ask(),
    lambda world, number: world.write_down(),
    lambda world, number: world.read(),
    lambda world, number: world.read(),
    _wait,
)

LIKELY = (3, 3, 3, 3, 3, 4, 2, 2, 2, 1, 1, 1, 4, 4, 1)
"""How likely each is in a history that is drawn."""


def play(world: World, seed: int, steps: int = 60) -> None:
    """A history drawn from a seed. Raises AssertionError where the reader was wrong."""
    rng = random.Random(seed)
    for action, number in zip(
        rng.choices(range(len(ACTIONS)), LIKELY, k=steps), rng.choices(range(10_000), k=steps), strict=True
    ):
        world.do(action, number)
    world.finish()
