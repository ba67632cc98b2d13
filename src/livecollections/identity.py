"""Identity: whose a Bayeux session is, by what the application's ``authenticate`` says of its handshake.

Two rules. The way that a message came on is asked first, then the handshake's own words (``ext.token``), so that a user
is the same for REST and for Bayeux. Everything else the server's own policy decides.

It knows no resource.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from .bayeux.connection import Connection
from .bayeux.policy import Policy
from .bayeux.session import Session
from .rest.caller import Caller

Watch = Callable[[Session, Mapping[str, Any], Mapping[str, Any]], None]


class Identified(Policy):
    """A policy that knows users.

    inner: decides all but who somebody is.  watch: is told of each session that has a user.
    """

    def __init__(self, inner: Policy, caller: Caller, watch: Watch) -> None:
        super().__init__()
        self.inner = inner
        self._caller = caller
        self._watch = watch

    def left(self, policy: Policy) -> Policy:
        """A policy without this one in it, which may be around it: another Live's that began later, and goes on."""
        if policy is self:
            return self.inner
        if isinstance(policy, Identified):
            policy.inner = self.left(policy.inner)
        return policy

    async def identify(self, connection: Connection) -> Any:
        user = await self._caller.user(connection.scope, {})
        return await self.inner.identify(connection) if user is None else user

    async def _welcome(
        self, session: Session, message: Mapping[str, Any], connection: Connection | None
    ) -> bool:
        ext = message.get("ext")
        ext = {name: value for name, value in ext.items() if name != "live"} if isinstance(ext, dict) else {}
        if session.user is not None:
            # It has been told by the way it came on, and is to be told so again.
            ext = {}
        elif connection is not None and ext:
            session.user = await self._caller.user(connection.scope, ext)
        if not await self.inner._welcome(session, message, connection):
            return False
        if connection is not None and session.user is not None:
            self._watch(session, connection.scope, ext)
        return True

    async def user_of(self, scope: Mapping[str, Any], ext: Mapping[str, Any]) -> Any:
        """Whose a session is by now. ext: by which its handshake told it, if it did."""
        user = await self._caller.user(scope, ext)
        return user if user is not None or ext else await self.inner.identify(Connection("", scope))

    async def can_subscribe(self, session: Session, channel: str) -> bool:
        return await self.inner.can_subscribe(session, channel)

    async def can_subscribe_pattern(self, session: Session, pattern: str) -> bool:
        return await self.inner.can_subscribe_pattern(session, pattern)

    async def can_publish(self, session: Session | None, channel: str, data: Any) -> bool:
        return await self.inner.can_publish(session, channel, data)

    async def can_call(self, session: Session, channel: str, data: Any) -> bool:
        return await self.inner.can_call(session, channel, data)
