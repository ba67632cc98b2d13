"""The loss test: messages every 5 ms while every TCP connection is cut each 700 ms, beside Faye's own server.

Ours doubles none. It loses none where the client can make good what a connection took with it; to a client that
can't, at most what was written to a connection that was dead already.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack

from rich.console import Console
from rich.table import Table

from ..scale import scaled
from .clients import Program, program
from .loss import Losses, Run, lose
from .python import Python

COUNT = scaled(300, 1_500)

RUNS = (
    Run("faye", "websocket", "faye", "anything"),
    Run("faye", "long-polling", "faye", "anything"),
    Run("faye", "websocket", "ours", "exposed"),
    Run("faye", "long-polling", "ours", "nothing"),
    Run("faye", "websocket", "resource", "nothing", ("since",)),
    Run("faye", "long-polling", "resource", "nothing", ("since",)),
    Run("faye", "websocket", "kept", "nothing", ("since",)),
    Run("faye", "long-polling", "kept", "nothing", ("since",)),
    Run("cometd", "websocket", "ours", "nothing", ("ack",)),
    Run("cometd", "long-polling", "ours", "nothing", ("ack",)),
    Run("python", "websocket", "kept", "nothing"),
    Run("python", "long-polling", "kept", "nothing"),
    Run("python", "websocket", "ours", "nothing", ("ack",)),
    Run("python", "long-polling", "ours", "nothing", ("ack",)),
)


def show(found: Mapping[Run, Losses]) -> str:
    table = Table(title=f"{COUNT} messages at 5 ms, all connections cut each 700 ms")
    for name in ("client, transport, server", "sent", "cuts", "exposed", "lost", "doubled", "in order"):
        table.add_column(name, justify="left" if name.startswith("client") else "right")
    for run, one in found.items():
        counts = (one.sent, one.cuts, one.exposed, one.lost, one.doubled)
        table.add_row(str(run), *map(str, counts), "yes" if one.in_order else "no")
    console = Console(width=120, color_system=None)
    with console.capture() as captured:
        console.print(table)
    return captured.get()


async def test_what_is_lost_while_connections_are_cut(report: list[str]) -> None:
    async with AsyncExitStack() as stack:
        programs: dict[str, Program | Python] = {"python": Python()}
        for kind in ("faye", "cometd"):
            programs[kind] = await stack.enter_async_context(program(kind))
        counted = await asyncio.gather(
            *(lose(run, programs[run.kind].client(str(run)), COUNT) for run in RUNS)
        )
    found = dict(zip(RUNS, counted, strict=True))
    report.append(show(found))
    for run, one in found.items():
        assert one.sent == COUNT
        assert one.cuts >= COUNT * 0.005 / 0.7 // 2, f"{run}: hardly anything was cut"
        if run.server == "faye":
            assert one.lost < COUNT / 2, f"{run}: it was hardly there"
            continue
        assert (one.doubled, one.in_order) == (0, True), f"{run}: {one}"
        if run.may_lose == "nothing":
            assert one.lost == 0, f"{run}: {one}"
        else:
            assert one.elsewhere == 0, f"{run}: {one}"
