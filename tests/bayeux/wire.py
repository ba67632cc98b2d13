"""A wire without sockets: requests and WebSockets straight into an ASGI application, and a log kept in memory.

What a real network does is done by hand here: a socket that takes nothing, one that breaks in the middle of a
write, a poll whose client has gone, an answer that is lost.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any, Self
from urllib.parse import urlencode

from livecollections.bayeux import Page, Policy, Server, Session
from livecollections.bayeux.message import Message
from livecollections.bayeux.transports.writer import EXTENSION
from livecollections.cause import Cause

Headers = Sequence[tuple[str, str]]

VERSION = {"version": "1.0", "supportedConnectionTypes": ["long-polling", "websocket"]}


class Open(Policy):
    """Everything that can be opened is."""

    async def can_subscribe(self, session: Session, channel: str) -> bool:
        return True

    async def can_subscribe_pattern(self, session: Session, pattern: str) -> bool:
        return True

    async def can_publish(self, session: Session | None, channel: str, data: Any) -> bool:
        return True


async def abandoned(*arguments: Any) -> Any:
    """Wait for what somebody else has cancelled."""
    gone: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    gone.cancel()
    return await gone


class Answer:
    """A response."""

    def __init__(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body
        self.set_cookies: list[str] = []

    @property
    def messages(self) -> list[Any]:
        assert self.status == 200, (self.status, self.body)
        found = json.loads(self.body)
        assert isinstance(found, list)
        return found


async def request(
    app: Server,
    body: Any = b"",
    *,
    method: str = "POST",
    headers: Headers = (),
    gone: asyncio.Event | None = None,
    takes: asyncio.Event | None = None,
    chunks: int = 1,
    path: str = "/faye",
    query: str = "",
    **scope: Any,
) -> Answer:
    """One HTTP request; ``body`` is bytes, or is sent as JSON.

    Args:
        gone: is set when the client goes.
        takes: is set when it reads the answer; None: it reads at once.
    """
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    size = max(1, -(-len(raw) // chunks))
    parts = [raw[start : start + size] for start in range(0, len(raw), size)] or [b""]
    events = [
        {"type": "http.request", "body": part, "more_body": number < len(parts)}
        for number, part in enumerate(parts, 1)
    ]
    sent: list[Any] = []

    async def receive() -> Any:
        if events:
            return events.pop(0)
        await (gone or asyncio.Event()).wait()
        return {"type": "http.disconnect"}

    async def send(event: Any) -> None:
        if takes is not None:
            await takes.wait()
        sent.append(event)

    whole = {
        "type": "http",
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "query_string": query.encode(),
        "headers": [(name.encode(), value.encode()) for name, value in headers],
        **scope,
    }
    await app(whole, receive, send)
    if not sent:
        return Answer(0, {}, b"")
    start, *rest = sent
    names = {name.decode(): value.decode() for name, value in start["headers"]}
    answer = Answer(start["status"], names, b"".join(part["body"] for part in rest))
    answer.set_cookies = [value.decode() for name, value in start["headers"] if name == b"set-cookie"]
    return answer


async def jsonp(app: Server, *messages: Any, callback: str = "__jsonp1__", **options: Any) -> Answer:
    """One request as a script makes it; the answer's body is what the function is called with."""
    query = urlencode({"message": json.dumps(messages), "jsonp": callback})
    answer = await request(app, method="GET", query=query, **options)
    if answer.status == 200:
        begin, end = f"/**/{callback}(".encode(), b");"
        assert answer.body.startswith(begin)
        assert answer.body.endswith(end)
        answer.body = answer.body[len(begin) : -len(end)]
    return answer


class Events:
    """A browser's EventSource: ``async with Events(server, client_id) as events``."""

    def __init__(self, app: Server, client_id: str, headers: Headers = (), **scope: Any) -> None:
        self.status: int | None = None
        self.headers: dict[str, str] = {}
        self.text = ""
        self.is_over = False
        self._read = 0
        self._app = app
        accept = ("accept", "text/event-stream")
        self._scope = {
            "type": "http",
            "http_version": "1.1",
            "method": "GET",
            "path": f"/faye/{client_id}",
            "headers": [(name.encode(), value.encode()) for name, value in (accept, *headers)],
            **scope,
        }
        self._gone = asyncio.Event()
        self._takes = asyncio.Event()
        self._takes.set()
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Events:
        self._task = asyncio.create_task(self._app(self._scope, self._receive, self._send))
        await self.wait(lambda: self.is_over or self.text)
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.cut()

    async def _receive(self) -> Any:
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, event: Any) -> None:
        await self._takes.wait()
        if self._gone.is_set():
            raise OSError("the peer has gone")
        if event["type"] == "http.response.start":
            self.status = event["status"]
            self.headers = {name.decode(): value.decode() for name, value in event["headers"]}
        else:
            self.text += event["body"].decode()
            self.is_over = not event.get("more_body", False)
        self._changed.set()

    async def wait(self, condition: Callable[[], Any], within: float = 5.0) -> None:
        """Return when the condition is true; it is looked at whenever something arrives."""
        async with asyncio.timeout(within):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    @property
    def events(self) -> list[list[Any]]:
        """All that came: the messages of each event."""
        blocks = self.text.split("\n\n")[:-1]
        return [json.loads(block[6:]) for block in blocks if block.startswith("data: ")]

    async def receive(self) -> list[Any]:
        """The messages of the next event."""
        await self.wait(lambda: len(self.events) > self._read)
        self._read += 1
        return self.events[self._read - 1]

    def take_nothing(self) -> None:
        """From now on the peer reads nothing."""
        self._takes.clear()

    def take_again(self) -> None:
        self._takes.set()

    async def cut(self) -> None:
        """The connection breaks: what is being written fails."""
        self._gone.set()
        self._takes.set()
        if self._task is not None:
            # What it has sent is still handled, and may wait 2 s for the socket that speaks for its session.
            await asyncio.wait_for(self._task, 30)


class Straight:
    """What writes to a socket past ASGI (see ``transports.writer.Writer``)."""

    def __init__(self, socket: Socket) -> None:
        self._socket = socket
        self._changed: Callable[[], None] | None = None

    @property
    def is_open(self) -> bool:
        is_open = self._socket.is_taking and not self.is_gone
        # Nobody asks who has nothing to write.
        self._socket.is_waited_for = self._socket.is_waited_for or not is_open
        return is_open

    @property
    def is_gone(self) -> bool:
        return self._socket.is_broken or self._socket.closed is not None

    @property
    def put(self) -> Callable[[bytes], None]:
        return self._put

    def _put(self, frame: bytes) -> None:
        assert self.is_open
        assert frame[:1] == b"\x81"
        header = {126: 4, 127: 10}.get(frame[1], 2)
        length = frame[1] if header == 2 else int.from_bytes(frame[2:header], "big")
        assert len(frame) == header + length
        self._socket.come(frame[header:].decode())

    def bound(self, size: int) -> None:
        self.most = size

    def watch(self, changed: Callable[[], None] | None) -> None:
        self._changed = changed

    def change(self) -> None:
        """It takes again, no more, or has gone."""
        if self._changed is not None:
            self._changed()


class Socket:
    """A WebSocket's client: ``async with Socket(server) as socket``.

    is_direct: whether the server below it offers a writer; a test runs both ways (``conftest.py``).
    """

    is_direct = False

    def __init__(self, app: Server, headers: Headers = (), **scope: Any) -> None:
        self.frames: list[str] = []
        self.subprotocol: str | None = None
        self.closed: int | None = None
        self.is_accepted = False
        self.is_waited_for = False
        self._app = app
        self._scope = scope
        self._headers = [(name.encode(), value.encode()) for name, value in headers]
        self._events: asyncio.Queue[Any] = asyncio.Queue()
        self._changed = asyncio.Event()
        self._takes = asyncio.Event()
        self._takes.set()
        self.is_broken = False
        self._straight = Straight(self) if self.is_direct else None
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.cut()

    async def open(self) -> None:
        self._events.put_nowait({"type": "websocket.connect"})
        scope = {"type": "websocket", "path": "/faye", "headers": self._headers, **self._scope}
        if self._straight is not None:
            scope["extensions"] = {EXTENSION: self._straight}
        self._task = asyncio.create_task(self._app(scope, self._events.get, self._send))
        await self.wait(lambda: self.is_accepted or self.closed is not None)

    async def _send(self, event: Any) -> None:
        self.is_waited_for = True
        await self._takes.wait()
        self.is_waited_for = False
        if self.is_broken or self.closed is not None:
            raise OSError("the peer has gone")
        if event["type"] == "websocket.accept":
            self.is_accepted = True
            self.subprotocol = event.get("subprotocol")
        elif event["type"] == "websocket.close":
            self.closed = event["code"]
            self._events.put_nowait({"type": "websocket.disconnect", "code": event["code"]})
            self._change()
        else:
            self.come(event["text"])
        self._changed.set()

    @property
    def is_taking(self) -> bool:
        """Whether the peer reads."""
        return self._takes.is_set()

    def come(self, text: str) -> None:
        """A frame has come."""
        self.frames.append(text)
        self._changed.set()

    def _change(self) -> None:
        if self._straight is not None:
            self._straight.change()

    async def wait(self, condition: Callable[[], Any], within: float = 5.0) -> None:
        """Return when the condition is true; it is looked at whenever something arrives."""
        async with asyncio.timeout(within):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    def send(self, *messages: Any) -> None:
        """Send a frame: messages, one text as it is, or bytes in a binary frame."""
        if messages and isinstance(messages[0], bytes):
            self._events.put_nowait({"type": "websocket.receive", "bytes": messages[0]})
            return
        raw = messages[0] if messages and isinstance(messages[0], str) else json.dumps(messages)
        self._events.put_nowait({"type": "websocket.receive", "text": raw})

    def send_text(self, text: str) -> None:
        """Send a text frame as it is."""
        self._events.put_nowait({"type": "websocket.receive", "text": text})

    async def receive(self) -> list[Any]:
        """The messages of the next frame."""
        await self.wait(lambda: self.frames)
        found = json.loads(self.frames.pop(0))
        assert isinstance(found, list)
        return found

    async def reply(self, *messages: Any) -> Any:
        """Send one frame and return the reply to its first message; others are left to be received."""
        self.send(*messages)
        others: list[Any] = []
        while True:
            for message in (received := await self.receive()):
                if message.get("id") == messages[0].get("id") and "successful" in message:
                    others += [other for other in received if other is not message]
                    if others:
                        self.frames.insert(0, json.dumps(others))
                    return message
            others += received

    def take_nothing(self) -> None:
        """From now on the peer reads nothing."""
        self._takes.clear()
        self._change()
        self.is_waited_for = False

    def take_again(self) -> None:
        self._takes.set()
        self.is_waited_for = False
        self._change()

    async def cut(self) -> None:
        """The connection breaks: what is being written fails."""
        self.is_broken = True
        self._takes.set()
        self._change()
        self._events.put_nowait({"type": "websocket.disconnect", "code": 1006})
        if self._task is not None:
            # What it has sent is still handled, and may wait 2 s for the socket that speaks for its session.
            await asyncio.wait_for(self._task, 30)


async def handshake(app: Server, **fields: Any) -> str:
    """A new session's clientId."""
    (reply,) = (await request(app, [{"channel": "/meta/handshake", **VERSION, **fields}])).messages
    assert reply["successful"], reply
    client_id = reply["clientId"]
    assert isinstance(client_id, str)
    return client_id


async def connected(app: Server) -> str:
    """A session whose first connect has been answered, over long-polling."""
    client_id = await handshake(app)
    (reply,) = (await request(app, connect(client_id))).messages
    assert reply["successful"], reply
    return client_id


def cookie(server: Server, client_id: str) -> Headers:
    """What a browser that made this session sends along."""
    return [("cookie", f"livecollections={server._exchange.sessions[client_id].cookie}")]


def connect(client_id: str, kind: str = "long-polling", **fields: Any) -> dict[str, Any]:
    return {"channel": "/meta/connect", "clientId": client_id, "connectionType": kind, "id": "c", **fields}


def subscribe(client_id: str, subscription: Any, **fields: Any) -> dict[str, Any]:
    return {
        "channel": "/meta/subscribe",
        "clientId": client_id,
        "subscription": subscription,
        "id": "s",
        **fields,
    }


def since(seq: str | None) -> dict[str, Any]:
    """The extension of a subscribe."""
    return {"live": {} if seq is None else {"since": seq}}


class Log:
    """The history of one channel: a small honest one. Its data are those of a resource."""

    def __init__(self, server: Server, channel: str = "/api/todos", epoch: str = "5e1f03aa") -> None:
        self.server = server
        self.channel = channel
        self.epoch = epoch
        self.entries: list[tuple[str, int]] = []
        self.reads: list[tuple[str, bool]] = []
        self.published = 0
        self.trimmed = 0
        self.pause: Callable[[], Awaitable[None]] | None = None
        server.add_history(channel, self)

    def seq(self, place: int) -> str:
        return f"{self.epoch}{place:016x}" + (f"{place * 7919 % 65536:04x}" if place else "0000")

    def write(self, key: int) -> str:
        """A change of one document, not published yet."""
        self.entries.append((self.seq(len(self.entries) + 1), key))
        return self.entries[-1][0]

    def publish(self, count: int | None = None) -> None:
        """Publish what is written, or the next few."""
        end = len(self.entries) if count is None else min(len(self.entries), self.published + count)
        while self.published < end:
            seq, key = self.entries[self.published]
            previous = self.seq(self.published)
            self.published += 1
            self.server.publish_nowait(self.channel, self.data(seq, key, previous), seq)

    def add(self, key: int) -> str:
        """Write and publish."""
        seq = self.write(key)
        self.publish()
        return seq

    @staticmethod
    def data(seq: str, key: int, previous: str) -> dict[str, Any]:
        return {"method": "PUT", "body": {"id": key, "at": seq}, "seq": seq, "prev": previous}

    def position(self) -> str:
        return self.seq(self.published)

    def _place(self, seq: str) -> int | None:
        for place in range(self.trimmed, len(self.entries) + 1):
            if self.seq(place) == seq:
                return place
        return None

    async def why_reset(self, channel: str, since: str, /) -> Cause | None:
        assert channel == self.channel
        if self.pause is not None:
            await self.pause()
        return self._why_lost(since)

    def _why_lost(self, since: str) -> Cause | None:
        if self._place(since) is not None:
            return None
        return Cause.TRIMMED if since[:8] == self.epoch else Cause.OTHER_EPOCH

    async def read(self, channel: str, after: str, limit: int, squash: bool, /) -> Page:
        assert channel == self.channel
        self.reads.append((after, squash))
        if self.pause is not None:
            await self.pause()
        place = self._place(after)
        if place is None:
            head = self.seq(len(self.entries))
            data = {"method": "RESET", "seq": head, "prev": after}
            return Page([Message(channel, data, head, self._why_lost(after))], head)
        entries = self.entries[place : place + limit]
        upto = entries[-1][0] if entries else self.seq(len(self.entries))
        if squash:
            entries = sorted({key: (seq, key) for seq, key in entries}.values())
        if self.pause is not None:
            # What is published meanwhile is not in this page.
            await self.pause()
        return Page(list(self._told(entries, after)), upto)

    def _told(self, entries: list[tuple[str, int]], after: str) -> Iterator[Message]:
        for seq, key in entries:
            yield Message(self.channel, self.data(seq, key, after), seq)
            after = seq


def seqs(messages: list[Any]) -> list[str]:
    """The seqs of the delivered ones among some messages."""
    return [message["data"]["seq"] for message in messages if "data" in message]
