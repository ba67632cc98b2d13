"""The audience: who subscribed to what.

Two rules. Who hears a channel is found by its own name and the few patterns that can cover it, whatever else there
is. Those whose socket can be written to at once are kept apart from the others, so that neither is searched for.

It sends nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from . import channel as channels
from .session import Session

Sessions = dict[Session, None]


class Subscribers:
    """Those of one channel or pattern.

    written: those whose socket can be written to straight (``session.is_written``).  others: all others.
    """

    __slots__ = ("others", "written")

    def __init__(self) -> None:
        self.others: Sessions = {}
        self.written: Sessions = {}

    def __len__(self) -> int:
        return len(self.others) + len(self.written)

    def __iter__(self) -> Iterator[Session]:
        yield from self.others
        yield from self.written


class Audience(Mapping[str, Subscribers]):
    """The subscribers of all channels and patterns, by name.

    version: another one after each change.
    """

    def __init__(self) -> None:
        self._by_name: dict[str, Subscribers] = {}
        self._last: tuple[str, Subscribers] | None = None
        self.version = 0

    def __getitem__(self, name: str) -> Subscribers:
        return self._by_name[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_name)

    def __len__(self) -> int:
        return len(self._by_name)

    def add(self, session: Session, name: str) -> None:
        """It hears the channel, or what the pattern covers, from now on."""
        self._change()
        subscribers = self._by_name.setdefault(name, Subscribers())
        (subscribers.written if session.is_written else subscribers.others)[session] = None

    def remove(self, session: Session, name: str) -> None:
        """It does no longer."""
        self._change()
        subscribers = self._by_name[name]
        del (subscribers.written if session.is_written else subscribers.others)[session]
        if not subscribers:
            del self._by_name[name]

    def move(self, session: Session) -> None:
        """Note that its socket can be written to straight, or no longer; ``is_written`` says the opposite still."""
        self._change()
        session.is_written = not session.is_written
        for name in session.subscriptions:
            subscribers = self._by_name[name]
            ways = subscribers.others, subscribers.written
            old, new = ways if session.is_written else ways[::-1]
            del old[session]
            new[session] = None

    def _change(self) -> None:
        self.version += 1
        self._last = None

    def of(self, channel: str) -> Subscribers:
        """Who hears a channel; not to be changed, and the same as long as ``version`` is."""
        if self._last is not None and self._last[0] == channel:
            return self._last[1]
        found = [one for name in channels.expand(channel) if (one := self._by_name.get(name)) is not None]
        heard = found[0] if len(found) == 1 else _union(found)
        if channels.is_service(channel):
            heard = _within_process(heard)
        self._last = (channel, heard)
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
