"""G5: subscribers that stop to read, among healthy ones: what they cost, and that they cost nobody else anything.

The ratio of two latencies and a difference of a few megabytes say something in the full size only; the small size
asserts what is counted.
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

HEALTHY, STOPPED, ROUNDS = scaled(100, 1_000), scaled(5, 50), scaled(2, 5)
BURST = 250
"""Changes after which none of the stopped takes anything any more."""
WRITES, RATE = scaled(40, 100), scaled(20, 10)
PATIENT = {"timeout": 120.0, "ping": None}
"""The server asks nobody for a sign of life: as shipped it ends those that stop after 30 s."""
MOST = 65_536
RATIO = 1.2

Figures = list[tuple[str, str, str]]


async def measure_delays(load: Child, writer: Writer) -> dict[str, float]:
    await load.ask("delays", seq=writer.write(BURST))
    found: dict[str, float] = await load.ask("delays", seq=await writer.write_slowly(WRITES, RATE))
    assert found["count"] == HEALTHY * WRITES
    assert found["gaps"] == 0
    return found


def assert_bounded(measured: dict[str, Any]) -> None:
    assert measured["stopped"] == len(measured["transports"]) == len(measured["queues"]) == STOPPED
    assert measured["buffered"] >= sum(measured["transports"])
    assert measured["transports"][0] <= HIGH_WATER + FRAME
    # One frame more is in the hands of who waits until it can be written.
    assert measured["transports"][0] + measured["queues"][0] + FRAME <= MOST


async def test_stopped_readers_cost_their_bound_and_nobody_else_time(
    tmp_path: Path, figures: Figures
) -> None:
    alone, beside, costs = [], [], []
    buffered = 0
    async with scene(tmp_path, **PATIENT) as (server, load, writer):
        await load.ask("join", count=HEALTHY)
        await measure_delays(load, writer)
        for _ in range(ROUNDS):
            alone.append(await measure_delays(load, writer))
            before = await server.ask("measure")
            await load.ask("join_stopping", count=STOPPED)
            known = writer.documents()
            await load.ask("stop_reading")
            beside.append(await measure_delays(load, writer))
            measured = await server.ask("measure")
            assert_bounded(measured)
            buffered = max(buffered, measured["transports"][0] + measured["queues"][0])
            costs.append((measured["memory"] - before["memory"]) / STOPPED)
            told = await load.ask("read_again", seq=writer.top(), within=20)
            assert {**known, **dict(told["changes"])} == writer.documents()
            assert told["gaps"] == 0
            assert DOCUMENTS <= told["heard"] < BURST + WRITES, "it was squashed"
            await load.ask("leave")
    ratio = median(one["p99"] for one in beside) / median(one["p99"] for one in alone)
    figures += [
        (f"{HEALTHY} healthy, p50 and p99 alone", f"{_ms(alone, 'p50')} {_ms(alone, 'p99')}", ""),
        (f"beside {STOPPED} stopped", f"{_ms(beside, 'p50')} {_ms(beside, 'p99')}", ""),
        ("p99 beside : alone", f"{ratio:.2f}", f"{RATIO}" if FULL else ""),
        ("bytes waiting for one stopped reader", f"{buffered:,}", f"{MOST - FRAME:,}"),
        ("resident memory for one, KiB", f"{max(costs) / 1024:.1f}", f"{MOST // 1024}" if FULL else ""),
    ]
    if FULL:
        assert max(costs) <= MOST
        assert ratio <= RATIO


def _ms(rounds: list[dict[str, float]], name: str) -> str:
    return f"{1000 * median(one[name] for one in rounds):.1f} ms"
