"""The exchange: which sessions live, who hears what, and how messages reach them.

Three rules. Fan-out never waits: it queues and wakes, and a session that can't take it is a position or has
ended. What is read from a history joins the live stream at a point between two awaits, so nothing is lost or
doubled there. Time is looked at by one sweep, not by a timer for each session.

It knows no protocol message; ``server.py`` handles those, transports give it links, the feed gives it histories.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Callable, Coroutine, Iterable, Mapping
from types import MappingProxyType
from typing import Any

from ..change import epoch, is_after
from . import channel as channels
from . import message as messages
from .history import History, Page
from .lazy import Lazy
from .message import NONE, REHANDSHAKE, RETRY, Limits, Message
from .session import Link, Offer, Session, follows
from .settings import PLAIN, Declarations
from .wheel import Wheel

logger = logging.getLogger("livecollections.bayeux")

PAGE = 200
"""Messages read from a history at a time."""
PATIENCE = 0.05, 5.0
"""Seconds before a history that told nothing is asked again: at first, and at most."""
SWEEP = 0.25
"""Seconds by which a held connect may be answered late."""
STREAM_AWAITED = 5.0
"""Seconds after which a client whose stream is not there asks what it missed."""
PING_ANSWERED = 2.0
"""Seconds in which a socket that was asked whether it is there has to say something."""
COME_BACK = 1.0
"""Seconds after which clients of a server that closes ask again."""


class Exchange:
    """Sessions, subscriptions, fan-out and replay.

    Args:
        timeout: seconds for which a connect is held.
        interval: seconds that clients wait between connects.
        clock: seconds that only rise.  token: draws a clientId.
    """

    EXPIRY = 2.0
    """A session ends after this many timeouts without a sign of it."""

    def __init__(
        self,
        *,
        timeout: float,
        interval: float,
        limits: Limits,
        clock: Callable[[], float] = time.monotonic,
        token: Callable[[], str] = lambda: secrets.token_hex(20),
    ) -> None:
        self.timeout = timeout
        self.interval = interval
        self.limits = limits
        self.clock = clock
        self.settings = Declarations()
        self._lazy = Lazy(self.wake)
        self.token = token
        self.ping_answered = PING_ANSWERED
        self._pings: dict[Link, asyncio.Event] = {}
        self._sessions: dict[str, Session] = {}
        self._subscribers: dict[str, dict[Session, None]] = {}
        self._histories: dict[str, History] = {}
        self._published: dict[str, str] = {}
        self._wheel: Wheel[Session] = Wheel(min(SWEEP, timeout / 8))
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def sessions(self) -> Mapping[str, Session]:
        """Those that live, by clientId."""
        return MappingProxyType(self._sessions)

    @property
    def histories(self) -> Mapping[str, History]:
        """The channels that can tell what was said before."""
        return MappingProxyType(self._histories)

    async def close(self) -> None:
        """Answer every held connect, end every session and what runs for it."""
        for session in list(self._sessions.values()):
            held = session.release()
            if held is not None:
                # Not at once: the server is going, and a client that is refused waits much longer.
                held.reply["advice"] = messages.advice(RETRY, interval=COME_BACK, timeout=self.timeout)
                held.link.reply(held.reply)
            self.end(session)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._lazy.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._wheel = Wheel(self._wheel.width)
        self._published.clear()

    # Publishing.

    def publish(self, message: Message, publisher: Session | None = None) -> None:
        """Give a message to all who subscribed, in the order of the calls, without waiting for anyone."""
        if message.seq is not None:
            self._published[message.channel] = message.seq
        settings = self.settings.of(message.channel) if self.settings else PLAIN
        deaf = None if settings.echo else publisher
        overflown = []
        for session in self._receivers(message.channel):
            if session is deaf:
                session.skip(message)
                continue
            offer = session.offer(message)
            if offer is Offer.QUEUED:
                if settings.lazy and self._lazy.postpone(session, settings.lazy):
                    continue
                session.may_wait = False
                if session.link is not None:
                    session.link.wake()
            elif offer is Offer.OVERFLOW:
                overflown.append(session)
        for session in overflown:
            logger.warning("session …%s takes nothing and has ended: its queue is full", session.id[-6:])
            self.end(session)

    def _receivers(self, channel: str) -> Iterable[Session]:
        found = [sessions for name in channels.expand(channel) if (sessions := self._subscribers.get(name))]
        heard: dict[Session, None] = found[0] if len(found) == 1 else {}
        if len(found) > 1:
            for sessions in found:
                heard.update(sessions)
        if channels.is_service(channel):
            return [session for session in heard if session.is_local]
        return heard

    # Sessions and their links.

    def begin(self, *, is_local: bool = False) -> Session:
        """A session that nobody knows yet; ``admit`` makes it known."""
        return Session(self.token(), self.limits.queue_bytes, self._deadline(), is_local=is_local)

    def admit(self, session: Session) -> None:
        self._sessions[session.id] = session
        if not session.is_local:
            self.visit_at(session, session.deadline)

    def join(self, session: Session, link: Link) -> None:
        """Let the link speak for the session, as its socket if it is one and there is no other."""
        if link.session is not session:
            self.detach(link)
        link.session = session
        if link.is_socket and session.socket is None:
            session.socket = link

    def attach(self, session: Session, link: Link) -> None:
        """Send the session's messages to this link from now on; others that it had are given up."""
        for old in (session.link, session.socket):
            if old is not None and old is not link:
                if old is session.link:
                    self.answer(session)
                self._give_up(old)
        self.join(session, link)
        if session.link is not link:
            session.link, session.flowing = link, True

    def detach(self, link: Link) -> None:
        """The link has gone; its session waits for another. What was in flight is put back."""
        session, link.session = link.session, None
        if session is not None and session.socket is link:
            session.socket = None
        self.heard(link)
        if session is None or session.link is not link:
            return
        session.put_back()
        session.link, session.flowing = None, False
        if session.held is not None and session.held.link is link:
            session.release()
        self.touch(session)

    def _give_up(self, link: Link) -> None:
        self.detach(link)
        link.ended()

    async def answers(self, session: Session) -> bool:
        """Whether the socket that speaks for it still does: one that says nothing in time is given up."""
        socket = session.socket
        if socket is None:
            return False
        ping = self._pings.get(socket)
        if ping is None:
            ping = self._pings[socket] = asyncio.Event()
            # No ASGI server lets an application send a ping frame. A connect that is answered is asked again.
            self.answer(session, interval=0)
        try:
            async with asyncio.timeout(self.ping_answered):
                await ping.wait()
        except TimeoutError:
            if session.socket is socket:
                self._give_up(socket)
        finally:
            self._pings.pop(socket, None)
        return session.socket is socket

    def heard(self, link: Link) -> None:
        """Something came on the link, or it has gone."""
        if self._pings and (ping := self._pings.get(link)) is not None:
            ping.set()

    def answer(self, session: Session, *, interval: float | None = None) -> None:
        """Answer its held connect, if there is one; ``interval``: seconds until the next, if not as usual."""
        held = session.release()
        if held is not None:
            self.touch(session)
            held.link.reply(self.advise(held.reply, interval=interval))

    def advise(self, reply: dict[str, Any], *, interval: float | None = None) -> dict[str, Any]:
        """The reply with the usual advice."""
        interval = self.interval if interval is None else interval
        reply["advice"] = messages.advice(RETRY, interval=interval, timeout=self.timeout)
        return reply

    def advise_heartbeat(self, reply: dict[str, Any], *, is_heard: bool) -> dict[str, Any]:
        """The reply with the advice for connects that are no more than signs of life, as Faye's server gives it.

        Args:
            is_heard: whether the client's stream is there.
        """
        interval = self.timeout if is_heard else min(self.timeout, STREAM_AWAITED)
        reply["advice"] = messages.advice(RETRY, interval=interval, timeout=0)
        return reply

    def end(self, session: Session, *, by_client: bool = False) -> None:
        """End a session; its held connect is answered: handshake again, or not, if it said goodbye itself."""
        if session.has_ended:
            return
        for name in session.subscriptions:
            self._forget(session, name)
        held = session.end()
        self._sessions.pop(session.id, None)
        links = [link for link in (session.link, session.socket) if link is not None]
        session.link = session.socket = None
        if held is not None:
            if by_client:
                held.reply["advice"] = messages.advice(NONE)
            else:
                held.reply.pop("clientId", None)
                messages.refuse(held.reply, messages.unknown_client(session.id))
                held.reply["advice"] = messages.advice(REHANDSHAKE, interval=0)
            held.link.reply(held.reply)
        for link in dict.fromkeys(links):
            link.session = None
            self.heard(link)
            link.ended()

    def wake(self, session: Session) -> None:
        """Go on with what waits for it: read its histories, and tell its link."""
        if session.link is None:
            return
        if not session.is_replaying and session.is_behind:
            session.is_replaying = True
            self._spawn(self._replay(session))
        if session.queue and not session.may_wait:
            session.link.wake()

    def sending(self, link: Link) -> float:
        """The link writes now; until ``sent``, what comes for its session waits within bounds."""
        if (session := _attached(link)) is not None:
            session.flowing = False
        return self.clock()

    def sent(self, link: Link, begun: float) -> None:
        """What the link wrote has gone.

        Args:
            begun: what ``sending`` returned.
        """
        if (session := _attached(link)) is None:
            return
        session.landed()
        session.flowing = True
        if self.clock() - begun >= self.limits.stall:
            session.stalled()
        if not session.queue and session.positions:
            self.wake(session)

    # Sessions in time.

    def _deadline(self) -> float:
        return self.clock() + self.EXPIRY * self.timeout

    def touch(self, session: Session) -> None:
        """There is a sign of it: it lives on."""
        session.deadline = self._deadline()

    def visit_at(self, session: Session, when: float) -> None:
        """Look at it no later than about ``when``."""
        slot = self._wheel.slot(when)
        if not session.visit or slot < session.visit:
            session.visit = slot
            self._wheel.add(session, slot)
        self._wind()

    def _wind(self) -> None:
        if self._timer is None and self._wheel:
            self._timer = asyncio.get_running_loop().call_later(self._wheel.width, self._sweep)

    def _sweep(self) -> None:
        self._timer = None
        now = self.clock()
        for slot, session in self._wheel.due(now):
            if session.has_ended or session.visit != slot:
                continue
            session.visit = 0
            if session.held is not None and session.held.until <= now:
                self.answer(session)
            if session.held is None and session.deadline <= now:
                logger.info("session …%s has expired", session.id[-6:])
                self.end(session)
            else:
                self.visit_at(session, session.held.until if session.held is not None else session.deadline)
        self._wind()

    # Subscriptions.

    def subscribe(self, session: Session, name: str, since: str | None = None) -> None:
        """Give the session what is published from now on on a channel or pattern.

        Args:
            since: for the exact name of a channel with a history: from after this seq on; a channel that is
                received already only goes back.
        """
        session.subscriptions[name] = None
        self._subscribers.setdefault(name, {})[session] = None
        for channel in self.covered([name]):
            position, head = session.positions.get(channel), self._head(channel)
            if position is None:
                position = session.watch(channel, head if since is None else since)
            elif since is not None:
                session.set_back(position, since)
            if position.queued == since:
                position.is_behind = follows(head, since)

    def unsubscribe(self, session: Session, name: str) -> None:
        """Give it that no more; what is queued of a history goes too."""
        if name not in session.subscriptions:
            return
        del session.subscriptions[name]
        self._forget(session, name)
        for channel in [*session.positions]:
            if not any(other in session.subscriptions for other in channels.expand(channel)):
                session.unwatch(channel)

    def _forget(self, session: Session, name: str) -> None:
        subscribers = self._subscribers[name]
        del subscribers[session]
        if not subscribers:
            del self._subscribers[name]

    # Histories.

    def add_history(self, channel: str, history: History) -> None:
        self._histories[channel] = history
        for session in self._receivers(channel):
            session.watch(channel, self._head(channel))

    def remove_history(self, channel: str) -> None:
        self._histories.pop(channel, None)
        self._published.pop(channel, None)
        for session in self._receivers(channel):
            session.unwatch(channel)

    def covered(self, names: Iterable[str]) -> list[str]:
        """The channels with a history that these names and patterns cover."""
        wanted = set(names)
        if not any(name.endswith("*") for name in wanted):
            return [name for name in wanted if name in self._histories]
        return [name for name in self._histories if not wanted.isdisjoint(channels.expand(name))]

    def _head(self, channel: str) -> str:
        """The seq up to which everything of the channel has been given to its receivers."""
        position = self._histories[channel].position()
        published = self._published.get(channel, position)
        return (
            published if epoch(published) == epoch(position) and is_after(published, position) else position
        )

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _replay(self, session: Session) -> None:
        """Read what the session is behind in, while it has room; its link calls ``wake`` when it has again."""
        pause = PATIENCE[0]
        try:
            while session.link is not None and session.size <= session.limit // 2 and session.is_behind:
                moved = False
                for channel in [position.channel for position in session.behind()]:
                    moved |= await self._read(session, channel)
                if not moved and session.queue:
                    return
                if not moved:
                    await asyncio.sleep(pause)
                pause = PATIENCE[0] if moved else min(2 * pause, PATIENCE[1])
        finally:
            session.is_replaying = False

    async def _read(self, session: Session, channel: str) -> bool:
        """Read one page; False if nothing new was there, it could not be read, or there is no room for it."""
        position, history = session.positions.get(channel), self._histories.get(channel)
        if position is None or history is None:
            return False
        after = position.queued
        try:
            page = await history.read(channel, after, PAGE, position.squash)
            read = [Message(channel, data, seq) for seq, data in page.messages]
        except Exception:
            logger.exception("the history of %s can't be read", channel, extra={"seq": after})
            return False
        if (
            session.positions.get(channel) is not position
            or position.queued != after
            or not position.is_behind
        ):
            return True
        for message in read:
            if not session.push(position, message):
                break
        else:
            if follows(page.upto, position.queued):
                position.queued = page.upto
            if self._has_caught_up(history, page, position.queued, channel):
                position.is_behind = position.squash = False
        if session.queue and session.link is not None:
            session.link.wake()
        return position.queued != after or not position.is_behind

    def _has_caught_up(self, history: History, page: Page, position: str, channel: str) -> bool:
        published = self._published.get(channel)
        if published is not None:
            return not follows(published, position)
        return not page.messages or not follows(history.position(), position)


def _attached(link: Link) -> Session | None:
    """The session whose messages go to the link."""
    session = link.session
    return session if session is not None and session.link is link else None
