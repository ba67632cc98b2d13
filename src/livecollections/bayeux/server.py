"""The engine: who is connected, who hears what, and what each message to the server does.

Four rules. ``/meta/*`` is dispatched from a literal table; everything else is a publish. A message is handled
to its end before the next of the same request, and changes nothing unless it is answered with success. Fan-out
never waits: it queues and wakes, and a session that can't take it is a position or has ended. What is read
from a history joins the live stream at a point between two awaits, so nothing is lost or doubled there.

The engine knows no HTTP, no WebSocket and no store; transports give it links, the feed gives it histories.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Protocol

from ..change import epoch, is_after
from ..errors import BayeuxError
from . import channel as channels
from . import message as messages
from .message import NONE, REHANDSHAKE, RETRY, Limits, Message
from .session import Happening, Held, Link, Offer, Session, State, Wheel, follows

logger = logging.getLogger("livecollections.bayeux")

PAGE = 200
"""Messages read from a history at a time."""


@dataclass(frozen=True, slots=True)
class Page:
    """A piece of a channel's history.

    messages: ``(seq, data)`` in order; ``data`` is what goes into the message, its "prev" relative to the
    position that was asked from.  upto: everything of the channel at and below it has been read.
    """

    messages: list[tuple[str, Any]]
    upto: str


class History(Protocol):
    """What a channel can tell again, in the order of its seqs."""

    def position(self) -> str:
        """The seq up to which everything has been published."""

    async def locate(self, channel: str, since: str) -> bool:
        """Whether everything after ``since`` can be told; any text may come from a client."""

    async def read(self, channel: str, after: str, limit: int, squash: bool) -> Page:
        """The messages after a seq, at most ``limit``, the last of each document only where ``squash``.

        An ``after`` that can't be told from (trimmed, of another log) gives a message that says so.
        """


class Policy:
    """Who may do what; subclass it to open what is closed.

    A session may subscribe to a channel that has a history (a resource) and to nothing else, neither plain
    channels nor patterns, and may publish nowhere. Channels with a history are never published to by clients,
    and for their exact names the policy is not asked. ``session.attributes`` is yours.
    """

    async def can_handshake(self, session: Session, message: Mapping[str, Any]) -> bool:
        """Whether a client may have a session; ``message`` is its handshake."""
        return True

    async def can_subscribe(self, session: Session, channel: str) -> bool:
        """Whether it may hear a plain channel, or all that a pattern covers."""
        return False

    async def can_publish(self, session: Session | None, channel: str, data: Any) -> bool:
        """Whether it may publish; ``session`` is None for a message without a clientId."""
        return False


Handler = Callable[["Engine", Mapping[str, Any], Link, bool], Awaitable[None]]


class Engine:
    """Sessions, subscriptions and fan-out, for any number of transports.

    Args:
        timeout: seconds for which a connect is held.
        interval: seconds that clients wait between connects.
        clock: seconds that only rise.  token: draws a clientId.
    """

    EXPIRY = 2.0
    """A session ends after this many timeouts without a sign of it."""

    def __init__(
        self,
        *,
        timeout: float,
        interval: float,
        policy: Policy,
        limits: Limits,
        clock: Callable[[], float] = time.monotonic,
        token: Callable[[], str] = lambda: secrets.token_hex(20),
    ) -> None:
        self.timeout = timeout
        self.interval = interval
        self.policy = policy
        self.limits = limits
        self.clock = clock
        self._token = token
        self._sessions: dict[str, Session] = {}
        self._subscribers: dict[str, dict[Session, None]] = {}
        self._histories: dict[str, History] = {}
        self._published: dict[str, str] = {}
        self._wheel: Wheel[Session] = Wheel(min(0.25, timeout / 8))
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    # What the server's owner does.

    @property
    def sessions(self) -> Mapping[str, Session]:
        """Those that live, by clientId."""
        return MappingProxyType(self._sessions)

    def add_history(self, channel: str, history: History) -> None:
        """Let the channel's messages be told again; clients can no longer publish on it."""
        self._histories[channel] = history
        for session in self._receivers(channel):
            session.watch(channel, self._head(channel), False)

    def remove_history(self, channel: str) -> None:
        """Make it a plain channel again."""
        self._histories.pop(channel, None)
        self._published.pop(channel, None)
        for session in self._receivers(channel):
            session.unwatch(channel)

    def history(self, channel: str) -> History | None:
        return self._histories.get(channel)

    def publish(self, channel: str, data: Any, seq: str | None = None) -> None:
        """Give a message to all who subscribed; in the order of the calls, without waiting for anyone.

        Raises:
            BayeuxError: 405, the name is not that of a channel.
            TypeError: ``data`` is not JSON.
        """
        if not channels.is_name(channel) or channels.is_meta(channel):
            raise messages.channel_invalid(channel)
        self._deliver(Message(channel, data, seq))

    def _deliver(self, message: Message) -> None:
        if message.seq is not None:
            self._published[message.channel] = message.seq
        overflown = []
        for session in self._receivers(message.channel):
            offer = session.offer(message)
            if offer is Offer.QUEUED:
                if session.link is not None:
                    session.link.wake()
            elif offer is Offer.OVERFLOW:
                overflown.append(session)
        for session in overflown:
            logger.warning("session …%s took nothing and has ended: its queue is full", session.id[-6:])
            self.end(session)

    def _receivers(self, channel: str) -> Iterable[Session]:
        found = [sessions for name in channels.expand(channel) if (sessions := self._subscribers.get(name))]
        heard: dict[Session, None] = found[0] if len(found) == 1 else {}
        if len(found) > 1:
            for sessions in found:
                heard.update(sessions)
        if channels.is_service(channel):
            return [session for session in heard if session.is_local]
        return heard

    async def close(self) -> None:
        """Answer every held connect, end every session and what runs for it."""
        for session in list(self._sessions.values()):
            held = session.release()
            if held is not None:
                # Clients come back a little later, not to a server that is going.
                held.reply["advice"] = messages.advice(RETRY, interval=1.0, timeout=self.timeout)
                held.link.reply(held.reply)
            self.end(session)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._wheel = Wheel(self._wheel.width)
        self._published.clear()

    # What transports do.

    async def receive(self, received: list[Any], link: Link) -> None:
        """Handle the messages of one request or frame, in order; replies go to the link.

        A connect may be held if the link is a socket, or if it came alone.
        """
        begins = any(
            isinstance(item, dict) and item.get("channel") == channels.HANDSHAKE for item in received
        )
        for item in received:
            await link.wait_room()
            if not isinstance(item, dict):
                link.reply({"successful": False, "error": str(messages.bad_request())})
            elif begins and item.get("channel") != channels.HANDSHAKE:
                # A client can't know its new clientId yet; the specification has these ignored.
                self._refuse(item, link, self._why_not_now(item))
            else:
                await self._handle(item, link, len(received) == 1)

    def _why_not_now(self, message: Mapping[str, Any]) -> BayeuxError:
        client_id = message.get("clientId")
        if isinstance(client_id, str) and client_id not in self._sessions:
            return messages.unknown_client(client_id)
        return messages.bad_request()

    async def _handle(self, message: dict[str, Any], link: Link, is_alone: bool) -> None:
        name = message.get("channel")
        handler = _HANDLERS.get(name) if isinstance(name, str) else None
        try:
            if (
                handler is None
                and isinstance(name, str)
                and channels.is_valid(name)
                and channels.is_meta(name)
            ):
                raise messages.channel_forbidden(name)
            await (handler or Engine._publish)(self, message, link, is_alone)
        except BayeuxError as error:
            self._refuse(message, link, error)
        except Exception:
            logger.exception("a message on %.80r could not be handled", name)
            self._refuse(message, link, messages.server_error())

    def _refuse(self, message: Mapping[str, Any], link: Link, error: BayeuxError) -> None:
        name = message.get("channel")
        begins = name in (channels.HANDSHAKE, channels.CONNECT)
        reply = messages.reply_to(message, client_id=not begins and name != channels.DISCONNECT)
        messages.refuse(reply, error)
        if name == channels.HANDSHAKE:
            reply.update(version=messages.VERSION, supportedConnectionTypes=list(messages.CONNECTION_TYPES))
        if name in (channels.SUBSCRIBE, channels.UNSUBSCRIBE):
            reply["subscription"] = _echo(message.get("subscription"))
        if begins:
            reply["advice"] = self._advice_after(error)
        link.reply(reply)

    @staticmethod
    def _advice_after(error: BayeuxError) -> dict[str, Any]:
        if error == messages.handshake_denied():
            return messages.advice(NONE)
        # Without an interval a client that fails for ever would do so in a hot loop; one that was forgotten
        # comes back at once.
        return messages.advice(REHANDSHAKE, interval=0 if error.code == 401 else 1.0)

    def wake(self, session: Session) -> None:
        """Go on with what waits for it: read its histories, and tell its link."""
        self._pump(session)
        if session.queue and session.link is not None:
            session.link.wake()

    def answer(self, session: Session) -> None:
        """Answer its held connect, if there is one."""
        held = session.release()
        if held is not None:
            self._touch(session)
            held.link.reply(self._advise(held.reply))

    def detach(self, link: Link) -> None:
        """The link has gone; its session waits for another. What was in flight is put back."""
        session, link.session = link.session, None
        if session is None or session.link is not link:
            return
        session.put_back()
        session.link, session.flowing = None, False
        if session.held is not None and session.held.link is link:
            session.release()
        self._touch(session)

    def _attach(self, session: Session, link: Link) -> None:
        if session.link is not link:
            if session.link is not None:
                self.answer(session)
                self.detach(session.link)
            if link.session is not session:
                self.detach(link)
            session.link, session.flowing = link, True
        link.session = session

    # Sessions in time.

    def begin(self, *, is_local: bool = False, limit: int | None = None) -> Session:
        """A session that nobody knows yet; ``admit`` makes it known."""
        bound = self.limits.queue_bytes if limit is None else limit
        return Session(self._token(), bound, self.clock() + self.EXPIRY * self.timeout, is_local=is_local)

    def admit(self, session: Session) -> None:
        self._sessions[session.id] = session
        if not session.is_local:
            self._visit_at(session, session.deadline)

    def end(self, session: Session, *, by_client: bool = False) -> None:
        """End a session; its held connect is answered: handshake again, or not, if it said goodbye itself."""
        if session.has_ended:
            return
        for name in session.subscriptions:
            self._forget(session, name)
        held = session.end()
        self._sessions.pop(session.id, None)
        link, session.link = session.link, None
        if link is not None:
            link.session = None
        if held is not None:
            if by_client:
                held.reply["advice"] = messages.advice(NONE)
            else:
                held.reply.pop("clientId", None)
                error = messages.unknown_client(session.id)
                messages.refuse(held.reply, error)["advice"] = self._advice_after(error)
            held.link.reply(held.reply)
        if link is not None:
            link.ended()

    def _touch(self, session: Session) -> None:
        session.deadline = self.clock() + self.EXPIRY * self.timeout

    def _visit_at(self, session: Session, when: float) -> None:
        slot = self._wheel.slot(when)
        if not session.visit or slot < session.visit:
            session.visit = slot
            self._wheel.add(session, slot)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._wheel.width, self._sweep)

    def _sweep(self) -> None:
        self._timer = None
        now = self.clock()
        for slot, session in self._wheel.due(now):
            if session.has_ended or session.visit != slot:
                continue
            session.visit = 0
            if session.held is not None and session.held.until <= now:
                self.answer(session)
            if session.held is None and session.deadline <= now:
                logger.info("session …%s has expired", session.id[-6:])
                self.end(session)
            else:
                self._visit_at(session, session.held.until if session.held is not None else session.deadline)
        if self._wheel and self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._wheel.width, self._sweep)

    def _session(self, message: Mapping[str, Any], link: Link) -> Session:
        """The session that a message speaks for; the link is bound to it."""
        client_id = message.get("clientId")
        if client_id is None or client_id == "":
            raise messages.parameter_missing("clientId")
        session = self._sessions.get(client_id) if isinstance(client_id, str) else None
        bound = link.session
        if session is None or session.is_local:
            raise messages.unknown_client(client_id)
        if bound is not None and bound is not session:
            # One link speaks for one session. A client that really has another comes back on another socket.
            if link.is_socket and message.get("channel") == channels.CONNECT:
                link.close(1008)
            raise messages.unknown_client(client_id)
        self._touch(session)
        link.session = session
        if link.is_socket and session.link is None:
            self._attach(session, link)
            self.wake(session)
        return session

    # The meta channels.

    async def _handshake(self, message: Mapping[str, Any], link: Link, is_alone: bool) -> None:
        offered = message.get("supportedConnectionTypes")
        offered = [offered] if isinstance(offered, str) else offered
        if not isinstance(offered, list) or not offered:
            raise messages.parameter_missing("supportedConnectionTypes")
        if not any(name in messages.CONNECTION_TYPES for name in offered if isinstance(name, str)):
            raise messages.connection_types_not_supported(offered)
        version = message.get("version")
        if not isinstance(version, str) or not version:
            raise messages.parameter_missing("version")
        if _major(message.get("minimumVersion")) > 1 or _major(version) > 1:
            raise messages.version_mismatch(message.get("minimumVersion") or version)
        session = self.begin()
        if not await self.policy.can_handshake(session, message):
            raise messages.handshake_denied()
        self.admit(session)
        reply = messages.reply_to(message, client_id=False)
        reply["version"] = messages.VERSION
        reply["supportedConnectionTypes"] = list(messages.CONNECTION_TYPES)
        reply["clientId"] = session.id
        live = messages.live_ext(message)
        if live is not None:
            reply["ext"] = {"live": _negotiate(live)}
        if link.is_socket:
            self.detach(link)
            self._attach(session, link)
        link.reply(self._advise(reply))

    async def _connect(self, message: Mapping[str, Any], link: Link, is_alone: bool) -> None:
        kind = message.get("connectionType")
        if not kind:
            raise messages.parameter_missing("connectionType")
        if not isinstance(kind, str) or kind not in messages.CONNECTION_TYPES:
            raise messages.connection_types_not_supported(kind)
        session = self._session(message, link)
        self.answer(session)
        is_fresh, link.is_fresh = link.is_fresh, False
        self._attach(session, link)
        reply = messages.reply_to(message)
        if is_fresh and (last := self._set_back(session, message)):
            reply["ext"] = {"live": {"last": last}}
        is_first = is_fresh if link.is_socket else session.state is State.HANDSHAKEN
        wish = messages.wished_timeout(message)
        wait = self.timeout if wish is None else min(self.timeout, wish)
        if is_first or not wait or not (link.is_socket or (is_alone and not session.queue)):
            session.step(Happening.ANSWER)
            link.reply(self._advise(reply))
        else:
            held = Held(link, reply, self.clock() + wait)
            session.hold(held)
            self._visit_at(session, held.until)
        self.wake(session)

    @staticmethod
    def _set_back(session: Session, message: Mapping[str, Any]) -> dict[str, str]:
        """Send again what the client's own positions say it lacks; returns the last seqs it was sent."""
        at = (messages.live_ext(message) or {}).get("at")
        last = {}
        for name, seq in at.items() if isinstance(at, dict) else ():
            position = session.positions.get(name)
            if position is not None and isinstance(seq, str) and 0 < len(seq) <= 64:
                sent = position.sent
                if session.set_back(position, seq):
                    last[name] = sent
        return last

    async def _disconnect(self, message: Mapping[str, Any], link: Link, is_alone: bool) -> None:
        session = self._session(message, link)
        link.reply(messages.reply_to(message))
        self.end(session, by_client=True)

    async def _subscribe(self, message: Mapping[str, Any], link: Link, is_alone: bool) -> None:
        names = self._names(message)
        session = self._session(message, link)
        self._check(names)
        names = [name for name in names if not channels.is_service(name)]
        for name in names:
            if name not in self._histories and not await self.policy.can_subscribe(session, name):
                raise messages.channel_forbidden(name)
        if len(session.subscriptions.keys() | set(names)) > self.limits.subscriptions:
            raise BayeuxError(403, [], "Too many subscriptions")
        live = messages.live_ext(message) or {}
        since = live.get("since")
        exact = message["subscription"] if isinstance(message["subscription"], str) else None
        is_known = await self._is_known(exact, since)
        if session.has_ended:
            raise messages.unknown_client(session.id)
        for name in names:
            self.subscribe(session, name)
        reply = messages.reply_to(message)
        reply["subscription"] = message["subscription"]
        if exact is not None and (position := session.positions.get(exact)) is not None:
            if is_known and isinstance(since, str):
                self.begin_at(session, exact, since)
            reply["ext"] = {"live": {"seq": position.sent}}
        elif live and (covered := self._covered(names)):
            reply["ext"] = {"live": {"seq": session.positions[covered[0]].sent}}
        if since is not None and not is_known and "ext" in reply:
            reply["ext"]["live"]["reset"] = True
        link.reply(reply)
        self.wake(session)

    async def _is_known(self, name: str | None, since: Any) -> bool:
        """Whether the subscription can begin at ``since``; a pattern or an array can't."""
        history = self._histories.get(name) if name is not None else None
        if history is None or name is None or not isinstance(since, str):
            return False
        return await history.locate(name, since)

    def begin_at(self, session: Session, name: str, since: str) -> None:
        """Have what a subscribed session hears of a channel begin after ``since``, if that is earlier."""
        session.set_back(session.positions[name], since)
        position = session.positions[name]
        if position.is_behind and position.queued == since:
            position.is_behind = follows(self._head(name), since)

    async def _unsubscribe(self, message: Mapping[str, Any], link: Link, is_alone: bool) -> None:
        names = self._names(message)
        session = self._session(message, link)
        self._check(names)
        for name in names:
            self.unsubscribe(session, name)
        reply = messages.reply_to(message)
        reply["subscription"] = message["subscription"]
        link.reply(reply)

    @staticmethod
    def _names(message: Mapping[str, Any]) -> list[Any]:
        subscription = message.get("subscription")
        if not subscription or not isinstance(subscription, str | list):
            raise messages.parameter_missing("subscription")
        return subscription if isinstance(subscription, list) else [subscription]

    def _check(self, names: list[Any]) -> None:
        for name in names:
            if not isinstance(name, str) or len(name) > self.limits.channel or not channels.is_valid(name):
                raise messages.channel_invalid(name)
            if channels.is_meta(name):
                raise messages.channel_forbidden(name)

    async def _publish(self, message: Mapping[str, Any], link: Link, is_alone: bool) -> None:
        name = message.get("channel")
        if "data" not in message:
            raise messages.parameter_missing("data")
        if not isinstance(name, str) or len(name) > self.limits.channel or not channels.is_name(name):
            raise messages.channel_invalid(name)
        session = None
        if message.get("clientId") not in (None, ""):
            session = self._session(message, link)
        if name in self._histories or not await self.policy.can_publish(session, name, message["data"]):
            raise messages.channel_forbidden(name)
        if session is not None and session.has_ended:
            raise messages.unknown_client(session.id)
        published = Message(name, message["data"])
        if session is None or not session.is_repeated(message.get("id"), published):
            self._deliver(published)
        link.reply(messages.reply_to(message))

    def _advise(self, reply: dict[str, Any]) -> dict[str, Any]:
        reply["advice"] = messages.advice(RETRY, interval=self.interval, timeout=self.timeout)
        return reply

    # Subscriptions and histories.

    def subscribe(self, session: Session, name: str) -> None:
        """Give the session what is published from now on on a channel or pattern."""
        session.subscriptions[name] = None
        self._subscribers.setdefault(name, {})[session] = None
        for covered in self._covered([name]):
            if covered not in session.positions:
                session.watch(covered, self._head(covered), False)

    def unsubscribe(self, session: Session, name: str) -> None:
        if name in session.subscriptions:
            del session.subscriptions[name]
            self._forget(session, name)
            for channel in [*session.positions]:
                if not any(other in session.subscriptions for other in channels.expand(channel)):
                    session.unwatch(channel)

    def _forget(self, session: Session, name: str) -> None:
        subscribers = self._subscribers[name]
        del subscribers[session]
        if not subscribers:
            del self._subscribers[name]

    def _covered(self, names: list[str]) -> list[str]:
        """The channels with a history that these names and patterns cover."""
        exact = [name for name in names if name in self._histories]
        patterns = [name for name in names if name.endswith("*")]
        return exact + [
            name for name in (self._histories if patterns else ()) if self._covers(patterns, name)
        ]

    @staticmethod
    def _covers(patterns: list[str], name: str) -> bool:
        return any(channels.matches(pattern, name) for pattern in patterns)

    def _head(self, channel: str) -> str:
        """The seq up to which everything of the channel has been given to its receivers."""
        position = self._histories[channel].position()
        published = self._published.get(channel, position)
        return (
            published if epoch(published) == epoch(position) and is_after(published, position) else position
        )

    def _pump(self, session: Session) -> None:
        if session.link is not None and not session.is_replaying and session.is_behind:
            session.is_replaying = True
            self._spawn(self._replay(session))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _replay(self, session: Session) -> None:
        """Read what the session is behind in, while it has room; its link calls ``wake`` when it has again."""
        pause = 0.05
        try:
            while session.link is not None and session.size <= session.limit // 2 and session.is_behind:
                moved = False
                for channel in [position.channel for position in session.behind()]:
                    moved |= await self._read(session, channel)
                pause = 0.05 if moved else min(2 * pause, 5.0)
                if not moved:
                    await asyncio.sleep(pause)
        finally:
            session.is_replaying = False

    async def _read(self, session: Session, channel: str) -> bool:
        """Read one page; False if nothing new was there, or it could not be read."""
        position, history = session.positions.get(channel), self._histories.get(channel)
        if position is None or history is None or not position.is_behind:
            return True
        after = position.queued
        try:
            page = await history.read(channel, after, PAGE, position.squash)
        except Exception:
            logger.exception("the history of %s could not be read after %s", channel, after)
            return False
        if (
            session.positions.get(channel) is not position
            or position.queued != after
            or not position.is_behind
        ):
            return True
        for seq, data in page.messages:
            if not session.push(position, Message(channel, data, seq), seq):
                break
        else:
            if follows(page.upto, position.queued):
                position.queued = page.upto
            if self._has_caught_up(history, page, channel, position.queued):
                position.is_behind = position.squash = False
        if session.queue and session.link is not None:
            session.link.wake()
        return position.queued != after or not position.is_behind

    def _has_caught_up(self, history: History, page: Page, channel: str, position: str) -> bool:
        published = self._published.get(channel)
        if published is not None:
            return not follows(published, position)
        return not page.messages or not follows(history.position(), position)


_HANDLERS: Mapping[str, Handler] = {
    channels.HANDSHAKE: Engine._handshake,
    channels.CONNECT: Engine._connect,
    channels.SUBSCRIBE: Engine._subscribe,
    channels.UNSUBSCRIBE: Engine._unsubscribe,
    channels.DISCONNECT: Engine._disconnect,
}


def _echo(subscription: Any) -> Any:
    return subscription if isinstance(subscription, str | list) else []


def _major(version: Any) -> int:
    number = version.split(".")[0] if isinstance(version, str) else ""
    return int(number) if number.isascii() and number.isdigit() and len(number) < 6 else 0


def _negotiate(live: Mapping[str, Any]) -> dict[str, Any]:
    if live.get("version") == messages.LIVE_VERSION:
        return {"version": messages.LIVE_VERSION}
    return {"version": messages.LIVE_VERSION, "error": f"this server speaks version {messages.LIVE_VERSION}"}
