"""A busy history with many faults, whose trace two processes compare. Run as a program it prints the trace."""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress
from random import Random

from livecollections.collection import LiveClient
from livecollections.errors import LiveError
from livecollections.testing.simulation import Simulation

from .world import TODOS, Todos, started

HOSTS = ("phone", "laptop", "tablet")


async def user(
    client: LiveClient, random: Random, written: asyncio.Semaphore, done: asyncio.Event
) -> list[str]:
    """Write what is drawn, then listen until all is done and equal; the titles at the end."""
    async with client, client.collection(TODOS) as todos:
        for step in range(12):
            with suppress(LiveError):
                await write(todos, random, step)
            await asyncio.sleep(random.random())
        written.release()
        await done.wait()
        await todos.wait_until(lambda it: it.live == "live", 120)
        await asyncio.sleep(5)
        return sorted(each["title"] for each in todos)


async def write(todos: Todos, random: Random, step: int) -> None:
    keys = todos.keys()
    if not keys or random.random() < 0.6:
        await todos.create({"title": f"{step} {random.random():.3f}"})
    elif random.random() < 0.5:
        await todos.update(random.choice(keys), title=f"{step} {random.random():.3f}")
    else:
        await todos.delete(random.choice(keys))


async def history(simulation: Simulation) -> list[list[str]]:
    server = await started(simulation)
    network, random = simulation.network, simulation.random
    written, done = asyncio.Semaphore(0), asyncio.Event()
    users = [
        simulation.host(name).start(
            user(simulation.client(name, timeout=60, patience=3), Random(random.random()), written, done)
        )
        for name in HOSTS
    ]
    faults = (
        network.cut,
        network.half_open,
        network.partition,
        network.slow,
        network.duplicate,
        network.lose_answer,
    )
    for _ in range(8):
        await asyncio.sleep(random.random())
        random.choice(faults)(random.choice(HOSTS))
        if random.random() < 0.3:
            server.sql("UPDATE rest_todo SET completed = NOT completed")
        if random.random() < 0.3:
            network.heal()
    server.crash()
    await server.restart()
    network.heal()
    for _ in users:
        await written.acquire()
    done.set()
    return [await user for user in users]


def trace(seed: int) -> str:
    """The trace of the history of a seed."""
    simulation = Simulation(seed)
    ends = simulation.run(history)
    assert ends[0] == ends[1] == ends[2]
    return simulation.trace.text()


if __name__ == "__main__":
    for seed in map(int, sys.argv[1:]):
        sys.stdout.write(trace(seed))
