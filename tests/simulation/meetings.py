"""Which fault can meet which protocol state: the one table that a full run has to fill.

Two rules. The states are those of ``bayeux/lifecycle.py``, and a collection's own. A pair that cannot meet is
named here with the reason; every other pair is aimed at by the histories in turn.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from livecollections.bayeux.lifecycle import State

FAULTS: Mapping[str, str] = {
    "delay": "every packet of a client's host takes longer",
    "reorder": "packets of one connection overtake those of another",
    "drop": "bytes to a client are lost, and the connection with them",
    "duplicate": "a write reaches the server twice",
    "repeat": "a request of Bayeux, as a poll or a handshake, reaches the server twice",
    "half-open": "a connection is dead, and neither end is told",
    "cut": "every connection of a client is reset",
    "partition": "nothing passes between a client and the server, for a while",
    "slow": "a client reads nothing, for a while",
    "sleep": "a client stands still, and its connections end in silence",
    "crash": "the server dies between two awaits, and starts again",
    "deploy": "the server stops in good order, and starts again",
    "trim": "the log is trimmed up to its end",
    "replay trim": "the log is trimmed while somebody reads it again",
    "clock": "the server's clock jumps",
    "lost answer": "a write is obeyed, and its answer is lost",
    "lost last": "the last message on a channel is lost, which then falls quiet",
    "restore": "the server starts with an older copy of its database",
    "capture": "somebody drops a trigger of ours",
}
"""Every kind of fault, and what it is."""

GLOBAL = frozenset({"crash", "deploy", "trim", "replay trim", "clock", "restore", "capture"})
"""Those that happen to the server, and so meet every client."""

WRITTEN = ("lost answer", "duplicate")
"""Those that happen to a write of the client's own."""

LIFE = tuple(state.value for state in State)
"""A Bayeux client's states."""
COLLECTION: Mapping[str, str] = {
    "off": "it is not entered, or was left",
    "reading": "it has not read and joined its first list",
    "live": "it is live, and no write of its own is unanswered",
    "saving": "it is live, and a write of its own is unanswered",
    "resuming": "it has joined before, and its stream is not confirmed or is behind",
    "reset": "it was told a reset, and has not read again",
}
"""A collection's own states."""

NO_CONNECTION = "there is no connection yet, or no more, that it could happen to"
NO_WRITE = "a write needs a collection that is entered"
NO_STREAM = "no message is on its way to a client without a session"

_UNCONNECTED = ("delay", "reorder", "drop", "half-open", "cut", "slow")

IMPOSSIBLE: Mapping[tuple[str, str], str] = {
    **{(fault, state): NO_CONNECTION for fault in _UNCONNECTED for state in ("new", "ended", "off")},
    **{(fault, state): NO_WRITE for fault in WRITTEN for state in ("new", "closing", "ended", "off")},
    **{("repeat", state): NO_CONNECTION for state in ("new", "ended")},
    **{("lost last", state): NO_STREAM for state in ("new", "ended", "off", "handshaking", "closing")},
}
"""Pairs that cannot meet, and why."""

OUT_OF_REACH: Mapping[str, str] = {
    "stale": "client and server are of one version here; tests/collection has other servers",
    "refused": "everybody may subscribe here; tests/collection has policies",
}
"""Collection states that no history reaches, and why."""

PAIRS = tuple(
    (fault, state) for fault in FAULTS for state in (*LIFE, *COLLECTION) if (fault, state) not in IMPOSSIBLE
)
"""What has to meet."""

AIMS = tuple(
    (fault, state)
    for fault in FAULTS
    for state in (*LIFE, *COLLECTION)
    if (fault, state) not in IMPOSSIBLE or (fault in WRITTEN and state == "closing")
)
"""What is aimed at, in order. Two that can't meet keep their places, so that a seed draws what it always did."""


def collection_state(collection: Any) -> str:
    """Where a collection is, in the words of ``COLLECTION``."""
    replica = collection._replica
    if collection.live == "off":
        return "off"
    if not replica.joined:
        return "reset" if replica.resets else "reading"
    if collection.live != "live":
        return "resuming"
    return "saving" if any(not is_read(request) for request in replica.requests) else "live"


def is_read(request: Any) -> bool:
    """Whether a collection's request is a list that is read, and no write."""
    return hasattr(request, "pages")


class Meetings:
    """How often each fault met each state."""

    def __init__(self) -> None:
        self.counts: Counter[tuple[str, str]] = Counter()

    def meet(self, fault: str, states: Iterator[str] | tuple[str, ...]) -> None:
        """A fault has happened to somebody in these states."""
        for state in states:
            self.counts[fault, state] += 1

    def add(self, counts: Mapping[tuple[str, str], int]) -> None:
        """Count what another run met too."""
        self.counts.update(counts)

    def rare(self, least: int) -> list[tuple[str, str]]:
        """The pairs that met less often."""
        return [pair for pair in PAIRS if self.counts[pair] < least]

    def missing(self, least: int) -> list[str]:
        """Sentences on pairs that met less often than they must."""
        return [
            f"{fault} met {state} {self.counts[fault, state]} times, {least} are needed"
            for fault, state in self.rare(least)
        ]


BACK = frozenset({"restore"})
GONE = frozenset({"trim", "replay trim", "clock"})
CAUSES: Mapping[str, frozenset[str]] = {
    "other-epoch": BACK,
    "other-check": BACK,
    "beyond-end": BACK,
    "no-entry": BACK,
    "trimmed": GONE,
    "trimmed-in-replay": GONE,
    "capture-reinstalled": frozenset({"capture"}),
}
"""By the name that the server gives to the cause of a reset: the faults of which one must have happened before."""
