"""Clients in the server's own process: callbacks, and streams that are pulled.

Both are trusted: no policy is asked. Both get their own copy of each message, in order, and never inside the
call that published it.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from ..errors import BayeuxError
from . import channel as channels
from . import message as messages
from .connection import Claim, Connection
from .exchange import Exchange
from .extension import Context, wait_passed
from .fault import FAULTS, let_end
from .session import Put, Session

logger = logging.getLogger("livecollections.bayeux")

REVOKED = "livecollections.revoked"
"""In a session's attributes: it ended since its user sees other things than before."""

Callback = Callable[..., Awaitable[None] | None]


class LocalLink:
    """The end of a session that lives here: a signal that something waits."""

    connection: Connection | None = None
    claim: Claim | None = None
    headers: list[tuple[bytes, bytes]] | None = None
    is_socket = False
    is_fresh = False
    is_taking = True
    put: Put | None = None
    buffered = 0

    def __init__(self, exchange: Exchange, session: Session) -> None:
        self.session: Session | None = session
        self._exchange = exchange
        self._signal = asyncio.Event()
        session.link, session.flowing = self, True
        exchange.admit(session)

    def reply(self, reply: dict[str, Any]) -> None:
        """Nothing asked here is answered by message."""

    def wake(self) -> None:
        self._signal.set()

    async def wait_room(self) -> None:
        return

    def ended(self) -> None:
        self._signal.set()

    def abort(self) -> None:
        """There is nothing to abort."""

    def close(self, code: int) -> None:
        """There is nothing to close: what ends here is the session."""

    async def wait_ended(self) -> None:
        """Return once the session has ended; what comes for it until then is passed over."""
        while await self.wait_message() is not None:
            pass

    async def wait_message(self) -> dict[str, Any] | None:
        """The next message; None once the session has ended."""
        while (session := self.session) is not None:
            if taken := session.take(1):
                session.landed()
                passed = await self._exchange.extensions.deliver(taken[0], session, None)
                if passed is not None:
                    return messages.decode(passed)
                continue
            self._exchange.wake(session)
            self._signal.clear()
            await self._signal.wait()
        return None


class LocalSubscription:
    """What ``LocalClient.subscribe`` returns."""

    def __init__(self, client: LocalClient, channel: str, callback: Callback, with_channel: bool) -> None:
        self.channel = channel
        self._client = client
        self._callback = callback
        self._with_channel = with_channel

    def cancel(self) -> None:
        """Call back no more; what waited is not told either."""
        self._client._cancel(self)

    async def _call(self, message: dict[str, Any]) -> None:
        data = message["data"]
        result = self._callback(message["channel"], data) if self._with_channel else self._callback(data)
        if inspect.isawaitable(result):
            await result


class LocalClient:
    """Publish and subscribe inside the server's process, as Faye's ``getClient()``.

    Callbacks run one at a time, in the order of the messages; while an asynchronous one runs, later messages
    wait in memory. An exception in one is logged, and the next message comes nevertheless.
    """

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._subscriptions: dict[str, list[LocalSubscription]] = {}
        self._link: LocalLink | None = None
        self._task: asyncio.Task[None] | None = None

    async def subscribe(
        self, channel: str, callback: Callback, *, with_channel: bool = False
    ) -> LocalSubscription:
        """Have ``callback(data)`` called for each message on a channel or pattern from now on.

        Args:
            channel: a name or a pattern; service channels too.
            callback: a function or coroutine function.
            with_channel: call ``callback(channel, data)`` instead.

        Raises:
            BayeuxError: 405, neither a name nor a pattern; or what an extension says.
        """
        if not channels.is_valid(channel):
            raise messages.channel_invalid(channel)
        session = self._begin()
        if self._exchange.extensions.incoming:
            asked = {"channel": channels.SUBSCRIBE, "subscription": channel}
            await self._exchange.extensions.receive(asked, Context(session, None))
        subscription = LocalSubscription(self, channel, callback, with_channel)
        self._subscriptions.setdefault(channel, []).append(subscription)
        self._exchange.subscribe(session, channel)
        return subscription

    async def publish(self, channel: str, data: Any) -> None:
        """Publish, as ``Server.publish``; extensions see it come in, too."""
        message = messages.published(channel, data)
        own = self._link.session if self._link is not None else None
        if self._exchange.extensions.incoming:
            passed = await self._exchange.extensions.receive(messages.decode(message), Context(own, None))
            message = messages.published(passed["channel"], passed.get("data"))
        await wait_passed(self._exchange.publish(message, own))

    async def disconnect(self) -> None:
        """Cancel all subscriptions; the client may be used again."""
        task, self._task = self._task, None
        if self._link is not None and self._link.session is not None:
            self._exchange.end(self._link.session, by_client=True)
        self._subscriptions.clear()
        if task is not None and task is not asyncio.current_task():
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def _begin(self) -> Session:
        if self._link is None or self._link.session is None:
            self._subscriptions.clear()
            self._link = LocalLink(self._exchange, self._exchange.begin(is_local=True))
            self._task = asyncio.get_running_loop().create_task(self._run(self._link))
        assert self._link.session is not None
        return self._link.session

    def _cancel(self, subscription: LocalSubscription) -> None:
        of_channel = self._subscriptions.get(subscription.channel, [])
        if subscription in of_channel:
            of_channel.remove(subscription)
            if not of_channel and self._link is not None and self._link.session is not None:
                del self._subscriptions[subscription.channel]
                self._exchange.unsubscribe(self._link.session, subscription.channel)

    async def _run(self, link: LocalLink) -> None:
        while (message := await link.wait_message()) is not None:
            if "data" not in message:
                continue
            heard = [*channels.expand(message["channel"])]
            for subscription in [one for name in heard for one in self._subscriptions.get(name, ())]:
                try:
                    await subscription._call(message)
                except FAULTS as error:
                    let_end(error)
                    logger.exception("a local subscriber of %s failed", message["channel"])


class Stream:
    """A receiver of one channel, pulled: ``async for message in stream``.

    seq: where it began; everything after it is told, in order.  reset: ``since`` can't be told from, so read
    anew what you hold. A reader that is slow is only a position: what it missed is squashed. Ends when the
    server closes.
    """

    def __init__(self, exchange: Exchange, session: Session, channel: str, reset: bool) -> None:
        self.channel = channel
        self.reset = reset
        self.seq = session.positions[channel].sent
        self._exchange = exchange
        self.session = session
        self._link = LocalLink(exchange, session)
        self._given: float | None = None

    @property
    def is_revoked(self) -> bool:
        """Whether it ended since its reader sees other things than before, so that he must read anew."""
        return bool(self.session.attributes.get(REVOKED))

    def __aiter__(self) -> Stream:
        return self

    async def __anext__(self) -> dict[str, Any]:
        now = self._exchange.clock()
        if self._given is not None and now - self._given >= self._exchange.limits.stall:
            self.session.stalled()
        self.session.flowing = True
        message = await self._link.wait_message()
        self.session.flowing = False
        if message is None:
            raise StopAsyncIteration
        self._given = self._exchange.clock()
        return message


@asynccontextmanager
async def stream(exchange: Exchange, channel: str, since: str | None) -> AsyncIterator[Stream]:
    """A stream of one channel that has a history.

    Raises:
        BayeuxError: 404, the channel has none.
    """
    history = exchange.histories.of(channel)
    if history is None:
        raise BayeuxError(404, [channel], "Unknown channel")
    cause = None if since is None else await history.why_reset(channel, since)
    session = exchange.begin(is_local=True)
    exchange.subscribe(session, channel, {channel: since} if since is not None and cause is None else {})
    if cause is not None:
        exchange.resets.note(session, channel, cause, since)
    try:
        yield Stream(exchange, session, channel, reset=cause is not None)
    finally:
        exchange.end(session, by_client=True)
