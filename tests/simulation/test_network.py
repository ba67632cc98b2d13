"""The network: what each fault does to plain connections between two hosts."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from livecollections.testing.simulation import Simulation

PORT = 7

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Pair:
    """A connection of the phone to the shop, whose ends are used on their hosts."""

    def __init__(self, simulation: Simulation) -> None:
        self.simulation = simulation
        self.network = simulation.network
        self.phone, self.shop = simulation.host("phone"), simulation.host("shop")
        self.accepted: asyncio.Queue[Streams] = asyncio.Queue()
        self.kept: list[Streams] = []  # a stream that is let go would be closed

    async def listen(self) -> None:
        await self.shop.run(asyncio.start_server(lambda *ends: self.accepted.put_nowait(ends), "shop", PORT))

    async def connect(self) -> tuple[Streams, Streams]:
        near = await self.phone.run(asyncio.open_connection("shop", PORT))
        far = await self.accepted.get()
        self.kept += [near, far]
        return near, far


def played(history: Callable[[Pair], Coroutine[Any, Any, None]], seed: int = 1) -> str:
    """Run a history of two hosts; its trace."""

    async def run(simulation: Simulation) -> None:
        pair = Pair(simulation)
        await pair.listen()
        await history(pair)

    simulation = Simulation(seed)
    simulation.run(run)
    return simulation.trace.text()


def now() -> float:
    return asyncio.get_running_loop().time()


async def arrives(reader: asyncio.StreamReader, size: int, within: float = 1.0) -> bytes | None:
    """So many bytes; None if they do not come in time."""
    try:
        async with asyncio.timeout(within):
            return await reader.readexactly(size)
    except TimeoutError:
        return None


@pytest.mark.parametrize("seed", range(5))
def test_bytes_arrive_in_order_and_not_at_once(seed: int) -> None:
    async def history(pair: Pair) -> None:
        (_, writer), (reader, _) = await pair.connect()
        began = now()
        for number in range(50):
            writer.write(b"%04d" % number)
        assert await reader.readexactly(200) == b"".join(b"%04d" % number for number in range(50))
        assert 0.0001 < now() - began < 1

    played(history, seed)


def test_a_slow_line_is_slow() -> None:
    async def history(pair: Pair) -> None:
        (_, writer), (reader, _) = await pair.connect()
        pair.network.delay("phone", 2.0, 3.0)
        writer.write(b"late")
        assert await arrives(reader, 4, 1.9) is None
        assert await arrives(reader, 4, 1.2) == b"late"

    played(history)


@pytest.mark.parametrize("resets", [True, False])
def test_a_cut_ends_both_sides(resets: bool) -> None:
    async def history(pair: Pair) -> None:
        (reader, writer), (far, _) = await pair.connect()
        assert pair.network.cut("phone", reset=resets) == 1
        for side in (reader, far):
            if resets:
                with pytest.raises(ConnectionResetError):
                    await side.read()
            else:
                assert await side.read() == b""
        writer.close()
        (_, writer), (reader, _) = await pair.connect()
        writer.write(b"new")
        assert await arrives(reader, 3) == b"new"

    played(history)


@pytest.mark.parametrize("resets", [True, False])
def test_after_a_cut_nothing_comes_through_whenever_it_is_told(resets: bool) -> None:
    async def history(pair: Pair) -> None:
        (reader, writer), (far, _) = await pair.connect()
        writer.write(b"lost")
        pair.network.partition("phone")
        pair.network.cut("phone", reset=resets)
        writer.write(b"after the hole")
        assert await arrives(far, 1, 5) is None
        pair.network.heal()
        writer.write(b"and more")
        for side in (reader, far):
            if resets:
                with pytest.raises(ConnectionResetError):
                    await side.read()
            else:
                assert await side.read() == b""

    played(history)


def test_a_half_open_connection_tells_nobody_until_the_system_gives_up() -> None:
    async def history(pair: Pair) -> None:
        (reader, writer), (far, _) = await pair.connect()
        assert pair.network.half_open("phone") == 1
        writer.write(b"lost")
        pair.network.heal()
        began = now()
        assert await arrives(far, 4, 100) is None
        with pytest.raises(TimeoutError):
            await reader.read()
        assert 110 < now() - began < 130
        assert not far.at_eof()

    played(history)


def test_a_partition_keeps_what_is_sent_and_whoever_connects_until_it_heals() -> None:
    async def history(pair: Pair) -> None:
        (_, writer), (reader, _) = await pair.connect()
        pair.network.partition("phone")
        writer.write(b"kept")
        connecting = asyncio.create_task(pair.connect())
        assert await arrives(reader, 4, 20) is None
        assert not connecting.done()
        pair.network.heal("phone")
        assert await arrives(reader, 4) == b"kept"
        await connecting

    played(history)


def test_connecting_through_a_partition_is_given_up_in_time() -> None:
    async def history(pair: Pair) -> None:
        pair.network.partition("shop")
        began = now()
        with pytest.raises(TimeoutError):
            await pair.connect()
        assert now() - began == pytest.approx(127, abs=0.1)

    played(history)


def test_what_is_refused_is_refused_at_once() -> None:
    async def history(pair: Pair) -> None:
        (_, writer), (reader, _) = await pair.connect()
        pair.network.refuse("phone")
        with pytest.raises(ConnectionRefusedError):
            await pair.connect()
        writer.write(b"stays")
        assert await arrives(reader, 5) == b"stays"
        pair.network.heal()
        await pair.connect()
        with pytest.raises(ConnectionRefusedError):
            await pair.phone.run(asyncio.open_connection("shop", PORT + 1))
        with pytest.raises(OSError, match="not known"):
            await pair.phone.run(asyncio.open_connection("nowhere", PORT))

    played(history)


def test_a_reader_that_stops_stops_the_writer() -> None:
    async def history(pair: Pair) -> None:
        (reader, _), (_, writer) = await pair.connect()
        pair.network.slow("phone")
        writer.write(bytes(300_000))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(writer.drain(), 50)
        assert writer.transport.get_write_buffer_size() > 200_000
        pair.network.heal()
        assert await arrives(reader, 300_000, 10) == bytes(300_000)
        await writer.drain()

    played(history)


def test_a_sleeping_host_runs_nothing_and_goes_on_when_it_wakes() -> None:
    async def history(pair: Pair) -> None:
        (reader, _), (_, writer) = await pair.connect()
        ticks: list[float] = []

        async def tick() -> None:
            while True:
                await asyncio.sleep(1)
                ticks.append(now())

        pair.phone.start(tick())
        await asyncio.sleep(3.5)
        pair.phone.sleep()
        writer.write(b"morning")
        reading = pair.phone.start(reader.readexactly(7))
        await asyncio.sleep(1_000)
        assert len(ticks) == 3
        assert not reading.done()
        began = now()
        pair.phone.wake()
        assert await reading == b"morning"
        await asyncio.sleep(1)
        assert ticks[3] == pytest.approx(began, abs=0.01)

    played(history)


def test_a_clock_jumps_for_its_host_alone_and_time_only_rises() -> None:
    async def history(pair: Pair) -> None:
        def clocks() -> tuple[float, float]:
            return time.time(), time.monotonic()

        wall, rising = pair.phone.call(clocks)
        pair.phone.jump(-3_600)
        assert pair.phone.call(clocks) == pytest.approx((wall - 3_600, rising), abs=0.01)
        assert pair.shop.call(clocks) == pytest.approx((wall, rising), abs=0.01)

    played(history)


def test_an_answer_is_held_and_the_next_is_not() -> None:
    async def history(pair: Pair) -> None:
        (reader, writer), (asked, answer) = await pair.connect()
        is_sent = pair.network.hold_answer("phone", ("GET",), 2.0)
        for method, least, most in (("POST", 0.0, 1.0), ("GET", 2.0, 3.0), ("GET", 0.0, 1.0)):
            writer.write(f"{method} / HTTP/1.1\r\n\r\n".encode())
            await asked.readuntil(b"\r\n\r\n")
            began = now()
            answer.write(b"HTTP/1.1 200 OK\r\n")
            assert is_sent.is_set() == (method == "GET")
            await reader.readline()
            assert least <= now() - began < most

    played(history)


@pytest.mark.parametrize("severs", [True, False])
def test_what_is_lost_is_lost_with_its_connection(severs: bool) -> None:
    async def history(pair: Pair) -> None:
        (reader, _), (far, writer) = await pair.connect()
        pair.network.lose("phone", lambda connection, data: b"secret" in data, severs=severs)
        writer.write(b"first ")
        assert await arrives(reader, 6) == b"first "
        writer.write(b"the secret")
        writer.write(b"and more")
        if severs:
            assert await arrives(reader, 1, 50) is None
            assert not far.at_eof()
        else:
            with pytest.raises(ConnectionResetError):
                await far.read()
            with pytest.raises(ConnectionResetError):
                await reader.read()
        (reader, _), (_, writer) = await pair.connect()
        writer.write(b"another secret")
        assert await arrives(reader, 14) == b"another secret"

    assert "loses 10 bytes: the secret" in played(history)


def test_of_a_killed_program_the_others_hear_and_it_cleans_up_nothing() -> None:
    async def history(pair: Pair) -> None:
        (reader, writer), _ = await pair.connect()
        cleaned: list[str] = []

        async def work() -> None:
            try:
                await asyncio.sleep(5)
            finally:
                cleaned.append("work")

        pair.shop.start(work())
        await asyncio.sleep(1)
        pair.simulation.kill("shop")
        assert await reader.read() == b""
        with pytest.raises(ConnectionRefusedError):
            await pair.connect()
        await asyncio.sleep(10)
        assert not cleaned
        writer.write(b"hallo?")
        await asyncio.sleep(1)
        with pytest.raises(ConnectionResetError):
            await writer.drain()
        await pair.listen()
        await pair.connect()

    played(history)


def test_connections_are_independent() -> None:
    """Of two pieces sent at once on two connections now the one, now the other comes first."""
    first: set[str] = set()

    async def history(pair: Pair) -> None:
        ends = [await pair.connect() for _ in range(2)]
        for (_, writer), _ in ends:
            writer.write(b"x")
        came: list[str] = []

        async def wait(name: str, reader: asyncio.StreamReader) -> None:
            await reader.readexactly(1)
            came.append(name)

        await asyncio.gather(*(wait(name, far[0]) for name, (_, far) in zip("ab", ends, strict=True)))
        first.add(came[0])

    for seed in range(12):
        played(history, seed)
    assert first == {"a", "b"}
