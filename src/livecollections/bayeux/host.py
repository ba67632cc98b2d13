"""Host: what the program that runs a server says to it, and does with it.

Two rules. The program is trusted: no policy is asked. Nothing here waits for a client.

This module knows no transport; ``asgi.py`` adds the way in for clients.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any, TypeVar

from ..cause import Cause
from . import message as messages
from .exchange import Exchange
from .extension import wait_passed
from .history import History, Keeper
from .local import LocalClient, Stream, stream
from .memory import MemoryHistory
from .session import Session
from .statistics import Statistics

Decorated = TypeVar("Decorated", bound=Callable[..., Any])


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

    def publish_nowait(
        self, channel: str, data: Any, seq: str | None = None, cause: Cause | None = None
    ) -> None:
        """As ``publish``, on the loop and in the order of the calls.

        Args:
            seq: the message's place in a history.  cause: why the message tells its receivers to read again.
        """
        self._exchange.publish(messages.published(channel, data, seq, cause))

    async def wait_room(self) -> None:
        """Return when ``publish_nowait`` may go on: when extensions have let out most of what was published."""
        await self._exchange.extensions.wait_room()

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

    async def deliver(self, session: Session | str, channel: str, data: Any) -> None:
        """Send a message to one session, whatever it subscribed to.

        Args:
            session: one of ``sessions``, or its clientId.
            channel: the message's, a service channel too.

        Raises:
            BayeuxError: 401, there is no such session; 405, the name is not that of a channel; or what an
                extension says that refuses the message.
            TypeError: ``data`` is not JSON.
        """
        await wait_passed(self._exchange.deliver(self._session(session), messages.published(channel, data)))

    def kick(self, session: Session | str) -> None:
        """End a session: its client is told to disconnect, and not to come back by itself.

        Raises:
            BayeuxError: 401, there is no such session.
        """
        found = self._session(session)
        self._exchange.counts.kicked += 1
        self._exchange.kick(found)

    def _session(self, session: Session | str) -> Session:
        id_ = session.id if isinstance(session, Session) else session
        found = self._exchange.sessions.get(id_)
        if found is None:
            raise messages.unknown_client(id_)
        return found

    def statistics(self) -> Statistics:
        """What the server has to do now, and has done since it was made."""
        return self._exchange.statistics()

    # What is called when something comes or happens.

    def service(self, channel: str) -> Callable[[Decorated], Decorated]:
        """Have a function called with what clients publish on a service channel; it decorates the function.

        The function takes ``(session, data)`` or ``(session, data, channel)``, and may be a coroutine function.
        What it returns goes back to the caller, on the same channel; None: nothing does. A BayeuxError that it
        raises is told to the caller, another exception only by an id that stands in the log.

        Args:
            channel: a name below ``/service/``, or a pattern; the most exact one is called.

        Raises:
            ConfigurationError: it is no service channel, has a function already, or the function takes something
                else.
        """

        def declare(function: Decorated) -> Decorated:
            self._exchange.services.add(channel, function)
            return function

        return declare

    def on(self, event: str) -> Callable[[Decorated], Decorated]:
        """Have a function called at each "handshake" and "disconnect" with ``(session)``, at each "subscribe" and
        "unsubscribe" with ``(session, channel)``, or at each "publish" with ``(session, channel, data)``.

        It decorates the function, which may be a coroutine function. Only real changes are told, those of one
        session in order.

        Raises:
            ConfigurationError: there is no such event.
        """

        def declare(function: Decorated) -> Decorated:
            self._exchange.listeners.add(event, function)
            return function

        return declare

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
