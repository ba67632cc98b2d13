"""Thousands of sessions that are cut in one moment, while the log goes on: by the network, and by the server's end.

The crowd is small clients that hear everything and count gaps; some more are real ones, which hold the collection.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from livecollections.bayeux.arrivals import LONGEST
from livecollections.bayeux.pacing import AROUND

from ..scale import scaled
from .child import Child
from .scene import Writer, scene

SMALL, REAL = scaled(490, 4_900), scaled(10, 100)
ARRIVALS = scaled(60, 200)
"""Of clients in a second; in full as shipped. Who told nobody to wait would not have them all in time."""
TEXT = "x" * 30
MISSED = 200
"""Changes while nobody hears."""
SECONDS, MEMORY, ROWS = 20.0, 1.5, 2.0
CROWDED = 0.5
"""The part of those who are told to wait that may come again within a tenth of the longest wait."""
OPTIONS: dict[str, Any] = {
    "limits": {"arrivals": ARRIVALS, "strangers_address": 20_000, "sessions_per_address": 20_000}
}
"""Here all come from one address."""
PATIENCE = 60.0

Figures = list[tuple[str, str, str]]


@dataclass
class Crowd:
    """Who is cut."""

    load: Child
    real: Child
    writer: Writer

    async def ask(self, question: str) -> None:
        await asyncio.gather(self.load.ask(question), self.real.ask(question))

    async def caught_up(self) -> dict[str, Any]:
        """Once all have everything: how that went."""
        seq, documents = self.writer.top(), list(self.writer.documents().items())
        small, real = await asyncio.gather(
            self.load.ask("wait", seq=seq, within=PATIENCE),
            self.real.ask("wait", documents=documents, within=PATIENCE),
        )
        counts = await self.load.ask("counts")
        assert (counts["gaps"], counts["resets"]) == (0, 0)
        assert small["longest"] <= LONGEST * (1 + AROUND)
        return {**small, "real": real}


@asynccontextmanager
async def crowd(path: Path) -> AsyncIterator[tuple[Child, Crowd]]:
    async with scene(path, TEXT, **OPTIONS) as (server, load, writer), AsyncExitStack() as stack:
        real = await stack.enter_async_context(Child("tests.crowds.real", str(await server.ask("begin"))))
        await load.ask("join", count=SMALL)
        await real.ask("join", count=REAL)
        found = Crowd(load, real, writer)
        await found.caught_up()
        await calm(server)
        yield server, found


async def calm(server: Child) -> Any:
    """Nobody is told to wait any more: what it holds then."""
    await server.ask("calm")
    return await server.ask("measure")


def tell(
    figures: Figures, name: str, went: dict[str, Any], before: dict[str, Any], after: dict[str, Any]
) -> None:
    """Add it to the table, and hold it against its bounds.

    Args:
        before: the first server, when all had begun and none was cut. What a storm leaves in a server's memory is no
            measure of the next, nor is another process in which nobody is yet.
    """
    seconds = max(went["last"], went["real"])
    memory = after["most"] / before["memory"]
    rows = after["rows"] / MISSED
    told = after["paced"]
    figures += [
        (f"{SMALL + REAL} {name}: seconds until all are caught up", f"{seconds:.1f}", f"{SECONDS:.0f}"),
        ("without those for which its server had no processor", f"{seconds - after['waited']:.1f}", ""),
        ("seconds until half are; of the server's processor", f"{went['half']:.1f} {after['cpu']:.1f}", ""),
        ("peak memory : before", f"{memory:.2f} of {before['memory'] >> 20} MiB", f"{MEMORY}"),
        ("rows read : missed", f"{rows:.2f}", f"{ROWS}"),
        ("seconds until all had come", f"{went['arriving']:.1f}", ""),
        ("told to wait, and the longest", f"{told} {went['longest']:.1f} s", ""),
        ("of these in one tenth of that, at most", f"{went['crowded']:.2f}", f"{CROWDED}"),
    ]
    assert told, "nobody was told to come later, though so many came"
    assert went["crowded"] <= CROWDED, "who were told to wait come again in one moment"
    assert after["resets"] == {}, "what was missed is in the log"
    assert rows <= ROWS
    assert memory <= MEMORY
    assert seconds <= SECONDS


def since(after: dict[str, Any], before: dict[str, Any]) -> dict[str, Any]:
    sums = "cpu", "waited", "rows", "paced"
    return {**after, **{name: after[name] - before[name] for name in sums}}


async def test_all_are_caught_up_after_a_cut_and_after_the_servers_end(
    tmp_path: Path, figures: Figures
) -> None:
    async with crowd(tmp_path) as (server, people):
        before = await server.ask("measure")
        assert before["sessions"] == SMALL + REAL
        await people.ask("cut")
        people.writer.write(MISSED)
        went = await people.caught_up()
        after = await server.ask("measure")
        assert after["handshakes"] == before["handshakes"], "all had their sessions still"
        tell(figures, "cut", went, before, since(after, before))
        port = str((await calm(server))["port"])
        async with Child("tests.crowds.server", str(people.writer.path), port, json.dumps(OPTIONS)) as other:
            # What it imports is not what is measured here.
            await other.ask("calm")
            await server.__aexit__()
            people.writer.write(MISSED)
            await other.ask("begin")
            await people.ask("mark")
            went = await people.caught_up()
            after = await other.ask("measure")
            assert after["handshakes"] >= SMALL + REAL
            tell(figures, "lost", went, before, after)
