"""A session: one client's subscriptions, positions, waiting messages and held connect.

Four rules. A subscription on a channel with a history is only a *position*: what doesn't fit in the queue is
forgotten, the position says *behind*, and the history is read again from there. A message whose seq is not
after the position is not queued, so nothing is doubled. A plain channel has nothing to read again: what
doesn't fit ends the session, and the client hears it. Messages handed to a transport are *in flight* until it, or
the client, says that they went; what did not go is put back.

This module has no clock, no socket and no loop: ``now`` is an argument, and whoever calls acts on what it says.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Sequence
from enum import Enum
from typing import Any, Protocol

from ..change import epoch, follows
from .connection import Claim, Connection
from .cycle import TRANSITIONS, Happening, State
from .flight import Flight
from .message import Message
from .position import Places, Position
from .repeats import Repeats
from .sent import is_told, tell_sent

SHARE = 4
"""What a history can tell again takes one part in so many of what may wait for a client that takes nothing."""


class Offer(Enum):
    """What became of a message that was offered to a session."""

    QUEUED = "queued"
    IGNORED = "not after its position, or read from the history later"
    BEHIND = "no room for it: from now on the history is to be read"
    OVERFLOW = "a plain message found no room: the session must end"


# Looking a member up in its enumeration costs more than the rest of an offer, in Python 3.11.
QUEUED, IGNORED, BEHIND, OVERFLOW = Offer


Put = Callable[[bytes], None]
"""Writes a frame straight to a socket."""
_NOWHERE: dict[Session, None] = {}
_NOTHING: deque[Message] = deque(maxlen=0)
"""The queue of all sessions for which nothing waits: an empty one of its own would take 760 bytes."""


class Link(Protocol):
    """The transport's end of a session: a socket, a held poll, or somebody in this process."""

    session: Session | None
    connection: Connection | None
    """The way that it came on; None within this process."""
    claim: Claim | None
    """What that brings, once somebody has asked."""
    headers: list[tuple[bytes, bytes]] | None
    """What its answer will carry besides its own; None where nothing can be added."""
    is_socket: bool
    """Whether the client speaks on it for as long as it is there, so that it can be pinged."""
    is_fresh: bool
    """Whether no connect has been seen on it yet."""
    is_taking: bool
    """Whether it takes what comes within this turn of the loop; not while it writes, nor before it can."""
    put: Put | None
    """What writes a whole frame straight to its socket, if anything does."""

    @property
    def buffered(self) -> int:
        """Bytes of replies and of what was handed on that wait in it and below, as far as it can see."""

    def reply(self, reply: dict[str, Any]) -> None:
        """Answer a message; the engine may do so long after the message came."""

    def wake(self) -> None:
        """Messages wait in the session."""

    async def wait_room(self) -> None:
        """Return when replies can be taken again."""

    def ended(self) -> None:
        """The session has ended, and the link has none now."""

    def abort(self) -> None:
        """End without waiting for a peer that takes nothing."""

    def close(self, code: int) -> None:
        """Send what was replied, then end; ``code`` is the WebSocket close code."""


class Held:
    """A connect that waits for messages or for its time."""

    __slots__ = ("link", "reply", "until")

    def __init__(self, link: Link, reply: dict[str, Any], until: float) -> None:
        self.link = link
        self.reply = reply
        self.until = until


class Session:
    """One client.

    id: its clientId, a secret.  is_local: in this process, trusted, and not bounded.  attributes: the
    application's own.  is_numbered: its client wants Salesforce's numbers in what it hears.  link: where its
    messages go now, if anywhere.  flowing: whether the link takes them.  writing_since: when the link began what
    it still writes.  deadline: when it ends if nothing is heard of it.  may_switch: its client polls, and would rather
    have a socket.  may_wait: what is queued waits for company.
    is_written: what is published is written straight to its socket where it can be, by ``put``.  apart: the sessions
    that are written to so, but where something waits now.
    pause: seconds for which its client was told not to connect.  since: when it began.
    user: whose it is, as the policy says at handshake; None: nobody's.  told: whom the handshake's connection told,
    as each later one must.  cookie: ours, which the client has returned if ``is_cookie_returned``, first at
    ``returned_at``.  place: where the handshake that was given it came from.  socket: the live socket that speaks
    for it, if one does.  address: whence it came.  transport: on which it was last heard, as
    Bayeux names it.  flight: what went and may not have arrived.
    """

    __slots__ = (
        "__weakref__",
        "_behind",
        "address",
        "apart",
        "attributes",
        "cookie",
        "deadline",
        "flight",
        "flowing",
        "held",
        "id",
        "is_cookie_returned",
        "is_local",
        "is_numbered",
        "is_replaying",
        "is_written",
        "limit",
        "link",
        "may_switch",
        "may_wait",
        "pause",
        "place",
        "positions",
        "put",
        "queue",
        "repeats",
        "returned_at",
        "since",
        "size",
        "socket",
        "state",
        "subscriptions",
        "told",
        "transport",
        "user",
        "visit",
        "writing_since",
    )

    def __init__(self, id_: str, limit: int, deadline: float, *, is_local: bool = False) -> None:
        self.id = id_
        self.limit = limit
        self.deadline = deadline
        self.is_local = is_local
        self.is_numbered = False
        self.is_replaying = self.is_written = False
        self.put: Put | None = None
        self.apart = _NOWHERE
        self.attributes: dict[str, Any] = {}
        self.address: str | None = None
        self.user: Any = None
        self.told: Any = None
        self.cookie: str | None = None
        self.is_cookie_returned = False
        self.may_switch = False
        self.returned_at = 0.0
        self.since = 0.0
        self.place: tuple[str, str] | None = None
        self.state = State.HANDSHAKEN
        self.transport = "in-process"
        self.subscriptions: dict[str, None] = {}
        self.positions = Places()
        self.queue = _NOTHING
        self.size = 0
        self.link: Link | None = None
        self.socket: Link | None = None
        self.flowing = False
        self.writing_since: float | None = None
        self.may_wait = False
        self.pause = 0.0
        self.held: Held | None = None
        self.visit = 0
        self.flight = Flight()
        self._behind: dict[str, Position] = {}
        self.repeats = Repeats()

    def __repr__(self) -> str:
        return f"Session(…{self.id[-6:]}, {self.state.value})"

    # The cycle of connects.

    @property
    def has_ended(self) -> bool:
        """Whether nothing comes of it any more."""
        return self.state is State.ENDED

    def step(self, happening: Happening) -> None:
        """Move; a KeyError here is a fault of ours, never of a client."""
        self.state = TRANSITIONS[self.state][happening]

    def hold(self, held: Held) -> None:
        """Keep a connect to be answered later."""
        self.step(Happening.HOLD)
        self.held = held

    def release(self) -> Held | None:
        """The held connect, which is held no longer."""
        held, self.held = self.held, None
        if held is not None:
            self.step(Happening.RELEASE)
        return held

    def end(self) -> Held | None:
        """End; what waits is forgotten. Returns the connect that was held, for its last answer."""
        held = self.release()
        self.step(Happening.END)
        self.queue = _NOTHING
        self.size = 0
        self.flight.clear()
        self.positions.clear()
        self._behind.clear()
        return held

    # Subscriptions.

    def watch(self, channel: str, seq: str) -> Position:
        """Receive a channel with a history, from after ``seq`` on."""
        self._behind.pop(channel, None)
        position = self.positions[channel] = Position(channel, seq)
        return position

    def unwatch(self, channel: str) -> None:
        """Receive it no longer; what is queued of it goes too."""
        if channel in self.positions:
            del self.positions[channel]
            self._behind.pop(channel, None)
            self._drop({channel})

    def drop_idle(self, kept: Collection[str]) -> None:
        """Forget the positions that say nothing, but for what it subscribed to itself, and for some channels."""
        busy = {message.channel for message in self.queue} | self._behind.keys() | self.flight.before.keys()
        for channel in self.positions.keys() - busy - self.subscriptions.keys():
            if channel not in kept:
                del self.positions[channel]

    def set_back(self, position: Position, seq: str) -> bool:
        """Have everything after ``seq`` sent again; False if nothing after it was sent."""
        if not follows(position.sent, seq):
            return False
        self._drop({position.channel})
        position.sent = position.queued = seq
        self.fall_behind(position)
        return True

    def skip_to(self, position: Position, seq: str) -> None:
        """Read nothing up to ``seq``, of the same log, that is to be read: its client has that."""
        if position.is_behind and seq > position.queued:
            self._drop({position.channel})
            position.sent = position.queued = seq

    def fall_behind(self, position: Position) -> None:
        """More of its channel is in the history than was queued."""
        position.is_behind = True
        self._behind[position.channel] = position

    def catch_up(self, position: Position) -> None:
        """All that is in the history is queued: what is published can be again."""
        position.is_behind = position.squash = False
        self._behind.pop(position.channel, None)

    def behind(self) -> list[str]:
        """The channels whose history must be read."""
        return [*self._behind]

    @property
    def is_behind(self) -> bool:
        """Whether the history of a channel must be read."""
        return bool(self._behind)

    @property
    def lag(self) -> int:
        """In how many channels it is behind."""
        return len(self._behind)

    def waiting(self, of_log: str) -> list[str]:
        """The seqs of the queued messages of one epoch."""
        return [
            message.seq
            for message in self.queue
            if message.seq is not None and not message.is_reset and epoch(message.seq) == of_log
        ]

    def floors(self, of_log: str) -> list[str]:
        """The positions in one epoch from which more is to be sent, or may have to be again."""
        resets = {message.channel for message in self.queue if message.is_reset}
        late = [
            position.sent for name, position in self.positions.items() if position.is_behind or name in resets
        ]
        return [seq for seq in (*late, *self.flight.before.values()) if epoch(seq) == of_log]

    # What waits.

    def offer(self, message: Message) -> Offer:
        """Queue a message that has just been published, if it is for this session to queue."""
        if self.is_numbered:
            message = message.numbered
        if message.seq is not None and (position := self.positions.get(message.channel)) is not None:
            if position.is_behind or not follows(message.seq, position.queued):
                return IGNORED
            if not self._has_room(message, self.share):
                self._withdraw()
                self.fall_behind(position)
                return BEHIND
            position.queued = message.seq
        elif not self._has_plain_room(message):
            self._withdraw()
            if not self._has_plain_room(message):
                return OVERFLOW
        self._append(message)
        return QUEUED

    def _append(self, message: Message) -> None:
        if not self.queue:
            self.queue = deque()
        self.queue.append(message)
        self.size += len(message.body)
        if self.is_written:
            self.apart[self] = None

    def stand_apart(self) -> None:
        """Something waits to be written before what is published from now on."""
        if self.is_written:
            self.apart[self] = None

    def skip(self, message: Message) -> None:
        """Pass over a message that has just been published and is not for this session."""
        position = self.positions.get(message.channel)
        if position is None or message.seq is None or position.is_behind:
            return
        if follows(message.seq, position.queued):
            if position.sent == position.queued:
                position.sent = message.seq
            position.queued = message.seq

    def push(self, position: Position, message: Message) -> bool:
        """Queue what was read from the history; False if there is no room, and it must be read again."""
        if self.is_numbered:
            message = message.numbered
        if self.queue and self.size + len(message.body) > self.share:
            return False
        self._append(message)
        self.may_wait = False
        position.queued = message.seq or position.queued
        return True

    @property
    def share(self) -> int:
        """Bytes that may wait of what a history can tell again."""
        return self.limit // SHARE

    def _has_room(self, message: Message, limit: int) -> bool:
        flight = self.flight
        # While the link takes all that comes, what waits is this loop turn's, shared by all receivers.
        if self.flowing and (not flight.is_acknowledged or flight.is_open or self.held is not None):
            return True
        return self._fits(message, limit)

    def _has_plain_room(self, message: Message) -> bool:
        # What must be acknowledged is kept until it is, whatever the link takes, and can't be given up.
        is_bounded = not self.flowing or self.flight.is_acknowledged
        return not is_bounded or self._fits(message, self.limit)

    def _fits(self, message: Message, limit: int) -> bool:
        waiting = self.size + self.flight.size
        return not waiting or waiting + len(message.body) <= limit

    def take(self, room: int) -> list[Message]:
        """The next messages, at least one if any, up to ``room`` bytes; they are in flight until they landed."""
        queue = self.queue
        if not queue or not self.flight.may_begin:
            self.flight.is_open = False
            return []
        if len(queue) == 1 or self.size <= room:
            taken = list(queue)
            self.queue = _NOTHING
            self.size = 0
        else:
            taken = [queue.popleft()]
            size = len(taken[0].body)
            while queue and size + len(queue[0].body) <= room:
                size += len(queue[0].body)
                taken.append(queue.popleft())
            self.size -= size
        self.flight.add(taken, self.positions)
        if is_told():
            tell_sent(self, taken)
        # The rest goes only when these are acknowledged, and that may never be.
        if self.flight.is_acknowledged and self.size + self.flight.size > self.limit:
            self._withdraw()
        return taken

    def landed(self) -> None:
        """What was taken has gone to the client's socket or stream; of a poll's answer that says nothing."""
        if not self.flight.is_acknowledged and not self.flight.is_answered:
            self.flight.clear()

    def answered(self) -> None:
        """What was taken has gone with the answer to a poll."""
        self.flight.is_answered = not self.flight.is_acknowledged

    def connected(self, id_: Any) -> None:
        """Its client shakes hands or connects: with the id of its last connect again if that was not answered."""
        is_repeated = self.flight.is_repeated(id_)
        if self.flight.is_answered and is_repeated:
            self._return()
        elif self.flight.is_answered:
            self.flight.clear()

    def put_back(self) -> None:
        """What was taken did not go, as far as the transport knows."""
        self.flight.is_open = False
        if not self.flight.is_acknowledged and not self.flight.is_answered:
            self._return()

    def acknowledge(self, number: int | None) -> None:
        """Its client has received everything up to this batch, or nothing that it wants to say."""
        if self.flight.has_arrived(number):
            self.flight.clear()
        else:
            self._return()

    def _return(self) -> None:
        """Plain messages wait again, before newer ones; positions go back."""
        plain, before = self.flight.clear()
        for channel, seq in before.items():
            if (position := self.positions.get(channel)) is not None:
                self.set_back(position, seq)
        self.queue = deque([*plain, *self.queue])
        self.stand_apart()
        self.may_wait = self.may_wait and not plain
        self.size += sum(len(message.body) for message in plain)

    def stalled(self) -> None:
        """The socket took nothing for a while and takes again: what it missed is squashed."""
        self._withdraw()
        for position in self._behind.values():
            position.squash = True

    def shorten(self) -> None:
        """Its client does not keep up: what came within one turn of the loop must not wait for it."""
        if self.size > self.share:
            self._withdraw()

    @property
    def is_overfull(self) -> bool:
        """Whether one turn of the loop has brought more than may wait, and its client did not take it all."""
        return len(self.queue) > 1 and self.size > self.limit

    def _withdraw(self) -> None:
        """Give up what the history can tell again."""
        # In the order in which they were queued: what is told again comes in that order.
        channels = dict.fromkeys(
            message.channel
            for message in self.queue
            if message.seq is not None and message.channel in self.positions
        )
        self._drop(channels)
        for channel in channels:
            position = self.positions[channel]
            position.queued = position.sent
            self.fall_behind(position)

    def _drop(self, channels: Collection[str]) -> None:
        kept = [message for message in self.queue if message.seq is None or message.channel not in channels]
        if len(kept) < len(self.queue):
            self.queue = deque(kept)
            self.size = sum(len(message.body) for message in kept)


def arranged(session: Session | None, replies: Sequence[bytes], taken: Sequence[Message]) -> list[bytes]:
    """What goes together: replies first, but after the messages that one of them numbers."""
    given = [message.body for message in taken]
    is_numbered = session is not None and session.flight.is_acknowledged
    return [*given, *replies] if is_numbered else [*replies, *given]
