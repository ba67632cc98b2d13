"""Messages as they travel: parsing what comes, encoding what goes, replies, advice and errors.

Three rules. What a client sent is never passed on: a delivered message is built from ``channel`` and ``data``
alone. A published message is encoded once, whoever receives it. Milliseconds exist on the wire only: they
become seconds here and nowhere else.

This module knows no session, no socket and no clock.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

import orjson

from ..cause import Cause
from ..change import number
from ..errors import BayeuxError, MalformedRequest, TooLarge
from .channel import is_meta, is_name

VERSION = "1.0"
LIVE_VERSION = 1
CONNECTION_TYPES = (
    "long-polling",
    "cross-origin-long-polling",
    "callback-polling",
    "websocket",
    "eventsource",
)
"""What remote clients may ask for, in Faye's order; "in-process" they can't."""
HEARTBEAT = "eventsource"
"""The connection type whose connects carry no messages: those come on a stream."""

RETRY, REHANDSHAKE, NONE = "retry", "handshake", "none"

_NOT_IN_ERRORS = re.compile(r"[^A-Za-z0-9\-_!~()$@ /*.]")
_ERROR_ARGUMENT = 128
_ERROR = re.compile(r"(\d{3}):([^:]*):(.+)", re.S)
_CHANGEABLE = ("data", "ext", "timestamp")
_BOM = b"\xef\xbb\xbf"
_BEGINS_JSON = re.compile(rb"[ \t\r\n]*[\[{]")


@dataclass(frozen=True, slots=True)
class Limits:
    """What one client may send and cost.

    body: bytes of one HTTP body or WebSocket frame.  batch: messages in it.  depth: levels of nested JSON.
    channel: characters of a channel's name.  subscriptions: of one session.  queue_bytes: waiting for one
    session that does not take them.  unacknowledged_bytes: the same, and sent but not acknowledged, of one that
    acknowledges.  positions: channels with a history that one session can be behind in.
    stall: seconds for which a socket takes no byte before what waits for it is squashed, and for which more than may
    wait, as one turn of the loop may bring, waits for who does not poll again.  errors: unreadable
    frames on one socket before it is closed.  alone: seconds for which a socket may be without a session.
    sessions_per_address: that live, of one address.  url: bytes of a path with its query.  upload: seconds for
    which a body may take to come.  strangers: sockets without a session, of all clients.  strangers_address: of
    one address.  arrivals: clients that begin or come back in a second, before others are told when to;
    while there are so many, it follows what the loop takes.
    """

    body: int = 262_144
    batch: int = 1_000
    depth: int = 64
    channel: int = 256
    subscriptions: int = 1_000
    queue_bytes: int = 65_536
    unacknowledged_bytes: int = 65_536
    positions: int = 2_000
    stall: float = 1.0
    errors: int = 10
    alone: float = 90.0
    sessions_per_address: int = 10_000
    url: int = 8_192
    upload: float = 30.0
    strangers: int = 10_000
    strangers_address: int = 200
    arrivals: float = 200.0


class Message:
    """One published message: encoded once, shared by all who receive it.

    seq: its place in the channel's history, if the channel has one.  at: seconds since 1970, where the history
    keeps what is published (``placed``).  is_reset: it says that what came before it can't be told.
    cause: why, also where a resource's data say so.
    """

    __slots__ = ("_frame", "_numbered", "at", "body", "cause", "channel", "is_reset", "seq")

    def __init__(self, channel: str, data: Any, seq: str | None = None, cause: Cause | None = None) -> None:
        self._set(channel, to_json({"channel": channel, "data": data}), seq, cause=cause)

    def _set(
        self,
        channel: str,
        body: bytes,
        seq: str | None,
        at: float | None = None,
        is_reset: bool = False,
        cause: Cause | None = None,
    ) -> None:
        self.channel = channel
        self.body = body
        self.seq = seq
        self.at = at
        self.is_reset = is_reset
        self.cause = cause
        self._frame: str | None = None
        self._numbered: Message | None = None

    @classmethod
    def encoded(
        cls, channel: str, body: bytes, seq: str | None, *, at: float | None = None, is_reset: bool = False
    ) -> Message:
        """A message that was encoded before, or by other rules."""
        message = cls.__new__(cls)
        message._set(channel, body, seq, at, is_reset)
        return message

    @property
    def frame(self) -> str:
        """The message alone in an array, as text, made once for all sockets."""
        if self._frame is None:
            self._frame = encode([self.body]).decode()
        return self._frame

    @property
    def numbered(self) -> Message:
        """The message as Salesforce's clients want it, made once for all of them: with a number in its data.

        Itself where it has no number, or its data no room for one.
        """
        if self._numbered is None:
            self._numbered = _with_number(self)
        return self._numbered or self

    def altered(self, whole: Mapping[str, Any]) -> Message:
        """The same message with the data that an extension made of it, and what may stand beside them.

        Raises:
            TypeError: it is not JSON.
        """
        fixed = {name: value for name, value in decode(self).items() if name not in _CHANGEABLE}
        changed = {name: whole[name] for name in _CHANGEABLE if name in whole}
        other = copy.copy(self)
        other.body = to_json({**fixed, **changed})
        other._frame = other._numbered = None
        return other

    def __repr__(self) -> str:
        return f"Message({self.body.decode()})"


def placed(message: Message, seq: str, prev: str | None, at: float) -> Message:
    """The same message with its place in a history beside its data, which is the publisher's own."""
    live = {"seq": seq, "prev": prev} if prev is not None else {"seq": seq}
    body = b'%b,"ext":%b}' % (message.body[:-1], orjson.dumps({"live": live}))
    return Message.encoded(message.channel, body, seq, at=at)


def reset(channel: str, seq: str, prev: str, cause: Cause = Cause.UNKNOWN) -> Message:
    """It tells a receiver at ``prev`` that it missed what can't be told. It has no data: older clients ignore it."""
    ext = {"live": {"seq": seq, "prev": prev, "reset": True}}
    message = Message.encoded(channel, to_json({"channel": channel, "ext": ext}), seq, is_reset=True)
    message.cause = cause
    return message


def _with_number(message: Message) -> Message | None:
    if message.seq is None or message.at is None:
        return None
    whole = orjson.loads(message.body)
    data = whole.get("data")
    event = data.get("event", {}) if isinstance(data, dict) else None
    if data is None or not isinstance(event, dict):
        return None
    created = datetime.fromtimestamp(message.at, UTC).isoformat(timespec="milliseconds")
    data["event"] = {
        "createdDate": created.replace("+00:00", "Z"),
        **event,
        "replayId": number(message.seq),
    }
    return Message.encoded(message.channel, to_json(whole), message.seq, at=message.at)


def published(channel: str, data: Any, seq: str | None = None, cause: Cause | None = None) -> Message:
    """A message that the server publishes.

    Raises:
        BayeuxError: 405, the name is not that of a channel one can publish to.
        TypeError: ``data`` is not JSON.
    """
    if not is_name(channel) or is_meta(channel):
        raise channel_invalid(channel)
    return Message(channel, data, seq, cause)


def result(channel: str, id_: Any, data: Any, *, successful: bool = True) -> Message:
    """What a service answers, in the form of CometD's remote calls.

    The id is that of the call; without one it is a message like any other.

    Raises:
        TypeError: ``data`` is not JSON.
    """
    answer: dict[str, Any] = {"channel": channel, "data": data}
    if is_id(id_):
        answer.update(id=id_, successful=successful)
    return Message.encoded(channel, to_json(answer), None)


def to_json(value: Any) -> bytes:
    """What is to be kept, encoded.

    Raises:
        TypeError: it is not JSON.
    """
    # A copy: what orjson returns may hold 4 KiB, however short it is.
    return memoryview(orjson.dumps(value)).tobytes()


def encode(replies: Sequence[bytes]) -> bytes:
    """Encoded replies and messages as one array."""
    return b"[%b]" % b",".join(replies)


def decode(message: Message) -> dict[str, Any]:
    """A private copy of a delivered message: ``{"channel", "data"}``, and its place beside them if it has one there."""
    copy: dict[str, Any] = orjson.loads(message.body)
    return copy


def parse(raw: bytes, limits: Limits) -> list[Any]:
    """The elements of an array of messages, or the one message, as they were sent.

    Raises:
        MalformedRequest: not JSON, not an array or an object, nested too deeply.
        TooLarge: more bytes or messages than allowed.
    """
    if len(raw) > limits.body:
        raise TooLarge(f"at most {limits.body} bytes are accepted at a time")
    try:
        value = orjson.loads(raw.removeprefix(_BOM))
    except orjson.JSONDecodeError as error:
        raise MalformedRequest(f"this is not JSON: {error}") from None
    messages = value if isinstance(value, list) else [value]
    if not isinstance(value, list | dict):
        raise MalformedRequest("a message is a JSON object, several are an array of them")
    if len(messages) > limits.batch:
        raise TooLarge(f"at most {limits.batch} messages are accepted at a time")
    if raw.count(b"[") + raw.count(b"{") > limits.depth and _deeper_than(limits.depth, value):
        raise MalformedRequest(f"JSON may be nested {limits.depth} levels deep")
    return messages


def parse_body(raw: bytes, limits: Limits) -> list[Any]:
    """As ``parse``, for HTTP: JSON, or a form whose ``message`` fields hold JSON.

    The body decides, not its content type: clients disagree on what none and ``text/plain`` mean.
    """
    if len(raw) > limits.body:
        raise TooLarge(f"at most {limits.body} bytes are accepted at a time")
    raw = raw.removeprefix(_BOM)
    return parse(raw, limits) if _BEGINS_JSON.match(raw) else parse_form(raw, limits)


def parse_form(raw: bytes, limits: Limits) -> list[Any]:
    """As ``parse``, for a form or a query: each of its ``message`` fields holds one message or an array."""
    try:
        fields = parse_qsl(raw.decode(), max_num_fields=limits.batch, errors="strict")
    except ValueError as error:
        raise MalformedRequest(f"this is neither JSON nor a form: {error}") from None
    if not any(name == "message" for name, _ in fields):
        raise MalformedRequest("this is neither JSON nor a form with a field 'message'")
    messages = [item for name, value in fields if name == "message" for item in parse(value.encode(), limits)]
    if len(messages) > limits.batch:
        raise TooLarge(f"at most {limits.batch} messages are accepted at a time")
    return messages


def _deeper_than(depth: int, value: Any) -> bool:
    level = [value]
    for _ in range(depth):
        level = [child for item in level for child in _children(item)]
        if not level:
            return False
    return True


def _children(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [child for child in value.values() if isinstance(child, dict | list)]
    return [child for child in value if isinstance(child, dict | list)]


# Errors, in Faye's words.


def unknown_client(client_id: Any) -> BayeuxError:
    return _error(401, client_id, "Unknown client")


def parameter_missing(name: str) -> BayeuxError:
    return _error(402, name, "Missing required parameter")


def channel_forbidden(channel: Any) -> BayeuxError:
    return _error(403, channel, "Forbidden channel")


def channel_invalid(channel: Any) -> BayeuxError:
    return _error(405, channel, "Invalid channel")


def connection_types_not_supported(offered: Any) -> BayeuxError:
    names = offered if isinstance(offered, list) else [offered]
    return BayeuxError(301, [_argument(name) for name in names[:8]], "Connection types not supported")


def version_mismatch(version: Any) -> BayeuxError:
    return _error(300, version, "Version mismatch")


def handshake_denied() -> BayeuxError:
    return BayeuxError(403, [], "Handshake denied")


def too_many_subscriptions() -> BayeuxError:
    return BayeuxError(403, [], "Too many subscriptions")


def replay_invalid(number: Any) -> BayeuxError:
    # Salesforce's words, its two spaces too: clients look for them.
    return BayeuxError(
        400,
        [],
        f"The replayId {{{_argument(number)}}} you provided was invalid.  Please provide a valid ID, -2 to replay "
        "all events, or -1 to replay only new events.",
    )


def too_many_sessions() -> BayeuxError:
    return BayeuxError(403, [], "Too many sessions")


def too_many_arrivals(wait: float) -> BayeuxError:
    error = BayeuxError(503, [], "Too many clients come at once")
    error.advice = advice(REHANDSHAKE, interval=wait)
    return error


def bad_request() -> BayeuxError:
    return BayeuxError(400, [], "Bad request")


def message_deleted() -> BayeuxError:
    # CometD's code for it; Faye answers nothing, and its client asks for ever.
    return BayeuxError(404, [], "Message deleted")


def server_error(id_: str = "") -> BayeuxError:
    return BayeuxError(500, [id_] if id_ else [], "Internal server error")


def refusal(text: str, advice: Mapping[str, Any] | None = None) -> BayeuxError:
    """An application's own refusal, in Faye's form or any other."""
    found = _ERROR.fullmatch(text)
    if found is None:
        return BayeuxError(0, [], text, advice)
    return BayeuxError(int(found[1]), [*filter(None, found[2].split(","))], found[3], advice)


def _error(code: int, argument: Any, text: str) -> BayeuxError:
    return BayeuxError(code, [_argument(argument)], text)


def _argument(value: Any) -> str:
    # Faye's parser of errors knows these characters only, and nobody gets a megabyte of his own back.
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    return _NOT_IN_ERRORS.sub("", str(value)[:_ERROR_ARGUMENT])


# Replies.


def reply_to(message: Mapping[str, Any], *, client_id: bool = True) -> dict[str, Any]:
    """The beginning of every reply, in Faye's order: what of the request is echoed to its sender."""
    reply: dict[str, Any] = {}
    if is_id(message.get("id")):
        reply["id"] = message["id"]
    if client_id and isinstance(message.get("clientId"), str):
        reply["clientId"] = message["clientId"][:_ERROR_ARGUMENT]
    if isinstance(message.get("channel"), str):
        reply["channel"] = message["channel"]
    reply["successful"] = True
    return reply


def is_id(value: Any) -> bool:
    """Whether a message's id can be echoed: a text or a number, as it came."""
    return isinstance(value, str | int | float) and not isinstance(value, bool)


def refuse(reply: dict[str, Any], error: BayeuxError) -> dict[str, Any]:
    """The same reply as a refusal."""
    reply["successful"] = False
    reply["error"] = str(error)
    if error.advice is not None:
        reply["advice"] = {**reply.get("advice", {}), **error.advice}
    return reply


def advice(reconnect: str, *, interval: float | None = None, timeout: float | None = None) -> dict[str, Any]:
    """Advice for a client; times in seconds, on the wire in milliseconds."""
    given: dict[str, Any] = {"reconnect": reconnect}
    if interval is not None:
        given["interval"] = round(interval * 1000)
    if timeout is not None:
        given["timeout"] = round(timeout * 1000)
    return given


def wished_timeout(message: Mapping[str, Any]) -> float | None:
    """For how many seconds the client wants its connect held, if it says so."""
    wish = message.get("advice")
    value = wish.get("timeout") if isinstance(wish, dict) else None
    if isinstance(value, bool) or not isinstance(value, int | float) or not value >= 0:
        return None
    return value / 1000


def major(version: Any) -> int:
    """The first number of a version, 0 where there is none."""
    number = version.partition(".")[0] if isinstance(version, str) else ""
    return int(number) if number.isascii() and number.isdigit() and len(number) < 6 else 0


def live_ext(message: Mapping[str, Any]) -> dict[str, Any] | None:
    """What the client says under ``ext.live``; None if it says nothing."""
    live = _ext(message, "live")
    return live if isinstance(live, dict) else None


def replay_ext(message: Mapping[str, Any]) -> Any:
    """What the client says under ``ext.replay``, as Salesforce's clients do; None if it says nothing."""
    return _ext(message, "replay")


def wants_acknowledgement(message: Mapping[str, Any]) -> bool:
    """Whether a handshake asks for CometD's acknowledgement extension."""
    wish = _ext(message, "ack")
    return wish is True or (isinstance(wish, dict) and wish.get("enabled", True) is True)


def acknowledged(message: Mapping[str, Any]) -> int | None:
    """The last batch that a connect says to have received; None if it says nothing."""
    number = _ext(message, "ack")
    return number if isinstance(number, int) and not isinstance(number, bool) else None


def _ext(message: Mapping[str, Any], name: str) -> Any:
    ext = message.get("ext")
    return ext.get(name) if isinstance(ext, dict) else None
