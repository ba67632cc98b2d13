"""Drawing a history from a seed: readers, some dozens of writes, and faults that are aimed at what must meet.

Two rules. The same seed draws the same history. The pairs of ``meetings.py`` are aimed at in turn, seed by seed, each
with what brings its client into that state; what else meets by chance counts as well.
"""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

from .history import MISHAPS, SHELL, SUBSCRIBERS, USERS, WRITES, History, Reader, Step
from .meetings import AIMS, FAULTS, IMPOSSIBLE, LIFE, WRITTEN

AIMED = 7
"""Faults of a history that are aimed at a pair."""
LENGTH = 24.0
"""Seconds of virtual time in which things happen; then all heals."""
APART = 12.0
"""Seconds in which nobody writes after a message that is lost."""
JUMPS = (3600.0, -3600.0, 8 * 86400.0, 5.0, -5.0)
"""Seconds by which the server's clock jumps; the third is further than the log goes back."""
PLAIN = 0.4
"""How many of the readers do not acknowledge, so that they have what the plain protocol promises."""
LATE = 2
"""The reader who comes later, and so can be met before he has come."""
PRIME = 7919
"""Steps in which the pairs are gone through, so that those of one history differ."""


def draw(seed: int) -> History:
    """The history of a seed."""
    return Drawing(seed).history()


def aims(seed: int) -> list[tuple[str, str]]:
    """The pairs of a fault and a state at which the history of a seed aims."""
    return [AIMS[(seed * AIMED + number) * PRIME % len(AIMS)] for number in range(AIMED)]


class Drawing:
    """One history, as it is drawn."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.rng = random.Random(f"history {seed}")
        plain = random.Random(f"readers {seed}")
        self.writers = random.Random(f"writers {seed}")
        self.steps: list[Step] = []
        self.titles = 0
        self.readers = [replace(reader, ack=plain.random() >= PLAIN) for reader in self._readers()]

    def history(self) -> History:
        """Draw it whole."""
        quiet = LENGTH + APART / 3
        for fault, state in aims(self.seed):
            # Not all at the same distance: faults that overlap are the interesting ones.
            at = self.rng.uniform(3.0, LENGTH - 3.0)
            if fault == "lost last":
                # When all others have done what they do.
                at, quiet = quiet, quiet + APART
            self._aim(at, fault, state)
        for _ in range(self.rng.randrange(3)):
            who = self.rng.randrange(len(self.readers))
            at, fault = self.rng.uniform(1.0, LENGTH), self.rng.choice(list(FAULTS))
            self._fault(at, fault, self._writer(who) if fault in WRITTEN else who, None)
        for _ in range(self.rng.randrange(1, 4)):
            self._late(self.rng.uniform(4.0, LENGTH - 3.0))
        self._writes(self.rng.randrange(40, 52))
        for _ in range(self.rng.randrange(2, 6)):
            who = self._anyone("plain")
            self._step(self.rng.uniform(0.5, LENGTH), "publish", who, title=self._title())
        if self.rng.random() < 0.3:
            self._fault(LENGTH + 1.0, "lost last", self.rng.randrange(len(self.readers)), None)
        able = (step for step in self.steps if (step.what, step.state) not in IMPOSSIBLE)
        steps = tuple(sorted(able, key=lambda step: step.at))
        return History(self.seed, tuple(self.readers), steps)

    def _readers(self) -> list[Reader]:
        rng = self.rng
        found = [
            self._collection(0.0),
            self._collection(0.0),
            self._collection(round(rng.uniform(5.0, 12.0), 2)),
        ]
        since = rng.choice(("start", "now"))
        found.append(Reader("plain", self._transport(), since=since, at=round(rng.uniform(0.0, 4.0), 2)))
        if rng.random() < 0.3:
            found.append(self._collection(round(rng.uniform(0.0, 10.0), 2)))
        return found

    def _collection(self, at: float) -> Reader:
        return Reader("collection", self._transport(), optimistic=self.rng.random() < 0.5, at=at)

    def _transport(self) -> str:
        return self.rng.choice(("websocket", "websocket", "long-polling"))

    # Faults

    def _aim(self, at: float, fault: str, state: str) -> None:
        """A fault, with what brings a client into the state in which it is to meet it."""
        if state == "new":
            ahead = 2.0 if fault == "replay trim" else 0.0
            who, at = LATE, self.readers[LATE].at - ahead - self.rng.uniform(0.1, 1.0)
            self._fault(at, fault, who, None)
            return
        who = self._target(fault, state)
        at = max(at, self.readers[who].at + 3.0)
        # What is asked for waits for the state; the trim also for somebody who reads again.
        ahead = 0.7 if fault == "replay trim" else 0.2 if state == "reset" else 0.02
        self._fault(at - ahead, fault, who, state)
        if "of" in self.steps[-1].detail:
            # Who has no session any more subscribes again.
            self._step(at, "forget", who)
        self._provoke(at, who, state)

    def _target(self, fault: str, state: str) -> int:
        """Whom a fault is to meet in a state: who polls, if it is one of requests."""
        wanted = [i for i, reader in enumerate(self.readers) if state in LIFE or reader.kind == "collection"]
        polling = [i for i in wanted if self.readers[i].transport == "long-polling"]
        who = self.rng.choice(polling if fault == "repeat" and polling else wanted)
        return self._writer(who) if fault in WRITTEN else who

    def _writer(self, who: int) -> int:
        """A reader, or in place of one who writes nothing another."""
        if self.readers[who].kind == "collection":
            return who
        return self.writers.choice(
            [i for i, reader in enumerate(self.readers) if reader.kind == "collection"]
        )

    def _anyone(self, kind: str | None = None) -> int:
        return self.rng.choice([i for i, reader in enumerate(self.readers) if kind in (None, reader.kind)])

    def _provoke(self, at: float, who: int, state: str) -> None:
        if state in ("closing", "ended", "off"):
            self._step(at, "leave", who, later=round(self.rng.uniform(2.0, 4.0), 2))
        elif state == "reading":
            self._step(at - 1.5, "leave", who, later=1.5)
        elif state == "handshaking":
            self._step(at, "forget", who)
            self._step(at + 0.01, "cut", who)
        elif state in ("connecting", "resuming"):
            self._step(at, "cut", who)
        elif state == "saving":
            self._write(at, "update", who)
        elif state == "reset":
            self._step(at - 1.51, "refuse", who, seconds=1.41)
            self._step(at - 1.5, "cut", who)
            self._step(at - 0.8, "insert", None, title=self._title(), count=3)
            self._step(at - 0.5, "trim", who)
            if self.rng.random() < 0.7:
                # Else its session may hold all of it.
                self._step(at - 0.4, "forget", who)
        if state in ("reading", "reset") and self.rng.random() < 0.6:
            # Then it lasts until the list is read again.
            self._step(at - 0.2, "lose list", who)

    def _fault(self, at: float, fault: str, who: int, state: str | None) -> None:
        rng, at = self.rng, round(at, 2)
        seconds = round(rng.choice((0.3, 1.0, 2.5, 6.0)) * rng.uniform(0.5, 1.0), 2)
        detail: dict[str, Any] = {}
        if fault in ("delay", "reorder", "drop", "partition", "slow", "sleep"):
            detail["seconds"] = seconds
        if fault in ("delay", "reorder"):
            detail["most"] = round(rng.choice((0.05, 0.3, 1.5)) * rng.uniform(0.5, 1.0), 3)
        if fault in ("drop", "lost answer", "lost last"):
            detail["severs"] = rng.random() < 0.5
        if fault == "drop" and state in ("connecting", "resuming") and rng.random() < 0.8:
            detail["of"] = "/meta/subscribe"
        if fault == "repeat":
            detail["retried"] = rng.random() < 0.5
            detail["title"] = self._title()
        if fault == "cut":
            detail["reset"] = rng.random() < 0.7
        if fault in ("duplicate", "lost answer"):
            detail.update(self._act(rng.choice(("create", "update", "replace"))))
        if fault in ("crash", "deploy", "restore"):
            detail["seconds"] = round(rng.choice((0.05, 0.5, 3.0)) * rng.uniform(0.5, 1.0), 2)
        if fault == "crash":
            detail["awaits"] = rng.randrange(40)
        if fault == "restore":
            detail["back"] = round(rng.uniform(0.5, 10.0), 2)
        if fault == "clock":
            detail["by"] = rng.choice(JUMPS)
        if fault in ("slow", "replay trim", "lost last"):
            detail["title"] = self._title()
        self.steps.append(Step(at, fault, who, detail, state))

    def _late(self, at: float) -> None:
        """An answer that shows what is no more when it comes: meanwhile others write."""
        who, is_list = self._anyone("collection"), self.rng.random() < 0.5
        methods = ["GET"] if is_list else ["PUT", "PATCH", "DELETE"]
        self._step(at, "hold", who, methods=methods, seconds=round(self.rng.uniform(1.0, 3.0), 2))
        if is_list:
            self._step(at + 0.02, "read", who)
        else:
            self._write(at + 0.02, self.rng.choice(("update", "replace", "delete")), who)
        for _ in range(3):
            self._write(
                at + self.rng.uniform(0.1, 0.8), self.rng.choice(("bulk", "insert", "remove", "remove")), None
            )

    # Writes

    def _writes(self, count: int) -> None:
        made = sum(step.what in WRITES for step in self.steps)
        for _ in range(max(0, count - made)):
            at = self.rng.uniform(0.5, LENGTH)
            what = self.rng.choice(("create",) * 4 + ("update",) * 4 + ("replace", "delete", *sorted(SHELL)))
            self._write(at, what, None if what in SHELL else self._anyone("collection"))

    def _write(self, at: float, what: str, who: int | None) -> None:
        detail = self._shell(what) if what in SHELL else self._act(what)
        self._step(at, what, who, **detail)

    def _act(self, kind: str) -> dict[str, Any]:
        """What a collection writes: an act of which the document is drawn by place, of those that it holds then."""
        detail: dict[str, Any] = {"kind": kind}
        if kind != "create":
            detail["pick"] = self.rng.randrange(1000)
        if kind != "delete":
            detail["title"] = self._title()
        if kind == "update" and self.rng.random() < 0.3:
            detail["rank"] = self.rng.randrange(100)
        return detail

    def _shell(self, what: str) -> dict[str, Any]:
        detail: dict[str, Any] = {"title": self._title()}
        if what == "insert":
            detail["count"] = self.rng.choice((1, 2, 5, 20))
        if what in ("bulk", "remove"):
            detail["modulo"] = self.rng.choice((1, 2, 3)) if what == "bulk" else self.rng.choice((3, 4, 5))
        if what == "transaction":
            detail["acts"] = [self.rng.choice(("bulk", "insert", "remove")) for _ in range(3)]
            detail["ends"] = self.rng.choice(("rollback", "rollback", "savepoint", "commit"))
        return detail

    def _title(self) -> str:
        self.titles += 1
        return f"t{self.titles}"

    def _step(self, at: float, what: str, who: int | None, **detail: Any) -> None:
        assert what in USERS | SUBSCRIBERS | SHELL | FAULTS.keys() | MISHAPS
        self.steps.append(Step(round(max(0.0, at), 2), what, who, detail))
