"""The exchange: which sessions live, who hears what, and how messages reach them.

Three rules. Fan-out never waits: it queues and wakes, and a session that can't take it is a position or has
ended. What is read from a history joins the live stream at a point between two awaits, so nothing is lost or
doubled there (``replay.py``). Which link a session has, and until when, is ``links.py``'s.

It knows no protocol message; ``server.py`` handles those, transports give it links, the feed gives it histories.
"""

from __future__ import annotations

import logging
import random
import secrets
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence, Sized
from types import MappingProxyType
from typing import Any

from .. import step
from . import channel as channels
from . import message as messages
from .arrivals import Arrivals
from .audience import Audience
from .extension import Extensions, Outcome
from .histories import Histories
from .history import History
from .lazy import Lazy
from .lifetimes import Pace
from .links import Links
from .listener import DISCONNECT, HANDSHAKE, PUBLISH, SUBSCRIBE, UNSUBSCRIBE, Listeners
from .load import Entry
from .message import NONE, REHANDSHAKE, RETRY, Limits, Message
from .positions import NO_STARTS, Positions
from .replay import Replay
from .resets import Resets
from .service import Services
from .session import BEHIND, OVERFLOW, QUEUED, Session
from .settings import PLAIN, Declarations
from .statistics import Counts, Statistics
from .turn import Turn

logger = logging.getLogger("livecollections.bayeux")

PATIENCE_WITH_HOOKS = 5.0
"""Seconds that a hook of an extension may take for one message."""
PROCESS = 8
"""Characters of a clientId that name its process."""
KICKED = 1_000
"""Sessions that are known to have been kicked, for clients that were between two polls."""
COME_BACK = 1.0
"""Seconds after which clients of a server that closes ask again."""


class Exchange(Links):
    """Sessions, subscriptions, fan-out and replay.

    Args:
        pace: how long connects are held, and how often clients are to be heard of.
        patience: seconds that a hook of an extension may take for one message.
        clock: seconds that only rise.  wall: seconds since 1970.  token: draws the secret of a clientId, 160 bits.
        chance: gives numbers from 0 to below 1.
    """

    def __init__(
        self,
        *,
        pace: Pace,
        limits: Limits,
        patience: float = PATIENCE_WITH_HOOKS,
        clock: Callable[[], float] = lambda: time.monotonic(),
        wall: Callable[[], float] = lambda: time.time(),
        token: Callable[[], str] = lambda: secrets.token_hex(20),
        chance: Callable[[], float] = random.random,
    ) -> None:
        super().__init__(pace, limits, clock, wall)
        self.settings = Declarations()
        self.arrivals = Arrivals(limits.arrivals, clock, chance)
        self._lazy = Lazy(self.wake)
        self.token = token
        # In front of each secret, so that others can tell whose it is; a process that starts anew is another one.
        self.process = secrets.token_hex(PROCESS // 2)
        self._sessions: dict[str, Session] = {}
        self._addresses: Counter[str] = Counter()
        self.kicked: dict[str, None] = {}
        self.extensions = Extensions(self.sessions, patience)
        self._subscribers = Audience()
        self.turn = Turn(self._queue, self._count, lambda: not self.extensions.outgoing)
        self.services = Services(self.deliver)
        self.listeners = Listeners()
        self.counts = Counts()
        self.resets = Resets()
        self.histories = Histories()
        self.positions = Positions(self.histories, limits.positions)
        self._replay = Replay(self.histories, self.extensions, self.resets, self._tell, self.end)

    @property
    def sessions(self) -> Mapping[str, Session]:
        """Those that live, by clientId."""
        return MappingProxyType(self._sessions)

    def statistics(self) -> Statistics:
        """What there is, and what was."""
        self.turn.finish()
        return self.counts.statistics(
            self._sessions.values(),
            self._subscribers,
            self.resets.counts,
            stopped_since=self.clock() - self.limits.stall,
            paced=self.arrivals.told,
        )

    @property
    def subscribers(self) -> Mapping[str, Sized]:
        """Those of each channel and pattern, by its name."""
        return self._subscribers

    async def close(self) -> None:
        """Answer every held connect, end every session and what runs for it."""
        for session in list(self._sessions.values()):
            held = session.release()
            if held is not None:
                # Not at once: the server is going, and a client that is refused waits much longer.
                interval = COME_BACK + self.arrivals.lost()
                held.reply["advice"] = messages.advice(RETRY, interval=interval, timeout=self.pace.timeout)
                self._reply(held.link, held.reply)
            self.end(session)
        self.turn.finish()
        self._lifetimes.close()
        self.arrivals.close()
        self._lazy.close()
        await self._replay.close()
        await self.extensions.close()
        await self.services.close()
        await self.listeners.close()
        self.histories.clear()

    # Publishing.

    def publish(self, message: Message, publisher: Session | None = None) -> Outcome | None:
        """Give a message to all who subscribed, in the order of the calls, without waiting for anyone.

        Returns:
            what will tell whether an extension refused it, if there are any to pass (``wait_passed``).
        """
        if self.extensions.holds:
            return self.extensions.pass_on(message, None, lambda passed: self._give(passed, publisher))
        self._give(message, publisher)
        return None

    def _give(self, message: Message, publisher: Session | None) -> None:
        message, before = self.histories.publish(message)
        if self.listeners.hear(PUBLISH):
            self.listeners.tell(PUBLISH, publisher, message.channel, messages.decode(message).get("data"))
        settings = self.settings.of(message.channel) if self.settings else PLAIN
        deaf = None if settings.echo else publisher
        self.counts.published += 1
        heard = self._subscribers.of(message.channel)
        if message.seq is not None and step.is_told(logger):
            step.tell(logger, "published", message.seq, channel=message.channel, receivers=len(heard))
        entry = message, before, settings.lazy
        is_late = bool(heard.others) and self.turn.is_late(heard.others)
        if deaf is not None and (deaf in heard.written or (is_late and deaf in heard.others)):
            self.settle(deaf)
            deaf.skip(message)
        if heard.written:
            self.turn.add(entry, heard.roll, deaf)
        if is_late:
            self.turn.add_late(entry, heard.rest, deaf)
        elif heard.others:
            self._offer_all(heard.others, entry, deaf)

    def _offer_all(self, receivers: Collection[Session], entry: Entry, deaf: Session | None = None) -> None:
        message, before, lazy = entry
        overflown = []
        queued = 0
        for session in receivers:
            if before is not None and message.channel not in session.positions:
                self.positions.meet(session, message.channel, before)
            if session is deaf:
                session.skip(message)
                continue
            # Its link has been told already, and takes this with what waits.
            is_told = session.queue and not session.may_wait
            offer = session.offer(message)
            if offer is QUEUED:
                queued += 1
                if message.cause is not None:
                    self.resets.hear(session, message.channel, message.cause)
                if not is_told:
                    self._queued(session, lazy)
            elif offer is OVERFLOW or (offer is BEHIND and self.positions.is_too_far_behind(session)):
                overflown.append(session)
        self.counts.delivered += queued
        for session in overflown:
            self._overflow(session)

    def _queued(self, session: Session, lazy: float) -> None:
        if not lazy or not self._lazy.postpone(session, lazy):
            session.may_wait = False
            if session.link is not None:
                self._tell(session)

    def _queue(self, sessions: Sequence[Session], entries: Sequence[Entry]) -> None:
        """Queue what can't be written to their sockets straight."""
        for entry in entries:
            self._offer_all([one for one in sessions if not one.has_ended], entry)

    def _count(self, delivered: int) -> None:
        self.counts.delivered += delivered

    def settle(self, session: Session) -> None:
        """Have what is on its way to it in its queue: whoever looks at that, or changes more than that, asks first."""
        if session.is_written or self.turn.is_queueing:
            self.turn.settle(session)

    def _place(self, session: Session) -> None:
        link = session.link
        put = None if link is None or session.flight.is_acknowledged or session.is_numbered else link.put
        session.apart.pop(session, None)
        if session.is_written and put is not session.put:
            self._subscribers.move(session)
        session.put = put
        if link is not None and put is not None:
            if not session.is_written:
                self._subscribers.move(session)
            session.apart = self.turn.apart
            session.stand_apart()
            link.wake()

    def deliver(self, session: Session, message: Message) -> Outcome | None:
        """Give a message to one session, whatever it subscribed to.

        Returns:
            as ``publish``.
        """
        if self.extensions.holds:
            return self.extensions.pass_on(message, session, lambda passed: self._give_one(session, passed))
        self._give_one(session, message)
        return None

    def _give_one(self, session: Session, message: Message) -> None:
        self.settle(session)
        if session.has_ended:
            return
        if session.offer(message) is OVERFLOW:
            self._overflow(session)
            return
        self.counts.delivered += 1
        session.may_wait = False
        self._tell(session)

    def _overflow(self, session: Session) -> None:
        does = "acknowledges" if session.flight.is_acknowledged else "takes"
        logger.warning("session …%s %s nothing and has ended: its queue is full", session.id[-6:], does)
        self.counts.overflown += 1
        self.end(session)

    # Sessions.

    def begin(self, *, is_local: bool = False) -> Session:
        """A session that nobody knows yet; ``admit`` makes it known."""
        return Session(
            self.process + self.token(),
            self.limits.queue_bytes,
            self._lifetimes.deadline(),
            is_local=is_local,
        )

    def has_room(self, address: str | None) -> bool:
        """Whether one more session may begin from an address; where none is known, none is counted."""
        return address is None or self._addresses[address] < self.limits.sessions_per_address

    def admit(self, session: Session, address: str | None = None) -> None:
        """Make it known."""
        self._sessions[session.id] = session
        session.since = self.clock()
        session.address = address
        if address is not None:
            self._addresses[address] += 1
        if not session.is_local:
            self.counts.handshakes += 1
            self.listeners.tell(HANDSHAKE, session)
            self._lifetimes.watch(session)

    def end(self, session: Session, *, by_client: bool = False) -> None:
        """End a session; its held connect is answered: handshake again, or not, if it said goodbye itself."""
        if session.has_ended:
            return
        for name in session.subscriptions:
            self._forget(session, name)
        if session.is_written or self.turn.is_queueing:
            self.turn.forget(session)
        if session.is_written:
            session.apart.pop(session, None)
            session.is_written, session.put = False, None
        if not session.is_local:
            self.listeners.tell(DISCONNECT, session)
        held = session.end()
        self._sessions.pop(session.id, None)
        self._leave(session.address)
        links = [link for link in (session.link, session.socket) if link is not None]
        session.link = session.socket = None
        if held is not None:
            # Who said goodbye needs no advice: Halley takes "none" for a ban, from which there is no way back.
            if not by_client:
                held.reply.pop("clientId", None)
                messages.refuse(held.reply, messages.unknown_client(session.id))
                held.reply["advice"] = messages.advice(REHANDSHAKE, interval=0)
            self._reply(held.link, held.reply)
        for link in dict.fromkeys(links):
            link.session = None
            self.heard(link)
            link.ended()

    def kick(self, session: Session) -> None:
        """End a session for good: its client is told so, and not to come back; its socket is closed."""
        link = session.link or session.socket
        if link is not None:
            # CometD's form; a client between two polls hears it by its next, at the gate.
            told: dict[str, Any] = {"channel": channels.DISCONNECT, "successful": True}
            if session.held is None:
                told["advice"] = messages.advice(NONE)
            link.reply(told)
        if session.held is not None:
            session.held.reply["advice"] = messages.advice(NONE)
        self.kicked[session.id] = None
        if len(self.kicked) > KICKED:
            del self.kicked[next(iter(self.kicked))]
        self.end(session, by_client=True)
        if link is not None:
            link.close(1000)

    def _expire(self, session: Session) -> None:
        self.counts.expired += 1
        self.end(session)

    def _leave(self, address: str | None) -> None:
        if address is not None:
            self._addresses[address] -= 1
            if not self._addresses[address]:
                del self._addresses[address]

    def wake(self, session: Session) -> None:
        """Go on with what waits for it: read its histories, and tell its link."""
        self._replay.begin(session)
        if session.queue and session.link is not None and not session.may_wait:
            self._tell(session)

    # Subscriptions.

    def subscribe(self, session: Session, name: str, starts: Mapping[str, str] = NO_STARTS) -> None:
        """Give the session what is published from now on on a channel or pattern.

        Args:
            starts: by channels with a history, the seq after which each begins. What is received already stays
                where it is, but for a channel that is named exactly: that goes back.
        """
        self.settle(session)
        if session.has_ended:
            return
        self.histories.open(name)
        self.positions.begin(session, name, starts)
        if name not in session.subscriptions and not session.is_local:
            self.listeners.tell(SUBSCRIBE, session, name)
        if name not in session.subscriptions:
            session.subscriptions[name] = None
            self._subscribers.add(session, name)

    def unsubscribe(self, session: Session, name: str) -> None:
        """Give it that no more; what is queued of a history goes too."""
        if name not in session.subscriptions:
            return
        self.settle(session)
        if session.has_ended:
            return
        del session.subscriptions[name]
        self._forget(session, name)
        for channel in session.positions.under(name):
            if not self.positions.receives(session, channel):
                session.unwatch(channel)

    def _forget(self, session: Session, name: str) -> None:
        if not session.is_local:
            self.listeners.tell(UNSUBSCRIBE, session, name)
        self._subscribers.remove(session, name)
        if name not in self._subscribers:
            self.histories.close(name)

    # Channels that only their feed publishes on.

    def add_history(self, channel: str, history: History) -> None:
        self.turn.finish()
        self.histories.add(channel, history)
        for session in self._subscribers.of(channel):
            session.watch(channel, self.histories.head(channel))

    def remove_history(self, channel: str) -> None:
        self.turn.finish()
        self.histories.remove(channel)
        for session in self._subscribers.of(channel):
            session.unwatch(channel)
