"""livecollections.js over CometD's own client: any writes, while lines break and servers come and go."""

from __future__ import annotations

import asyncio
import random

import pytest

from ..scale import scaled
from ..serving import wait_until
from .clients import program
from .collection import LiveBench, live_bench

ROUNDS = scaled(20, 150)


async def own(bench: LiveBench, chance: random.Random) -> None:
    """Something that the collection's user does."""
    shown = [row for row in (await bench.shown())["rows"] if row.get("id")]
    command = chance.choice(("create", "save", "destroy")) if shown else "create"
    key = chance.choice(shown)["id"] if shown else None
    data = {"title": f"mine {chance.random()}", "done": chance.random() < 0.5}
    await bench.client.do(command, id=key, data=data, wait=chance.random() < 0.5)


def others(bench: LiveBench, chance: random.Random) -> None:
    """Something that somebody else does to the database."""
    if chance.random() < 0.5:
        bench.insert(chance.randrange(3))
    else:
        bench.write("update matrix_todo set title = title || '.' where id % 3 = ?", chance.randrange(3))
    if chance.random() < 0.2:
        bench.write("delete from matrix_todo where id % 5 = ?", chance.randrange(5))


async def fault(bench: LiveBench, chance: random.Random) -> None:
    kind = chance.random()
    if kind < 0.3:
        bench.proxy.cut(reset=chance.random() < 0.5)
    elif kind < 0.36:
        await bench.stop()
        others(bench, chance)
        await bench.start()
    elif kind < 0.4:
        bench.proxy.half_open()
        bench.proxy.heal()
    elif kind < 0.5:
        bench.proxy.delay(chance.random() / 10)
    elif kind < 0.6:
        bench.proxy.heal()


@pytest.mark.parametrize("transport", ["websocket", "long-polling"])
@pytest.mark.parametrize("seed", range(scaled(1, 3)))
async def test_it_equals_the_server_whatever_happens(transport: str, seed: int) -> None:
    chance = random.Random(f"{transport} {seed}")
    async with program("live") as running:
        client = running.client("storm")
        async with live_bench(client) as bench:
            await client.open(f"{bench.proxy.url}/faye", transport, fallback=True)
            for _ in range(ROUNDS):
                others(bench, chance)
                await own(bench, chance)
                await fault(bench, chance)
                await asyncio.sleep(chance.random() / 20)
            bench.proxy.heal()
            await bench.wait_repeated()
            await bench.wait_equal(60)
            bench.insert()
            await bench.wait_equal()
            assert not client.of("reset"), "each change came by itself"
            assert client.of("pushed")


async def test_a_socket_that_dies_while_it_is_opened_is_given_up() -> None:
    """CometD's client sets no limit to that, as shipped, and would stay without a word for ever."""
    async with program("live") as running:
        client = running.client("opening")
        async with live_bench(client) as bench:
            await client.open(f"{bench.proxy.url}/faye", "websocket", fallback=True)
            bench.insert()
            await bench.wait_equal()
            known = bench.proxy.traffic.accepted
            bench.proxy.half_open()
            bench.proxy.cut()
            await wait_until(lambda: bench.proxy.traffic.accepted > known, 20)
            bench.proxy.heal()
            bench.insert()
            await bench.wait_equal()
            assert not client.of("reset")
