"""Cheeses, stores and vegetables behind a Live, asked without a socket."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import httpx
import pytest

from livecollections import Live
from tests.databases.database import Database
from tests.rest.described import Described

from .models import Cheese, Mineral, Nutrient, Vegetable

NAMES = ["Turnip", "Spinach", "Pea", "Shitake", "Lima Bean", "Carrot", "Zucchini", "Radicchio"]
COLOURS = ["Yellow", "Blue", "Green", "Indigo", "Red", "Orange", "Violet"]


Open = Callable[..., Awaitable[httpx.AsyncClient]]


@pytest.fixture
async def opened() -> AsyncIterator[Open]:
    """Starts a Live, and gives a client of it."""
    async with AsyncExitStack() as stack:

        async def start(live: Live, app: Any = None) -> httpx.AsyncClient:
            await stack.enter_async_context(live)
            transport = httpx.ASGITransport(app or live.app, raise_app_exceptions=False)
            # What stands before it or beside it answers as it likes.
            hooks = {"response": [Described(live).check] if app is None else []}
            client = httpx.AsyncClient(transport=transport, base_url="http://test", event_hooks=hooks)
            return await stack.enter_async_context(client)

        yield start


async def fill(client: httpx.AsyncClient, path: str, *documents: dict[str, Any]) -> list[dict[str, Any]]:
    """Create documents, and give them."""
    answers = [await client.post(path, json=document) for document in documents]
    assert all(answer.status_code == 201 for answer in answers), [answer.text for answer in answers]
    return [answer.json() for answer in answers]


@pytest.fixture
async def garden(database: Database, opened: Open) -> httpx.AsyncClient:
    """Eight vegetables, one of which has a nutrient; seven minerals."""
    live = database.live()
    live.add_resource("/api/vegetables", Vegetable, exclude=["species"])
    live.add_resource("/api/nutrients", Nutrient)
    live.add_resource("/api/minerals", Mineral, sort="color")
    client = await opened(live)
    await fill(client, "/api/vegetables", *({"name": name} for name in NAMES))
    await fill(client, "/api/minerals", *({"color": color} for color in COLOURS))
    await fill(client, "/api/nutrients", {"color": "Blue", "vegetable_id": 1})
    return client


@pytest.fixture
async def dairy(database: Database, opened: Open) -> httpx.AsyncClient:
    """Three cheeses; ``bother`` is not for clients to set, and operators are for three fields."""
    live = database.live()
    enabled = ["molds", "color", "arbitrary", "bother"]
    live.add_resource("/api/cheeses", Cheese, read_only=["bother"], operators=enabled)
    live.add_resource("/api/plain", Cheese)
    client = await opened(live)
    arbitrary = [{"goat": True, "llama": [3, 4]}, {"goat": False, "llama": [1, 2]}]
    await fill(
        client,
        "/api/cheeses",
        {"name": "Cheddar", "color": "Yellow"},
        {"name": "Huntsman", "color": "Yellow, Blue, White"},
        {"name": "Camembert", "color": "White", "arbitrary": arbitrary},
    )
    return client
