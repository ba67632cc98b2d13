"""The outbox: messages that are to be answered, until they are.

Two rules. Messages go in the order in which they were put in, also again after a cut, and keep their ids: by
these a server knows a repeated one. A reply counts for the message with its id and its channel, and once.

It knows no socket, and of channels only that some are subscribed to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..errors import LiveError
from .refusal import is_too_large, read_error

Done = Callable[[LiveError | None, Mapping[str, Any]], None]
"""Told once of each request: the error, or the reply."""

COUNT, ROOM = 100, 65_536
"""Messages, and bytes of their data, that go together."""


@dataclass(eq=False, slots=True)
class Request:
    """A message that is to be answered.

    number, id: of this client, rising.  message: without its clientId.  size: bytes of its data.
    is_call: a message answers it, after the reply.  name, since: of a subscribe.  session: the clientId under which
    it was sent last.  due: when its answer is overdue.  unknown: how often it found its session gone.
    """

    number: int
    message: dict[str, Any]
    done: Done
    size: int = 0
    is_call: bool = False
    name: str | None = None
    since: Mapping[str, str] = field(default_factory=dict)
    session: str | None = None
    due: float = 0.0
    unknown: int = 0

    @property
    def id(self) -> str:
        return str(self.message["id"])

    @property
    def channel(self) -> str:
        return str(self.message["channel"])

    @property
    def is_publish(self) -> bool:
        return "data" in self.message


@dataclass(eq=False, slots=True)
class Batch:
    """Messages that go together, as they go. A connect or handshake is alone in its own.

    session: under which clientId they go.
    """

    messages: list[dict[str, Any]]
    requests: list[Request]
    session: str | None = field(init=False)

    def __post_init__(self) -> None:
        self.session = self.requests[0].session

    @property
    def waiting(self) -> list[Request]:
        """Those that have not been sent again in another session."""
        return [request for request in self.requests if request.session == self.session]

    def answers(self, received: list[Any]) -> list[Any]:
        """A response but for what answers others of it: in that session nothing is asked any more."""
        waiting = self.waiting
        late = [request.id for request in self.requests if request not in waiting]
        return [
            message
            for message in received
            if not late or not isinstance(message, dict) or "data" in message or message.get("id") not in late
        ]


class Outbox:
    """What waits to be sent, and what waits for its answer."""

    def __init__(self) -> None:
        self._unsent: dict[str, Request] = {}
        self._sent: dict[str, Request] = {}
        self._calls: dict[str, Request] = {}
        self._last = 0

    def make(self, message: dict[str, Any], done: Done = lambda error, reply: None, **others: Any) -> Request:
        """A request with the next id, which is in the outbox only once it is put there."""
        self._last += 1
        return Request(self._last, {**message, "id": f"{self._last:x}"}, done, **others)

    def add(self, request: Request) -> None:
        """Have it sent after all that was put in before."""
        self._unsent[request.id] = request

    @property
    def has_sent(self) -> bool:
        """Whether anything waits for its answer."""
        return bool(self._sent)

    def is_sent(self, request: Request) -> bool:
        """Whether it waits for its answer."""
        return request.id in self._sent

    def due(self) -> float | None:
        """When the first answer is overdue: all others were sent later, and have as much time."""
        return next((request.due for request in self._sent.values()), None)

    def batches(self, *, one: bool) -> Iterator[list[Request]]:
        """What goes now, together; ``one``: one batch at a time, and none before its answers."""
        while self._unsent and not (one and self._sent):
            taken: list[Request] = []
            size = 0
            for request in self._unsent.values():
                size += request.size
                if taken and (size > ROOM or len(taken) == COUNT):
                    break
                taken.append(request)
            for request in taken:
                self._sent[request.id] = self._unsent.pop(request.id)
            yield taken

    def answered(self, reply: Mapping[str, Any]) -> Request | None:
        """The request that a reply answers; it waits no longer."""
        id_ = reply.get("id")
        for requests in (self._sent, self._unsent):
            request = requests.get(id_) if isinstance(id_, str) else None
            if request is not None and request.session and request.channel == reply["channel"]:
                return requests.pop(request.id)
        return None

    def wait_call(self, request: Request) -> None:
        """Its reply has come; what answers it is still to come."""
        self._calls[request.id] = request

    def called(self, message: Mapping[str, Any]) -> Request | None:
        """The call that a message answers; it waits no longer."""
        id_ = message.get("id")
        request = self._calls.get(id_) if isinstance(id_, str) else None
        if request is None or request.channel != message["channel"]:
            return None
        return self._calls.pop(request.id)

    def forget(self, request: Request) -> bool:
        """Wait for it no longer; whether it may have been sent."""
        self._calls.pop(request.id, None)
        self._unsent.pop(request.id, None)
        self._sent.pop(request.id, None)
        return request.session is not None

    def refuse_unread(self, answer: Any) -> None:
        """A server that did not read what was too large can't say which message that was: the largest."""
        request = max(self._sent.values(), key=lambda one: one.size, default=None)
        if request is not None and request.size and is_too_large(answer):
            self.forget(request)
            request.done(read_error(answer), {})

    def put_back(self, *others: Request) -> None:
        """Send again, in the old order, what was sent and not answered."""
        waiting = [*self._sent.values(), *self._unsent.values(), *others]
        self._sent = {}
        self._unsent = {request.id: request for request in sorted(waiting, key=lambda one: one.number)}

    def begin(self, asking: list[Request]) -> None:
        """A new session: it begins with these, then comes all that is to be published."""
        self.put_back()
        kept = [request for request in self._unsent.values() if request.is_publish]
        self._unsent = {request.id: request for request in [*asking, *kept]}

    def fail(self, error: LiveError) -> None:
        """Nothing will be answered any more."""
        waiting = [*self._sent.values(), *self._unsent.values(), *self._calls.values()]
        self._sent, self._unsent, self._calls = {}, {}, {}
        for request in waiting:
            request.done(error, {})
