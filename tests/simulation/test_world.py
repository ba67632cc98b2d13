"""The world itself: its time, that one seed is one trace in every process, and that a history is the real thing."""

from __future__ import annotations

import asyncio
import gc
import os
import random
import secrets
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from livecollections.collection import LiveClient
from livecollections.testing.simulation import Simulation

from .world import TODOS, create, started

ROOT = Path(__file__).parent.parent.parent


def test_time_jumps_to_the_next_timer() -> None:
    async def history(simulation: Simulation) -> tuple[float, float]:
        loop, began, wall = asyncio.get_running_loop(), time.monotonic(), time.time()
        await asyncio.sleep(3_000)
        assert time.monotonic() == loop.time()
        return time.monotonic() - began, time.time() - wall

    before = time.monotonic()
    passed, on_the_wall = Simulation(1).run(history)
    assert passed == pytest.approx(3_000, abs=0.001)
    assert on_the_wall == pytest.approx(3_000, abs=0.001)
    assert time.monotonic() - before < 60


def test_chance_is_of_the_seed_and_put_back_afterwards() -> None:
    async def history(simulation: Simulation) -> list[object]:
        return [
            random.random(),
            secrets.token_hex(4),
            os.urandom(2),
            random.choice("abcdef"),
            secrets.randbelow(10**9),
        ]

    drawn = [Simulation(seed).run(history) for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1]
    assert all(one != other for one, other in zip(drawn[0][:3], drawn[2][:3], strict=True))
    assert secrets.token_hex(16) != secrets.token_hex(16)
    assert abs(time.time() - time.clock_gettime(time.CLOCK_REALTIME)) < 5


def test_a_failure_bears_the_end_of_the_trace() -> None:
    async def history(simulation: Simulation) -> None:
        for number in range(50):
            simulation.note("phone", f"step {number}")
        await asyncio.wait_for(asyncio.Event().wait(), 5)

    with pytest.raises(TimeoutError) as caught:
        Simulation(1).run(history)
    head, *lines = caught.value.__notes__[-1].splitlines()
    assert head == "how it came to that:"
    assert [line.split()[1:] for line in lines] == [
        ["phone", "step", str(number)] for number in range(10, 50)
    ]
    with pytest.raises(TimeoutError) as bare:
        Simulation(1, tail=0).run(history)
    assert not hasattr(bare.value, "__notes__")


def test_a_failure_that_nobody_saw_bears_it_too() -> None:
    async def history(simulation: Simulation) -> None:
        simulation.note("phone", "rings")
        asyncio.get_running_loop().call_soon(lambda: 1 / 0)
        await asyncio.sleep(1)

    with pytest.raises(AssertionError, match="ZeroDivisionError") as caught:
        Simulation(1).run(history)
    assert "phone      rings" in caught.value.__notes__[-1]


def connect() -> None:
    with socket.socket() as made:
        made.connect(("127.0.0.1", 9))


@pytest.mark.parametrize(
    "ask",
    [
        lambda: threading.Thread(target=print).start(),
        lambda: asyncio.to_thread(print),
        lambda: asyncio.get_running_loop().run_in_executor(None, print),
        lambda: asyncio.get_running_loop().add_reader(0, print),
        lambda: time.sleep(1),
        connect,
    ],
)
def test_who_asks_for_a_thread_or_the_system_fails_the_run(ask: object) -> None:
    async def history(simulation: Simulation) -> None:
        try:
            asked = ask()  # type: ignore[operator]
            if asked is not None:
                await asked
        except AssertionError:
            pass

    with pytest.raises(AssertionError, match=r"thread|descriptor|socket of the system"):
        Simulation(1).run(history)


def test_a_history_that_waits_for_ever_ends() -> None:
    async def history(simulation: Simulation) -> None:
        await asyncio.Event().wait()

    with pytest.raises(AssertionError, match="nothing will ever happen"):
        Simulation(1).run(history)


def test_an_error_that_nobody_saw_fails_the_run() -> None:
    async def fail() -> None:
        raise ValueError("unseen")

    async def history(simulation: Simulation) -> None:
        task = asyncio.create_task(fail())
        await asyncio.sleep(1)
        del task
        gc.collect()  # the traceback leads to the loop's handle, which leads to the task

    with pytest.raises(AssertionError, match="unseen"):
        Simulation(1).run(history)


def test_users_on_hosts_see_what_others_write() -> None:
    async def listen(client: LiveClient) -> list[str]:
        async with client, client.collection(TODOS) as todos:
            await todos.wait_until(lambda it: len(it) == 3, 60)
            return [each["title"] for each in todos]

    async def history(simulation: Simulation) -> None:
        server = await started(simulation)
        listening = simulation.host("phone").start(listen(simulation.client("phone")))
        await simulation.host("laptop").run(create(simulation.client("laptop"), "milk", "bread"))
        await asyncio.sleep(1)
        server.sql("INSERT INTO rest_todo (title, completed) VALUES ('salt', 0)")
        assert await listening == ["milk", "bread", "salt"]
        assert server.sql("SELECT count(*) FROM live_changes") == [(3,)]
        await server.stop()

    simulation = Simulation(1)
    simulation.run(history)
    trace = simulation.trace.text()
    assert "phone      #1 to server is open" in trace
    assert '"method":"POST","body":{"id":1,"title":"milk"' in trace
    assert "server     has stopped" in trace


def test_one_seed_is_one_trace_in_every_process() -> None:
    seeds = [str(seed) for seed in range(1, 5)]
    running = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.simulation.busy", *seeds],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": hashed},
            stdout=subprocess.PIPE,
            text=True,
        )
        for hashed in ("1", "2")
    ]
    traces = [process.communicate(timeout=100)[0] for process in running]
    assert [process.returncode for process in running] == [0, 0]
    assert traces[0] == traces[1]
    assert len(traces[0].splitlines()) > 1_000


def test_another_seed_is_another_trace() -> None:
    async def history(simulation: Simulation) -> str:
        await started(simulation)
        await simulation.host("phone").run(create(simulation.client("phone"), "milk"))
        return simulation.trace.text()

    one, other, again = (Simulation(seed).run(history) for seed in (1, 2, 1))
    assert one == again
    assert one != other
