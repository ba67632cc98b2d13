"""The client's half of Bayeux, without a socket: what it sends next, and what each answer means.

Four rules. One handshake or connect is outstanding at a time, and each goes alone. What was not answered when the
way was cut is sent again with its id, in its order. Advice is obeyed on the protocol's own replies, never on a
message that somebody published. A new session begins with all subscriptions, each at its listeners' positions.

Time is the argument ``now``, chance the argument ``random``. How messages travel, ``driver.py`` knows: it asks
``take`` what to send, gives ``receive`` what came, and says ``ready`` and ``cut``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..errors import BayeuxError, ClientClosed, HandshakeRefused, LiveError, SessionEnded, Unconfirmed
from . import channel as channels
from . import message as messages
from .acknowledgement import Acknowledgements
from .advice import Advice
from .delivery import is_told_reset, read_delivery
from .hearing import Hearing
from .interest import Interest, Interests, Listener, Part, call
from .lifecycle import TRANSITIONS, Happening, State
from .message import NONE, REHANDSHAKE
from .outbox import Batch, Done, Outbox, Request
from .refusal import is_unknown_session, read_error, read_failure

SESSIONS = 5
"""Lost sessions after which a request counts as refused: then it is not the session that the server means."""


class Machine:
    """A Bayeux client without a socket.

    Args:
        kinds: the connection types that it may use.
        random: gives numbers from 0 to below 1.
        patience: seconds that an answer may take, beyond those for which the server holds a connect.
        ack: whether to acknowledge messages where the server offers it.
        changed: called with each new state.  asked: called when there may be something to send.
    """

    def __init__(
        self,
        kinds: Sequence[str],
        *,
        random: Callable[[], float],
        patience: float = 10.0,
        ack: bool = True,
        changed: Callable[[State], None] = lambda state: None,
        asked: Callable[[], None] = lambda: None,
    ) -> None:
        self.state = State.NEW
        self.error: LiveError | None = None
        """Why it is not connected, or has ended."""
        self.client_id: str | None = None
        self.kind: str | None = None
        """The connection type of the way that is open."""
        self.offered: Sequence[str] = ()
        """The connection types of the server."""
        self.is_live: bool | None = None
        """Whether the server speaks ``ext.live``; None before the first handshake."""
        self.stale: str | None = None
        """Why the server's ``ext.live`` is not ours, where it isn't."""
        self.retry_at = 0.0
        """When the next handshake or connect may go."""
        self.is_moving = False
        """Whether to send nothing new once the outstanding connect has been answered."""
        self.patience = patience
        self._kinds = list(kinds)
        self._wants_ack = ack
        self._changed = changed
        self._asked = asked
        self._advice = Advice(random)
        self._acks = Acknowledgements()
        self._outbox = Outbox()
        self._interests = Interests()
        self._meta: Request | None = None
        self._is_socket = False
        self._is_fresh = True
        self._was_unknown = False

    # The way.

    def open(self, now: float) -> None:
        """Begin: ask for a session as soon as there is a way."""
        self.retry_at = now
        self._step(Happening.OPEN)

    def ready(self, now: float, kind: str, *, is_socket: bool) -> None:
        """There is a way; also one to move to, when ``is_idle``."""
        self.kind, self._is_socket, self._is_fresh, self.is_moving = kind, is_socket, True, False
        self.retry_at = min(self.retry_at, now)

    def cut(self, now: float, error: LiveError) -> None:
        """The way is lost, or none was found. ``retry_at`` says when to try again."""
        if self.state is State.ENDED:
            return
        if self.state is State.CLOSING:
            self.end(ClientClosed("the client was closed"))
            return
        self.kind, self._meta, self._is_fresh, self.is_moving = None, None, True, False
        self._outbox.put_back()
        self._acks.cut()
        self._fail(now, error)
        self._interests.tell("lost")
        self._step(Happening.CUT)

    @property
    def failures(self) -> int:
        """How many tries have failed since the last success."""
        return self._advice.failures

    @property
    def is_idle(self) -> bool:
        """Whether nothing is outstanding."""
        return self._meta is None and not self._outbox.has_sent

    @property
    def deadline(self) -> float | None:
        """When to ask ``is_overdue`` and ``take`` again, at the latest."""
        times = self._dues()
        if self.kind is not None and self._meta is None and not self.is_moving:
            times.append(self.retry_at)
        return min(times, default=None)

    def is_overdue(self, now: float) -> bool:
        """Whether an answer should have come: then the way is as good as lost."""
        return any(due <= now for due in self._dues())

    def _dues(self) -> list[float]:
        dues = [self._meta.due if self._meta is not None else None, self._outbox.due()]
        return [due for due in dues if due is not None]

    # What goes.

    def take(self, now: float) -> list[Batch]:
        """What to send now, each batch by itself and in this order."""
        is_quiet = self.is_moving and self._meta is None
        if self.kind is None or is_quiet or self.state in (State.NEW, State.ENDED):
            return []
        batches = []
        if self._meta is None and now >= self.retry_at:
            meta = self._meta = self._next_meta(now)
            batches.append(Batch([meta.message], [meta]))
        if self.state in (State.CONNECTING, State.CONNECTED):
            batches += [
                Batch([self._send(request, now) for request in requests], requests)
                for requests in self._outbox.batches(one=not self._is_socket)
            ]
        return batches

    def _next_meta(self, now: float) -> Request:
        make = {State.HANDSHAKING: self._handshake, State.CLOSING: self._disconnect}
        request = self._outbox.make(make.get(self.state, self._connect)())
        is_held = request.channel == channels.CONNECT and not self._is_fresh
        request.due = now + self.patience + (self._advice.hold if is_held else 0.0)
        return request

    def _handshake(self) -> dict[str, Any]:
        ext: dict[str, Any] = {"live": {"version": messages.LIVE_VERSION}}
        return {
            "channel": channels.HANDSHAKE,
            "version": messages.VERSION,
            "supportedConnectionTypes": self._kinds,
            "ext": {**ext, "ack": True} if self._wants_ack else ext,
        }

    def _connect(self) -> dict[str, Any]:
        message: dict[str, Any] = {
            "channel": channels.CONNECT,
            "clientId": self.client_id,
            "connectionType": self.kind,
        }
        ext: dict[str, Any] = {}
        if self._is_fresh:
            # Some servers hold the first one too; then nobody would know for a while that all is well.
            message["advice"] = {"timeout": 0}
        if self._acks.batch is not None:
            ext["ack"] = self._acks.batch
        if self.is_live and (self._is_fresh or not self._is_socket):
            at = self._interests.positions(self.client_id)
            ext |= {"live": {"at": at}} if at else {}
        return {**message, "ext": ext} if ext else message

    def _disconnect(self) -> dict[str, Any]:
        return {"channel": channels.DISCONNECT, "clientId": self.client_id}

    def _send(self, request: Request, now: float) -> dict[str, Any]:
        request.session, request.due = self.client_id, now + self.patience
        message = {**request.message, "clientId": self.client_id}
        interest = self._interests.get(request.name) if request.name is not None else None
        if interest is not None and self.is_live:
            request.since = interest.goes_on(self.client_id)
            message["ext"] = {"live": interest.wish(request.since)}
        elif interest is not None:
            request.since = {}
        return message

    # What is asked for.

    def publish(
        self, channel: str, data: Any, done: Done, *, size: int = 0, is_call: bool = False
    ) -> Request:
        """Publish, and be told of the outcome.

        Args:
            size: bytes of the encoded data.  is_call: the outcome is a message that answers this one.
        """
        request = self._outbox.make({"channel": channel, "data": data}, done, size=size, is_call=is_call)
        if self.state in (State.CLOSING, State.ENDED):
            done(self.error or ClientClosed("the client was closed"), {})
        else:
            self._put(request)
        return request

    def _put(self, request: Request) -> None:
        self._outbox.add(request)
        self._asked()

    def forget(self, request: Request) -> bool:
        """Wait for its outcome no longer; whether it may have been sent."""
        return self._outbox.forget(request)

    def returned(self, batch: Batch, now: float, error: LiveError | None = None) -> None:
        """The HTTP response to a batch has been received whole, or was an error: what it doesn't answer won't be."""
        for request in batch.waiting:
            reason = "the response has no answer to it"
            self.drop(request, error or Unconfirmed(f"a message on {request.channel}", reason), now)

    def drop(self, request: Request, error: LiveError, now: float) -> None:
        """Nothing will answer a request; nothing happens if it was answered."""
        if request is self._meta:
            self.cut(now, error)
        elif self._outbox.is_sent(request):
            self._outbox.forget(request)
            self._reject(request, error)

    def listen(self, name: str, listener: Listener) -> Hearing:
        """Hear a channel or pattern; several listeners share one subscription of the server."""
        interest = self._interests.add(name, listener)
        if self.state is State.ENDED:
            call(listener.refused, self.error)
        elif self.is_confirmed(interest) and not listener.since():
            call(listener.began, dict(interest.last), ())
        else:
            self.set_back(interest)
        return Hearing(self, interest, listener)

    def is_confirmed(self, interest: Interest) -> bool:
        """Whether the server has confirmed it in the session that lives now."""
        is_held = self._interests.get(interest.name) is interest and self.client_id is not None
        return is_held and interest.session == self.client_id and self.state is not State.CLOSING

    def set_back(self, interest: Interest) -> None:
        """Subscribe, or again, from the earliest position of its listeners."""
        if self.state in (State.CLOSING, State.ENDED) or self._interests.get(interest.name) is not interest:
            return
        lacking = interest.lacking() if self.is_confirmed(interest) and interest.asking is None else []
        for channel in lacking:
            self._set_back_part(interest, channel)
        if not lacking and interest.asking is None:
            self._ask(interest)
            self._put(interest.asked)
        elif interest.asking is not None and self._outbox.is_sent(interest.asking):
            interest.again = interest.asking.since != interest.since()

    def _set_back_part(self, interest: Interest, channel: str) -> None:
        part = interest.parts.get(channel)
        if part is None:
            part = interest.parts[channel] = Part(interest, channel)
            self.listen(channel, part)
        elif (exact := self._interests.get(channel)) is not None:
            self.set_back(exact)

    def _drop_parts(self, interest: Interest) -> None:
        parts, interest.parts = interest.parts, {}
        for channel, part in parts.items():
            if (exact := self._interests.get(channel)) is not None:
                self.cancel(exact, part)

    def _ask(self, interest: Interest) -> None:
        message = {"channel": channels.SUBSCRIBE, "subscription": interest.name}
        interest.ask(self._outbox.make(message, name=interest.name))

    def cancel(self, interest: Interest, listener: Listener) -> None:
        """Tell a listener no more."""
        is_known = self.is_confirmed(interest)
        if not self._interests.remove(interest, listener):
            return
        self._drop_parts(interest)
        was_sent = interest.asking is not None and self._outbox.forget(interest.asking)
        if (is_known or was_sent) and self.state not in (State.CLOSING, State.ENDED):
            message = {"channel": channels.UNSUBSCRIBE, "subscription": interest.name}
            self._put(self._outbox.make(message))

    # What comes.

    def receive(self, received: list[Any], now: float, batch: Batch | None = None) -> None:
        """Take a frame, or the response to a batch."""
        connected = None
        for message in received if batch is None else batch.answers(received):
            if self.state is State.ENDED:
                return
            channel = message.get("channel") if isinstance(message, dict) else None
            if not isinstance(channel, str):
                self._outbox.refuse_unread(message)
                continue
            if channel in _REPLIES:
                connected = message if channel == channels.CONNECT else connected
                _REPLIES[channel](self, message, now)
            elif "data" in message or (self.is_live and is_told_reset(message)):
                self._deliver(message)
            else:
                self._answered(message, now)
        if connected is not None and connected.get("successful") is True:
            self._acks.connected(connected)
        self._interests.settle()

    def _deliver(self, message: dict[str, Any]) -> None:
        delivery = read_delivery(message, is_live=bool(self.is_live))
        if delivery.seq is None and self._acks.is_repeated(message):
            return
        request = self._outbox.called(message)
        if request is not None:
            error = read_failure(message) if message.get("successful") is False else None
            request.done(error, message)
        for interest in self._interests.covering(delivery.channel):
            if interest.hear(delivery):
                self.set_back(interest)

    def _answered(self, reply: dict[str, Any], now: float) -> None:
        request = self._outbox.answered(reply)
        if request is None:
            return
        if reply.get("successful") is not True:
            self._refuse(request, read_error(reply), now)
        elif request.is_call:
            self._outbox.wait_call(request)
        else:
            request.done(None, reply)

    def _subscribed(self, reply: dict[str, Any], now: float) -> None:
        request = self._outbox.answered(reply)
        if request is None:
            return
        interest = self._asking(request)
        if reply.get("successful") is not True:
            self._refuse(request, read_error(reply), now)
        elif interest is not None and request.session == self.client_id:
            interest.begin(request, reply if self.is_live else None)
            if interest.again:
                self.set_back(interest)

    def _asking(self, request: Request) -> Interest | None:
        """The interest for which a request asks, if it still does."""
        interest = self._interests.get(request.name) if request.name is not None else None
        return interest if interest is not None and interest.asking is request else None

    def _refuse(self, request: Request, error: BayeuxError, now: float) -> None:
        if request.unknown == SESSIONS or not is_unknown_session(error):
            self._reject(request, error)
            return
        # It is the session that is refused, not the request: that is asked again in the next one.
        request.unknown += 1
        self._outbox.put_back(request)
        if request.session == self.client_id:
            self._lose_session(now, error, 0.0)

    def _reject(self, request: Request, error: LiveError) -> None:
        request.done(error, {})
        if (interest := self._asking(request)) is not None:
            interest.refuse(error)

    # Sessions.

    def _is_answer(self, reply: Mapping[str, Any]) -> bool:
        meta = self._meta
        return meta is not None and meta.channel == reply["channel"] and reply.get("id", meta.id) == meta.id

    def _handshaken(self, reply: dict[str, Any], now: float) -> None:
        if not self._is_answer(reply):
            return
        self._meta = None
        reconnect = self._advice.obey(reply)
        client_id = reply.get("clientId")
        if reply.get("successful") is True and isinstance(client_id, str):
            self._begin(client_id, reply, now)
            return
        error = read_error(reply)
        refused = HandshakeRefused(error.code, error.arguments, error.text)
        if reconnect == NONE:
            self.end(refused)
        else:
            self._fail(now, refused)
            self._step(Happening.UNKNOWN)

    def _begin(self, client_id: str, reply: dict[str, Any], now: float) -> None:
        live = messages.live_ext(reply)
        offered = reply.get("supportedConnectionTypes")
        self.offered = offered if isinstance(offered, list) else ()
        self.client_id, self._is_fresh, self.retry_at = client_id, True, now
        self.stale = str(live["error"]) if live is not None and live.get("error") else None
        self.is_live = live is not None and self.stale is None
        self._acks.begin(reply)
        for interest in self._interests:
            self._drop_parts(interest)
        wanted = [interest for interest in self._interests if not interest.is_refused]
        for interest in wanted:
            self._ask(interest)
        self._outbox.begin([interest.asked for interest in wanted])
        self._step(Happening.HANDSHAKEN)

    def _connected(self, reply: dict[str, Any], now: float) -> None:
        if not self._is_answer(reply):
            return
        self._meta = None
        reconnect = self._advice.obey(reply)
        is_success = reply.get("successful") is True
        error = read_error(reply)
        if reconnect == NONE:
            self.end(SessionEnded("" if is_success else str(error)))
        elif reconnect == REHANDSHAKE or (not is_success and reconnect is None and error.code in (401, 402)):
            self._lose_session(now, error, self._advice.interval)
        elif is_success:
            self._confirm(reply, now)
        else:
            self._fail(now, error)

    def _confirm(self, reply: dict[str, Any], now: float) -> None:
        was_fresh, self._is_fresh = self._is_fresh, False
        self._advice.failures, self._was_unknown, self.error = 0, False, None
        self.retry_at = now + self._advice.interval
        self._step(Happening.CONFIRMED)
        for interest in self._interests if was_fresh else ():
            if interest.session == self.client_id and interest.asking is None:
                interest.tell("began", interest.since() if self.is_live else {}, ())
        last = (messages.live_ext(reply) or {}).get("last")
        for channel, seq in last.items() if isinstance(last, dict) else ():
            for interest in self._interests.covering(channel) if channels.is_name(channel) else ():
                if isinstance(seq, str) and interest.tell("behind", channel, seq):
                    self.set_back(interest)

    def _lose_session(self, now: float, error: LiveError, interval: float) -> None:
        self._fail(now, error)
        if not self._was_unknown:
            # A session ends in the best of families: at first the server's own word counts.
            self._was_unknown, self.retry_at = True, now + interval
        self.client_id, self._meta = None, None
        self._outbox.put_back()
        self._interests.tell("lost")
        self._step(Happening.UNKNOWN)

    def _farewell(self, reply: dict[str, Any], now: float) -> None:
        if self.state is State.CLOSING:
            self.end(ClientClosed("the client was closed"))
        elif reply.get("successful") is True:
            self.end(SessionEnded())

    def _fail(self, now: float, error: LiveError) -> None:
        self.error = error
        self.retry_at = now + self._advice.failed(error)

    def leave(self, now: float) -> None:
        """Say goodbye, if anybody would hear it; what is not answered yet fails."""
        if self.state in (State.CLOSING, State.ENDED):
            return
        closed = ClientClosed("the client was closed")
        if self.kind is None or self.client_id is None:
            self.end(closed)
            return
        self.error, self._meta, self.retry_at, self.is_moving = closed, None, now, False
        self._step(Happening.LEAVE)
        self._outbox.fail(closed)

    def end(self, error: LiveError) -> None:
        """It is over: everybody who waits is told."""
        if self.state is State.ENDED:
            return
        self.error, self._meta, self.kind, self.client_id = error, None, None, None
        self._step(Happening.END)
        self._outbox.fail(error)
        self._interests.tell("refused", error)

    def _step(self, happening: Happening) -> None:
        """Move; a KeyError here is a fault of ours, never of a server."""
        before, self.state = self.state, TRANSITIONS[self.state][happening]
        if self.state is not before:
            self._changed(self.state)


_REPLIES: Mapping[str, Callable[[Machine, dict[str, Any], float], None]] = {
    channels.HANDSHAKE: Machine._handshaken,
    channels.CONNECT: Machine._connected,
    channels.SUBSCRIBE: Machine._subscribed,
    channels.UNSUBSCRIBE: Machine._answered,
    channels.DISCONNECT: Machine._farewell,
}
