"""CometD's ``ext.timesync``: what a client is told of the server's time."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from livecollections.bayeux import Server
from livecollections.bayeux.timesync import begin

from ..serving import served, wait_until
from .wire import VERSION, Open, Socket, connect, connected, handshake, request

CLIENT = Path(__file__).parent / "cometd_clock.mjs"
NOW = 1_750_000_000.5
MILLISECONDS = 1_750_000_000_500


class Wall:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def wall() -> Wall:
    return Wall()


@pytest.fixture
def server(wall: Wall) -> Server:
    server = Server(timeout=5, policy=Open())
    server._exchange.wall = wall
    return server


def asks(tc: Any, **more: Any) -> dict[str, Any]:
    return {"ext": {"timesync": {"tc": tc, **more}}}


async def told(server: Server, message: dict[str, Any]) -> Any:
    (reply,) = (await request(server, message)).messages
    assert reply["successful"]
    return reply.get("ext", {}).get("timesync")


async def test_a_client_finds_out_the_servers_time(server: Server, wall: Wall) -> None:
    """As CometD's client reckons: half of the way there and back is the lag, what remains the offset."""
    behind, way = 7_000, 40
    client_id, lag, offset = "", 0.0, 0.0
    for _ in range(3):
        client = MILLISECONDS - behind - way
        message: dict[str, Any] = asks(client, l=lag, o=offset)
        if client_id:
            message |= connect(client_id)
        else:
            message |= {"channel": "/meta/handshake", **VERSION}
        (reply,) = (await request(server, message)).messages
        client_id = client_id or reply["clientId"]
        sync = reply.get("ext", {}).get("timesync")
        if sync is None:
            break
        assert sync["a"] == round(client + offset + lag - MILLISECONDS)
        lag = (client + 2 * way - sync["tc"] - sync["p"]) / 2
        offset = sync["ts"] - sync["tc"] - lag
    assert sync is None
    assert (lag, offset) == (way, behind)


async def test_who_knows_the_time_is_not_told_it_again(server: Server) -> None:
    client_id = await connected(server)
    now = {"advice": {"timeout": 0}}
    for tc, is_told in ((MILLISECONDS, False), (MILLISECONDS + 24, False), (MILLISECONDS - 25, True)):
        sync = await told(server, {**connect(client_id), **now, **asks(tc - 10, l=10, o=0)})
        assert (sync is not None) is is_told
    assert sync == {"tc": MILLISECONDS - 35, "ts": MILLISECONDS, "p": 0, "a": -25}
    first = await told(server, {**connect(client_id), **now, **asks(MILLISECONDS, l=0, o=0)})
    assert first == {"tc": MILLISECONDS, "ts": MILLISECONDS, "p": 0, "a": 0}
    older = await told(server, {**connect(client_id), **now, **asks(MILLISECONDS)})
    assert older == {"tc": MILLISECONDS, "ts": MILLISECONDS, "p": 0}


@pytest.mark.parametrize("kind", ["long-polling", "websocket", "eventsource"])
async def test_the_time_for_which_a_connect_was_held_is_told(server: Server, wall: Wall, kind: str) -> None:
    client_id = await handshake(server)
    message = connect(client_id, kind, id="held", **asks(MILLISECONDS, l=0, o=0))
    expected = {"tc": MILLISECONDS, "ts": MILLISECONDS, "p": 0, "a": 0}
    if kind == "eventsource":
        assert await told(server, message) == expected
        return
    session = server._exchange.sessions[client_id]
    async with Socket(server) as socket:
        if kind == "websocket":
            await socket.reply(connect(client_id, kind))
            answer = asyncio.ensure_future(socket.reply(message))
        else:
            await request(server, connect(client_id))
            answer = asyncio.ensure_future(request(server, message))
        await wait_until(lambda: session.held)
        wall.now += 1.25
        server._exchange.answer(session)
        found = await answer
    reply = found if kind == "websocket" else found.messages[0]
    assert reply["ext"]["timesync"] == {**expected, "p": 1_250}


@pytest.mark.parametrize("transport", ["websocket", "long-polling"])
async def test_cometds_client_finds_out_the_servers_time(transport: str) -> None:
    async with served(Server(timeout=1)) as url:
        process = await asyncio.create_subprocess_exec(
            "node", str(CLIENT), f"{url}/faye", transport, "7000", stdout=asyncio.subprocess.PIPE
        )
        async with asyncio.timeout(20):
            told, _ = await process.communicate()
    assert abs(int(told) - 7_000) < 300


@pytest.mark.parametrize("wrong", [None, 5, "x", [], {}, {"tc": "1"}, {"tc": True}, {"tc": 1, "l": "x"}])
async def test_what_is_no_time_is_not_answered(server: Server, wrong: Any) -> None:
    message = {"channel": "/meta/handshake", **VERSION, "ext": {"timesync": wrong}}
    assert "ext" not in (await request(server, json.dumps([message]).encode())).messages[0]
    assert begin({"ext": {"timesync": {"tc": 10**400, "l": 0}}}, NOW) is None
    assert begin({"ext": {"timesync": {"tc": 1, "l": 0, "o": []}}}, NOW) is None
