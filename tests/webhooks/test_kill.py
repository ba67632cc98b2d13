"""A process that posts webhooks is killed, again and again: each change arrives, in order, at least once."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path

from livecollections import Live
from tests.command import ROOT
from tests.scale import scaled
from tests.serving import wait_until

from .receiver import PATH, Answer, Order, Receiver, order, receiving, selling

PROGRAM = """
import asyncio, sys
from pathlib import Path
from livecollections import listeners
from tests.webhooks.receiver import selling

listeners.LEASE = 0.5

async def serve():
    async with selling(Path(sys.argv[1]), sys.argv[2]):
        await asyncio.Event().wait()

asyncio.run(serve())
"""
KILLS = scaled(3, 20)
PER_LIFE = 4


@asynccontextmanager
async def posting(folder: Path, url: str) -> AsyncIterator[None]:
    """A process that posts, until it is killed."""
    command = (sys.executable, "-c", PROGRAM, str(folder), url)
    process = await asyncio.create_subprocess_exec(*command, cwd=ROOT)
    try:
        yield
    finally:
        process.kill()
        await process.wait()


async def write(folder: Path, life: int) -> None:
    """Orders, written while nobody posts."""
    live = Live(f"sqlite:///{folder / 'shop.db'}")
    live.add_resource(PATH, Order, exclude=("secret",))
    async with live:
        await order(live, *(f"{life}-{number}" for number in range(PER_LIFE)))


async def kill_in_a_request(receiver: Receiver, folder: Path, url: str, after: int) -> None:
    """Kill the process while it waits for an answer, once some of its messages have been taken."""
    enough, hung = len(receiver.taken) + after, asyncio.Event()

    def hang(message: object) -> Answer:
        if len(receiver.taken) < enough:
            return Answer()
        hung.set()
        return Answer(hangs=True)

    receiver.answer = hang
    async with posting(folder, url):
        await asyncio.wait_for(hung.wait(), 40)


async def test_kill_9_loses_nothing_and_keeps_the_order(tmp_path: Path) -> None:
    async with receiving() as (receiver, url):
        async with selling(tmp_path, url) as live:
            await wait_until(lambda: live._store.cursor("webhook:api-orders"))
        for life in range(KILLS):
            await write(tmp_path, life)
            await kill_in_a_request(receiver, tmp_path, url, after=life % PER_LIFE)
        receiver.answer = lambda message: Answer()
        written = [f"{life}-{number}" for life in range(KILLS) for number in range(PER_LIFE)]
        async with posting(tmp_path, url):
            await wait_until(lambda: set(receiver.texts(receiver.taken)) == set(written), within=40)
    seqs = [message["data"]["seq"] for message in receiver.taken]
    assert all(one <= other for one, other in pairwise(seqs)), "perhaps again, but never out of order"
    prevs = [message["data"]["prev"] for message in receiver.taken]
    assert all(prev <= before for prev, before in zip(prevs[1:], seqs, strict=False)), "and no loss is told"
    assert list(dict.fromkeys(receiver.texts(receiver.taken))) == written
