"""Client: a Bayeux client for asyncio.

Two rules. When a client is left, nothing of it is left: no task, no socket. Whoever waits is told: of the server's
answer, of its refusal, of the end.

What is sent, and what an answer means, is in ``protocol.py``; how it travels is in ``driver.py``.
"""

from __future__ import annotations

import asyncio
import logging
import math
import random
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from ssl import SSLContext
from typing import Any, Self

import orjson

from ..errors import (
    BayeuxError,
    ClientClosed,
    ConfigurationError,
    HandshakeRefused,
    LiveError,
    Unconfirmed,
    Unreachable,
)
from . import channel as channels
from .driver import WAYS, Driver, now
from .hearing import Hearing
from .interest import Listener
from .lifecycle import State
from .protocol import Machine
from .subscription import Subscription
from .ways import GOODBYE, Endpoint, check_headers

logger = logging.getLogger("livecollections.bayeux")

Headers = Mapping[str, str]
Watcher = Callable[[State], None]


class Client:
    """A client of any Bayeux server: ``async with Client("http://127.0.0.1:8000/faye") as client``.

    It connects by itself, and again whenever the way is lost, and then subscribes again. Entering it does not wait for
    the server.

    Args:
        url: of the server: http, https, ws or wss.
        transports: "websocket" and "long-polling", the best first; the next is tried where one fails.
        extensions: objects with ``incoming(message)`` or ``outgoing(message)`` or both, functions or coroutine
            functions. They may change the message or return another. If ``outgoing`` raises, the message is not
            sent and who waits for its outcome gets a ``ClientError``; if ``incoming`` raises, it is as if the message
            had not come.
        headers: of each request, or a function that gives them, asked whenever a way is opened.
        token: what the server is to know this client by, or a function that gives it, asked at each handshake; sent
            as ``ext.token``.
        timeout: seconds for which ``publish``, ``call`` and a subscription wait for their answer.
        patience: seconds that the server may take for an answer; after these the way counts as lost.
        ack: whether to acknowledge messages where the server offers it, so that none is lost with a socket.
        ssl: what decides whom to trust over TLS, on every transport; None: the certificates of the machine.

    Raises:
        ConfigurationError: an option is wrong.
    """

    def __init__(
        self,
        url: str,
        *,
        transports: Sequence[str] = ("websocket", "long-polling"),
        extensions: Iterable[Any] = (),
        headers: Headers | Callable[[], Headers | Awaitable[Headers]] | None = None,
        token: Any = None,
        timeout: float = 30.0,
        patience: float = 10.0,
        ack: bool = True,
        ssl: SSLContext | None = None,
    ) -> None:
        self._endpoint = Endpoint(url, ssl)
        self._timeout = _check_seconds("timeout", timeout)
        self._machine = Machine(
            kinds := _check_transports(transports),
            random=random.random,
            patience=_check_seconds("patience", patience),
            ack=_check_flag("ack", ack),
            changed=self._on_state,
            asked=lambda: self._driver.wake.set(),
        )
        self._driver = Driver(
            self._machine,
            self._endpoint,
            kinds,
            extensions=_check_extensions(extensions),
            headers=headers if callable(headers) else check_headers(headers or {}),
            token=token,
        )
        self._watchers: list[Watcher] = []
        self._task: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        return f"Client({self.url!r}, {self.state.value})"

    @property
    def url(self) -> str:
        """The server's."""
        return self._endpoint.url

    @property
    def state(self) -> State:
        """Where it is on its way to the server."""
        return self._machine.state

    @property
    def error(self) -> LiveError | None:
        """Why it is not connected, or has ended; None while all is well."""
        return self._machine.error

    @property
    def failures(self) -> int:
        """How many tries have failed since it was last connected."""
        return self._machine.failures

    @property
    def transport(self) -> str | None:
        """The one in use."""
        return self._machine.kind

    @property
    def is_live(self) -> bool | None:
        """Whether the server keeps positions (``ext.live``); None before the first handshake."""
        return self._machine.is_live

    @property
    def stale(self) -> str | None:
        """What the server says if it keeps positions in another version than ours."""
        return self._machine.stale

    # Beginning and end.

    async def __aenter__(self) -> Self:
        if self._machine.state is not State.NEW:
            raise ClientClosed("a client is used once: make another")
        self._machine.open(now())
        self._task = asyncio.create_task(self._driver.run())
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Say goodbye and stop, within about two seconds; nothing that it began goes on."""
        task = self._task
        if task is not None:
            self._machine.leave(now())
            self._driver.wake.set()
        try:
            if task is not None and self.state is not State.ENDED:
                await asyncio.wait([task], timeout=GOODBYE)
        finally:
            self._machine.end(ClientClosed("the client was closed"))
            if task is not None:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    async def wait_connected(self, timeout: float | None = None, *, tries: int | None = None) -> None:
        """Return when the server has confirmed the connection.

        Args:
            timeout: seconds to wait at most; None: for ever.
            tries: failed ones after which to give up waiting; None: any number. The client itself goes on.

        Raises:
            HandshakeRefused: the server gives no session.
            Unreachable: it can't be reached in time.
            SessionEnded: it has sent the client away.
            ClientClosed: the client is not open.
            ConfigurationError: ``tries`` is no number from 1.
        """
        self._check_open()
        if tries is not None:
            check_count("tries", tries)
        try:
            async with asyncio.timeout(timeout):
                while self.state is not State.CONNECTED:
                    has_tried = tries is not None and self._machine.failures >= tries
                    if (error := self._why()) is not None and (has_tried or self.state is State.ENDED):
                        raise error
                    await self._driver.turn.wait()
        except TimeoutError as error:
            if isinstance(error, LiveError):
                raise
            raise self._why() or Unreachable(self.url, {"server": "no answer in time"}) from None

    def _why(self) -> LiveError | None:
        """``error``, where a session that was lost is no refusal: it gets another."""
        error = self.error
        if not isinstance(error, BayeuxError) or isinstance(error, HandshakeRefused):
            return error
        return Unreachable(self.url, {"server": str(error)})

    def watch(self, watcher: Watcher) -> Callable[[], None]:
        """Have ``watcher(state)`` called at each change of state; returns a function that ends this."""
        self._watchers.append(watcher)
        return lambda: self._watchers.remove(watcher) if watcher in self._watchers else None

    def _on_state(self, state: State) -> None:
        self._driver.turned()
        for watcher in [*self._watchers]:
            try:
                watcher(state)
            except Exception:
                logger.exception("a watcher failed")

    def _check_open(self) -> None:
        if self._task is None:
            raise ClientClosed("the client is not open: use `async with`")

    # Publishing and hearing.

    async def publish(self, channel: str, data: Any) -> None:
        """Publish, and return when the server has confirmed.

        What is not answered is sent again with the same id, so a server that remembers ids publishes it once. A
        message whose session has ended meanwhile is sent again in the next: then it may be published twice.

        Raises:
            BayeuxError: the server refuses it.
            Unconfirmed: it does not answer in time.
            ClientError: the client is closed.
            ConfigurationError: ``channel`` can't be one.  TypeError: ``data`` is not JSON.
        """
        if isinstance(channel, str) and channels.is_meta(channel):
            raise ConfigurationError(f"channel: {channel!r} is the protocol's own")
        await self._ask(channel, data, is_call=False)

    async def call(self, channel: str, data: Any) -> Any:
        """Send to a service channel, and return the data with which the server answers.

        Raises:
            BayeuxError: the server refuses it, or answers that it failed.
            Unconfirmed: it does not answer in time.
            ClientError: the client is closed.
            ConfigurationError: ``channel`` can't be one.  TypeError: ``data`` is not JSON.
        """
        if isinstance(channel, str) and not channel.startswith("/service/"):
            raise ConfigurationError(f"channel: one under /service/ is expected, not {channel!r}")
        return (await self._ask(channel, data, is_call=True)).get("data")

    async def _ask(self, channel: str, data: Any, *, is_call: bool) -> Mapping[str, Any]:
        self._check_open()
        _check_channel(channel)
        outcome: asyncio.Future[Mapping[str, Any]] = asyncio.get_running_loop().create_future()

        def done(error: LiveError | None, reply: Mapping[str, Any]) -> None:
            if not outcome.done() and error is not None:
                outcome.set_exception(error)
            elif not outcome.done():
                outcome.set_result(reply)

        size = len(orjson.dumps(data))
        request = self._machine.publish(channel, data, done, size=size, is_call=is_call)
        try:
            async with asyncio.timeout(self._timeout):
                return await outcome
        except TimeoutError as error:
            if isinstance(error, LiveError):
                raise
            what = "the call of" if is_call else "the message on"
            reason = str(self.error) if self.error is not None else "no answer in time"
            raise Unconfirmed(f"{what} {channel}", reason) from self.error
        finally:
            self._machine.forget(request)

    def subscribe(
        self, channel: str, since: str | Mapping[str, str] | None = None, *, buffer: int = 1000
    ) -> Subscription:
        """The messages of a channel or pattern: ``async with`` what this returns.

        Args:
            since: the seq after which to begin, on a channel with a history; for a pattern seqs by channel; None:
                from now.
            buffer: the number of messages that are kept for a slow program.

        Raises:
            ConfigurationError: an argument is wrong.
            On entering: BayeuxError, the server refuses it; Unconfirmed, it does not answer in time; ClientError, the
            client is closed.
        """
        _check_channel(channel)
        if isinstance(since, Mapping):
            is_right = all(isinstance(text, str) for pair in since.items() for text in pair)
        else:
            is_right = since is None or isinstance(since, str)
        if not is_right:
            raise ConfigurationError(f"since: a seq, or seqs by channel, is expected, not {since!r}")
        check_count("buffer", buffer)
        return Subscription(self.listen, channel, since, buffer, self._timeout, lambda: self.error)

    def listen(self, channel: str, listener: Listener) -> Hearing:
        """Have a listener of your own told of what is heard, as it comes; for what is built on top of this."""
        self._check_open()
        return self._machine.listen(channel, listener)


def _check_channel(channel: Any) -> None:
    # What else makes a name, servers differ in.
    if not isinstance(channel, str) or not channel.startswith("/"):
        raise ConfigurationError(f"channel: such as '/chat/1' is expected, not {channel!r}")


def _check_transports(transports: Any) -> list[str]:
    names = list(transports) if isinstance(transports, Sequence) and not isinstance(transports, str) else []
    if not names or len(set(names)) < len(names) or not set(names) <= WAYS.keys():
        raise ConfigurationError(
            f"transports: some of {', '.join(WAYS)} are expected, each once, not {transports!r}"
        )
    return names


def _check_extensions(extensions: Any) -> list[Any]:
    if not isinstance(extensions, Iterable):
        raise ConfigurationError(f"extensions: a sequence of objects is expected, not {extensions!r}")
    found = list(extensions)
    for extension in found:
        if not callable(getattr(extension, "incoming", None)) and not callable(
            getattr(extension, "outgoing", None)
        ):
            raise ConfigurationError(f"extensions: {extension!r} has neither incoming nor outgoing")
    return found


def _check_flag(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise ConfigurationError(f"{name}: True or False is expected, not {value!r}")
    return value


def check_count(name: str, value: Any) -> None:
    """Refuse what is no number from 1. Raises ConfigurationError."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ConfigurationError(f"{name}: a number from 1 is expected, not {value!r}")


def _check_seconds(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        raise ConfigurationError(f"{name}: seconds above 0 are expected, not {value!r}")
    return float(value)
