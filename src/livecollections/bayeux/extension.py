"""Extensions: an application's own code between the wire and the engine.

Four rules. Incoming hooks see what clients send, meta messages too, before any check of ours, in the order of
installation; outgoing hooks see replies and messages, in the reverse order. A published message passes once,
whoever receives it, and is encoded once; only a hook that asks for it (``per_recipient``) is called for each
receiver. What passes keeps its order. A message that a hook refuses, drops, or fails on is answered with an error,
never with nothing: a client that hears nothing asks for ever.

This module knows no transport: those call ``bodies`` before they send.
"""

from __future__ import annotations

import asyncio
import copy
import inspect
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

import orjson

from ..errors import BayeuxError, ConfigurationError
from . import channel as channels
from . import message as messages
from .connection import Connection
from .fault import FAULTS, let_end, logged
from .message import Message
from .session import Link, Session, arranged
from .strand import Strand

logger = logging.getLogger("livecollections.bayeux")

BACKLOG = 1_000
"""Published messages that wait to pass before a feed goes on: its log is patient, memory is not."""

Hook = Callable[[dict[str, Any], "Context"], Any]
Outcome = asyncio.Future[BayeuxError | None]


class Context:
    """Whom a message that an extension sees is from, or for.

    session: whom an incoming message may speak for, or for whom an outgoing one is; None: nobody's, or
    everybody's.  connection: how it came or goes; None within this process, and for everybody.
    """

    __slots__ = ("connection", "refusal", "session")

    def __init__(self, session: Session | None, connection: Connection | None) -> None:
        self.session = session
        self.connection = connection
        self.refusal: BayeuxError | None = None

    def reject(self, error: str, advice: Mapping[str, Any] | None = None) -> NoReturn:
        """Refuse the message: its sender hears the error, and nobody hears the message.

        Args:
            error: in Faye's form, ``"403:/chat:Forbidden channel"``, or any text.
            advice: Bayeux advice for the reply, as it goes over the wire: ``{"reconnect": "none"}``.

        Raises:
            BayeuxError: always, so that nothing after it runs.
        """
        self.refusal = messages.refusal(error, advice)
        raise self.refusal


class Extensions:
    """Those that are installed.

    Args:
        sessions: those that live, by clientId.
        patience: seconds that one hook may take for one message.
    """

    def __init__(self, sessions: Mapping[str, Session], patience: float) -> None:
        self.incoming: tuple[Hook, ...] = ()
        self.outgoing: tuple[Hook, ...] = ()
        self.shared: tuple[Hook, ...] = ()
        self.personal: tuple[Hook, ...] = ()
        self._installed: list[object] = []
        self._sessions = sessions
        self._patience = patience
        self._strand = Strand()
        self._outcomes: dict[Outcome, None] = {}

    def add(self, extension: object, host: object) -> None:
        """Install one, and tell it to whom.

        Raises:
            ConfigurationError: it has no hook, a hook is not callable, or it is installed already.
        """
        hooks = [getattr(extension, name, None) for name in ("incoming", "outgoing", "added", "removed")]
        if hooks[0] is None and hooks[1] is None:
            raise ConfigurationError(f"extension: {extension!r} has neither 'incoming' nor 'outgoing'")
        if not all(hook is None or callable(hook) for hook in hooks):
            raise ConfigurationError(f"extension: a hook of {extension!r} can't be called")
        if any(one is extension for one in self._installed):
            raise ConfigurationError(f"extension: {extension!r} is installed already")
        self._installed.append(extension)
        self._arrange()
        _tell(extension, "added", host)

    def remove(self, extension: object, host: object) -> None:
        """Take one away.

        Raises:
            ConfigurationError: it is not installed.
        """
        if not any(one is extension for one in self._installed):
            raise ConfigurationError(f"extension: {extension!r} is not installed")
        self._installed = [one for one in self._installed if one is not extension]
        self._arrange()
        _tell(extension, "removed", host)

    def _arrange(self) -> None:
        last_first = self._installed[::-1]
        self.incoming = _hooks("incoming", self._installed)
        self.outgoing = _hooks("outgoing", last_first)
        self.personal = _hooks("outgoing", [one for one in last_first if _is_personal(one)])
        self.shared = _hooks("outgoing", [one for one in last_first if not _is_personal(one)])

    # What comes.

    async def receive(self, message: Mapping[str, Any], context: Context) -> dict[str, Any]:
        """A message as the incoming hooks let it in.

        Raises:
            BayeuxError: one of them refused it, dropped it, or failed.
        """
        # Clients can't tell the server what became of their own message.
        passed = {name: copy.deepcopy(value) for name, value in message.items() if name not in _OUTCOME}
        for hook in self.incoming:
            passed = await self._run(hook, passed, context)
            if passed.get("error"):
                # As Faye's extensions refuse.
                raise messages.refusal(str(passed["error"]))
        if "id" in message:
            passed["id"] = message["id"]
        return passed

    # What is published.

    @property
    def holds(self) -> bool:
        """Whether what is published must pass here, because of hooks or to keep its order."""
        return bool(self.shared or self._strand)

    def pass_on(self, message: Message, session: Session | None, give: Callable[[Message], None]) -> Outcome:
        """Have a message pass the outgoing hooks, after those before it, and give it away.

        Args:
            session: for whom it is; None: for all who subscribed.
            give: is called with it, unless it is refused.

        Returns:
            what will tell the error with which it was refused, or None.
        """
        outcome: Outcome = asyncio.get_running_loop().create_future()
        self._outcomes[outcome] = None
        outcome.add_done_callback(self._outcomes.pop)

        async def work() -> None:
            error: BayeuxError | None = None
            try:
                give(await self.publish(message, session))
            except BayeuxError as refused:
                error = refused
                logger.info("an extension refused a message on %s: %s", message.channel, error)
            if not outcome.done():
                outcome.set_result(error)

        self._strand.do(work)
        return outcome

    async def wait_room(self) -> None:
        """Return when not too much waits to pass."""
        await self._strand.wait_room(BACKLOG)

    async def publish(self, message: Message, session: Session | None = None) -> Message:
        """A published message as the hooks let it out that are called once for all receivers.

        Raises:
            BayeuxError: one of them refused it, dropped it, or failed.
        """
        return await self._let_out(self.shared, message, Context(session, None))

    async def passed(self, several: Sequence[Message]) -> list[Message]:
        """Those of several published messages that are let out."""
        found = []
        for message in several:
            try:
                found.append(await self.publish(message))
            except BayeuxError as error:
                logger.info("an extension refused a message on %s: %s", message.channel, error)
        return found

    async def close(self) -> None:
        """Forget what has not passed."""
        await self._strand.close()
        for outcome in [*self._outcomes]:
            if not outcome.done():
                outcome.set_result(messages.server_error())

    # What goes to one client.

    async def bodies(self, link: Link, replies: Sequence[bytes], taken: Sequence[Message]) -> list[bytes]:
        """Replies and messages, encoded, as the hooks let them out to this client.

        Messages that have been put back meanwhile are not among them.
        """
        if not self.outgoing:
            return arranged(link.session, replies, taken)
        session = link.session
        told = [await self._reply(link, reply) for reply in replies]
        given = [await self.deliver(message, session, link.connection) for message in taken]
        if taken and (session is None or session.link is not link):
            given = []
            told = [_unnumbered(reply) for reply in told]
        return arranged(session, told, [message for message in given if message is not None])

    async def deliver(
        self, message: Message, session: Session | None, connection: Connection | None
    ) -> Message | None:
        """A message as it goes to this receiver; None if it does not."""
        if not self.personal:
            return message
        try:
            return await self._let_out(self.personal, message, Context(session, connection))
        except BayeuxError as error:
            logger.info("an extension kept a message on %s from a client: %s", message.channel, error)
            return None

    async def _reply(self, link: Link, body: bytes) -> bytes:
        reply = orjson.loads(body)
        session = link.session
        if session is None and reply.get("successful") and reply.get("channel") == channels.HANDSHAKE:
            session = self._sessions.get(reply.get("clientId"))
        try:
            passed = {**reply}
            for hook in self.outgoing:
                passed = await self._run(hook, passed, Context(session, link.connection))
            return orjson.dumps({**passed, **{name: reply[name] for name in _ANSWERED if name in reply}})
        except BayeuxError as error:
            return orjson.dumps(_refused(orjson.loads(body), error))
        except TypeError:
            return orjson.dumps(_refused(orjson.loads(body), logged("an extension's reply is not JSON")))

    async def _let_out(self, hooks: Sequence[Hook], message: Message, context: Context) -> Message:
        passed = messages.decode(message)
        for hook in hooks:
            passed = await self._run(hook, passed, context)
        try:
            return message.altered(passed)
        except TypeError:
            raise logged("what an extension made of a message on %s is not JSON", message.channel) from None

    async def _run(self, hook: Hook, message: dict[str, Any], context: Context) -> dict[str, Any]:
        try:
            passed = hook(message, context)
            if inspect.isawaitable(passed):
                async with asyncio.timeout(self._patience):
                    passed = await passed
            if context.refusal is not None:
                raise context.refusal
            if passed is not None and not isinstance(passed, dict):
                raise TypeError(f"a message or None is expected from a hook, not {type(passed).__name__}")
        except BayeuxError:
            raise
        except FAULTS as error:
            let_end(error)
            name = getattr(hook, "__qualname__", type(hook).__name__)
            raise logged("the extension's hook %s failed", name) from None
        if passed is None:
            raise messages.message_deleted()
        return passed


_OUTCOME = ("error", "successful")
_ANSWERED = ("id", "channel")


def _hooks(name: str, extensions: Sequence[object]) -> tuple[Hook, ...]:
    return tuple(hook for one in extensions if (hook := getattr(one, name, None)) is not None)


def _is_personal(extension: object) -> bool:
    return bool(getattr(extension, "per_recipient", False))


def _tell(extension: object, name: str, host: object) -> None:
    if (hook := getattr(extension, name, None)) is not None:
        hook(host)


def _unnumbered(body: bytes) -> bytes:
    """A reply whose messages do not go with it: its number would be acknowledged, and they with it."""
    reply = orjson.loads(body)
    if isinstance(reply.get("ext"), dict) and reply.get("channel") == channels.CONNECT:
        reply["ext"].pop("ack", None)
    return orjson.dumps(reply)


def _refused(reply: dict[str, Any], error: BayeuxError) -> dict[str, Any]:
    if reply.get("channel") == channels.HANDSHAKE:
        reply.pop("clientId", None)
    return messages.refuse(reply, error)


async def wait_passed(outcome: Outcome | None) -> None:
    """Return when a published message has been given to all receivers.

    Raises:
        BayeuxError: an extension refused it.
    """
    if outcome is not None and (error := await outcome) is not None:
        raise error
