"""Frames that go past ASGI, under a real uvicorn: between pings and fragments, before a close, and compressed."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest
import uvloop
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as open_socket
from websockets.client import ClientProtocol
from websockets.exceptions import ConnectionClosed
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
from websockets.frames import Frame, Opcode
from websockets.uri import parse_uri

from livecollections.bayeux import Server, Session
from livecollections.bayeux.straight import NONE, Straight, write_to
from livecollections.bayeux.transports.direct import DirectProtocol

from ..serving import DIRECT, served, wait_until
from .wire import Open, connect, handshake, subscribe


@pytest.fixture
async def server() -> Server:
    return Server(timeout=30, policy=Open())


async def ready(server: Server, socket: Any, *names: str) -> Session:
    """A session on a socket that is written to straight."""
    client_id = await handshake(server)
    for message in (connect(client_id, "websocket"), *(subscribe(client_id, name) for name in names)):
        await socket.send(json.dumps([message]))
        assert json.loads(await socket.recv())[0]["successful"]
    session = server._exchange.sessions[client_id]
    await wait_until(lambda: session.is_written and session not in session.apart)
    return session


@asynccontextmanager
async def hearing(
    server: Server, url: str, **options: Any
) -> AsyncIterator[tuple[ClientConnection, Session, DirectProtocol]]:
    options = {"compression": None, "ping_interval": None, **options}
    async with open_socket(url.replace("http", "ws"), **options) as socket:
        session = await ready(server, socket, "/a")
        assert session.put is not None
        (link,) = server._sockets
        assert isinstance(link._writer, DirectProtocol)
        yield socket, session, link._writer


async def data(socket: ClientConnection, count: int) -> list[Any]:
    found: list[Any] = []
    while len(found) < count:
        frame = json.loads(await asyncio.wait_for(socket.recv(), 5))
        found += [message["data"] for message in frame if "data" in message]
    return found


class Line:
    """A WebSocket's client that says each frame itself."""

    def __init__(self, url: str) -> None:
        self.protocol = ClientProtocol(parse_uri(url.replace("http", "ws") + "/faye"), max_size=None)
        self._address = urlsplit(url)
        self.frames: list[Frame] = []

    async def __aenter__(self) -> Line:
        address = self._address.hostname, self._address.port
        self.reader, self.writer = await asyncio.open_connection(*address)
        self.protocol.send_request(self.protocol.connect())
        await self.flush()
        await self.frame()
        return self

    async def __aexit__(self, *error: object) -> None:
        self.writer.transport.abort()

    async def flush(self) -> None:
        for part in self.protocol.data_to_send():
            self.writer.write(part)
        await self.writer.drain()

    async def frame(self) -> Any:
        """The next thing that comes."""
        while not (events := self.protocol.events_received()):
            self.protocol.receive_data(await asyncio.wait_for(self.reader.read(65_536), 5))
        self.frames += [event for event in events[1:] if isinstance(event, Frame)]
        return events[0]

    async def next(self) -> Frame:
        """The next frame."""
        found = self.frames.pop(0) if self.frames else await self.frame()
        assert isinstance(found, Frame)
        return found

    async def send(self, text: str) -> None:
        self.protocol.send_text(text.encode())
        await self.flush()

    async def recv(self) -> bytes:
        return bytes((await self.next()).data)


async def test_frames_stand_between_pings_and_the_fragments_of_what_is_received(server: Server) -> None:
    async with served(server, ws=DIRECT) as url, Line(url) as line:
        session = await ready(server, line, "/a")
        told = json.dumps([{"channel": "/a", "data": "own", "clientId": session.id, "id": "p"}]).encode()
        line.protocol.send_text(told[:10], fin=False)
        line.protocol.send_ping(b"in between")
        await line.flush()
        assert (await line.next()).opcode is Opcode.PONG
        for number in range(3):
            server.publish_nowait("/a", number)
            frame = await line.next()
            assert (frame.opcode, frame.fin) == (Opcode.TEXT, True)
            assert json.loads(bytes(frame.data)) == [{"channel": "/a", "data": number}]
            line.protocol.send_continuation(told[10 + number : 11 + number], fin=False)
            line.protocol.send_ping(b"%d" % number)
            await line.flush()
            assert bytes((await line.next()).data) == b"%d" % number
        line.protocol.send_continuation(told[13:], fin=True)
        await line.flush()
        reply, message = json.loads(await line.recv())
        assert (reply["id"], message["data"]) == ("p", "own")


@pytest.mark.parametrize("compression", [None, "deflate"])
async def test_a_message_far_over_the_limit_is_cut_off_before_it_is_whole(
    server: Server, compression: str | None
) -> None:
    """Compressed it is a few kilobytes that unpack to 16 MB; of one in fragments no more than the bound is kept."""
    limit = server._exchange.limits.body
    async with (
        served(server, ws=DIRECT) as url,
        open_socket(url.replace("http", "ws"), compression=compression) as socket,
    ):
        await socket.send("[" + " " * limit + "]")
        (refused,) = json.loads(await socket.recv())
        assert refused["error"].startswith("413:")
        sending = asyncio.ensure_future(socket.send([" " * (limit // 4)] * 64))
        await asyncio.wait_for(socket.wait_closed(), 10)
        assert socket.close_code == 1009
        await asyncio.gather(sending, return_exceptions=True)
    assert not server._sockets


async def test_nothing_comes_after_a_close_of_the_client(server: Server) -> None:
    async with served(server, ws=DIRECT) as url, Line(url) as line:
        session = await ready(server, line, "/a")
        server.publish_nowait("/a", 1)
        line.protocol.send_close(1000)
        await line.flush()
        frames = [await line.next()]
        while frames[-1].opcode is not Opcode.CLOSE:
            server.publish_nowait("/a", 2)
            frames.append(await line.next())
        assert [frame.opcode for frame in frames[:-1]] == [Opcode.TEXT] * (len(frames) - 1)
        await wait_until(lambda: session.link is None)
        assert not session.is_written
        server.publish_nowait("/a", 3)
        assert [json.loads(message.body)["data"] for message in session.queue][-1] == 3
        assert await asyncio.wait_for(line.reader.read(100), 5) == b""


async def test_what_was_published_before_a_close_of_the_server_comes_before_it(server: Server) -> None:
    async with served(server, ws=DIRECT) as url, hearing(server, url) as (socket, session, _):
        assert session.link is not None
        for number in range(3):
            server.publish_nowait("/a", number)
        session.link.close(1008)
        server.publish_nowait("/a", 3)
        assert await data(socket, 4) == [0, 1, 2, 3]
        with pytest.raises(ConnectionClosed):
            await asyncio.wait_for(socket.recv(), 5)
        assert socket.close_code == 1008


async def test_a_server_that_stops_writes_nothing_after_its_close(server: Server) -> None:
    async with served(server, ws=DIRECT) as url, hearing(server, url) as (socket, session, protocol):
        protocol.shutdown()
        assert protocol.is_gone
        assert not protocol.is_open
        server.publish_nowait("/a", 1)
        with pytest.raises(ConnectionClosed):
            await asyncio.wait_for(socket.recv(), 5)
        assert socket.close_code == 1012
        assert [message.channel for message in session.queue] == ["/a"]


async def test_a_server_that_stops_passes_over_a_socket_that_is_closing(server: Server) -> None:
    async with served(server, ws=DIRECT) as url, Line(url) as line:
        await ready(server, line, "/a")
        (link,) = server._sockets
        protocol = link._writer
        assert isinstance(protocol, DirectProtocol)
        line.protocol.send_close(1000)
        protocol.data_received(b"".join(line.protocol.data_to_send()))
        protocol.shutdown()
        closed = await line.next()
        assert (closed.opcode, bytes(closed.data)) == (Opcode.CLOSE, b"\x03\xe8")


async def test_a_connection_that_is_lost_puts_back_what_was_not_written(server: Server) -> None:
    async with served(server, ws=DIRECT) as url, hearing(server, url) as (_, session, protocol):
        protocol.transport.abort()
        server.publish_nowait("/a", 1)
        await wait_until(lambda: session.link is None)
        server.publish_nowait("/a", 2)
        heard = [json.loads(message.body)["data"] for message in session.queue]
        assert heard == [1, 2]


async def test_a_full_transport_holds_up_and_goes_on(server: Server) -> None:
    text = "x" * 5_000
    async with (
        served(server, ws=DIRECT) as url,
        hearing(server, url, max_queue=1) as (socket, session, protocol),
    ):
        socket.transport.pause_reading()
        sent = 0
        while protocol.is_open:
            server.publish_nowait("/a", f"{sent} {text}")
            sent += 1
            await asyncio.sleep(0)
        assert session in session.apart
        assert not session.flowing
        for _ in range(3):
            server.publish_nowait("/a", f"{sent} {text}")
            sent += 1
        await asyncio.sleep(0)
        await wait_until(lambda: session.queue)
        socket.transport.resume_reading()
        heard = await data(socket, sent)
        assert [int(each.split()[0]) for each in heard] == [*range(sent)]
        await wait_until(lambda: session not in session.apart)
        assert session.flowing


def is_lent(session: Session) -> bool:
    """Whether frames go to the descriptor of its socket."""
    return isinstance(session.put, Straight) and session.put.descriptor != NONE


async def test_a_descriptor_is_lent_while_nothing_waits_and_never_of_a_socket_that_has_gone(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_uvloop = isinstance(asyncio.get_running_loop(), uvloop.Loop)
    async with served(server, ws=DIRECT) as url:
        async with hearing(server, url, max_queue=1) as (socket, session, protocol):
            assert is_lent(session) is is_uvloop
            put = session.put
            assert put is not None
            socket.transport.pause_reading()
            sent = 0
            while protocol.is_open:
                server.publish_nowait("/a", "x" * 5_000)
                sent += 1
                await asyncio.sleep(0)
            assert not is_lent(session)
            socket.transport.resume_reading()
            await data(socket, sent)
            await wait_until(lambda: protocol.is_open)
            assert is_lent(session) is is_uvloop
            lost = []
            is_told = WebSocketsSansIOProtocol.connection_lost

            def note(self: WebSocketsSansIOProtocol, error: Exception | None) -> None:
                number = self.transport.get_extra_info("socket").fileno()
                lost.append((number != NONE, isinstance(put, Straight) and put.descriptor != NONE))
                is_told(self, error)

            monkeypatch.setattr(WebSocketsSansIOProtocol, "connection_lost", note)
            protocol.transport.abort()
            await wait_until(lambda: session.link is None)
            # It has been given back, and is not closed yet.
            assert lost == [(True, False)]
        async with Line(url) as other:
            # The other may have its number now, and hears nothing of it.
            if isinstance(put, Straight):
                assert [*write_to([put], b"\x81\x01x")] == [0]
            await ready(server, other, "/a")
            server.publish_nowait("/a", "own")
            assert json.loads(await other.recv())[0]["data"] == "own"


async def test_an_encrypted_socket_lends_no_descriptor(server: Server, certified: dict[str, Any]) -> None:
    trusting = ssl.create_default_context(cafile=certified["ssl_certfile"])
    async with served(server, ws=DIRECT, **certified) as url:
        secure = url.replace("http:", "https:")
        async with hearing(server, secure, ssl=trusting) as (socket, session, _):
            assert not isinstance(session.put, Straight)
            server.publish_nowait("/a", 1)
            assert await data(socket, 1) == [1]


@pytest.mark.parametrize("offer", [{}, {"server_max_window_bits": 9}, {"server_no_context_takeover": True}])
async def test_what_is_long_is_compressed_once_for_all_who_agreed(
    server: Server, offer: dict[str, Any]
) -> None:
    text = "word " * 1_000
    extensions = [ClientPerMessageDeflateFactory(**offer)]
    async with (
        served(server, ws=DIRECT) as url,
        hearing(server, url, extensions=extensions) as (socket, session, protocol),
    ):
        assert protocol.conn.extensions
        for number in range(3):
            server.publish_nowait("/a", "short")
            await asyncio.sleep(0.0)
            server.publish_nowait("/a", f"{number} {text}")
            assert (await data(socket, 2))[-1] == f"{number} {text}"
        # What goes by ASGI is compressed too, and a peer's compressed frames are read.
        own = json.dumps([{"channel": "/a", "data": text, "clientId": session.id, "id": "p"}])
        await socket.send(own)
        assert await data(socket, 1) == [text]


async def test_pings_of_all_sockets_have_one_timer(server: Server) -> None:
    options = {"ws_ping_interval": 0.5, "ws_ping_timeout": 5.0}
    async with served(server, ws=DIRECT, **options) as url, Line(url) as line:
        await ready(server, line, "/a")
        (link,) = server._sockets
        protocol = link._writer
        assert isinstance(protocol, DirectProtocol)
        assert protocol.ping_timer is None
        for _ in range(2):
            frame = await line.next()
            assert frame.opcode is Opcode.PING
            await line.flush()
        keepalive = protocol._keepalive
        await wait_until(lambda: keepalive._slots)
        line.writer.transport.abort()
        await wait_until(lambda: not keepalive._slots)
        assert keepalive._timer is None


async def test_a_peer_that_answers_no_ping_is_given_up(server: Server) -> None:
    options = {"ws_ping_interval": 0.1, "ws_ping_timeout": 0.1}
    async with served(server, ws=DIRECT, **options) as url, Line(url) as line:
        session = await ready(server, line, "/a")
        await wait_until(lambda: session.link is None)
        server.publish_nowait("/a", 1)
        assert [message.channel for message in session.queue] == ["/a"]


def running() -> Counter[str]:
    """What runs in this loop."""
    return Counter(getattr(task.get_coro(), "__qualname__", "") for task in asyncio.all_tasks())


async def test_a_session_has_no_task_but_the_one_of_the_asgi_server(server: Server) -> None:
    async with served(server, ws=DIRECT) as url, hearing(server, url):
        before = running()
        async with AsyncExitStack() as stack:
            for _ in range(5):
                client = open_socket(url.replace("http", "ws"), compression=None, ping_interval=None)
                await ready(server, await stack.enter_async_context(client), "/a")
            more = running() - before
        assert more == {"WebSocketsSansIOProtocol.run_asgi": 5}
