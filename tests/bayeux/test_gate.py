"""What is said when a client comes to a process that does not know its session."""

from __future__ import annotations

from typing import Any

import pytest

from livecollections.bayeux import Server
from livecollections.bayeux.gate import REMEMBERED

from .wire import Headers, Open, Socket, connect, connected, cookie, handshake, request, subscribe


def mine(number: int) -> Headers:
    return [("cookie", f"livecollections={number:040x}")]


async def stray(here: Server, elsewhere: Server, headers: Headers = ()) -> dict[str, Any]:
    """The reply to a poll that lands here, for a session that is elsewhere."""
    client_id = await handshake(elsewhere)
    reply: dict[str, Any] = (await request(here, connect(client_id), headers=headers)).messages[0]
    assert reply["error"] == f"401:{client_id}:Unknown client"
    return reply


@pytest.fixture
def here() -> Server:
    return Server(timeout=5, policy=Open())


@pytest.fixture
def elsewhere() -> Server:
    return Server(timeout=5, policy=Open())


async def test_a_clientid_names_its_process_and_is_a_secret_of_160_bits(
    here: Server, elsewhere: Server
) -> None:
    ids = [await handshake(server) for server in (here, here, elsewhere)]
    assert ids[0][:8] == ids[1][:8] != ids[2][:8]
    assert len({client_id[8:] for client_id in ids}) == 3
    assert all(len(client_id[8:]) == 40 for client_id in ids)


async def test_a_process_that_does_not_know_a_session_says_so_once_in_its_log(
    here: Server, elsewhere: Server, caplog: pytest.LogCaptureFixture
) -> None:
    client_id = await handshake(elsewhere)
    for message in (connect(client_id), subscribe(client_id, "/chat"), connect(client_id)):
        assert not (await request(here, message)).messages[0]["successful"]
    await stray(here, elsewhere)
    assert caplog.text.count("sticky routing for polling") == 1
    assert client_id[-6:] in caplog.text
    assert client_id not in caplog.text


async def test_what_needs_no_stickiness_is_not_in_the_log(
    here: Server, elsewhere: Server, caplog: pytest.LogCaptureFixture
) -> None:
    expired = await connected(here)
    here._exchange.end(here._exchange.sessions[expired])
    await request(here, connect(expired))
    await request(here, connect("x" * 48))
    async with Socket(here) as socket:
        await socket.reply(connect(await handshake(elsewhere), "websocket"))
    assert caplog.text == ""


async def test_by_its_second_time_a_browser_is_told_what_needs_no_luck(
    here: Server, elsewhere: Server
) -> None:
    first = {"reconnect": "handshake", "interval": 0}
    again = {"reconnect": "handshake", "interval": 1000, "connectionTypes": ["websocket", "eventsource"]}
    assert (await stray(here, elsewhere, mine(1)))["advice"] == first
    assert (await stray(here, elsewhere, mine(1)))["advice"] == again
    assert (await stray(here, elsewhere, mine(2)))["advice"] == first
    assert (await stray(here, elsewhere, mine(1)))["advice"] == again
    # One that can't be told from others is never told.
    for _ in range(3):
        assert (await stray(here, elsewhere))["advice"] == first
    client_id = await handshake(elsewhere)
    (reply,) = (await request(here, subscribe(client_id, "/chat"), headers=mine(1))).messages
    assert "advice" not in reply


async def test_what_is_remembered_of_strays_is_bounded(here: Server, elsewhere: Server) -> None:
    client_id = await handshake(elsewhere)
    for number in range(REMEMBERED + 10):
        await request(here, connect(client_id), headers=mine(number))
    assert len(here._engine._gate._strays) == REMEMBERED
    assert cookie(elsewhere, client_id)
