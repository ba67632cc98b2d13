"""A fan-out to ten thousand sockets lets others have their turn: no request waits for more than 20 ms behind it.

What is measured is the processor time of one turn of the server's loop, for that is what whoever comes meanwhile waits
for. Other programs of the machine do not count: where they slow the processor itself, a turn may take so much longer.
"""

from __future__ import annotations

import asyncio
import statistics
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import uvicorn
import uvloop

from bench.contenders import DIRECT, PLAIN, Contender
from bench.machine import raise_limits
from bench.native import program
from bench.running import free_ports
from bench.servers.ours import server

from ..pace import Pace
from ..scale import scaled
from ..serving import wait_until

SOCKETS = scaled(2_500, 10_000)
ROUNDS = 5
LONGEST = 0.020
PATIENCE = 120.0


@asynccontextmanager
async def serving(contender: Contender) -> AsyncIterator[int]:
    """Our server under uvicorn on this loop; gives its port."""
    (port,) = free_ports(1)
    spoken = contender.command[contender.command.index("--ws") + 1]
    options = uvicorn.Config(
        server, port=port, ws=spoken, ws_per_message_deflate=False, log_level="warning", access_log=False
    )
    running = uvicorn.Server(options)
    task = asyncio.create_task(running.serve())
    await wait_until(lambda: running.started or task.done())
    yield port
    running.should_exit = True
    await task


@asynccontextmanager
async def clients(port: int) -> AsyncIterator[None]:
    """The load generator's, all subscribed."""
    load = await asyncio.create_subprocess_exec(
        program("load"), "bayeux", str(port), "0", "/faye", str(SOCKETS), "0", "0",
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    try:
        assert load.stdout is not None
        assert b"seconds" in await asyncio.wait_for(load.stdout.readline(), PATIENCE)
        yield
    finally:
        load.kill()
        await load.communicate()


def has_gone() -> bool:
    """Whether all that was published has been written."""
    sessions = server.sessions.values()
    return not any(session.queue or session.flight.plain for session in sessions)


async def longest_turn(contender: Contender, pace: Pace) -> float:
    """Seconds of this thread's processor in the longest turn of the loop: the median of several fan-outs.

    pace: is measured beside each.
    """
    async with serving(contender) as port, clients(port):
        found = []
        for _ in range(ROUNDS):
            await wait_until(has_gone)
            pace.measure()
            turns = []
            before = server.statistics().delivered
            begun = time.thread_time()
            server.publish_nowait("/bench", "x" * 100)
            while True:
                await asyncio.sleep(0)
                turns.append(time.thread_time() - begun)
                if server._exchange.counts.delivered == before + SOCKETS and has_gone():
                    break
                begun = time.thread_time()
            found.append(max(turns))
        print(contender.name, [f"{each * 1e3:.1f} ms" for each in found])
        return statistics.median(found)


@pytest.mark.parametrize("contender", [DIRECT, PLAIN], ids=["direct", "asgi"])
def test_a_fan_out_keeps_nobody_waiting(contender: Contender) -> None:
    raise_limits()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        pace = Pace()
        assert runner.run(longest_turn(contender, pace)) <= LONGEST * pace.stretch
