"""G5: subscribers that stop to read, among healthy ones: what they cost, and that they cost nobody else anything.

Their memory is measured among few healthy ones, whose own buffers would drown it, and as what 50 take beside 50 that
stopped before: what the process keeps once, and room that it had, is no part of it. The latency of the healthy is
measured by turns without them, while what waits for them fills up, and when they take nothing any more.
"""

from __future__ import annotations

from pathlib import Path
from statistics import median
from typing import Any

from livecollections.bayeux.load import FRAME
from livecollections.bayeux.transports.buffer import HIGH_WATER

from ..scale import FULL, scaled
from .child import Child
from .scene import DOCUMENTS, Writer, scene

STOPPED, FEW, HEALTHY = 50, 100, scaled(100, 1_000)
ROUNDS = 5
BURST = 200
"""Changes at once after which none of the stopped takes anything any more."""
FILLING = 200
"""And changes one after another: what lies below the server takes some 100."""
WRITES, RATE = 80, scaled(160, 16)
"""Changes in one measurement, and in a second."""
TEXT = "x" * 900
BELOW = 65_536
"""Bytes for which the system keeps room below the server: by itself it has kept 130 to 640 changes."""
OPTIONS = {"timeout": 120.0, "ping": None, "below": BELOW}
"""The server asks nobody for a sign of life: as shipped it ends those that stop after 30 s."""
MOST = 65_536
"""Bytes for one: of what waits, and of memory, with its session and its socket."""
RATIO = 1.2 if FULL else 2.0
"""A tenth tells more of what else the machine does: 0.82 to 1.39 beside much, 1.01 to 1.08 beside nothing."""

Figures = list[tuple[str, str, str]]
Rounds = list[dict[str, float]]


async def fill(load: Child, writer: Writer) -> None:
    """What is known lately, and what waits for those who do not read, is as much as it can be."""
    await load.ask("delays", seq=writer.write(BURST), within=60.0)


async def measure_delays(load: Child, writer: Writer, count: int = WRITES) -> dict[str, float]:
    found: dict[str, float] = await load.ask(
        "delays", seq=await writer.write_slowly(count, RATE), within=60.0
    )
    assert (found["gaps"], found["resets"]) == (0, 0)
    return found


async def measure_while_they_fill(server: Child, load: Child, writer: Writer) -> dict[str, float]:
    """From when the server keeps nothing for the stopped until it keeps something for nearly all."""
    assert (await server.ask("measure"))["transports"] == []
    found = await measure_delays(load, writer, FILLING)
    assert len((await server.ask("measure"))["transports"]) > 0.8 * STOPPED
    return found


async def stop_some(load: Child, writer: Writer) -> dict[int, str]:
    """They have begun, and read nothing from now on; returns what the collection was then."""
    await load.ask("join_stopping", count=STOPPED)
    known = writer.documents()
    await load.ask("stop_reading")
    return known


async def stop_whole(server: Child, load: Child, writer: Writer, count: int = STOPPED) -> dict[int, str]:
    """The same, and take nothing any more; ``count``: with those that stopped before."""
    known = await stop_some(load, writer)
    await fill(load, writer)
    await server.ask("wait_stopped", count=count)
    return known


async def read_again(load: Child, writer: Writer, known: dict[int, str]) -> None:
    """One of them reads again, and ends with the right collection; then they go."""
    told = await load.ask("read_again", seq=writer.top(), within=30)
    assert {**known, **dict(told["changes"])} == writer.documents()
    assert (told["gaps"], told["resets"]) == (0, 0)
    assert DOCUMENTS <= told["heard"] < BURST, "it was squashed"
    await load.ask("leave")


def bounded(measured: dict[str, Any], count: int = STOPPED) -> int:
    """Bytes that wait for the one of so many for whom most waits, which is within the bounds."""
    transports, queues = measured["transports"], measured["queues"]
    assert measured["stopped"] == len(transports) == len(queues) == count
    assert measured["buffered"] >= sum(transports)
    assert transports[0] <= HIGH_WATER + FRAME, f"{transports[0]} bytes wait in a transport"
    # One frame more is in the hands of who waits until it can be written.
    waiting: int = transports[0] + queues[0] + FRAME
    assert waiting <= MOST, f"{waiting} bytes wait for one"
    return waiting


async def test_stopped_readers_cost_their_bound_and_nobody_else_time(
    tmp_path: Path, figures: Figures
) -> None:
    alone, filling, full = [], [], []
    async with scene(tmp_path, TEXT, **OPTIONS) as (server, load, writer):
        await load.ask("join", count=FEW)
        await fill(load, writer)
        known = await stop_whole(server, load, writer)
        before = await server.ask("measure")
        await stop_whole(server, load, writer, 2 * STOPPED)
        measured = await server.ask("measure")
        waiting = bounded(measured, 2 * STOPPED)
        cost = (measured["memory"] - before["memory"]) / STOPPED
        await read_again(load, writer, known)
        await load.ask("join", count=HEALTHY)
        await fill(load, writer)
        for _ in range(ROUNDS):
            alone.append(await measure_delays(load, writer))
            known = await stop_some(load, writer)
            filling.append(await measure_while_they_fill(server, load, writer))
            await fill(load, writer)
            await server.ask("wait_stopped", count=STOPPED)
            full.append(await measure_delays(load, writer))
            waiting = max(waiting, bounded(await server.ask("measure")))
            await read_again(load, writer, known)
            await fill(load, writer)
        assert (await server.ask("measure"))["resets"] == {}
    tell(figures, alone, filling, full)
    figures += [
        ("bytes that wait for one stopped reader", f"{waiting:,}", f"{MOST:,}"),
        ("resident memory for one, KiB", f"{cost / 1024:.1f}", f"{MOST // 1024}"),
    ]
    assert cost <= MOST
    assert _ratio(filling, alone) <= RATIO
    assert _ratio(full, alone) <= RATIO


def tell(figures: Figures, alone: Rounds, filling: Rounds, full: Rounds) -> None:
    named = {"alone": alone, f"while {STOPPED} fill up": filling, f"beside {STOPPED} that are full": full}
    for name, rounds in named.items():
        delays = f"{_ms(rounds, 'p50')} {_ms(rounds, 'p99')}"
        figures.append((f"{HEALTHY} healthy, p50 and p99 {name}", delays, ""))
    for name, rounds in [*named.items()][1:]:
        figures.append((f"p99 {name} : alone", f"{_ratio(rounds, alone):.2f}", f"{RATIO}"))


def _ratio(rounds: Rounds, alone: Rounds) -> float:
    return median(one["p99"] for one in rounds) / median(one["p99"] for one in alone)


def _ms(rounds: Rounds, name: str) -> str:
    return f"{1000 * median(one[name] for one in rounds):.1f} ms"
