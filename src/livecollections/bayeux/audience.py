"""The audience: who subscribed to what.

Two rules. Who hears a channel is found by its own name and the few patterns that can cover it, whatever else there
is. Those whose socket can be written to at once are kept apart from the others, so that neither is searched for.

It sends nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from . import channel as channels
from .session import Session
from .straight import Straight

Sessions = dict[Session, None]
REMEMBERED = 64
"""Channels that several names cover whose subscribers are remembered until the next change."""


class Roll:
    """Sessions in the order in which they are told.

    puts: what writes straight to the socket of each, in the same order, where that is so of all.
    straights: the same, where descriptors can be written to.
    """

    __slots__ = ("_places", "puts", "sessions", "straights")

    def __init__(self, sessions: Sessions) -> None:
        self.sessions = [*sessions]
        self.puts = [session.put for session in sessions if session.put is not None]
        straights = [put for put in self.puts if type(put) is Straight]
        self.straights = straights if len(straights) == len(self.puts) else None
        self._places: dict[Session, int] | None = None

    @property
    def places(self) -> dict[Session, int]:
        """Where each is."""
        if self._places is None:
            self._places = {session: place for place, session in enumerate(self.sessions)}
        return self._places


class Subscribers:
    """Those of one channel or pattern.

    written: those whose socket can be written to straight (``session.is_written``).  others: all others.
    """

    __slots__ = ("_rest", "_roll", "others", "written")

    def __init__(self) -> None:
        self.others: Sessions = {}
        self.written: Sessions = {}
        self._roll: Roll | None = None
        self._rest: Roll | None = None

    def __len__(self) -> int:
        return len(self.others) + len(self.written)

    def __iter__(self) -> Iterator[Session]:
        yield from self.others
        yield from self.written

    @property
    def roll(self) -> Roll:
        """Those of ``written``: the same until they change."""
        if self._roll is None:
            self._roll = Roll(self.written)
        return self._roll

    @property
    def rest(self) -> Roll:
        """Those of ``others``: the same until they change."""
        if self._rest is None:
            self._rest = Roll(self.others)
        return self._rest

    def add(self, session: Session) -> None:
        """One more."""
        (self.written if session.is_written else self.others)[session] = None
        self._roll = self._rest = None

    def remove(self, session: Session) -> None:
        """One less."""
        del (self.written if session.is_written else self.others)[session]
        self._roll = self._rest = None


class Audience(Mapping[str, Subscribers]):
    """The subscribers of all channels and patterns, by name."""

    def __init__(self) -> None:
        self._by_name: dict[str, Subscribers] = {}
        self._joined: dict[str, Subscribers] = {}

    def __getitem__(self, name: str) -> Subscribers:
        return self._by_name[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_name)

    def __len__(self) -> int:
        return len(self._by_name)

    def add(self, session: Session, name: str) -> None:
        """It hears the channel, or what the pattern covers, from now on."""
        self._joined.clear()
        self._by_name.setdefault(name, Subscribers()).add(session)

    def remove(self, session: Session, name: str) -> None:
        """It does no longer."""
        self._joined.clear()
        subscribers = self._by_name[name]
        subscribers.remove(session)
        if not subscribers:
            del self._by_name[name]

    def move(self, session: Session) -> None:
        """Note that its socket can be written to straight, or no longer; ``is_written`` says the opposite still."""
        self._joined.clear()
        for name in session.subscriptions:
            self._by_name[name].remove(session)
        session.is_written = not session.is_written
        for name in session.subscriptions:
            self._by_name[name].add(session)

    def of(self, channel: str) -> Subscribers:
        """Who hears a channel; not to be changed, and good until the next change."""
        joined = self._joined.get(channel)
        if joined is not None:
            return joined
        found = [one for name in channels.expand(channel) if (one := self._by_name.get(name)) is not None]
        if len(found) == 1 and not channels.is_service(channel):
            return found[0]
        if len(self._joined) >= REMEMBERED:
            self._joined.clear()
        heard = _union(found)
        if channels.is_service(channel):
            heard = _within_process(heard)
        self._joined[channel] = heard
        return heard


def _union(several: list[Subscribers]) -> Subscribers:
    heard = Subscribers()
    for one in several:
        heard.others.update(one.others)
        heard.written.update(one.written)
    return heard


def _within_process(several: Subscribers) -> Subscribers:
    heard = Subscribers()
    heard.others.update((session, None) for session in several.others if session.is_local)
    return heard
