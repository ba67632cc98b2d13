"""A busy history with many faults, whose trace two processes compare. Run as a program it prints the trace."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Coroutine
from contextlib import suppress
from random import Random

from livecollections.collection import LiveClient
from livecollections.errors import LiveError
from livecollections.testing.simulation import Killed, Node, Simulation

from .world import TODOS, Todos, started

HOSTS = ("phone", "laptop", "tablet")
TRANSPORTS = ("websocket", "websocket", "long-polling")


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
        await asyncio.sleep(60)  # what is half open is found out at the latest when a held poll is overdue
        return sorted(each["title"] for each in todos)


async def write(todos: Todos, random: Random, step: int) -> None:
    keys = todos.keys()
    if not keys or random.random() < 0.6:
        await todos.create({"title": f"{step} {random.random():.3f}"})
    elif random.random() < 0.5:
        await todos.update(random.choice(keys), title=f"{step} {random.random():.3f}")
    else:
        await todos.delete(random.choice(keys))


class Trouble:
    """What befalls a simulation: each kind of fault, drawn."""

    def __init__(self, simulation: Simulation, server: Node) -> None:
        self.simulation = simulation
        self.network = simulation.network
        self.server = server
        self.random = simulation.random

    async def come(self) -> None:
        """One fault, of one host or of the server."""
        host, network, server = self.random.choice(HOSTS), self.network, self.server
        kinds: list[Callable[[], object]] = [
            lambda: network.cut(host, reset=self.random.random() < 0.5),
            lambda: network.half_open(host),
            lambda: network.partition(host),
            lambda: network.refuse(host),
            lambda: network.slow(host),
            lambda: network.delay(host, 0.0, 0.5),
            lambda: network.duplicate(host),
            lambda: network.lose_answer(host, severs=self.random.random() < 0.5),
            lambda: network.lose_push(host, TODOS, severs=self.random.random() < 0.5),
            lambda: self.simulation.host(host).sleep(),
            lambda: self.simulation.host("server").jump(self.random.uniform(-600, 600)),
            lambda: server.crash(power=self.random.random() < 0.5),
            lambda: server.crash_after(self.random.randrange(1, 200)),
            lambda: server.crash_at_commit(),
            server.stop,
            self.hold,
        ]
        if not server.is_running:
            await server.restart()
        with suppress(Killed):
            done = self.random.choice(kinds)()
            if isinstance(done, Coroutine):
                await done

    async def hold(self) -> None:
        async with self.server.transaction(commits=self.random.random() < 0.5) as connection:
            connection.execute("UPDATE rest_todo SET completed = NOT completed")
            await asyncio.sleep(self.random.random())

    async def end(self) -> None:
        self.network.heal()
        for host in HOSTS:
            self.simulation.host(host).wake()
        if not self.server.is_running:
            await self.server.restart()


async def history(simulation: Simulation) -> list[list[str]]:
    server = await started(simulation)
    written, done = asyncio.Semaphore(0), asyncio.Event()
    users = [
        simulation.host(name).start(user(client, Random(f"{name} {simulation.seed}"), written, done))
        for name, client in (
            (name, simulation.client(name, timeout=60, patience=3, transports=[TRANSPORTS[number]]))
            for number, name in enumerate(HOSTS)
        )
    ]
    trouble = Trouble(simulation, server)
    for _ in range(8):
        await asyncio.sleep(simulation.random.random())
        await trouble.come()
        if simulation.random.random() < 0.3:
            await trouble.end()
    await trouble.end()
    for _ in users:
        await written.acquire()
    await trouble.end()  # what was to happen later, too
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
