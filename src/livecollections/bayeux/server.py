"""The engine: what each message to the server does, and what is replied.

Three rules. ``/meta/*`` is dispatched from a literal table, everything else is a publish. A message is handled
to its end before the next of the same request, and changes nothing unless it is answered with success. Replies,
their errors and which of several errors is told are Faye's.

The engine knows no HTTP and no WebSocket; sessions and fan-out are the exchange's.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from ..cause import Cause
from ..errors import BayeuxError
from . import channel as channels
from . import message as messages
from . import salesforce, timesync
from .cycle import State
from .exchange import Exchange
from .extension import Context, wait_passed
from .fault import FAULTS, let_end, logged
from .gate import Gate
from .message import NONE, REHANDSHAKE, Message
from .policy import Policy
from .session import Link, Session
from .start import Start

logger = logging.getLogger("livecollections.bayeux")

SWITCH = 1.0
"""Seconds for which the first poll of a client is held that would rather have a WebSocket."""
RETRY_AFTER_ERROR = 1.0
"""Seconds before a client that did something wrong handshakes again; without, Faye's does so in a hot loop."""
TURN = 0.01
"""Seconds for which the messages of one request keep everybody else waiting, and what the last of them takes."""


Handler = Callable[["Engine", Mapping[str, Any], Link, bool], Awaitable[None]]


class Engine:
    """Handles the messages of clients, for any number of transports.

    Args:
        types: the connection types that are offered.
        cookie: the name of the cookie that binds sessions to browsers; None: none is given.
    """

    def __init__(
        self,
        exchange: Exchange,
        policy: Policy,
        types: Sequence[str] = messages.CONNECTION_TYPES,
        cookie: str | None = None,
    ) -> None:
        self.exchange = exchange
        self.policy = policy
        self.types = types
        self._gate = Gate(exchange, policy, types, cookie)
        self._limits = exchange.limits

    def follow(self, policy: Policy) -> None:
        """Ask another policy from now on."""
        self.policy = policy
        self._gate.policy = policy

    async def receive(self, received: list[Any], link: Link) -> None:
        """Handle the messages of one request or frame, in order; replies go to the link.

        A connect may be held if the link is a socket, or if it came alone.
        """
        begins = any(_channel(item) == channels.HANDSHAKE for item in received)
        turn = self.exchange.clock() + TURN
        for item in received:
            await link.wait_room()
            if self.exchange.clock() > turn:
                await asyncio.sleep(0)
                turn = self.exchange.clock() + TURN
            if not isinstance(item, dict):
                link.reply(messages.refuse({}, messages.bad_request()))
                continue
            if self.exchange.extensions.incoming:
                item = await self._extended(item, link)
            if item is None:
                continue
            if begins and _channel(item) != channels.HANDSHAKE:
                # A client can't know its new clientId yet; the specification has these ignored.
                self._refuse(item, link, self._why_not_now(item))
            else:
                await self._handle(item, link, len(received) == 1)

    async def attach(self, client_id: str, link: Link) -> Session:
        """Have a session's messages sent to a link on which none are received: a stream.

        Raises:
            BayeuxError: 401, no message that came there could speak for such a session.
        """
        session = await self._gate.session({"channel": channels.CONNECT, "clientId": client_id}, link)
        self.exchange.attach(session, link)
        self.exchange.wake(session)
        return session

    async def _extended(self, message: dict[str, Any], link: Link) -> dict[str, Any] | None:
        """The message as extensions let it in; None if it has been answered with their refusal."""
        try:
            context = Context(await self._gate.speaker(message, link), link.connection)
            return await self.exchange.extensions.receive(message, context)
        except BayeuxError as error:
            self._refuse(message, link, error)
        except FAULTS as error:
            let_end(error)
            self._refuse(message, link, logged("the sender of a message could not be identified"))
        return None

    def _why_not_now(self, message: Mapping[str, Any]) -> BayeuxError:
        client_id = message.get("clientId")
        if isinstance(client_id, str) and client_id not in self.exchange.sessions:
            return messages.unknown_client(client_id)
        return messages.bad_request()

    async def _handle(self, message: Mapping[str, Any], link: Link, is_alone: bool) -> None:
        name = _channel(message)
        handler = _HANDLERS.get(name, Engine._publish)
        try:
            if name not in _HANDLERS and channels.is_valid(name) and channels.is_meta(name):
                raise messages.channel_forbidden(name)
            await handler(self, message, link, is_alone)
        except BayeuxError as error:
            self._refuse(message, link, error)
        except FAULTS as error:
            let_end(error)
            self._refuse(message, link, logged("a message on %.80r could not be handled", name))

    def _refuse(self, message: Mapping[str, Any], link: Link, error: BayeuxError) -> None:
        name = _channel(message)
        echoes = name not in (channels.HANDSHAKE, channels.CONNECT, channels.DISCONNECT)
        reply = messages.refuse(messages.reply_to(message, client_id=echoes), error)
        if name == channels.HANDSHAKE:
            self.exchange.counts.refused += 1
            reply["version"] = messages.VERSION
            reply["supportedConnectionTypes"] = list(self.types)
        if name in (channels.SUBSCRIBE, channels.UNSUBSCRIBE):
            asked = message.get("subscription")
            reply["subscription"] = asked if isinstance(asked, str | list) else []
        if name in (channels.HANDSHAKE, channels.CONNECT):
            reply["advice"] = self._advice_after(error)
        link.reply(reply)

    def _advice_after(self, error: BayeuxError) -> dict[str, Any]:
        """What a client is to do whose handshake or connect is refused."""
        if error == messages.handshake_denied():
            return messages.advice(NONE)
        interval = self.exchange.arrivals.lost() if error.code == 401 else RETRY_AFTER_ERROR
        advice = messages.advice(REHANDSHAKE, interval=interval)
        said = error.advice or {}
        return {**advice, **said, "interval": max(advice["interval"], said.get("interval", 0))}

    # The meta channels.

    async def _handshake(self, message: Mapping[str, Any], link: Link, is_alone: bool) -> None:
        times = timesync.begin(message, self.exchange.wall())
        offered = message.get("supportedConnectionTypes")
        offered = [offered] if isinstance(offered, str) else offered
        if not isinstance(offered, list) or not offered:
            raise messages.parameter_missing("supportedConnectionTypes")
        if not any(name in self.types for name in offered if isinstance(name, str)):
            raise messages.connection_types_not_supported(offered)
        version = message.get("version")
        if not isinstance(version, str) or not version:
            raise messages.parameter_missing("version")
        least = message.get("minimumVersion", version)
        if messages.major(least) > 1:
            raise messages.version_mismatch(least)
        if wait := self.exchange.arrivals.begin():
            raise messages.too_many_arrivals(wait)
        claim = await self._gate.claim(link)
        session = self.exchange.begin()
        session.user = session.told = claim.user
        if link.connection is not None:
            session.transport = link.connection.transport
        if not await self.policy._welcome(session, message, link.connection):
            raise messages.handshake_denied()
        address = link.connection.network if link.connection is not None else None
        if not self.exchange.has_room(address):
            raise messages.too_many_sessions()
        self.exchange.admit(session, address)
        session.connected(message.get("id"))
        session.may_switch = not link.is_socket and offered[0] == "websocket" and "websocket" in self.types
        reply = messages.reply_to(message, client_id=False)
        reply["version"] = messages.VERSION
        reply["supportedConnectionTypes"] = list(self.types)
        reply["clientId"] = session.id
        live = messages.live_ext(message)
        if live is not None:
            self._add(reply, live=_negotiate(live.get("version")))
        if messages.replay_ext(message) is True:
            session.is_numbered = True
            self._add(reply, replay=True)
        # Its messages would come on a stream, beside the answers to connects.
        if messages.wants_acknowledgement(message) and messages.HEARTBEAT not in offered:
            session.flight.is_acknowledged, session.limit = True, self._limits.unacknowledged_bytes
            self._add(reply, ack=True)
        self._add(reply, timesync=times)
        timesync.conclude(reply, self.exchange.wall())
        self._gate.give_cookie(session, link, claim)
        if link.is_socket:
            self.exchange.join(session, link)
        link.reply(self.exchange.advise(reply))

    async def _connect(self, message: Mapping[str, Any], link: Link, is_alone: bool) -> None:
        kind = message.get("connectionType")
        if not kind:
            raise messages.parameter_missing("connectionType")
        if not isinstance(kind, str) or kind not in self.types:
            raise messages.connection_types_not_supported(kind)
        session = await self._gate.session(message, link)
        self.exchange.answer(session)
        session.connected(message.get("id"))
        if session.flight.is_acknowledged:
            session.acknowledge(messages.acknowledged(message))
        if kind == messages.HEARTBEAT:
            self._sign_of_life(session, message, link)
            return
        is_first = session.state is State.HANDSHAKEN or (link.is_socket and link.is_fresh)
        is_heard = link.is_socket and not session.flight.is_acknowledged
        session.pause = self.exchange.arrivals.resume(is_heard=is_heard) if is_first else 0.0
        is_fresh, link.is_fresh = link.is_fresh, False
        self.exchange.attach(session, link)
        reply = self._begin_reply(message)
        self._recall(session, message, reply, is_fresh=is_fresh)
        wish = messages.wished_timeout(message)
        patience = self.exchange.pace.patience(link)
        wait = patience if wish is None else min(patience, wish)
        if is_first or not wait or not _can_hold(session, link, is_alone):
            interval = max(self.exchange.pace.interval, session.pause)
            self.exchange.answer_at_once(session, link, self.exchange.advise(reply, interval=interval))
        else:
            # Faye's client uses the socket that it is opening from the next connect on; and the polls of six tabs that
            # were opened at once are all the connections that a browser has.
            wait, session.may_switch = min(wait, SWITCH) if session.may_switch else wait, False
            self.exchange.hold(session, link, reply, wait)
        self.exchange.wake(session)

    def _sign_of_life(self, session: Session, message: Mapping[str, Any], link: Link) -> None:
        """Answer a connect of a client that hears by a stream; without one, what waits goes with the answer."""
        if not _has_stream(session):
            self.exchange.attach(session, link)
        assert session.link is not None
        stream = session.link
        reply = self._begin_reply(message)
        if stream.is_fresh:
            # Later answers may overtake what the stream brings: they can't say how far it is.
            self._recall(session, message, reply, is_fresh=True)
        stream.is_fresh = False
        reply = self.exchange.advise_heartbeat(reply, is_heard=stream is not link)
        self.exchange.answer_at_once(session, link, reply)
        self.exchange.wake(session)

    def _begin_reply(self, message: Mapping[str, Any]) -> dict[str, Any]:
        reply = messages.reply_to(message)
        self._add(reply, timesync=timesync.begin(message, self.exchange.wall()))
        return reply

    def _recall(
        self, session: Session, message: Mapping[str, Any], reply: dict[str, Any], *, is_fresh: bool
    ) -> None:
        """Send again what the client's own positions say it lacks, and tell it how far it is."""
        at = (messages.live_ext(message) or {}).get("at")
        told = self.exchange.positions.recall(session, at) if is_fresh else {}
        if self.exchange.positions.is_too_far_behind(session):
            self.exchange.end(session)
            raise messages.unknown_client(session.id)
        if reached := self.exchange.positions.reached(session, at):
            told["seq"] = reached
        for name in told.get("reset", ()):
            self.exchange.resets.note(session, name, Cause.CHANNEL_FORGOTTEN, (at or {}).get(name))
        self._add(reply, live=told)
        if session.is_numbered:
            subscribed = session.subscriptions
            self._add(reply, replay=salesforce.numbers(self.exchange.histories, session, subscribed))

    async def _disconnect(self, message: Mapping[str, Any], link: Link, is_alone: bool) -> None:
        session = await self._gate.session(message, link)
        link.reply(messages.reply_to(message))
        self.exchange.end(session, by_client=True)

    async def _subscribe(self, message: Mapping[str, Any], link: Link, is_alone: bool) -> None:
        names = self._names(message)
        session = await self._gate.session(message, link)
        self._check(names)
        # Clients may subscribe to service channels, says the specification; nothing is ever published there
        # for them.
        names = [name for name in names if not channels.is_service(name)]
        self._check_room(session, names)
        live = messages.live_ext(message)
        wished = live.get("since") if live is not None else None
        for name in names:
            if await self._may_subscribe(session, name):
                continue
            had = _asked(names, wished).get(name)
            goes_on = had and names == [message["subscription"]]
            if not goes_on or not await self._has_moved(session, name):
                raise messages.channel_forbidden(name)
            self._lead_on(session, message, link, had, is_map=isinstance(wished, dict))
            return
        is_exact = isinstance(message["subscription"], str) and not message["subscription"].endswith("*")
        is_map = isinstance(wished, dict) or not is_exact
        start = Start(self.exchange.histories, names, _asked(names, wished))
        await start.locate()
        numbers = messages.replay_ext(message) if session.is_numbered else None
        numbered = await salesforce.starts(self.exchange.histories, names, numbers)
        start.settle()
        self.exchange.settle(session)
        if session.has_ended:
            raise messages.unknown_client(session.id)
        self._check_room(session, names)  # others may have subscribed meanwhile
        # What a client says of a pattern sets nothing back that it receives already.
        starts = {
            channel: seq
            for channel, seq in (start.told | numbered).items()
            if channel in numbered
            or start.names_exactly(channel)
            or not self.exchange.positions.receives(session, channel)
        }
        if self.exchange.positions.is_too_far_behind(session, starts, names):
            start.give_up()
            starts = {}
        for name in names:
            self.exchange.subscribe(session, name, starts)
        reply = messages.reply_to(message)
        reply["subscription"] = message["subscription"]
        seqs = start.seqs(session) if live is not None or not is_map else {}
        if is_map and live is not None:
            self._add(reply, live={"seq": seqs, "reset": start.reset} if start.reset else {"seq": seqs})
        elif not is_map and names and names[0] in seqs:
            self._add(reply, live={"seq": seqs[names[0]], **({"reset": True} if start.reset else {})})
        if "ext" in reply:
            for name, cause in start.causes.items():
                self.exchange.resets.note(session, name, cause, start.asked_at(name))
        if session.is_numbered:
            self._add(reply, replay=salesforce.numbers(self.exchange.histories, session, names))
        link.reply(reply)
        self.exchange.wake(session)
        await self.exchange.listeners.wait_room(session)

    def _check_room(self, session: Session, names: Sequence[str]) -> None:
        if len(session.subscriptions.keys() | names) > self._limits.subscriptions:
            raise messages.too_many_subscriptions()

    async def _may_subscribe(self, session: Session, name: str) -> bool:
        histories = self.exchange.histories
        if channels.is_pattern(name):
            is_guarded = histories.is_guarded(name)
            return not is_guarded and await self.policy.can_subscribe_pattern(session, name)
        if (family := histories.family(name)) is not None:
            return await family.may_hear(session, name)
        return name in histories.fed or await self.policy.can_subscribe(session, name)

    async def _has_moved(self, session: Session, name: str) -> bool:
        family = self.exchange.histories.family(name)
        return family is not None and await family.has_moved(session, name)

    def _lead_on(
        self, session: Session, message: Mapping[str, Any], link: Link, had: Any, *, is_map: bool
    ) -> None:
        """Answer one who goes on, from what he had, where he may not hear any longer: he reads anew, and finds where he
        may."""
        if session.has_ended:
            raise messages.unknown_client(session.id)
        reply = messages.reply_to(message)
        name = reply["subscription"] = message["subscription"]
        head = self.exchange.histories.head(name)
        self._add(
            reply, live={"seq": {name: head}, "reset": [name]} if is_map else {"seq": head, "reset": True}
        )
        self.exchange.resets.note(session, name, Cause.VIEW_CHANGED, had)
        link.reply(reply)

    @staticmethod
    def _add(reply: dict[str, Any], **ext: Any) -> None:
        """Say more under ``ext``, where there is anything to say."""
        said = {name: value for name, value in ext.items() if value}
        if said:
            reply["ext"] = {**reply.get("ext", {}), **said}

    async def _unsubscribe(self, message: Mapping[str, Any], link: Link, is_alone: bool) -> None:
        names = self._names(message)
        session = await self._gate.session(message, link)
        self._check(names)
        for name in names:
            self.exchange.unsubscribe(session, name)
        reply = messages.reply_to(message)
        reply["subscription"] = message["subscription"]
        link.reply(reply)
        await self.exchange.listeners.wait_room(session)

    @staticmethod
    def _names(message: Mapping[str, Any]) -> list[Any]:
        subscription = message.get("subscription")
        if not subscription or not isinstance(subscription, str | list):
            raise messages.parameter_missing("subscription")
        return subscription if isinstance(subscription, list) else [subscription]

    def _check(self, names: list[Any]) -> None:
        for name in names:
            if not isinstance(name, str) or len(name) > self._limits.channel or not channels.is_valid(name):
                raise messages.channel_invalid(name)
            if channels.is_meta(name):
                raise messages.channel_forbidden(name)

    async def _publish(self, message: Mapping[str, Any], link: Link, is_alone: bool) -> None:
        name = _channel(message)
        if "data" not in message:
            raise messages.parameter_missing("data")
        if len(name) > self._limits.channel or not channels.is_name(name):
            raise messages.channel_invalid(message.get("channel"))
        session = None
        if message.get("clientId") not in (None, ""):
            session = await self._gate.session(message, link)
        if self.exchange.services.has(name):
            await self._call(session, message, link)
            return
        is_fed = self.exchange.histories.is_fed(name)
        if is_fed or not await self.policy.can_publish(session, name, message["data"]):
            raise messages.channel_forbidden(name)
        if session is not None and session.has_ended:
            raise messages.unknown_client(session.id)
        published = Message(name, message["data"])
        if session is None or not session.repeats.has(message.get("id"), published):
            try:
                await wait_passed(self.exchange.publish(published, session))
            except BayeuxError:
                if session is not None:
                    session.repeats.forget(message.get("id"), published)
                raise
        link.reply(messages.reply_to(message))
        await self.exchange.listeners.wait_room(session)

    async def _call(self, session: Session | None, message: Mapping[str, Any], link: Link) -> None:
        name, data = _channel(message), message["data"]
        if session is None:
            raise messages.parameter_missing("clientId")
        if not await self.policy.can_call(session, name, data):
            raise messages.channel_forbidden(name)
        await self.exchange.services.wait_room(session)
        if session.has_ended:
            raise messages.unknown_client(session.id)
        is_new = not session.repeats.has(message.get("id"), Message(name, data))
        link.reply(messages.reply_to(message))
        if is_new:
            self.exchange.services.call(session, name, data, message.get("id"))


_HANDLERS: Mapping[str, Handler] = {
    channels.HANDSHAKE: Engine._handshake,
    channels.CONNECT: Engine._connect,
    channels.SUBSCRIBE: Engine._subscribe,
    channels.UNSUBSCRIBE: Engine._unsubscribe,
    channels.DISCONNECT: Engine._disconnect,
}


def _can_hold(session: Session, link: Link, is_alone: bool) -> bool:
    """Whether a connect may wait: not if it keeps from the client what is ready for it."""
    if link.is_socket and not session.flight.is_acknowledged:
        return True
    return (is_alone or link.is_socket) and (not session.queue or session.may_wait)


def _channel(message: Any) -> str:
    """The channel that a message names; no channel's name where it names none."""
    name = message.get("channel") if isinstance(message, dict) else None
    return name if isinstance(name, str) else ""


def _asked(names: Sequence[str], since: Any) -> Mapping[str, Any]:
    """What a subscription asks to go on after: by name, or one seq, which can be for one channel only."""
    if since is None or isinstance(since, dict):
        return since or {}
    is_one = len(names) == 1 and not names[0].endswith("*")
    return dict.fromkeys(names, since if is_one else None)


def _negotiate(version: Any) -> dict[str, Any]:
    ours = {"version": messages.LIVE_VERSION}
    if version == messages.LIVE_VERSION and not isinstance(version, bool):
        return ours
    return {**ours, "error": f"this server speaks version {messages.LIVE_VERSION}"}


def _has_stream(session: Session) -> bool:
    connection = session.link.connection if session.link is not None else None
    return connection is not None and connection.transport == messages.HEARTBEAT
