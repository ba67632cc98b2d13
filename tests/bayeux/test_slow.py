"""A client that stops reading, on real sockets: what it costs, and that it costs nobody else anything."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest
from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as open_socket

from livecollections.bayeux import Limits, Server, Session
from livecollections.bayeux.load import FRAME
from livecollections.bayeux.transports.buffer import HIGH_WATER
from livecollections.bayeux.transports.websocket import WebSocket

from ..serving import served, wait_until
from .wire import Log, Open, Socket, connect, connected, handshake, request, seqs, subscribe

TEXT = "x" * 1_000


class Watched:
    """The server, seen from below: the transports that uvicorn writes to."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.protocols: list[Any] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "lifespan":
            self.protocols.append(receive.__self__)
        await self.server(scope, receive, send)

    @property
    def buffered(self) -> int:
        """The most that waits in one transport."""
        return max(int(protocol.transport.get_write_buffer_size()) for protocol in self.protocols)


@asynccontextmanager
async def listening(url: str, client_id: str, channel: str) -> AsyncIterator[ClientConnection]:
    """A socket that has connected and subscribed; it takes no more than it is asked to read."""
    async with open_socket(
        url.replace("http", "ws"), max_queue=1, ping_interval=None, compression=None, close_timeout=0.1
    ) as socket:
        for message in (connect(client_id, "websocket"), subscribe(client_id, channel)):
            await socket.send(json.dumps([message]))
            assert json.loads(await socket.recv())[0]["successful"]
        yield socket


async def read_seqs(socket: ClientConnection) -> list[str]:
    return seqs(json.loads(await asyncio.wait_for(socket.recv(), 5)))


@pytest.fixture
def server() -> Server:
    return Server(timeout=30, pong=60, policy=Open(), limits=Limits(stall=0.1))


async def test_g5_a_resource_subscriber_is_only_a_position(server: Server) -> None:
    log = Log(server)
    watched = Watched(server)
    async with served(watched) as url:
        slow_id, quick_id = await handshake(server), await handshake(server)
        async with (
            listening(url, slow_id, log.channel) as slow,
            listening(url, quick_id, log.channel) as quick,
        ):
            session = server._exchange.sessions[slow_id]
            position = session.positions[log.channel]
            heard = 0
            while not position.is_behind or heard < 20_000:
                for _ in range(50):
                    log.add(heard % 7)
                    heard += 1
                assert session.size <= session.share < server.limits.queue_bytes
                assert watched.buffered <= HIGH_WATER + FRAME + 1_000
                got = 0
                while got < 50:
                    got += len(await read_seqs(quick))
            begun = server._exchange.clock()
            await wait_until(lambda: server._exchange.clock() - begun > 0.15)
            told = server.statistics()
            assert (told.stopped, told.replays) == (1, 0)
            assert told.buffered_bytes == watched.buffered > 0
            found: list[str] = []
            while not found or found[-1] != log.position():
                found += await read_seqs(slow)
            assert found == sorted(set(found))
            assert len(found) < heard
            assert any(squash for _, squash in log.reads)
            seq = log.add(1)
            assert await read_seqs(slow) == [seq]
            await wait_until(lambda: server.statistics().stopped == 0)
            assert server.statistics().buffered_bytes == 0


async def test_g5_a_plain_subscriber_ends_and_costs_its_bound(server: Server) -> None:
    watched = Watched(server)
    async with served(watched) as url:
        slow_id, quick_id = await handshake(server), await handshake(server)
        async with listening(url, slow_id, "/chat") as slow, listening(url, quick_id, "/chat") as quick:
            session = server._exchange.sessions[slow_id]
            sent = 0
            while not session.has_ended:
                await server.publish("/chat", TEXT)
                sent += 1
                assert session.size <= server.limits.queue_bytes
                assert watched.buffered <= HIGH_WATER + FRAME + 1_000
                assert json.loads(await asyncio.wait_for(quick.recv(), 5))[0]["data"] == TEXT
                assert sent < 50_000
            assert session.size == 0
            assert list(server._exchange.sessions) == [quick_id]
            got = 0
            await slow.send(json.dumps([connect(slow_id, "websocket", id="again")]))
            while True:
                messages = json.loads(await asyncio.wait_for(slow.recv(), 5))
                got += len([message for message in messages if "data" in message])
                if "error" in messages[-1]:
                    break
            assert messages[-1]["advice"] == {"reconnect": "handshake", "interval": 0}
            assert 0 < got < sent


async def test_one_that_asks_and_never_reads_is_not_heard_further(server: Server) -> None:
    watched = Watched(server)
    async with served(watched) as url:
        client_id = await handshake(server)
        async with listening(url, client_id, "/chat") as socket:
            link = server._exchange.sessions[client_id].link
            question = json.dumps([subscribe(client_id, ["/chat"] * 200)] * 20)
            asked = 0
            while True:
                try:
                    async with asyncio.timeout(0.5):
                        await socket.send(question)
                        asked += 1
                except TimeoutError:
                    break
                assert asked < 5_000
            assert isinstance(link, WebSocket)
            assert link._size < FRAME + 2_000
            assert watched.buffered <= HIGH_WATER + 2 * FRAME
            # A close would wait for the server to read, which waits for this client to read.
            socket.transport.abort()
    assert not server._sockets


async def flood(server: Server, client_id: str) -> None:
    """Publish until the session ends, and see that it keeps no more than it may."""
    session = server._exchange.sessions[client_id]
    most = 2 * server.limits.queue_bytes // len(TEXT)
    for _ in range(most):
        await server.publish("/chat", TEXT)
        await asyncio.sleep(0)
        assert session.size <= server.limits.queue_bytes
    assert session.has_ended


async def test_an_answer_that_is_not_read_costs_its_bound() -> None:
    async with Server(timeout=5, policy=Open()) as server:
        client_id = await connected(server)
        await request(server, subscribe(client_id, "/chat"))
        takes = asyncio.Event()
        polling = asyncio.create_task(request(server, connect(client_id), takes=takes))
        await wait_until(lambda: server._exchange.sessions[client_id].held is not None)
        await flood(server, client_id)
        takes.set()
        connected_again, *heard = (await polling).messages
        assert connected_again["successful"]
        assert {message["channel"] for message in heard} == {"/chat"}


async def test_a_socket_that_never_read_costs_its_bound() -> None:
    async with Server(timeout=5, policy=Open()) as server, Socket(server) as socket:
        client_id = await handshake(server)
        socket.take_nothing()
        socket.send({"channel": "/meta/nothing"})
        await wait_until(lambda: socket.is_waited_for)
        socket.send(subscribe(client_id, "/chat"), connect(client_id, "websocket"))
        await wait_until(lambda: server._exchange.sessions[client_id].link is not None)
        await flood(server, client_id)


async def test_a_batch_whose_end_waits_costs_its_bound() -> None:
    class Slow(Open):
        async def can_publish(self, session: Session | None, channel: str, data: Any) -> bool:
            return await answered.wait()

    answered = asyncio.Event()
    async with Server(timeout=5, policy=Slow()) as server:
        client_id = await connected(server)
        batch = [subscribe(client_id, "/chat"), connect(client_id), {"channel": "/a", "data": 1}]
        polling = asyncio.create_task(request(server, batch))
        await wait_until(lambda: server._exchange.sessions[client_id].link is not None)
        await flood(server, client_id)
        answered.set()
        assert len((await polling).messages) == len(batch)


@asynccontextmanager
async def asking(url: str, head: str, body: bytes = b"") -> AsyncIterator[asyncio.StreamReader]:
    """One HTTP request, of whose answer nothing is taken before it is asked for, and little fits in between."""
    address = urlsplit(url)
    end = socket.socket()
    end.setblocking(False)
    end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    end.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 1_000)
    await asyncio.get_running_loop().sock_connect(end, (address.hostname, address.port))
    reader, writer = await asyncio.open_connection(sock=end, limit=1_024)
    asked = f"{head}\r\nHost: {address.netloc}\r\nContent-Length: {len(body)}\r\n\r\n"
    writer.write(asked.encode() + body)
    try:
        yield reader
    finally:
        writer.transport.abort()


@asynccontextmanager
async def served_to(server: Server, log: Log) -> AsyncIterator[tuple[Watched, str, Session]]:
    """The server on a real port, its address, and a session that has subscribed to a log's channel."""
    watched = Watched(server)
    async with served(watched) as url:
        client_id = await connected(server)
        await request(server, subscribe(client_id, log.channel))
        yield watched, url, server._exchange.sessions[client_id]


async def test_g5_a_stream_that_is_not_read_costs_its_bound(server: Server) -> None:
    log = Log(server)
    async with (
        served_to(server, log) as (watched, url, session),
        asking(url, f"GET /faye/{session.id} HTTP/1.1\r\nAccept: text/event-stream") as reader,
    ):
        await wait_until(lambda: session.link is not None)
        while not session.positions[log.channel].is_behind or server.statistics().stopped == 0:
            for key in range(64):
                log.add(key % 7)
            await asyncio.sleep(0)
            assert watched.buffered <= HIGH_WATER + FRAME + 1_000
        assert session.size <= session.share
        assert 0 < watched.buffered == server.statistics().buffered_bytes
        heard = b""
        last = log.position().encode()
        while last not in heard:
            heard = heard[-200:] + await asyncio.wait_for(reader.read(8_192), 5)
        assert any(squash for _, squash in log.reads)


async def test_g5_a_poll_whose_answer_is_not_read_costs_its_bound(server: Server) -> None:
    log = Log(server)
    async with served_to(server, log) as (watched, url, session):
        body = json.dumps([connect(session.id, id="p")]).encode()
        async with asking(url, "POST /faye HTTP/1.1\r\nContent-Type: application/json", body):
            await wait_until(lambda: session.held is not None)
            for key in range(2_000):
                log.add(key % 7)
            await wait_until(lambda: session.held is None and session.link is None)
            assert session.size <= session.share
            assert watched.buffered <= server.limits.queue_bytes
        heard: list[str] = []
        while not heard or heard[-1] != log.position():
            heard += seqs((await request(server, connect(session.id))).messages)
        assert heard == sorted(set(heard))
