"""The driver: takes a client's messages to the server by whatever way leads there.

Three rules. One task owns the way and everything that runs on it: when that task ends, all of it has ended. A way
that fails is followed by another, and by the better one again when that works. A way is left for a better one only
while nothing is outstanding on it, so that nothing is lost with it.

What is sent, and what an answer means, is in ``protocol.py``; sockets and requests are in ``ways.py``.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from ..errors import BayeuxError, ClientError, LiveError, Unreachable
from . import channel as channels
from .fault import FAULTS, let_end
from .lifecycle import State
from .outbox import Batch
from .preference import Preference
from .protocol import Machine
from .ways import Endpoint, PollingWay, WebSocketWay, ask_headers

logger = logging.getLogger("livecollections.bayeux")

Way = WebSocketWay | PollingWay

WAYS: dict[str, type[WebSocketWay | PollingWay]] = {"websocket": WebSocketWay, "long-polling": PollingWay}
"""The ways there are, by connection type."""


class Driver:
    """Runs a machine.

    Args:
        kinds: the connection types to use, the best first.
        extensions, headers, token: as of ``Client``.
    """

    def __init__(
        self,
        machine: Machine,
        endpoint: Endpoint,
        kinds: Sequence[str],
        *,
        extensions: Sequence[Any],
        headers: Any,
        token: Any,
    ) -> None:
        self.wake = asyncio.Event()
        """There may be something to do."""
        self.turn = asyncio.Event()
        """The state has changed, or a try has failed; another one stands for the next time."""
        self._machine = machine
        self._endpoint = endpoint
        self._preference = Preference(kinds)
        self._extensions = extensions
        self._headers = headers
        self._token = token
        self._failure: Exception | None = None
        self._next: Way | None = None
        self._reasons: dict[str, str] = {}

    def turned(self) -> None:
        """The machine's state has changed, or a try has failed."""
        turn, self.turn = self.turn, asyncio.Event()
        turn.set()

    async def run(self) -> None:
        """Go on until the machine has ended."""
        try:
            while self._machine.state is not State.ENDED:
                await self._sleep_until(self._machine.retry_at)
                way = await self._find()
                while way is not None:
                    way = await self._use(way)
        except Exception as error:
            logger.exception("the client has failed")
            self._machine.end(ClientError(f"the client has failed: {error!r}"))

    async def _sleep_until(self, when: float) -> None:
        while self._machine.state is not State.ENDED and now() < when:
            await self._wait(when)

    async def _wait(self, until: float | None) -> None:
        """Wait for something to do, until a time at most."""
        try:
            async with asyncio.timeout_at(until):
                await self.wake.wait()
        except TimeoutError:
            pass
        self.wake.clear()

    async def _find(self) -> Way | None:
        """The first way that opens."""
        self._reasons = {}
        try:
            await self._ask_headers()
            for kind in self._preference.order(now()):
                try:
                    return await self._open(kind)
                except Unreachable as error:
                    self._preference.failed(kind, now())
                    self._reasons.update(error.reasons)
        except Unreachable as error:
            self._reasons.update(error.reasons)
        self._machine.cut(now(), Unreachable(self._endpoint.url, self._reasons))
        self.turned()
        return None

    async def _ask_headers(self) -> None:
        self._endpoint.headers = await ask_headers(self._headers, self._endpoint.url)

    async def _open(self, kind: str) -> Way:
        way = WAYS[kind](self._endpoint, self._machine.patience)
        try:
            await way.open()
        except BaseException:
            await way.close()
            raise
        return way

    async def _use(self, way: Way) -> Way | None:
        """Send and receive until the way is lost; returns the one to move to."""
        machine, tasks = self._machine, _Tasks(self._fail)
        self._failure = None
        machine.ready(now(), way.kind, is_socket=way.is_socket)
        try:
            if isinstance(way, WebSocketWay):
                tasks.start(self._read(way))
            tasks.start(self._improve(way.kind))
            while machine.state is not State.ENDED and machine.kind is not None:
                if self._failure is not None:
                    raise self._failure
                if machine.is_overdue(now()):
                    raise Unreachable(self._endpoint.url, {way.kind: "no answer in time"})
                if self._next is not None and machine.is_idle:
                    moved, self._next = self._next, None
                    return moved
                for batch in machine.take(now()):
                    await self._send(way, batch, tasks)
                await self._wait(machine.deadline)
        except LiveError as error:
            self._lost(way.kind, error)
        finally:
            unused, self._next = self._next, None
            # Each of these is done, also if this task is cancelled while it does another.
            try:
                await tasks.stop()
            finally:
                try:
                    await way.close()
                finally:
                    if unused is not None:
                        await unused.close()
        return None

    def _lost(self, kind: str, error: LiveError) -> None:
        if self._machine.state is not State.CONNECTED:
            # It opened and led nowhere: what stands in between may let only the other one through.
            self._preference.failed(kind, now())
            if isinstance(error, Unreachable):
                error = Unreachable(error.url, {**self._reasons, **error.reasons})
        self._machine.cut(now(), error)
        self.turned()

    def _fail(self, error: Exception) -> None:
        self._failure = error
        self.wake.set()

    async def _send(self, way: Way, batch: Batch, tasks: _Tasks) -> None:
        sending = await self._outgoing(batch)
        if not sending:
            return
        if isinstance(way, WebSocketWay):
            await way.send(sending)
        else:
            tasks.start(self._post(way, batch, sending))

    async def _post(self, way: PollingWay, batch: Batch, sending: list[dict[str, Any]]) -> None:
        try:
            await self._receive(way.kind, await way.post(sending), batch)
            self._machine.returned(batch, now())
        except BayeuxError as error:
            # Sent again, it would be refused again, and everything else would wait behind it.
            self._machine.returned(batch, now(), error)
        self.wake.set()

    async def _read(self, way: WebSocketWay) -> None:
        while True:
            await self._receive(way.kind, await way.receive())

    async def _improve(self, kind: str) -> None:
        """Open the way that is better than this one, when it can be had again."""
        while (better := self._preference.better(kind)) is not None:
            wanted, when = better
            await asyncio.sleep(max(0.0, when - now()))
            while self._machine.state is not State.CONNECTED:
                await self.turn.wait()
            if wanted not in self._machine.offered:
                return
            try:
                await self._ask_headers()
                self._next = await self._open(wanted)
            except Unreachable:
                self._preference.failed(wanted, now())
                continue
            self._machine.is_moving = True
            self.wake.set()
            return

    # Messages.

    async def _outgoing(self, batch: Batch) -> list[dict[str, Any]]:
        sending = []
        for request, message in zip(batch.requests, batch.messages, strict=True):
            try:
                if message["channel"] == channels.HANDSHAKE and self._token is not None:
                    message["ext"]["token"] = await value(self._token)
                sending.append(await self._extended("outgoing", message))
            except FAULTS as error:
                let_end(error)
                logger.exception(
                    "a message on %s can't be sent: an extension or the token failed", request.channel
                )
                failed = ClientError(f"an extension or the token failed: {error!r}")
                self._machine.drop(request, failed, now())
                self.wake.set()
        return sending

    async def _receive(self, kind: str, received: list[Any], batch: Batch | None = None) -> None:
        if self._extensions:
            received = [
                passed for message in received if (passed := await self._incoming(message)) is not None
            ]
        self._machine.receive(received, now(), batch)
        if self._machine.state is State.CONNECTED:
            self._preference.worked(kind)
        if self._machine.error is not None:
            self.turned()
        self.wake.set()

    async def _incoming(self, message: Any) -> Any:
        try:
            return await self._extended("incoming", message)
        except FAULTS as error:
            let_end(error)
            logger.exception("a message that came is dropped: an extension failed")
            return None

    async def _extended(self, hook: str, message: Any) -> Any:
        for extension in self._extensions:
            method = getattr(extension, hook, None)
            if method is not None:
                changed = await value(method, message)
                message = message if changed is None else changed
        return message


class _Tasks:
    """What runs on one way, and ends with it.

    Args:
        failed: told of an exception in one of them.
    """

    def __init__(self, failed: Callable[[Exception], None]) -> None:
        self._failed = failed
        self._running: dict[asyncio.Task[None], None] = {}

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(self._guard(work))
        self._running[task] = None
        task.add_done_callback(lambda ended: self._end(ended, work))

    def _end(self, task: asyncio.Task[None], work: Coroutine[Any, Any, None]) -> None:
        self._running.pop(task)
        # What was cancelled before its first step has never been awaited, and Python would warn of that.
        work.close()

    async def _guard(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Exception as error:
            self._failed(error)

    async def stop(self) -> None:
        running = [*self._running]
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


def now() -> float:
    """The loop's time, which is the machine's."""
    return asyncio.get_running_loop().time()


async def value(given: Any, *arguments: Any) -> Any:
    """A value, or what a function or coroutine function gives."""
    found = given(*arguments) if callable(given) else given
    return await found if inspect.isawaitable(found) else found
