"""What a client wants to hear: its listeners, and the server's subscriptions that they share.

Two rules. Each listener has positions of its own, one a channel; the shared subscription begins at the earliest of
them. A listener that fails harms nobody else.

This module sends nothing and has no clock: ``protocol.py`` does.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from ..change import is_older
from ..errors import LiveError
from . import channel as channels
from .delivery import Delivery
from .message import live_ext
from .outbox import Request

logger = logging.getLogger("livecollections.bayeux")


MOST = 1000
"""Positions in one message: servers bound what they read."""


class Listener(Protocol):
    """Who hears a channel or pattern. Called on the loop, in the order in which things came; must not block."""

    def since(self) -> Mapping[str, str]:
        """The positions, by channel: what is after them is still to be heard."""

    def began(self, start: Mapping[str, str], resets: Collection[str]) -> None:
        """The server has confirmed.

        Args:
            start: where the stream now begins, by channel; empty where the server keeps no history.
            resets: the channels of which it can't tell what was asked for.
        """

    def heard(self, delivery: Delivery) -> bool:
        """Take a message, as it came; True asks to be set back to ``since()``."""

    def behind(self, channel: str, last: str) -> bool:
        """The server says what it sent last, where that is more than is known; True asks to be set back."""

    def refused(self, error: LiveError) -> None:
        """The server refuses the subscription, or the client has ended."""

    def lost(self) -> None:
        """The way is cut or the session new; ``began`` says when all is well again."""

    def settled(self) -> None:
        """Everything that came together has been told."""


def read_answer(
    name: str, sent: Mapping[str, str], reply: Mapping[str, Any]
) -> tuple[dict[str, str], set[str]]:
    """Where a subscription begins, by channel, and of which channels what was asked for can't be told.

    Args:
        name: the channel or pattern.  sent: the positions that were asked for.  reply: the server's.
    """
    live = live_ext(reply) or {}
    seqs, reset = live.get("seq"), live.get("reset")
    if isinstance(seqs, str):
        seqs = {} if channels.is_pattern(name) else {name: seqs}
        reset = [name] if reset else []
    if not isinstance(seqs, dict):
        return {}, set()
    resets = {each for each in reset if isinstance(each, str)} if isinstance(reset, list) else set()
    start = {
        channel: seq if channel in resets else sent.get(channel, seq)
        for channel, seq in seqs.items()
        if isinstance(seq, str)
    }
    return start, resets


def earliest(positions: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """Of several listeners' positions the one from which all of them hear everything, by channel."""
    found: dict[str, str] = {}
    for one in positions:
        for channel, seq in one.items():
            if channel not in found or is_older(seq, found[channel]):
                found[channel] = seq
    return found


def latest(positions: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """Of several listeners' positions the one that is furthest, by channel."""
    found: dict[str, str] = {}
    for one in positions:
        for channel, seq in one.items():
            found[channel] = later(found.get(channel), seq)
    return found


@dataclass(eq=False, slots=True)
class Interest:
    """A name or pattern that is subscribed to, for all its listeners.

    session: the clientId under which the server has confirmed it.  asking: the subscribe that is unanswered.
    again: ask once more when it is answered.  last: how far the stream has come, by channel.
    parts: of a pattern, by channel, what was set back by itself.  was_told: its listeners wait for ``settled``.
    """

    name: str
    listeners: list[Listener] = field(default_factory=list)
    session: str | None = None
    asking: Request | None = None
    again: bool = False
    is_refused: bool = False
    was_told: bool = False
    last: dict[str, str] = field(default_factory=dict)
    parts: dict[str, Part] = field(default_factory=dict)

    def since(self) -> dict[str, str]:
        """By channel, where the earliest of its listeners is."""
        return earliest(listener.since() for listener in self.listeners)

    def goes_on(self, session: str | None) -> dict[str, str]:
        """Where a subscribe asks to begin in a session; notes in ``again`` if somebody is to be set back then.

        A new one is asked for the latest position first: only that one shows that the log has gone back.
        """
        positions = [listener.since() for listener in self.listeners]
        first = earliest(positions)
        if self.session == session or channels.is_pattern(self.name):
            return first
        last = latest(positions)
        self.again |= last != first
        return last

    def tell(self, method: str, *arguments: Any) -> bool:
        """Call a method of every listener; whether any of them wants to be set back."""
        self.was_told = True
        wishes = [call(getattr(listener, method), *arguments) for listener in [*self.listeners]]
        return any(wishes)

    def lacking(self) -> list[str]:
        """Of a pattern, the channels of which more has come than its listeners have."""
        if not channels.is_pattern(self.name):
            return []
        return [name for name, seq in self.since().items() if is_older(seq, self.last.get(name))]

    def wish(self, since: Mapping[str, str]) -> dict[str, Any]:
        """What a subscribe says under ``ext.live``."""
        if channels.is_pattern(self.name):
            # Of a channel that is left out the pattern's own position tells again what was heard: better than nothing.
            names = sorted(since, key=channels.is_pattern)[-MOST:]
            return {"since": {name: since[name] for name in names}}
        return {"since": since[self.name]} if self.name in since else {}

    @property
    def asked(self) -> Request:
        """The subscribe that is unanswered; there is one."""
        assert self.asking is not None
        return self.asking

    def ask(self, request: Request) -> None:
        """Have it asked for."""
        self.asking, self.again, self.is_refused = request, False, False

    def refuse(self, error: LiveError) -> None:
        """The server refuses it: it is not asked for again until somebody wants that."""
        self.asking, self.session, self.is_refused = None, None, True
        self.tell("refused", error)

    def begin(self, request: Request, reply: Mapping[str, Any] | None) -> None:
        """The server has confirmed; ``reply`` is None where it speaks no ``ext.live``."""
        self.asking, self.session = None, request.session
        start, resets = read_answer(self.name, request.since, reply or {})
        self.last = {
            channel: seq if channel in resets else later(self.last.get(channel), seq)
            for channel, seq in start.items()
        }
        self.tell("began", start, resets)

    def hear(self, delivery: Delivery) -> bool:
        """Tell a message; whether any listener wants to be set back."""
        channel, seq = delivery.channel, delivery.seq
        if seq is not None and (delivery.is_marked or channel in self.last):
            self.last[channel] = later(self.last.get(channel), seq)
        return self.tell("heard", delivery)


class Part:
    """What a pattern's listeners lack of one channel: a server sets back only what is named exactly."""

    def __init__(self, whole: Interest, channel: str) -> None:
        self._whole = whole
        self._channel = channel

    def since(self) -> Mapping[str, str]:
        return {name: seq for name, seq in self._whole.since().items() if name == self._channel}

    def began(self, start: Mapping[str, str], resets: Collection[str]) -> None:
        self._whole.tell("began", start, resets)

    def heard(self, delivery: Delivery) -> bool:
        """The pattern's listeners are told by the pattern."""
        return False

    def behind(self, channel: str, last: str) -> bool:
        return False

    def refused(self, error: LiveError) -> None:
        """The pattern itself is not refused: the gap is seen again, or given up."""

    def lost(self) -> None:
        """The pattern's listeners are told by the pattern."""

    def settled(self) -> None:
        """The pattern's listeners are told by the pattern."""


class Interests:
    """All that a client wants to hear, by name."""

    def __init__(self) -> None:
        self._by_name: dict[str, Interest] = {}

    def __iter__(self) -> Iterator[Interest]:
        return iter([*self._by_name.values()])

    def get(self, name: str) -> Interest | None:
        """The interest in a name, if anybody has one."""
        return self._by_name.get(name)

    def add(self, name: str, listener: Listener) -> Interest:
        """The interest in a name, with one listener more."""
        interest = self._by_name.setdefault(name, Interest(name))
        interest.listeners.append(listener)
        return interest

    def remove(self, interest: Interest, listener: Listener) -> bool:
        """Whether that was the interest's last listener."""
        if listener not in interest.listeners:
            return False
        interest.listeners.remove(listener)
        if interest.listeners:
            return False
        del self._by_name[interest.name]
        return True

    def covering(self, channel: str) -> list[Interest]:
        """Those in which a channel is heard."""
        names = channels.expand(channel) if channel.startswith("/") else ()
        found = (self._by_name.get(name) for name in names)
        return [interest for interest in found if interest is not None]

    def tell(self, method: str, *arguments: Any) -> None:
        """Call a method of every listener."""
        for interest in self:
            interest.tell(method, *arguments)

    def settle(self) -> None:
        """Everything that came together has been told."""
        for interest in self:
            if interest.was_told:
                interest.tell("settled")
                interest.was_told = False

    def positions(self, session: str | None) -> dict[str, str]:
        """By channel or pattern, of what is confirmed in a session."""
        found = earliest(interest.since() for interest in self if interest.session == session)
        if len(found) <= MOST:
            return found
        # What a pattern says holds for the channels that are left out: then it has to be left out first.
        return dict([(name, seq) for name, seq in found.items() if channels.is_name(name)][-MOST:])


def later(position: str | None, seq: str) -> str:
    """The later of two, or the second where they can't be compared."""
    return position if position is not None and is_older(seq, position) else seq


def call(method: Callable[..., Any], *arguments: Any) -> Any:
    """Call a listener's method; what goes wrong in it is its own, and stops nobody else."""
    try:
        return method(*arguments)
    except Exception:
        logger.exception("a listener failed")
        return None
