"""The trace: what happened in a simulation, when and where, as lines that a person can read.

One rule: it holds nothing that differs between two runs of one seed.
"""

from __future__ import annotations

from collections.abc import Callable

from .frames import described

Entry = tuple[float, str, str, bytes | None]


class Trace:
    """A list of facts.

    clock: seconds since the simulation began.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._entries: list[Entry] = []
        self.is_closed = False

    def __len__(self) -> int:
        return len(self._entries)

    def note(self, place: str, what: str, data: bytes | None = None) -> None:
        """Add a fact. data: bytes that travelled, told in words when the trace is read."""
        if not self.is_closed:
            self._entries.append((self._clock(), place, what, data))

    def close(self) -> None:
        """Take no more facts."""
        self.is_closed = True

    def lines(self, start: int = 0) -> list[str]:
        """The facts from one on, a line each."""
        return [line(entry) for entry in self._entries[start:]]

    def text(self) -> str:
        """All lines."""
        return "\n".join(self.lines()) + "\n"


def line(entry: Entry) -> str:
    """A fact as a line."""
    when, place, what, data = entry
    told = "" if data is None else f"{len(data)} bytes: {described(data)}"
    return f"{when:12.6f} {place:<10} {what} {told}".rstrip()
