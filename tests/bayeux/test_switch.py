"""A client that polls until its socket is open: how long its first poll is held."""

from __future__ import annotations

import asyncio

import pytest

from livecollections.bayeux import Server
from livecollections.bayeux.server import SWITCH

from ..serving import wait_until
from .wire import Open, connect, request

TIMEOUT = 30.0


@pytest.mark.parametrize(
    ("offered", "served", "first"),
    [
        (["websocket", "eventsource", "long-polling"], None, SWITCH),
        (["long-polling", "websocket"], None, TIMEOUT),
        (["long-polling"], None, TIMEOUT),
        (["websocket", "long-polling"], ["long-polling"], TIMEOUT),
    ],
)
async def test_only_the_first_poll_of_who_prefers_a_socket_is_short(
    offered: list[str], served: list[str] | None, first: float
) -> None:
    options = {} if served is None else {"transports": served}
    server = Server(timeout=TIMEOUT, policy=Open(), **options)  # type: ignore[arg-type]
    exchange = server._exchange
    handshake = {"channel": "/meta/handshake", "version": "1.0", "supportedConnectionTypes": offered}
    client_id = (await request(server, handshake)).messages[0]["clientId"]
    session = exchange.sessions[client_id]
    (reply,) = (await request(server, connect(client_id))).messages
    assert reply["advice"] == {"reconnect": "retry", "interval": 0, "timeout": TIMEOUT * 1000}
    for wait in (first, TIMEOUT, TIMEOUT):
        polling = asyncio.create_task(request(server, connect(client_id)))
        await wait_until(lambda: session.held)
        assert session.held is not None
        assert session.held.until - exchange.clock() == pytest.approx(wait, abs=0.9)
        exchange.answer(session)
        assert (await polling).messages[0]["successful"]
    await server.close()
