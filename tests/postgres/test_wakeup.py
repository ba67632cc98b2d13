"""NOTIFY: with the option, a commit of anybody's is noticed without waiting for the next look."""

from __future__ import annotations

import asyncio
import time

from livecollections.testing import wait_until

from .server import END_ALL, PostgresServer
from .things import Shelf
from .writing import Writing, writing

LONG = 60.0
"""Seconds between two looks, so that only a notification wakes in time."""


async def woken(at: Writing, statement: str) -> None:
    """Wait for another program's commit."""
    at.store._log._reading._poll = LONG
    head = await at.store.head()
    waiting = asyncio.create_task(at.store.wait_changed(head))
    clock = asyncio.get_running_loop().time
    await wait_until(lambda: at.store._log._reading._next_look > clock() + LONG / 2, 5)
    await at.run(statement)
    await asyncio.wait_for(waiting, 5)
    assert await at.store.head() > head


async def test_a_commit_wakes_those_who_wait(postgres: PostgresServer) -> None:
    async with writing(postgres.database(), Shelf, notify=True) as at:
        await woken(at, "INSERT INTO shelf (name, seen) VALUES ('a', 1)")


async def test_a_lost_connection_is_opened_again(postgres: PostgresServer) -> None:
    async with writing(postgres.database(), Shelf, notify=True) as at:
        await at.run(END_ALL)
        await at.store.maintain(time.time())
        await woken(at, "INSERT INTO shelf (name, seen) VALUES ('a', 1)")
