"""The gate: lets links speak for sessions, and says what a client is told that comes to the wrong process.

Two rules. Whether a link may is ``binding.py``'s decision; here the policy and the socket that is there are asked
for it. Nothing is made for an id that nobody has.

It knows no message but its clientId.
"""

from __future__ import annotations

import logging
import math
import re
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any
from weakref import WeakSet

from ..errors import BayeuxError
from . import binding
from . import channel as channels
from . import message as messages
from .binding import Verdict
from .connection import Claim, Connection
from .exchange import PROCESS, Exchange
from .fault import FAULTS, let_end, logged
from .message import NONE, REHANDSHAKE
from .policy import Policy
from .session import Link, Session

logger = logging.getLogger("livecollections.bayeux")

REMEMBERED = 1_000
"""Browsers of which it is known how often they came to the wrong process."""
SLOWLY = 1.0
"""Seconds before one that did so again handshakes."""

_CLIENT_ID = re.compile(f"[0-9a-f]{{{PROCESS + 40}}}")


class Gate:
    """Lets links in.

    Args:
        types: the connection types that are offered.
        cookie: the name of the cookie that binds sessions to browsers; None: none is given.
    """

    def __init__(self, exchange: Exchange, policy: Policy, types: Sequence[str], cookie: str | None) -> None:
        self._exchange = exchange
        self.policy = policy
        # What needs no luck with several processes: a socket stays with one.
        self._steady = [name for name in types if name in ("websocket", "eventsource")]
        self._cookie = cookie
        self._has_warned = False
        self._strays: OrderedDict[str, int] = OrderedDict()
        self._astray: WeakSet[Link] = WeakSet()

    async def session(self, message: Mapping[str, Any], link: Link) -> Session:
        """The session that a message speaks for; the link may speak for it from now on.

        Raises:
            BayeuxError: 401, there is none, or the link may not; 402, the message names none.
        """
        client_id = message.get("clientId")
        if client_id is None or client_id == "":
            raise messages.parameter_missing("clientId")
        session = self._exchange.sessions.get(client_id) if isinstance(client_id, str) else None
        if session is None or session.is_local:
            raise self._unknown(client_id, link, connects=message.get("channel") == channels.CONNECT)
        if link.session is not session:
            if link.session is not None and not link.session.has_ended:
                # One link speaks for one session. A client that really has another comes back on another socket.
                if link.is_socket and message.get("channel") == channels.CONNECT:
                    link.close(1008)
                raise messages.unknown_client(client_id)
            await self._let_in(session, link)
        self._exchange.touch(session)
        self._exchange.settle(session)
        if session.has_ended:
            raise messages.unknown_client(session.id)
        return session

    async def speaker(self, message: Mapping[str, Any], link: Link) -> Session | None:
        """The session that a message may speak for, as far as that can be told without letting the link in."""
        client_id = message.get("clientId")
        session = self._exchange.sessions.get(client_id) if isinstance(client_id, str) else None
        if session is None or session.is_local or link.session not in (None, session):
            return None
        if link.session is None:
            verdict = binding.judge(session, link, await self.claim(link))
            return session if verdict is Verdict.WELCOME else None
        return session

    async def _let_in(self, session: Session, link: Link) -> None:
        claim = await self.claim(link)
        verdict = binding.judge(session, link, claim)
        while verdict is Verdict.NEWCOMER:
            is_taken = await self._exchange.answers(session)
            verdict = Verdict.FOREIGN if is_taken else binding.judge(session, link, claim)
        if verdict is Verdict.FOREIGN or session.has_ended:
            raise messages.unknown_client(session.id)
        binding.let_in(session, claim, self._exchange.clock())
        self._exchange.join(session, link)

    async def claim(self, link: Link) -> Claim:
        """What the link's connection brings; the policy is asked once."""
        if link.claim is None:
            connection = link.connection
            link.claim = Claim() if connection is None else await self._claim_of(connection)
        return link.claim

    async def _claim_of(self, connection: Connection) -> Claim:
        user = await self._user(connection)
        cookie, others = (None, ()) if self._cookie is None else binding.cookies_of(connection, self._cookie)
        # Where it comes from is asked only of what may have been opened before a cookie was given.
        place = connection.place if connection.opened < math.inf else None
        return Claim(cookie, user, connection.opened, others, place)

    async def _user(self, connection: Connection) -> Any:
        try:
            return await self.policy.identify(connection)
        except BayeuxError:
            raise
        except FAULTS as error:
            let_end(error)
            # Not everyone who asks can say so: a stream has no reply for it.
            raise logged("a policy could not identify a connection") from None

    def give_cookie(self, session: Session, link: Link, claim: Claim) -> None:
        """Bind a new session to the browser's cookie; one that has none gets one, if the answer can carry it."""
        connection = link.connection
        if claim.cookie is not None:
            session.cookie = claim.cookie
            # A browser may still have an older socket, from before it had the cookie; this one has it.
            session.is_cookie_returned = link.is_socket
        elif (
            self._cookie
            and link.headers is not None
            and connection is not None
            # Scripts of foreign pages are asked for with cookies: they can't prove anything.
            and connection.transport != "callback-polling"
        ):
            session.cookie, session.place = self._exchange.token(), connection.place
            link.headers += binding.set_cookies(connection, self._cookie, session.cookie)

    # Sessions of other processes.

    def _unknown(self, client_id: Any, link: Link, *, connects: bool) -> BayeuxError:
        error = messages.unknown_client(client_id)
        if isinstance(client_id, str) and client_id in self._exchange.kicked:
            error.advice = messages.advice(NONE)
            return error
        if not isinstance(client_id, str) or not _CLIENT_ID.fullmatch(client_id):
            return error
        if client_id.startswith(self._exchange.process):
            return error
        if link.is_socket:
            # Faye's client handshakes elsewhere, by HTTP, and comes back to the socket that it has.
            if connects and self._again(link):
                error.advice = messages.advice(REHANDSHAKE, interval=SLOWLY)
            return error
        if not self._has_warned:
            self._has_warned = True
            logger.warning(
                "a poll for session …%s came here, which is another process's: of a worker beside this one, or of one "
                "before a restart. Several workers need sticky routing for polling. (This is said once.)",
                client_id[-6:],
            )
        if connects and self._times(link) > 1:
            # Bayeux has no advice to take another transport. Clients that know this one may; others are slowed.
            error.advice = messages.advice(REHANDSHAKE, interval=SLOWLY) | {"connectionTypes": self._steady}
        return error

    def _again(self, link: Link) -> bool:
        """Whether a socket has brought the session of another process before."""
        is_known = link in self._astray
        self._astray.add(link)
        return is_known

    def _times(self, link: Link) -> int:
        """How often this browser has come here for another process; one without our cookie is never known again."""
        if self._cookie is None or link.connection is None:
            return 0
        cookie, _ = binding.cookies_of(link.connection, self._cookie)
        if cookie is None:
            return 0
        times = self._strays[cookie] = self._strays.pop(cookie, 0) + 1
        if len(self._strays) > REMEMBERED:
            self._strays.popitem(last=False)
        return times
