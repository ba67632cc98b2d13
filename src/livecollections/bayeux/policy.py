"""Policy: who may do what.

Three rules. What nobody declared open is closed. A pattern is granted only if everything that it covers is
granted, now and ever: one declaration must cover it whole, and none may deny a part of it. What decides by the
names of channels is never asked about patterns, so it can't be got round with one.

This module knows no message but the handshake that it is shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..errors import ConfigurationError
from . import channel as channels
from .connection import Connection
from .session import Session


class Policy:
    """Who may do what: declare what is open to everybody, or subclass it to decide.

    Channels with a history (resources) can be subscribed to by their exact names, and are never published to by
    clients; the policy is not asked. ``session.attributes`` is yours.
    ``session.user`` is whom ``identify`` tells at handshake; ``can_handshake`` may set it too.

    Args:
        subscribe: names and patterns that clients may hear.
        publish: names and patterns on which they may publish.
        deny: names and patterns on which they may do neither, whatever else covers them, nor call a service.

    Raises:
        ConfigurationError: one of these is neither a name nor a pattern.
    """

    _subscribe: Sequence[str] = ()
    _publish: Sequence[str] = ()
    _deny: Sequence[str] = ()

    def __init__(
        self, *, subscribe: Iterable[str] = (), publish: Iterable[str] = (), deny: Iterable[str] = ()
    ) -> None:
        self._subscribe = _checked("subscribe", subscribe)
        self._publish = _checked("publish", publish)
        self._deny = _checked("deny", deny)

    async def identify(self, connection: Connection) -> Any:
        """Whose connection this is, by what it carries (a cookie, a header); None: it doesn't tell.

        Each connection that speaks for a session must tell the user (by ``==``) that the handshake's told.
        """
        return None

    async def can_handshake(self, session: Session, message: Mapping[str, Any]) -> bool:
        """Whether a client may have a session; ``message`` is its handshake."""
        return True

    async def _welcome(
        self, session: Session, message: Mapping[str, Any], connection: Connection | None
    ) -> bool:
        """As ``can_handshake``, for one that looks at the connection too; None: within this process."""
        return await self.can_handshake(session, message)

    async def can_subscribe(self, session: Session, channel: str) -> bool:
        """Whether it may hear the channel of this name."""
        return self._grants(self._subscribe, channel)

    async def can_subscribe_pattern(self, session: Session, pattern: str) -> bool:
        """Whether it may hear all that a pattern covers, among it channels that nobody has thought of yet."""
        return self._grants(self._subscribe, pattern)

    async def can_publish(self, session: Session | None, channel: str, data: Any) -> bool:
        """Whether it may publish; ``session`` is None for a message without a clientId."""
        return self._grants(self._publish, channel)

    async def can_call(self, session: Session, channel: str, data: Any) -> bool:
        """Whether it may call the service on this channel: what is not denied may be called by every session."""
        return not any(channels.covers(denied, channel) for denied in self._deny)

    def _grants(self, granted: Iterable[str], asked: str) -> bool:
        if any(channels.covers(denied, asked) or channels.covers(asked, denied) for denied in self._deny):
            return False
        return any(channels.covers(one, asked) for one in granted)


def _checked(option: str, names: Any) -> Sequence[str]:
    if isinstance(names, str) or not isinstance(names, Iterable):
        raise ConfigurationError(f"{option}: a sequence of names and patterns is expected, not {names!r}")
    given = tuple(names)
    for name in given:
        if not isinstance(name, str) or not channels.is_valid(name):
            raise ConfigurationError(
                f"{option}: {name!r} is neither a channel's name nor a pattern such as '/chat/*'"
            )
    return given
