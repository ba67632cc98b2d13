"""Waiting for a collection to be live, at the edge of its time."""

from __future__ import annotations

import asyncio

import pytest

from livecollections.errors import Unconfirmed

from .conftest import Site


async def test_it_came_true_in_the_turn_in_which_the_time_ran_out(site: Site) -> None:
    async with site.client() as client, client.collection("/api/todos") as todos:
        todos._replica._behind = True
        late = asyncio.create_task(todos.wait_live(0))
        with pytest.raises(Unconfirmed):
            await late
        waiting = asyncio.create_task(todos.wait_live(0))
        # Its turn is now, and its time runs out in the next.
        await asyncio.sleep(0)
        todos._replica._behind = False
        await waiting
        await todos.close()
