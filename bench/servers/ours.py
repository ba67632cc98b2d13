"""Our Bayeux server, with nothing else: everything open, and no limit on how many come from one address."""

from __future__ import annotations

from typing import Any

from livecollections.bayeux import Limits, Policy, Server

from .control import DATA, lifespan

MANY = 1_000_000

server = Server(
    timeout=1800,
    ping=None,
    policy=Policy(subscribe=["/**"], publish=["/**"]),
    limits=Limits(
        arrivals=MANY, sessions_per_address=MANY, strangers=MANY, strangers_address=MANY, queue_bytes=262_144
    ),
)


async def app(scope: Any, receive: Any, send: Any) -> None:
    """The server, and with its lifespan that of the control port."""
    if scope["type"] == "lifespan":
        await lifespan(receive, send, lambda: server.publish_nowait("/bench", DATA))
    else:
        await server(scope, receive, send)
