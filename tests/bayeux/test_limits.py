"""What one client or one address may cost: each limit is told in Faye's form, and changes nothing else."""

from __future__ import annotations

import asyncio
import itertools
import sys
from typing import Any

import pytest

from livecollections.bayeux import Limits, Server, Session
from livecollections.bayeux.exchange import KICKED

from ..serving import wait_until
from .wire import VERSION, Open, Socket, connect, connected, handshake, request, subscribe

HANDSHAKE = {"channel": "/meta/handshake", **VERSION}
ANN, BOB = ("10.0.0.1", 5001), ("10.0.0.2", 5002)


async def test_an_address_may_have_so_many_sessions() -> None:
    server = Server(timeout=5, policy=Open(), limits=Limits(sessions_per_address=2))

    async def shake(client: Any) -> dict[str, Any]:
        reply: dict[str, Any] = (await request(server, HANDSHAKE, client=client)).messages[0]
        return reply

    first, second = await shake(ANN), await shake(ANN)
    refused = await shake(ANN)
    assert refused["error"] == "403::Too many sessions"
    assert refused["advice"] == {"reconnect": "handshake", "interval": 1000}
    assert "clientId" not in refused
    async with Socket(server, client=ANN) as socket:
        assert (await socket.reply({**HANDSHAKE, "id": "h"}))["error"] == "403::Too many sessions"
    # Other addresses, and those of which none is known, are not concerned.
    assert (await shake(BOB))["successful"]
    assert (await shake(None))["successful"]
    assert (await request(server, connect(second["clientId"]), client=ANN)).messages[0]["successful"]
    bye = {"channel": "/meta/disconnect", "clientId": first["clientId"]}
    assert (await request(server, bye, client=ANN)).messages[0]["successful"]
    assert (await shake(ANN))["successful"]
    await server.close()
    assert not server._exchange._addresses


async def test_all_addresses_of_an_ipv6_host_count_as_one() -> None:
    server = Server(timeout=5, policy=Open(), limits=Limits(sessions_per_address=2))

    async def is_let_in(address: str) -> bool:
        (reply,) = (await request(server, HANDSHAKE, client=(address, 5001))).messages
        return bool(reply["successful"])

    assert await is_let_in("2001:db8:1:2::1")
    assert await is_let_in("2001:db8:1:2:aaaa:bbbb:cccc:dddd")
    assert not await is_let_in("2001:db8:1:2::3")
    assert await is_let_in("2001:db8:1:3::1")
    assert await is_let_in("fe80::1%eth0")
    assert await is_let_in("not:an address")
    await server.close()


async def test_an_array_of_subscriptions_is_made_whole_or_not_at_all() -> None:
    server = Server(timeout=5, policy=Open(), limits=Limits(subscriptions=3))
    client_id = await connected(server)
    session = server._exchange.sessions[client_id]
    assert (await request(server, subscribe(client_id, ["/a", "/b"]))).messages[0]["successful"]
    for wrong, error in (
        (["/c", "/meta/x"], "403:/meta/x:Forbidden channel"),
        (["/c", "//"], "405://:Invalid channel"),
        (["/c", 5], "405:5:Invalid channel"),
        (["/c", "/d"], "403::Too many subscriptions"),
    ):
        (reply,) = (await request(server, subscribe(client_id, wrong))).messages
        assert (reply["error"], reply["subscription"]) == (error, wrong)
        assert list(session.subscriptions) == ["/a", "/b"]
        if error != "403::Too many subscriptions":
            message = {"channel": "/meta/unsubscribe", "clientId": client_id, "subscription": ["/a", *wrong]}
            (reply,) = (await request(server, message)).messages
            assert reply["error"] == error
            assert list(session.subscriptions) == ["/a", "/b"]
    # What is subscribed to already counts once.
    assert (await request(server, subscribe(client_id, ["/a", "/b", "/c"]))).messages[0]["successful"]


# An end that the server decides.


@pytest.mark.parametrize("transport", ["websocket", "long-polling"])
async def test_a_kicked_client_is_told_so_and_not_to_come_back(transport: str) -> None:
    server = Server(timeout=5, policy=Open())
    client_id = await handshake(server)
    session = server._exchange.sessions[client_id]
    none = {"reconnect": "none"}
    if transport == "websocket":
        async with Socket(server) as socket:
            await socket.reply(connect(client_id, "websocket"))
            socket.send(connect(client_id, "websocket", id="held"))
            await wait_until(lambda: session.held)
            server._exchange.kick(session)
            told = await socket.receive()
            await socket.wait(lambda: socket.closed == 1000)
    else:
        await request(server, connect(client_id))
        poll = asyncio.create_task(request(server, connect(client_id, id="held")))
        await wait_until(lambda: session.held)
        server._exchange.kick(session)
        told = (await poll).messages
    assert told[0] == {"channel": "/meta/disconnect", "successful": True}
    assert (told[1]["id"], told[1]["successful"], told[1]["advice"]) == ("held", True, none)
    assert session.has_ended
    assert not server._exchange.sessions


async def test_one_that_is_kicked_between_two_polls_hears_it_by_the_next() -> None:
    server = Server(timeout=5, policy=Open(), limits=Limits(arrivals=KICKED))
    kicked = [await connected(server) for _ in range(KICKED + 1)]
    for client_id in kicked:
        server.kick(client_id)
    (first, *_, last) = kicked
    (reply,) = (await request(server, connect(last))).messages
    assert (reply["error"], reply["advice"]["reconnect"]) == (f"401:{last}:Unknown client", "none")
    (reply,) = (await request(server, {"channel": "/a", "data": 1, "clientId": last})).messages
    assert reply["advice"] == {"reconnect": "none"}
    # What is remembered of them is bounded.
    (reply,) = (await request(server, connect(first))).messages
    assert reply["advice"] == {"reconnect": "handshake", "interval": 0}


async def test_a_channels_name_may_have_so_many_characters() -> None:
    server = Server(policy=Open(), limits=Limits(channel=4))
    client_id = await handshake(server)
    for asked in (subscribe(client_id, "/abcd"), {"channel": "/abcd", "data": 1, "clientId": client_id}):
        (reply,) = (await request(server, asked)).messages
        assert reply["error"] == "405:/abcd:Invalid channel"
    assert (await request(server, subscribe(client_id, "/abc"))).messages[0]["successful"]


async def test_a_long_batch_leaves_others_their_turns() -> None:
    async with Server(policy=Open()) as server:
        ticks = itertools.count()
        server._exchange.clock = lambda: next(ticks) / 1_000
        turns = 0

        async def count() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        others = asyncio.create_task(count())
        answer = await request(server, [{"channel": "/a", "data": 1, "id": number} for number in range(500)])
        others.cancel()
        assert [one["id"] for one in answer.messages] == list(range(500))
        assert turns > 20


async def work(size: int) -> int:
    """How many functions are called for a client that names so many positions, of channels and of patterns."""
    async with Server(policy=Open(), limits=Limits(subscriptions=2 * size + 1)) as server:
        server.channel("/kept/**", history=1)
        for number in range(size):
            await server.publish(f"/kept/{number}", number)
        seq = next(server._exchange.histories.kept_under("/kept/**"))[1].seq(0)
        names = [f"/kept/{number}" for number in range(size)]
        patterns = [f"/kept/{number}x/**" for number in range(size)]
        said = dict.fromkeys(names + patterns, seq)
        sent: list[dict[str, Any]] = [
            {"channel": "/meta/subscribe", "subscription": "/kept/**"},
            {"channel": "/meta/subscribe", "subscription": patterns, "ext": {"live": {"since": said}}},
            {"channel": "/meta/subscribe", "subscription": names, "ext": {"live": {"since": said}}},
            {"channel": "/meta/connect", "connectionType": "long-polling", "ext": {"live": {"at": said}}},
        ]
        client = await handshake(server)
        calls = 0

        def note(*happening: Any) -> None:
            nonlocal calls
            calls += 1

        sys.setprofile(note)
        try:
            for message in sent:
                answer = await request(server, [{**message, "clientId": client}])
                assert answer.messages[0]["successful"]
        finally:
            sys.setprofile(None)
        return calls


async def test_positions_cost_as_much_as_there_are() -> None:
    assert await work(400) < 3 * await work(200)


async def test_what_is_asked_for_at_the_same_time_is_counted_together() -> None:
    class Slow(Open):
        """Answers once both are asked for."""

        def __init__(self) -> None:
            self.both = asyncio.Barrier(2)

        async def can_subscribe(self, session: Session, channel: str) -> bool:
            await self.both.wait()
            return True

    server = Server(timeout=5, policy=Slow(), limits=Limits(subscriptions=3))
    client_id = await connected(server)
    asked = [["/a", "/b"], ["/c", "/d"]]
    answers = await asyncio.gather(*(request(server, subscribe(client_id, names)) for names in asked))
    replies = [answer.messages[0] for answer in answers]
    assert sorted(reply.get("error", "") for reply in replies) == ["", "403::Too many subscriptions"]
    assert len(server._exchange.sessions[client_id].subscriptions) == 2
