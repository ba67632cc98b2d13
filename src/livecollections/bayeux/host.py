"""Host: what the program that runs a server says to it, and does with it.

Two rules. The program is trusted: no policy is asked. Nothing here waits for a client.

This module knows no transport; ``asgi.py`` adds the way in for clients.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any

from . import message as messages
from .exchange import Exchange
from .extension import wait_passed
from .history import History, Keeper
from .local import LocalClient, Stream, stream
from .memory import MemoryHistory
from .session import Session


class Host:
    """The half of ``Server`` that has no sockets."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    # Publishing and receiving in this process.

    async def publish(self, channel: str, data: Any) -> None:
        """Publish on any channel, and return when every receiver's turn is decided.

        Raises:
            BayeuxError: 405, the name is not that of a channel; or what an extension says that refuses it.
            TypeError: ``data`` is not JSON.
        """
        await wait_passed(self._exchange.publish(messages.published(channel, data)))

    def publish_nowait(self, channel: str, data: Any, seq: str | None = None) -> None:
        """As ``publish``, on the loop and in the order of the calls; ``seq`` is the message's place in a history."""
        self._exchange.publish(messages.published(channel, data, seq))

    def local_client(self) -> LocalClient:
        """A client in this process, for which no policy is asked."""
        return LocalClient(self._exchange)

    def stream(self, channel: str, since: str | None = None) -> AbstractAsyncContextManager[Stream]:
        """A receiver in this process of one channel that has a history, at a position: ``async with`` it.

        Args:
            since: a seq after which it begins; None: from now.

        Raises:
            BayeuxError: 404, the channel has no history.
        """
        return stream(self._exchange, channel, since)

    @property
    def sessions(self) -> Mapping[str, Session]:
        """Those that live, by clientId, those of clients in this process too; a view."""
        return self._exchange.sessions

    # Extensions.

    def add_extension(self, extension: object) -> None:
        """Have messages pass an extension: an object with any of these, as functions or coroutine functions.

        ``incoming(message, context)`` sees each message that comes, ``outgoing(message, context)`` each reply, and
        each published message once; each delivery, if the extension's ``per_recipient`` is true. They return the
        message, changed or not; None drops it, ``context.reject(error)`` refuses it. ``added(server)`` and
        ``removed(server)`` are called at once.

        Raises:
            ConfigurationError: it has no such hook, or is installed already.
        """
        self._exchange.extensions.add(extension, self)

    def remove_extension(self, extension: object) -> None:
        """Take it away again.

        Raises:
            ConfigurationError: it is not installed.
        """
        self._exchange.extensions.remove(extension, self)

    # Channels.

    def channel(
        self,
        name: str,
        *,
        history: Keeper | int | None = None,
        lazy: float | None = None,
        echo: bool | None = None,
    ) -> None:
        """Declare settings for a channel, or for all that a pattern covers; the most exact one that is said wins.

        Args:
            name: a name or pattern; what is left None comes from wider patterns.
            history: what keeps its messages, such as a ``MemoryHistory``, or how many of each channel are kept
                in memory; 0: none, as without.
            lazy: seconds for which a message may wait for another one to travel with; 0: none, as without.
            echo: whether clients hear what they publish themselves; as without, they do.

        Raises:
            ConfigurationError: something is wrong; it names it.
        """
        self._exchange.settings.declare(name, history=history, lazy=lazy, echo=echo)
        if history is not None:
            kept = MemoryHistory(history) if isinstance(history, int) and history else history
            self._exchange.histories.keep(name, kept or None)

    def add_history(self, channel: str, history: History) -> None:
        """Let clients subscribe to a channel at a position; they can no longer publish on it."""
        self._exchange.add_history(channel, history)

    def remove_history(self, channel: str) -> None:
        """Make it a plain channel again."""
        self._exchange.remove_history(channel)
