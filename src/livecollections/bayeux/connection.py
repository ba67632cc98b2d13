"""Connection: what the way that a message came on tells of its sender.

Read from the ASGI scope when it is asked for, and never kept anywhere else. A header says what a client claims,
not what is so. This module knows no session.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass
from http.cookies import SimpleCookie
from ipaddress import IPv6Network
from typing import Any
from urllib.parse import parse_qsl

Scope = MutableMapping[str, Any]
Event = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Event]]
Send = Callable[[Event], Awaitable[None]]

_CREDENTIALS = (b"cookie", b"authorization", b"proxy-authorization")
_PLAIN = (
    "type", "asgi", "http_version", "method", "scheme", "path", "raw_path", "query_string", "root_path",
    "client", "server",
)  # fmt: skip
"""What the server underneath tells of a request; what others have added tells of its user."""


MOUNT = "bayeux.mount"
"""In a scope: where the server is, if a router above does not say so by ``root_path``."""


def anonymous(scope: Mapping[str, Any]) -> Scope:
    """The scope without what a browser sends along by itself, or what somebody has concluded from it."""
    headers = [(name, value) for name, value in scope["headers"] if name.lower() not in _CREDENTIALS]
    return {**{key: scope[key] for key in _PLAIN if key in scope}, "headers": headers}


@dataclass(frozen=True, slots=True)
class Claim:
    """What a connection brings that could prove whose it is.

    cookie: ours, if it brought one; ``others``: further ones of its browser.  user: whom the policy knows by what
    it carries; None: nobody.  opened: when it was opened, if that is known and matters.  place: where it comes
    from, as far as that can be told.
    """

    cookie: str | None = None
    user: Any = None
    opened: float = math.inf
    others: tuple[str, ...] = ()
    place: tuple[str, str] | None = None

    @property
    def cookies(self) -> tuple[str, ...]:
        """All of ours."""
        return self.others if self.cookie is None else (self.cookie, *self.others)


class Connection:
    """An HTTP request or a socket.

    transport: as Bayeux names it, "websocket", "long-polling", ….  opened: when a socket was opened, on the
    exchange's clock; a request's time does not matter.
    """

    __slots__ = ("_scope", "opened", "transport")

    def __init__(self, transport: str, scope: Mapping[str, Any], opened: float = math.inf) -> None:
        self.transport = transport
        self.opened = opened
        self._scope = scope

    @property
    def scope(self) -> Mapping[str, Any]:
        """The ASGI scope; of one whose page is not trusted, without what its browser sends by itself."""
        return self._scope

    @property
    def path(self) -> str:
        """The path of the request, or of the one that opened the socket."""
        return str(self._scope.get("path", ""))

    @property
    def address(self) -> str | None:
        """The peer's address, without its port, as the server underneath tells it."""
        client = self._scope.get("client")
        return client[0] if client else None

    @property
    def network(self) -> str | None:
        """What its address counts as where one sender's things are counted: of IPv6 the /64, which one host has."""
        address = self.address
        if address is None or ":" not in address:
            return address
        try:
            return str(IPv6Network((address.partition("%")[0], 64), strict=False))
        except ValueError:
            return address

    @property
    def place(self) -> tuple[str, str] | None:
        """Where it comes from: the network and the program, as it calls itself; None where that is not known."""
        network, agent = self.network, self._header(b"user-agent")
        return None if network is None or agent is None else (network, agent)

    @property
    def mount(self) -> str:
        """The path under which the server answers."""
        return str(self._scope.get(MOUNT) or self._scope.get("root_path") or "/")

    @property
    def is_secure(self) -> bool:
        """Whether it is encrypted, as far as the server underneath knows."""
        return self._scope.get("scheme") in ("https", "wss")

    @property
    def headers(self) -> dict[str, str]:
        """By lower-case name; of several with one name the last."""
        return {
            name.decode("latin-1").lower(): value.decode("latin-1") for name, value in self._scope["headers"]
        }

    @property
    def query(self) -> dict[str, str]:
        """The parameters of the query; of several with one name the last."""
        return dict(parse_qsl(self._scope.get("query_string", b"").decode("latin-1"), max_num_fields=100))

    @property
    def cookies(self) -> dict[str, str]:
        """By name; of several with one name the last."""
        # Not by SimpleCookie alone, which reads nothing more after one of another application's that it can't read.
        pairs = [part.partition("=") for part in (self._header(b"cookie") or "").split(";")]
        read = SimpleCookie().value_decode
        return {name.strip(): read(value.strip())[0] for name, equals, value in pairs if equals}

    def _header(self, wanted: bytes) -> str | None:
        """One of the headers, without reading the others."""
        for name, value in reversed(self._scope["headers"]):
            if name.lower() == wanted:
                return bytes(value).decode("latin-1")
        return None
