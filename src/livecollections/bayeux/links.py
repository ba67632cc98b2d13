"""Links: which of them speaks for a session, which takes its messages, and how its connects are answered on them.

Three rules. A session has one link at a time, and moves to the next with all that was not sent. A connect is
answered once: at once, or when it was held. A socket whose client says nothing when asked is given up.

It knows no channel and decides for nobody whether a link is welcome; that is ``binding.py``'s.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from . import message as messages
from . import timesync
from .cycle import Happening
from .lifetimes import Lifetimes, Pace
from .message import RETRY, Limits
from .session import Held, Link, Session

STREAM_AWAITED = 5.0
"""Seconds after which a client whose stream is not there asks what it missed."""
PING_ANSWERED = 2.0
"""Seconds in which a socket that was asked whether it is there has to say something."""


class Links:
    """The half of the exchange that sees to sessions' links, and to their time."""

    def __init__(
        self, pace: Pace, limits: Limits, clock: Callable[[], float], wall: Callable[[], float]
    ) -> None:
        self.pace = pace
        self.limits = limits
        self.clock = clock
        self.wall = wall
        self.ping_answered = PING_ANSWERED
        self._pings: dict[Link, asyncio.Event] = {}
        self._lifetimes = Lifetimes(pace, clock, answer=self.answer, lose=self._lose, expire=self._expire)
        self.touch = self._lifetimes.touch

    def wake(self, session: Session) -> None:
        """Go on with what waits for it."""
        raise NotImplementedError

    def _expire(self, session: Session) -> None:
        raise NotImplementedError

    def settle(self, session: Session) -> None:
        """Have what is on its way to it in its queue."""
        raise NotImplementedError

    def _place(self, session: Session) -> None:
        """It has another link, or none."""
        raise NotImplementedError

    def join(self, session: Session, link: Link) -> None:
        """Let the link speak for the session, as its socket if it is one and there is no other."""
        if link.session is not session:
            self.detach(link)
        link.session = session
        if link.connection is not None:
            session.transport = link.connection.transport
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
            self.settle(session)
            session.link, session.flowing, session.writing_since = link, link.is_taking, None
            self._place(session)

    def detach(self, link: Link) -> None:
        """The link has gone; its session waits for another. What was in flight is put back."""
        session, link.session = link.session, None
        if session is not None and session.socket is link:
            session.socket = None
        self.heard(link)
        if session is None or session.link is not link:
            return
        self.settle(session)
        if session.has_ended:
            return
        session.shorten()
        is_overfull = session.is_overfull
        session.put_back()
        session.shorten()
        session.link, session.flowing, session.writing_since = None, False, None
        self._place(session)
        if session.held is not None and session.held.link is link:
            session.release()
        self.touch(session)
        if is_overfull:
            self._lifetimes.shorten(session, self.limits.stall)
        self._lifetimes.watch(session)

    def _give_up(self, link: Link) -> None:
        self.detach(link)
        link.ended()

    def _lose(self, link: Link) -> None:
        self.detach(link)
        link.abort()

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
        if link.session is not None:
            self.touch(link.session)
        if self._pings and (ping := self._pings.get(link)) is not None:
            ping.set()

    def answer(self, session: Session, *, interval: float | None = None) -> None:
        """Answer its held connect, if there is one; ``interval``: seconds until the next, if not as usual."""
        held = session.release()
        if held is not None:
            self._conclude(session, held.link, self.advise(held.reply, interval=interval))

    def answer_at_once(self, session: Session, link: Link, reply: dict[str, Any]) -> None:
        """Answer a connect that is not held; the reply has its advice."""
        session.step(Happening.ANSWER)
        self._conclude(session, link, reply)

    def _conclude(self, session: Session, link: Link, reply: dict[str, Any]) -> None:
        self.touch(session)
        self._lifetimes.watch(session)
        if session.flight.is_acknowledged:
            reply.setdefault("ext", {})["ack"] = session.flight.next_number()
        self._reply(link, reply)

    def _reply(self, link: Link, reply: dict[str, Any]) -> None:
        """Give a connect its answer."""
        timesync.conclude(reply, self.wall())
        link.reply(reply)

    def hold(self, session: Session, link: Link, reply: dict[str, Any], wait: float) -> None:
        """Hold a connect for some seconds."""
        session.hold(Held(link, reply, self.clock() + wait))
        self._lifetimes.watch(session)

    def advise(self, reply: dict[str, Any], *, interval: float | None = None) -> dict[str, Any]:
        """The reply with the usual advice."""
        interval = self.pace.interval if interval is None else interval
        reply["advice"] = messages.advice(RETRY, interval=interval, timeout=self.pace.timeout)
        return reply

    def advise_heartbeat(self, reply: dict[str, Any], *, is_heard: bool) -> dict[str, Any]:
        """The reply with the advice for connects that are no more than signs of life, as Faye's server gives it.

        Args:
            is_heard: whether the client's stream is there.
        """
        interval = self.pace.timeout if is_heard else min(self.pace.timeout, STREAM_AWAITED)
        reply["advice"] = messages.advice(RETRY, interval=interval, timeout=0)
        return reply

    def _tell(self, session: Session) -> None:
        """Have its link take what waits; where messages travel with answers to connects only, give the answer."""
        if session.held is not None and session.flight.is_acknowledged:
            self.answer(session)
        elif session.link is not None:
            session.link.wake()

    def taking(self, link: Link) -> None:
        """The link takes all that comes for its session, until ``sending``."""
        link.is_taking = True
        if (session := _attached(link)) is not None:
            session.flowing = True

    def sending(self, link: Link) -> float:
        """The link writes now; until ``sent``, what comes for its session waits within bounds."""
        link.is_taking = False
        now = self.clock()
        if (session := _attached(link)) is not None:
            session.flowing, session.writing_since = False, now
            if link.buffered:
                session.shorten()
        return now

    def sent(self, link: Link, begun: float) -> None:
        """What the link wrote has gone.

        Args:
            begun: what ``sending`` returned.
        """
        link.is_taking = True
        if (session := _attached(link)) is None:
            return
        session.landed()
        session.flowing, session.writing_since = True, None
        if self.clock() - begun >= self.limits.stall:
            session.stalled()
        if not session.queue and session.positions:
            self.wake(session)


def _attached(link: Link) -> Session | None:
    """The session whose messages go to the link."""
    session = link.session
    return session if session is not None and session.link is link else None
