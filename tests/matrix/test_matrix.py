"""Clients that others wrote, unmodified, against our server: each on every transport that it has, through every fault.

Cells run side by side, each with a server, a proxy and a client of its own; all in full, a fixed tenth in small.
"""

from __future__ import annotations

import asyncio
import faulthandler
import time
import traceback
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

from playwright.async_api import Browser, async_playwright

from livecollections.bayeux import Server

from ..demo.window import CHROMIUM, SWITCHES
from ..scale import FULL
from ..serving import served
from . import collection
from .bench import Bench, bench, pages
from .clients import Client, Program, page, program
from .python import Local, Python
from .scenarios import SCENARIOS
from .table import Cell, Outcome, cells, show, tenth

SIDE_BY_SIDE = 12
WITHIN = 90.0
"""Seconds for one cell, beside the others."""


class Floor:
    """Where the clients run: a Node process for each kind, a browser, and a site of another origin."""

    def __init__(self, programs: dict[str, Program], browser: Browser | None, site: str) -> None:
        self._programs = programs
        self._browser = browser
        self.site = site

    @asynccontextmanager
    async def client(self, cell: Cell, address: str) -> AsyncIterator[Client]:
        column = cell.column
        if column.place == "python":
            yield (Local() if column.kind == "local" else Python()).client(str(cell))
            return
        if column.place == "node":
            yield self._programs[column.kind].client(str(cell))
            return
        assert self._browser is not None
        async with page(
            self._browser, column.kind, self.site if column.is_foreign else address, str(cell)
        ) as client:
            yield client


@asynccontextmanager
async def floor(wanted: Sequence[Cell]) -> AsyncIterator[Floor]:
    async with AsyncExitStack() as stack:
        kinds = {cell.column.kind for cell in wanted if cell.column.place == "node"}
        programs = {kind: await stack.enter_async_context(program(kind)) for kind in sorted(kinds)}
        browser = None
        if any(cell.column.place == "chromium" for cell in wanted):
            playwright = await stack.enter_async_context(async_playwright())
            browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=SWITCHES)
            stack.push_async_callback(browser.close)
        yield Floor(programs, browser, await stack.enter_async_context(served(pages)))


async def run(cell: Cell, floor: Floor) -> Outcome:
    """Run one cell."""
    begun = time.monotonic()
    column = cell.column
    try:
        if column.kind == "live":
            async with asyncio.timeout(WITHIN), floor.client(cell, "") as client:
                await collection.run(cell.scenario, column.transport, client)
            return Outcome(time.monotonic() - begun)
        async with (
            asyncio.timeout(WITHIN),
            bench(column.transport, [floor.site]) as made,
            floor.client(cell, made.proxy.url) as client,
        ):
            made.client = client
            made.is_lossless = column.kind == "python"
            options = {"server": made.server} if column.kind == "local" else {}
            await client.open(made.url, column.transport, **options)
            await SCENARIOS[cell.scenario](made)
            check_transport(column.transport, made.server)
            await leave(made)
    except Exception as error:
        return Outcome(time.monotonic() - begun, "".join(traceback.format_exception(error)))
    return Outcome(time.monotonic() - begun)


async def leave(bench: Bench) -> None:
    """It says goodbye, and nothing of it is left."""
    await bench.client.do("disconnect")
    await bench.client.wait_count("disconnected", 1)
    await bench.client.wait(lambda: not bench.sessions)


def check_transport(transport: str, server: Server) -> None:
    """It is not by another transport that all this went well."""
    assert bool(server._sockets) is (transport == "websocket"), transport


async def test_every_client_on_every_transport_through_every_fault(report: list[str]) -> None:
    # All cells take longer than pytest waits before it shows where a test hangs; each has its own time.
    faulthandler.cancel_dump_traceback_later()
    wanted = cells() if FULL else tenth()
    turn = asyncio.Semaphore(SIDE_BY_SIDE)
    outcomes: dict[Cell, Outcome] = {}

    async def take(cell: Cell, floor: Floor) -> None:
        async with turn:
            outcomes[cell] = await run(cell, floor)

    async with floor(wanted) as made:
        await asyncio.gather(*(take(cell, made) for cell in wanted))
    report.append(show(outcomes))
    faults = [f"{cell}\n{outcome.fault}" for cell, outcome in outcomes.items() if outcome.fault]
    assert not faults, "\n".join(faults)
    assert len(outcomes) == len(wanted)
