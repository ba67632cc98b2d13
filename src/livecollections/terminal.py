"""What ``livecollections tail`` and ``publish`` do and show.

Two rules. Messages go to stdout and everything else to stderr, so that a pipe gets messages alone. What a message
holds is data, never markup.

It knows the Bayeux client, and no database.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import datetime
from typing import Any, NoReturn

import orjson
from rich.console import Console
from rich.text import Text

from .bayeux import Client, Delivery, Reset, State, Subscription
from .bayeux.refusal import is_unknown_session
from .errors import BayeuxError

COLOURS = {"POST": "green", "PUT": "yellow", "DELETE": "red"}
TRIES = 3
"""Failed tries after which a server counts as not there."""

_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
"""What terminals obey: C0 and C1 (U+009B is CSI to some), and what turns the direction of text."""

Fail = Callable[[str], NoReturn]
Show = Callable[[Delivery | Reset], None]


class Screen:
    """A terminal: messages as lines to read, and what happens beside them on stderr."""

    def __init__(self) -> None:
        self._out = Console(highlight=False)
        self._err = Console(stderr=True, highlight=False)

    def show(self, item: Delivery | Reset) -> None:
        """Show a message, or that some were missed."""
        line = Text()
        line.append(datetime.now().strftime("%H:%M:%S"), "dim")
        line.append(f"  {plain(item.channel)}  ", "cyan")
        if isinstance(item, Reset):
            line.append(f"RESET  {plain(item.reason)}: read again", "bold magenta")
        else:
            self._add(line, item.data)
        if self._out.is_terminal:
            line.truncate(self._out.width, overflow="ellipsis")
        self._out.print(line, soft_wrap=True)

    @staticmethod
    def _add(line: Text, data: Any) -> None:
        method = data.get("method") if isinstance(data, dict) else None
        if isinstance(method, str) and "body" in data:
            line.append(f"{plain(method):<6}", COLOURS.get(method, "bold"))
            line.append("  ")
            data = data["body"]
        line.append(plain(orjson.dumps(data).decode()))

    def say(self, sentence: str) -> None:
        """Say what happens."""
        self._err.print(Text(plain(sentence), "dim"), soft_wrap=True)


class Pipe(Screen):
    """Messages as one JSON object a line."""

    def show(self, item: Delivery | Reset) -> None:
        """Print a message, or that some were missed."""
        told = {"channel": item.channel, "seq": item.seq}
        more = {"reset": item.reason} if isinstance(item, Reset) else {"data": item.data}
        print(plain(orjson.dumps({**told, **more}).decode()), flush=True)


def plain(text: str) -> str:
    """Text that does nothing to a terminal; JSON means the same afterwards."""
    return _UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


async def tail(
    url: str, channels: Sequence[str], since: Mapping[str, str], screen: Screen, fail: Fail, **options: Any
) -> None:
    """Show what is published on channels, until it is cancelled."""
    async with Client(url, **options) as client, AsyncExitStack() as stack:
        await client.wait_connected(tries=TRIES)
        subscriptions = [
            await stack.enter_async_context(_subscribed(client, name, since, fail)) for name in channels
        ]
        screen.say(f"listening to {', '.join(channels)} at {url}, over {client.transport}")
        client.watch(lambda state: _tell(screen, client, state))
        showing = [asyncio.ensure_future(_show(each, screen.show)) for each in subscriptions]
        try:
            await asyncio.gather(*showing)
        finally:
            for task in showing:
                task.cancel()
            await asyncio.gather(*showing, return_exceptions=True)


def _subscribed(client: Client, channel: str, since: Mapping[str, str], fail: Fail) -> _Named:
    return _Named(client.subscribe(channel, since.get(channel)), fail)


class _Named:
    """A subscription whose refusal names it."""

    def __init__(self, subscription: Subscription, fail: Fail) -> None:
        self._subscription = subscription
        self._fail = fail

    async def __aenter__(self) -> Subscription:
        try:
            return await self._subscription.__aenter__()
        except BayeuxError as error:
            self._fail(f"the server refuses {self._subscription.channel}: {error}")

    async def __aexit__(self, *error: object) -> None:
        await self._subscription.__aexit__(*error)


async def _show(subscription: Subscription, show: Show) -> None:
    async for item in subscription:
        show(item)


def _tell(screen: Screen, client: Client, state: State) -> None:
    if state is State.CONNECTED:
        screen.say(f"connected again, over {client.transport}")
    elif state is State.CONNECTING and client.error is not None:
        is_over = isinstance(client.error, BayeuxError) and is_unknown_session(client.error)
        # The error names the session, which nobody is helped by and others should not see.
        screen.say(f"reconnecting: {'the session is over' if is_over else client.error}")


async def publish(url: str, channel: str, data: Any, **options: Any) -> None:
    """Publish one message, and return when the server has confirmed."""
    async with Client(url, **options) as client:
        await client.wait_connected(tries=TRIES)
        await client.publish(channel, data)


def read_since(channels: Sequence[str], since: Sequence[str], fail: Fail) -> dict[str, str]:
    """The positions of ``--since``: SEQ for the only channel, CHANNEL=SEQ for one of several."""
    found = {}
    for value in since:
        channel, _, seq = value.rpartition("=")
        if not channel and len(channels) == 1:
            channel = channels[0]
        if channel not in channels or not seq:
            fail(f"--since {value}: CHANNEL=SEQ with one of the channels is expected")
        found[channel] = seq
    return found


def read_headers(headers: Sequence[str], fail: Fail) -> dict[str, str]:
    """The headers of ``--header``."""
    found = {}
    for value in headers:
        name, colon, content = value.partition(":")
        if not colon or not name.strip():
            fail(f"--header {value}: 'Name: value' is expected")
        found[name.strip()] = content.strip()
    return found
