"""The ways to a server: a WebSocket, and HTTP requests that are answered late.

Two rules. Whatever goes wrong underneath is ``Unreachable``, with the other library's error as its cause. Nothing is
imported before it is used: who never polls needs no HTTP client.

It knows what a message looks like as text, and nothing of what it means.
"""

from __future__ import annotations

import asyncio
import inspect
import socket
import ssl
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from http import HTTPStatus
from typing import Any, Protocol
from urllib.parse import urlsplit

import orjson

from ..errors import BayeuxError, ConfigurationError, Unreachable
from .fault import FAULTS, let_end

LARGEST = 2**24
"""Bytes of one frame that are taken from a server."""
GOODBYE = 1.0
"""Seconds for the closing of a socket."""

_SENTENCES = (
    (ConnectionRefusedError, "connection refused"),
    (ConnectionResetError, "connection reset"),
    (socket.gaierror, "there is no such host"),
    (TimeoutError, "no answer in time"),
)
_SCHEMES = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}
_NOT_OURS = ("connection", "content-length", "content-type", "host", "sec-websocket-key", "upgrade")


class Endpoint:
    """Where a server is, and what every request to it bears.

    Args:
        url: http, https, ws or wss.
        tls: what decides whom to trust over TLS; None: the certificates of the machine.

    Raises:
        ConfigurationError: the URL is none, or ``tls`` no context.
    """

    def __init__(self, url: str, tls: ssl.SSLContext | None = None) -> None:
        parts = urlsplit(url) if isinstance(url, str) else None
        try:
            is_right = parts is not None and parts.scheme in _SCHEMES and bool(parts.hostname)
            assert parts is None or parts.port != 0
        except (ValueError, AssertionError):
            is_right = False
        if parts is None or not is_right:
            raise ConfigurationError(f"url: such as http://127.0.0.1:8000/faye is expected, not {url!r}")
        scheme = _SCHEMES[parts.scheme]
        path = parts.path or "/"
        self.url = url
        self.socket = parts._replace(scheme=scheme, path=path, fragment="").geturl()
        self.polls = parts._replace(scheme=scheme.replace("ws", "http", 1), path=path, fragment="").geturl()
        self.headers: dict[str, str] = {}
        self._tls = check_tls(tls)
        self._cookies: dict[str, str] = {}

    def all_headers(self) -> dict[str, str]:
        """The headers of a request: the user's, and the cookies that the server has set."""
        headers = {name: value for name, value in self.headers.items() if name.lower() != "cookie"}
        cookies = [value for name, value in self.headers.items() if name.lower() == "cookie"]
        cookies += [f"{name}={value}" for name, value in self._cookies.items()]
        return {**headers, "Cookie": "; ".join(cookies)} if cookies else headers

    @property
    def tls(self) -> ssl.SSLContext | bool | None:
        """How a socket is to be opened: None, without TLS; True, with the certificates of the machine."""
        return None if self.socket.startswith("ws:") else self._tls or True

    @cached_property
    def certificates(self) -> ssl.SSLContext:
        """What vouches for the server over polling: to read all certificates takes 50 ms, so they are read once."""
        if self.polls.startswith("http:"):
            return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        if self._tls is not None:
            return self._tls
        import httpx

        return httpx.create_ssl_context()

    def keep_cookies(self, values: Sequence[str]) -> None:
        """Keep what Set-Cookie headers say, for all ways."""
        for value in values:
            # Not by SimpleCookie, which reads none that has an attribute newer than it.
            pair, *attributes = (part.strip() for part in value.split(";"))
            name, equals, given = (part.strip() for part in pair.partition("="))
            if "max-age=0" in map(str.lower, attributes):
                self._cookies.pop(name, None)
            elif name and equals and pair.isascii() and pair.isprintable():
                self._cookies[name] = given


def check_tls(given: Any) -> ssl.SSLContext | None:
    """What decides whom to trust, as it may be given. Raises ConfigurationError."""
    if given is not None and not isinstance(given, ssl.SSLContext):
        raise ConfigurationError(f"ssl: an ssl.SSLContext is expected, not {given!r}")
    return given


def check_headers(headers: Any) -> dict[str, str]:
    """Headers as they may be sent.

    Raises:
        ConfigurationError: they are no texts, or belong to the protocol underneath.
    """
    if not isinstance(headers, Mapping):
        raise ConfigurationError(f"headers: a mapping of names to texts is expected, not {headers!r}")
    for name, value in headers.items():
        if (
            not isinstance(name, str)
            or not isinstance(value, str)
            or not (name + value).isascii()
            or not (name + value).replace("\t", " ").isprintable()
        ):
            raise ConfigurationError(f"headers: the one named {name!r} is no ASCII text of one line")
        if name.lower() in _NOT_OURS:
            raise ConfigurationError(f"headers: {name} can't be set here")
    return dict(headers)


async def ask_headers(given: Any, url: str) -> dict[str, str]:
    """The headers to send now. given: they, checked; or a function that gives them, also a coroutine function.

    Raises:
        Unreachable: the function failed, or what it gave can't be sent; ``url`` was not asked.
    """
    try:
        found = given() if callable(given) else given
        return check_headers(await found if inspect.isawaitable(found) else found)
    except ConfigurationError as error:
        raise Unreachable(url, {"headers": str(error).removeprefix("headers: ")}) from error
    except FAULTS as error:
        let_end(error)
        raise Unreachable(url, {"headers": f"what gives them failed, {error!r}"}) from error


class Way(Protocol):
    """A connection type. After ``Unreachable`` it is only closed."""

    kind: str
    is_socket: bool

    async def open(self) -> None:
        """Make it ready, as far as that needs the server."""

    async def close(self) -> None:
        """Let everything go."""


class WebSocketWay:
    """One socket: frames in both directions.

    Args:
        patience: seconds in which it must open, take a frame, and answer a ping.
    """

    kind = "websocket"
    is_socket = True

    def __init__(self, endpoint: Endpoint, patience: float) -> None:
        self._endpoint = endpoint
        self._patience = patience
        self._socket: Any = None

    async def open(self) -> None:
        """Connect.

        Raises:
            Unreachable: it can't.
        """
        from websockets.asyncio.client import connect

        with self._translated():
            self._socket = await connect(
                self._endpoint.socket,
                additional_headers=self._endpoint.all_headers(),
                compression=None,
                open_timeout=self._patience,
                ping_interval=self._patience,
                ping_timeout=self._patience,
                close_timeout=GOODBYE,
                max_size=LARGEST,
                ssl=self._endpoint.tls,
            )
        self._endpoint.keep_cookies(self._socket.response.headers.get_all("Set-Cookie"))

    async def send(self, messages: list[dict[str, Any]]) -> None:
        """Send one frame.

        Raises:
            Unreachable: the socket is closed, or takes nothing.
        """
        with self._translated():
            async with asyncio.timeout(self._patience):
                await self._socket.send(orjson.dumps(messages).decode())

    async def receive(self) -> list[Any]:
        """The next frame's messages.

        Raises:
            Unreachable: the socket is closed, or what came is no Bayeux.
        """
        with self._translated():
            return parse(await self._socket.recv())

    async def close(self) -> None:
        """Close it; whatever happens, it is closed afterwards."""
        if self._socket is not None:
            try:
                await self._socket.close()
            finally:
                self._socket.transport.abort()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        from websockets.exceptions import WebSocketException

        try:
            yield
        except (WebSocketException, OSError, TimeoutError, ValueError, EOFError) as error:
            raise Unreachable(self._endpoint.url, {self.kind: said(error)}) from error


class PollingWay:
    """HTTP requests, each answered with all that there is to say.

    Args:
        patience: seconds in which a connection must be made.
    """

    kind = "long-polling"
    is_socket = False

    def __init__(self, endpoint: Endpoint, patience: float) -> None:
        self._endpoint = endpoint
        self._patience = patience
        self._client: Any = None

    async def open(self) -> None:
        """Nothing is asked of the server before the first request."""
        import httpx

        # An answer may take as long as the server holds it: who sends knows how long that is.
        timeout = httpx.Timeout(self._patience, read=None)
        self._client = httpx.AsyncClient(
            timeout=timeout, headers={"Accept": "application/json"}, verify=self._endpoint.certificates
        )

    async def post(self, messages: list[dict[str, Any]]) -> list[Any]:
        """Send messages; the answer's.

        Raises:
            BayeuxError: they are too large for the server, which took none of them.
            Unreachable: no answer, another error of HTTP, or no Bayeux.
        """
        import httpx

        headers = {"Content-Type": "application/json", **self._endpoint.all_headers()}
        try:
            response = await self._client.post(
                self._endpoint.polls, content=orjson.dumps(messages), headers=headers
            )
            if response.status_code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
                raise BayeuxError(413, [], response.reason_phrase or "Content Too Large")
            if response.status_code != 200:
                raise ValueError(f"HTTP {response.status_code} {response.reason_phrase}".rstrip())
            self._client.cookies.clear()
            self._endpoint.keep_cookies(response.headers.get_list("set-cookie"))
            return parse(response.content)
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
            raise Unreachable(self._endpoint.url, {self.kind: said(error)}) from error

    async def close(self) -> None:
        """Close its connections."""
        if self._client is not None:
            await asyncio.shield(self._client.aclose())


def parse(raw: str | bytes) -> list[Any]:
    """The messages of a frame or body.

    Raises:
        ValueError: it holds none.
    """
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError:
        raise ValueError("what answers there does not speak Bayeux") from None
    if not isinstance(value, list | dict):
        raise ValueError("what answers there does not speak Bayeux")
    return value if isinstance(value, list) else [value]


def said(error: BaseException) -> str:
    """What went wrong, in one short line."""
    response = getattr(error, "response", None)
    if response is not None:
        return f"HTTP {response.status_code} {getattr(response, 'reason_phrase', '')}".rstrip()
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"its certificate is not trusted, {cause.verify_message}"
        for kind, sentence in _SENTENCES:
            if isinstance(cause, kind):
                return sentence
        cause = cause.__cause__ or cause.__context__
    return " ".join(str(error).split()) or type(error).__name__
