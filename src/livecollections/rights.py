"""Rights: who may hear what, asked when he begins to, and again.

Three rules. A receiver hears the channel of his view and no other. Whose a session is, and what he sees, is asked again
when the application says so, when his credential expires, and before 60 seconds have passed; where the answer is
another, the session ends, and its client comes back as who he is then. Whoever can't be asked is nobody.

It knows no request: it is given a function that says whose a connection is.
"""

from __future__ import annotations

import asyncio
import heapq
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from itertools import count
from typing import Any
from weakref import WeakKeyDictionary

from .bayeux.binding import are_one
from .bayeux.exchange import Exchange
from .bayeux.fault import FAULTS, let_end
from .bayeux.history import History
from .bayeux.local import REVOKED
from .bayeux.session import Session
from .feed import Feed
from .policy import expiry
from .resource import Resource
from .view import Views

logger = logging.getLogger("livecollections.rights")

AGAIN = 50.0
"""Seconds after which a session is asked about again."""
TOGETHER = 50
"""Sessions asked about at once."""
TICK = 1.0
"""Seconds between two looks at whose time has come."""

Scope = Mapping[str, Any]
Identify = Callable[[Scope, Mapping[str, Any]], Awaitable[Any]]


class Credential:
    """By what a session's user is known. scope: of the connection.  ext: of the handshake's message."""

    __slots__ = ("ext", "scope")

    def __init__(self, scope: Scope, ext: Mapping[str, Any]) -> None:
        self.scope = scope
        self.ext = ext


class Rights:
    """Those of all sessions that have a user, or hear a resource that not all see alike; a ``Family`` of channels.

    identify: says whose a connection is; None: nobody.
    """

    def __init__(self, views: Sequence[Views], feed: Feed, exchange: Exchange, identify: Identify) -> None:
        self._views = views
        self._feed = feed
        self._exchange = exchange
        self.identify = identify
        self._credentials: WeakKeyDictionary[Session, Credential | None] = WeakKeyDictionary()
        self._due: list[tuple[float, int, Session]] = []
        self._numbers = count()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Guard their channels, and ask again in time, until ``stop``."""
        self._exchange.histories.add_family(self)
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def stop(self) -> None:
        """Ask no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._due.clear()
        for session in [*self._exchange.sessions.values()]:
            if any(map(self.has, session.subscriptions)):
                self._exchange.end(session)
        self._exchange.histories.remove_family(self)

    # As a family of channels

    @property
    def history(self) -> History:
        return self._feed

    def has(self, channel: str) -> bool:
        return any(views.has(channel) for views in self._views)

    def is_met(self, pattern: str) -> bool:
        head, _, last = pattern.rpartition("/")
        asked = head.split("/")[1:]
        return any(
            _begins(shape, asked)
            and (len(shape) > len(asked) if last == "**" else len(shape) == len(asked) + 1)
            for views in self._views
            for shape in views.shapes
        )

    async def may_hear(self, session: Session, channel: str) -> bool:
        view = self._heard(session, channel)
        if view is None or view.channel != channel:
            return False
        if session not in self._credentials:
            self._credentials[session] = None
            self._plan(session)
        return True

    async def has_moved(self, session: Session, channel: str) -> bool:
        view = self._heard(session, channel)
        return view is not None and view.channel != channel

    def open(self, channel: str) -> None:
        self._feed.open(channel)

    def close(self, channel: str) -> None:
        self._feed.close(channel)

    def _heard(self, session: Session, channel: str) -> Resource | None:
        """The view that a session's user may hear of what a channel is of."""
        try:
            found = (views.heard(session.user, channel) for views in self._views)
            view = next((view for view in found if view is not None), None)
        except Exception:
            # A function of the application's: what can't be decided is refused.
            logger.exception("what the user of session …%s sees could not be told", session.id[-6:])
            return None
        return view if view is not None and "subscribe" in view.rights else None

    # Asking again

    def watch(self, session: Session, scope: Scope, ext: Mapping[str, Any]) -> None:
        """Ask again about a session, as long as it lives. ext: what its handshake said besides."""
        self._credentials[session] = Credential(scope, ext)
        self._plan(session)

    def disconnect(self, user: Any) -> None:
        """End all sessions of a user."""
        for session in self._of(user):
            self._end(session)

    async def recheck(self, user: Any) -> None:
        """Ask again about all sessions of a user, now."""
        for session in self._of(user):
            await self.renew(session)

    def _of(self, user: Any) -> list[Session]:
        alive = self._exchange.sessions.values()
        return [one for one in alive if one.user is not None and are_one(one.user, user)]

    def _plan(self, session: Session) -> None:
        now = self._exchange.clock()
        ends = expiry(session.user)
        left = AGAIN if ends is None else min(AGAIN, max(0.0, ends - self._exchange.wall()))
        heapq.heappush(self._due, (now + left, next(self._numbers), session))

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(TICK)
            await self.renew_due()

    async def renew_due(self) -> None:
        """Ask again about those whose time has come."""
        now = self._exchange.clock()
        while self._due and self._due[0][0] <= now:
            together: list[Session] = []
            while self._due and self._due[0][0] <= now and len(together) < TOGETHER:
                together.append(heapq.heappop(self._due)[2])
            await asyncio.gather(*map(self.renew, together))
            for session in together:
                if not session.has_ended:
                    self._plan(session)

    async def renew(self, session: Session) -> None:
        """Ask whose a session is, and what he sees; end it where that is another than it was, or can't be told."""
        try:
            if not session.has_ended:
                await self._renew(session)
        except Exception:
            # A comparison of the application's: the others are to be asked about all the same.
            logger.exception("whose session …%s is could not be told, and it has ended", session.id[-6:])
            self._end(session)

    async def _renew(self, session: Session) -> None:
        credential = self._credentials.get(session)
        user = None if credential is None else await self._user(session, credential)
        if session.has_ended:
            return
        if not are_one(user, session.user):
            logger.info("session …%s is no longer its user's, and has ended", session.id[-6:])
            self._end(session)
            return
        # Equal, but perhaps with other rights.
        session.user = user
        heard = [channel for channel in session.subscriptions if self.has(channel)]
        if not all([await self.may_hear(session, channel) for channel in heard]):
            logger.info("session …%s sees other things than before, and has ended", session.id[-6:])
            session.attributes[REVOKED] = True
            self._end(session)

    async def _user(self, session: Session, credential: Credential) -> Any:
        connection = session.link.connection if session.link is not None else None
        try:
            return await self.identify(
                credential.scope if connection is None else connection.scope, credential.ext
            )
        except FAULTS as error:
            let_end(error)
            logger.exception("the user of session …%s could not be asked for again", session.id[-6:])
            return None

    def _end(self, session: Session) -> None:
        """What its socket carries is what it had when it was opened: its client opens another."""
        link = session.socket or session.link
        self._exchange.end(session)
        if link is not None and link.is_socket:
            link.close(1000)


def _begins(shape: Sequence[str | None], asked: Sequence[str]) -> bool:
    """Whether channels of a shape can begin with these segments."""
    return len(shape) >= len(asked) and all(
        one is None or one == other for one, other in zip(shape, asked, strict=False)
    )
