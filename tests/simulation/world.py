"""What the tests of the simulation share: an application, and users of it."""

from __future__ import annotations

from typing import Any

from livecollections import Live
from livecollections.collection import LiveClient, LiveCollection
from livecollections.testing.simulation import Node, Simulation

from ..models import Todo

TODOS = "/api/todos"


def application(store: Any) -> Live:
    """An application of one resource."""
    live = Live(store)
    live.add_resource(TODOS, Todo)
    return live


async def started(simulation: Simulation, **options: Any) -> Node:
    """A server that serves."""
    server = simulation.server(application, **options)
    await server.start()
    return server


Todos = LiveCollection[dict[str, Any]]


async def create(client: LiveClient, *titles: str) -> None:
    """A user who creates some documents and goes."""
    async with client, client.collection(TODOS) as todos:
        for title in titles:
            await todos.create({"title": title})
