"""The fault proxy against a plain echo server: each fault is seen from both ends, and ends when it is healed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from livecollections.testing.proxy import FaultProxy

from ..serving import wait_until

Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Echo:
    """A server that sends back what it gets, and knows how each connection ended."""

    def __init__(self) -> None:
        self.url = ""
        self.heard = b""
        self.ended: list[str] = []
        self.connections = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while data := await reader.read(65_536):
                self.heard += data
                writer.write(data)
                await writer.drain()
            self.ended.append("closed")
        except OSError:
            self.ended.append("reset")
        finally:
            writer.close()


class Proxy(FaultProxy):
    """A proxy that closes what its test has connected."""

    def __init__(self, target: str | None = None) -> None:
        super().__init__(target)
        self._writers: list[asyncio.StreamWriter] = []

    async def connect(self) -> Ends:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        self._writers.append(writer)
        return reader, writer

    async def __aexit__(self, *error: object) -> None:
        for writer in self._writers:
            writer.close()
        await super().__aexit__(*error)


@asynccontextmanager
async def echoing() -> AsyncIterator[tuple[Echo, Proxy]]:
    echo = Echo()
    server = await asyncio.start_server(echo.serve, "127.0.0.1", 0)
    echo.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        async with Proxy(echo.url) as proxy:
            yield echo, proxy
    finally:
        server.close()


async def echoed(ends: Ends, text: bytes) -> float:
    """Send, wait for the echo; the seconds that it took."""
    reader, writer = ends
    begun = time.monotonic()
    writer.write(text)
    assert await asyncio.wait_for(reader.readexactly(len(text)), 5) == text
    return time.monotonic() - begun


async def test_it_carries_bytes_both_ways_and_counts_them() -> None:
    async with echoing() as (echo, proxy):
        ends = await proxy.connect()
        text = bytes(range(256)) * 1000
        await echoed(ends, text)
        assert echo.heard == text
        traffic = proxy.traffic
        assert (traffic.accepted, traffic.open, traffic.up, traffic.down) == (1, 1, len(text), len(text))
        ends[1].close()
        await wait_until(lambda: proxy.traffic.open == 0)
        assert echo.ended == ["closed"]


@pytest.mark.parametrize("reset", [True, False])
async def test_cut_ends_every_connection_for_both_ends(reset: bool) -> None:
    async with echoing() as (echo, proxy):
        several = [await proxy.connect() for _ in range(3)]
        for ends in several:
            await echoed(ends, b"x")
        assert proxy.cut(reset=reset) == 3
        for reader, writer in several:
            if reset:
                with pytest.raises(ConnectionResetError):
                    await asyncio.wait_for(reader.read(1), 5)
            else:
                assert await asyncio.wait_for(reader.read(1), 5) == b""
            writer.close()
        await wait_until(lambda: len(echo.ended) == 3)
        assert set(echo.ended) == {"reset" if reset else "closed"}
        await echoed(await proxy.connect(), b"again")


async def test_half_open_swallows_and_tells_nobody() -> None:
    async with echoing() as (echo, proxy):
        old = await proxy.connect()
        await echoed(old, b"before")
        proxy.half_open()
        old[1].write(b"lost")
        young = await proxy.connect()
        young[1].write(b"lost too")
        await wait_until(lambda: proxy.traffic.swallowed == len(b"lost" + b"lost too"))
        old[1].close()
        proxy.heal()
        await echoed(await proxy.connect(), b"after")
        young[1].write(b"still lost")
        await wait_until(lambda: proxy.traffic.swallowed == len(b"lost" + b"lost too" + b"still lost"))
        assert echo.heard == b"beforeafter"
        assert echo.ended == [], "the server is not told that the client has gone"
        proxy.cut()
        await wait_until(lambda: len(echo.ended) == 3)


async def test_refuse_resets_what_connects_and_spares_what_is_there() -> None:
    async with echoing() as (echo, proxy):
        old = await proxy.connect()
        await echoed(old, b"before")
        proxy.refuse()
        reader, writer = await proxy.connect()
        with pytest.raises(ConnectionResetError):
            await asyncio.wait_for(reader.read(1), 5)
        writer.close()
        assert proxy.traffic.refused == 1
        await echoed(old, b"still there")
        proxy.heal()
        await echoed(await proxy.connect(), b"after")
        assert echo.connections == 2


async def test_delay_is_each_way_and_keeps_the_order() -> None:
    async with echoing() as (_, proxy):
        ends = await proxy.connect()
        await echoed(ends, b"at once")
        proxy.delay(0.1)
        assert await echoed(ends, b"late") >= 0.2
        ends[1].write(b"one ")
        proxy.delay(0)
        ends[1].write(b"two")
        assert await asyncio.wait_for(ends[0].readexactly(7), 5) == b"one two"


async def test_throttle_makes_it_slow_and_the_sender_wait() -> None:
    async with echoing() as (echo, proxy):
        reader, writer = await proxy.connect()
        proxy.throttle(100_000)
        assert await echoed((reader, writer), b"x" * 20_000) >= 0.15
        flood = b"y" * 20_000_000
        writer.write(flood)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(writer.drain(), 0.2)
        assert len(echo.heard) < len(flood) / 10
        proxy.heal()
        async with asyncio.timeout(10):
            while len(echo.heard) < len(flood):
                await reader.read(1_000_000)
        writer.close()


async def test_age_closes_each_connection_when_it_is_so_old() -> None:
    async with echoing() as (echo, proxy):
        old = await proxy.connect()
        await echoed(old, b"before")
        proxy.age(0.2)
        young = await proxy.connect()
        begun = time.monotonic()
        await echoed(young, b"young")
        assert await asyncio.wait_for(old[0].read(1), 5) == b""
        assert await asyncio.wait_for(young[0].read(1), 5) == b""
        assert 0.15 <= time.monotonic() - begun < 2
        await wait_until(lambda: echo.ended == ["closed", "closed"])
        assert proxy.traffic.aged == 2
        spared = await proxy.connect()
        proxy.heal()
        healed = time.monotonic()
        while time.monotonic() - healed < 0.25:
            await echoed(spared, b"spared")
        assert proxy.traffic.aged == 2


async def test_answer_is_given_to_what_waits_and_to_what_comes() -> None:
    async with echoing() as (echo, proxy):
        silent, waiting = await proxy.connect(), await proxy.connect()
        await echoed(silent, b"before")
        proxy.delay(5)
        waiting[1].write(b"GET / HTTP/1.1\r\n\r\n")
        await wait_until(lambda: proxy.traffic.up > len(b"before"))
        proxy.answer(502)
        assert await asyncio.wait_for(silent[0].read(), 5) == b"", "it was answered already"
        late = await proxy.connect()
        late[1].write(b"GET / HTTP/1.1\r\n\r\n")
        for reader, _ in (waiting, late):
            text = await asyncio.wait_for(reader.read(), 5)
            assert text.startswith(b"HTTP/1.1 502 ")
            assert text.endswith(b"<html><body>502</body></html>")
        assert echo.heard == b"before"
        await wait_until(lambda: proxy.traffic.answered == 2)
        proxy.heal()
        await echoed(await proxy.connect(), b"after")


async def test_inject_puts_bytes_on_web_sockets_alone() -> None:
    async with echoing() as (echo, proxy):
        plain, socket = await proxy.connect(), await proxy.connect()
        await echoed(plain, b"x")
        await echoed(socket, b"HTTP/1.1 101 Switching Protocols\r\n\r\n")
        echo.heard = b""
        assert proxy.inject(b"down") == proxy.inject(b"up", up=True) == 1
        assert await asyncio.wait_for(socket[0].readexactly(6), 5) == b"downup"
        assert echo.heard == b"up"
        await echoed(plain, b"x")


async def test_its_address_outlives_the_servers_behind_it() -> None:
    async with Proxy() as proxy:
        reader, writer = await proxy.connect()
        with pytest.raises(ConnectionResetError):
            await reader.read(1)
        writer.close()
        url = proxy.url
        for _ in range(2):
            echo = Echo()
            server = await asyncio.start_server(echo.serve, "127.0.0.1", 0)
            proxy.aim(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
            await echoed(await proxy.connect(), b"here")
            assert proxy.url == url
            proxy.cut()
            server.close()


@pytest.mark.parametrize("target", ["127.0.0.1:80", "http://127.0.0.1", ""])
def test_a_target_without_host_and_port_is_refused(target: str) -> None:
    with pytest.raises(ValueError, match="an address such as"):
        FaultProxy(target)


def test_a_rate_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="more than 0"):
        FaultProxy().throttle(0)
