"""G5: subscribers that stop to read, among healthy ones: what they cost, and that they cost nobody else anything.

Their memory is measured among few healthy ones, whose own buffers would drown it. The ratio of two latencies says
something in the full size only; in the small one it is printed.
"""

from __future__ import annotations

from pathlib import Path
from statistics import median
from typing import Any

from livecollections.bayeux.transports.buffer import HIGH_WATER
from livecollections.bayeux.transports.websocket import FRAME

from ..scale import FULL, scaled
from .child import Child
from .scene import DOCUMENTS, Writer, scene

STOPPED, FEW, HEALTHY = 50, 100, scaled(100, 1_000)
ROUNDS = scaled(1, 5)
BURST = 200
"""Changes after which none of the stopped takes anything any more."""
WRITES, RATE = scaled(20, 100), scaled(20, 10)
TEXT = "x" * 900
PATIENT = {"timeout": 120.0, "ping": None}
"""The server asks nobody for a sign of life: as shipped it ends those that stop after 30 s."""
MOST = 65_536
RATIO = 1.2

Figures = list[tuple[str, str, str]]


async def measure_delays(load: Child, writer: Writer) -> dict[str, float]:
    await load.ask("delays", seq=writer.write(BURST), within=60.0)
    found: dict[str, float] = await load.ask(
        "delays", seq=await writer.write_slowly(WRITES, RATE), within=60.0
    )
    assert found["gaps"] == 0
    return found


async def stop_some(load: Child, writer: Writer) -> dict[int, str]:
    """They have begun, and read nothing from now on; returns what the collection was then."""
    await load.ask("join_stopping", count=STOPPED)
    known = writer.documents()
    await load.ask("stop_reading")
    return known


async def read_again(load: Child, writer: Writer, known: dict[int, str]) -> None:
    """One of them reads again, and ends with the right collection; then they go."""
    told = await load.ask("read_again", seq=writer.top(), within=30)
    assert {**known, **dict(told["changes"])} == writer.documents()
    assert told["gaps"] == 0
    assert DOCUMENTS <= told["heard"] < BURST + WRITES, "it was squashed"
    await load.ask("leave")


def bounded(measured: dict[str, Any]) -> int:
    """Bytes that wait for the one for whom most waits, which is within the bounds."""
    transports, queues = measured["transports"], measured["queues"]
    assert measured["stopped"] == len(transports) == len(queues) == STOPPED
    assert measured["buffered"] >= sum(transports)
    assert transports[0] <= HIGH_WATER + FRAME
    # One frame more is in the hands of who waits until it can be written.
    waiting: int = transports[0] + queues[0] + FRAME
    assert waiting <= MOST
    return waiting


async def test_stopped_readers_cost_their_bound_and_nobody_else_time(
    tmp_path: Path, figures: Figures
) -> None:
    alone, beside = [], []
    async with scene(tmp_path, TEXT, **PATIENT) as (server, load, writer):
        await load.ask("join", count=FEW)
        await measure_delays(load, writer)
        before = await server.ask("measure")
        known = await stop_some(load, writer)
        await measure_delays(load, writer)
        await server.ask("wait_stopped", count=STOPPED)
        measured = await server.ask("measure")
        waiting = bounded(measured)
        cost = (measured["memory"] - before["memory"]) / STOPPED
        await read_again(load, writer, known)
        if HEALTHY > FEW:
            await load.ask("join", count=HEALTHY)
            await measure_delays(load, writer)
        for _ in range(ROUNDS):
            alone.append(await measure_delays(load, writer))
            known = await stop_some(load, writer)
            beside.append(await measure_delays(load, writer))
            await server.ask("wait_stopped", count=STOPPED)
            waiting = max(waiting, bounded(await server.ask("measure")))
            await read_again(load, writer, known)
    ratio = median(one["p99"] for one in beside) / median(one["p99"] for one in alone)
    figures += [
        (f"{HEALTHY} healthy, p50 and p99 alone", f"{_ms(alone, 'p50')} {_ms(alone, 'p99')}", ""),
        (f"beside {STOPPED} stopped", f"{_ms(beside, 'p50')} {_ms(beside, 'p99')}", ""),
        ("p99 beside : alone", f"{ratio:.2f}", f"{RATIO}" if FULL else ""),
        ("bytes that wait for one stopped reader", f"{waiting:,}", f"{MOST:,}"),
        ("resident memory for one, KiB", f"{cost / 1024:.1f}", f"{MOST // 1024}"),
    ]
    assert cost <= MOST
    if FULL:
        assert ratio <= RATIO


def _ms(rounds: list[dict[str, float]], name: str) -> str:
    return f"{1000 * median(one[name] for one in rounds):.1f} ms"
