"""The oracle: what has been promised to whom, and whether it was kept.

Two rules. It is told what users did and what they were answered, and reads the rest from the database and from what
clients show. The first broken promise ends the history.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from typing import Any

from .ledger import REINSTALLED, Entry, Ledger, Row, Violation
from .meetings import BACK, CAUSES
from .watch import UNDER_WAY, now

PASSING = 1.0
"""Seconds after which what one turn of the loop has shared out among all has been taken, by whoever takes anything."""
BOUND = 65_536
"""Bytes of the server's memory that a client may cost (G5)."""
FRAME = 20_000
"""Bytes of the largest single message here, which may be on top of that."""


class Oracle:
    """Of one history.

    faults: those so far, by name.
    """

    def __init__(self, ledger: Ledger, note: Callable[[str, str], None]) -> None:
        self.ledger = ledger
        self.errors: list[Violation] = []
        self.faults: dict[str, int] = {}
        self._note = note
        self._refused: dict[str, str] = {}
        self._creates: dict[str, float] = {}
        self._expired: set[str] = set()
        self._large: dict[str, float] = {}
        self._published: Counter[str] = Counter()
        self._doubled: set[str] = set()

    def fail(self, error: Violation) -> None:
        """A promise was broken, as somebody has seen."""
        self.errors.append(error)

    def befell(self, fault: str) -> None:
        """A fault has happened."""
        self.faults[fault] = self.faults.get(fault, 0) + 1

    # What users were told

    def begin(self, kind: str, title: str | None) -> int:
        """A write is asked for; the answer is how often the capture had been off, and was on again."""
        self.ledger.look()
        if kind == "create" and title is not None:
            self._creates[title] = math.inf
        return self.ledger.blinds - self.ledger.is_blind

    def expire(self) -> None:
        """Idempotency-Keys have expired: what is under way just now may be done twice."""
        self._expired |= {title for title, end in self._creates.items() if end + UNDER_WAY >= now()}

    def acknowledge(
        self, who: str, kind: str, key: str | None, title: str | None, document: Any, blinds: int
    ) -> None:
        """A write was answered with success: it is in the log now (G6).

        Args:
            blinds: what ``begin`` has given.
        """
        self.ledger.look()
        if kind == "create":
            self._creates[str(title)] = now()
            if "id" not in document:
                self.fail(Violation("REST", f"{who} is given {document} for what was made, without its key"))
                return
            key = str(document["id"])
        is_told = self.ledger.blinds == blinds
        if is_told and self._find(kind, key, title) is None and not self._is_lost(title, kind, key):
            self.fail(
                Violation(
                    "G6", f"{who} was told that {kind} {key} {title or ''} was done; the log has it not"
                )
            )

    def _find(self, kind: str, key: str | None, title: str | None) -> Entry | None:
        for entry in reversed(self.ledger.entries):
            if str(entry.key) != key:
                continue
            if kind == "delete" and entry.row is None:
                return entry
            if kind != "delete" and entry.row is not None and entry.row["title"] == title:
                return entry
        return None

    def _is_lost(self, title: str | None, kind: str, key: str | None) -> bool:
        """Whether it was in a file that an older one has taken the place of."""
        return any(
            str(entry.key) == key and (entry.row is None if kind == "delete" else _title(entry) == title)
            for entry in self.ledger.lost
        )

    def publishes(self, title: str) -> None:
        """The server publishes a message on a plain channel."""
        self._published[title] += 1

    def is_published(self, who: str, title: str) -> None:
        """A publisher was told that it was."""
        if not self._published[title]:
            self.fail(Violation("G6", f"{who} was told that {title} was published, and it was not"))

    def may_double(self, title: str) -> None:
        """It was asked for in two sessions, and may be published in both."""
        self._doubled.add(title)

    def refuse(self, who: str, title: str) -> None:
        """A write was refused for good: nothing of it was done (G7)."""
        self._refused[title] = who

    # While it goes on

    def check(self) -> None:
        """Raise what was broken since the last time."""
        self.ledger.look()
        if self.errors:
            raise self.errors[0]
        if self.ledger.groundless:
            raise Violation("G1", f"nothing has gone round the triggers before {self.ledger.groundless[0]}")

    def check_memory(self, held: Mapping[str, int], now: float) -> None:
        """What each client costs is bounded (G5).

        Args:
            held: bytes by client.  now: seconds.
        """
        large = {client for client, size in held.items() if size > BOUND + FRAME}
        self._large = {client: self._large.get(client, now) for client in large}
        for client, since in self._large.items():
            if now - since > PASSING:
                raise Violation("G5", f"a reader costs {held[client]} bytes, {BOUND} are allowed")

    def check_causes(self, causes: Collection[str]) -> None:
        """What the server names as causes of resets has happened."""
        for cause in sorted(causes):
            if not CAUSES.get(cause, frozenset()) & self.faults.keys():
                raise Violation(
                    "G1", f"the server gives {cause} as the cause of a reset, which has not happened"
                )

    # At the end

    def finish(self, rows: Mapping[int, Row]) -> None:
        """Judge what only the end can tell."""
        self.check()
        if rows != self.ledger.rows:
            raise Violation("G1", f"GET says {rows}, the log tells {self.ledger.rows}")
        self.ledger.check_kept()
        made: dict[str, Entry] = {}
        for entry in self.ledger.entries:
            title = _title(entry)
            if title in self._refused:
                raise Violation("G7", f"{self._refused[title]} was refused {title}, and it was done: {entry}")
            is_made = entry.method == "POST" and entry.origin is not None and title not in self._expired
            if is_made and made.setdefault(title, entry) is not entry:
                raise Violation("G3", f"one create was done twice: {made[title]}, {entry}")
        twice = {title for title, times in self._published.items() if times > 1}
        if doubled := twice - self._doubled:
            raise Violation("G3", f"{sorted(doubled)} were published more than once")
        self._check_resets()

    def _check_resets(self) -> None:
        """The log says RESET, or begins a new epoch, only where something has happened that can't be told."""
        # What one backup had lost, a later one may bring back.
        entries = {entry.place: entry for entry in [*self.ledger.entries, *self.ledger.lost]}.values()
        told = Counter(str(entry.cause) for entry in entries if entry.method == "RESET")
        self.check_causes(told)
        for faults in {*CAUSES.values()} - {CAUSES[REINSTALLED]}:
            resets = sum(count for cause, count in told.items() if CAUSES[cause] == faults)
            if resets > sum(self.faults.get(fault, 0) for fault in faults):
                raise Violation("G1", f"the log says {dict(told)}; what has happened is {self.faults}")
        epochs = self.ledger.epochs - 1
        if epochs > sum(count for fault, count in self.faults.items() if fault in BACK):
            raise Violation("G1", f"the log has begun {epochs} epochs; what has happened is {self.faults}")


def _title(entry: Entry) -> str:
    return "" if entry.row is None else str(entry.row["title"])
