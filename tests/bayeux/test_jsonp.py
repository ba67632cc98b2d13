"""Callback-polling (JSONP): the script, the name of its function, and that it never speaks for a cookie's user."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from urllib.parse import urlencode

import pytest

from livecollections.bayeux import Limits, Server
from livecollections.bayeux.connection import Connection, anonymous
from livecollections.bayeux.server import Engine

from ..serving import wait_until
from .wire import VERSION, Open, connect, jsonp, request, subscribe

HANDSHAKE = {"channel": "/meta/handshake", **VERSION, "id": "1"}


@pytest.fixture
def server() -> Server:
    return Server(timeout=5, policy=Open())


async def begin(server: Server) -> str:
    """A session whose first connect has been answered, and that is subscribed to /chat."""
    (reply,) = (await jsonp(server, HANDSHAKE)).messages
    client_id = reply["clientId"]
    assert isinstance(client_id, str)
    for message in (connect(client_id, "callback-polling"), subscribe(client_id, "/chat")):
        (reply,) = (await jsonp(server, message)).messages
        assert reply["successful"], reply
    return client_id


async def test_callback_polling_body_and_headers_are_fayes(server: Server) -> None:
    query = urlencode({"message": json.dumps([HANDSHAKE]), "jsonp": "__jsonp1__"})
    answer = await request(server, method="GET", query=query)
    assert answer.status == 200
    assert answer.headers == {
        "vary": "Origin",
        "content-type": "text/javascript; charset=utf-8",
        "content-disposition": "attachment; filename=f.txt",
        "cache-control": "no-cache, no-store",
        "x-content-type-options": "nosniff",
        "content-length": str(len(answer.body)),
    }
    assert answer.body.startswith(b'/**/__jsonp1__([{"id":"1","channel":"/meta/handshake","successful":true')
    assert answer.body.endswith(b"]);")


async def test_the_default_callback_is_jsonpcallback(server: Server) -> None:
    answer = await request(server, method="GET", query=urlencode({"message": "[]"}))
    assert answer.body == b"/**/jsonpcallback([]);"


@pytest.mark.parametrize("name", ["__jsonp1__", "_cometd_jsonp_0", "$.a.b_1", "jQuery1_2", "A" * 64])
async def test_callback_names_of_clients_fit(server: Server, name: str) -> None:
    assert (await jsonp(server, HANDSHAKE, callback=name)).messages[0]["successful"]


@pytest.mark.parametrize(
    "name",
    [
        "1a",
        "a-b",
        "a.",
        ".a",
        "a..b",
        "a b",
        "a(",
        "alert(1)//",
        "é",
        "a\n",
        "a[0]",
        "A" * 65,
        "a;",
        "<x>",
        "\u212a",
    ],
)
async def test_a_bad_callback_is_400(server: Server, name: str) -> None:
    answer = await jsonp(server, HANDSHAKE, callback=name)
    assert answer.status == 400
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert name.encode() not in answer.body
    assert not server._exchange.sessions


@pytest.mark.parametrize(
    "query",
    [
        "",
        "jsonp=a",
        "message=",
        "message=%5B",
        "message=1",
        "message=null",
        "message=%22x%22",
        "message=%FF",
        "x=%5B%5D",
    ],
)
async def test_what_is_no_message_is_400(server: Server, query: str) -> None:
    answer = await request(server, method="GET", query=query)
    assert answer.status == 400
    assert answer.body.startswith(b"Bad Request")


async def test_several_message_parameters_are_one_batch(server: Server) -> None:
    one, two = ({"channel": "/chat", "data": 1, "id": id_} for id_ in "ab")
    query = urlencode([("message", json.dumps(one)), ("message", json.dumps([two])), ("jsonp", "f")])
    answer = await request(server, method="GET", query=query)
    assert [reply["id"] for reply in json.loads(answer.body[6:-2])] == ["a", "b"]


async def test_what_could_end_the_script_is_escaped(server: Server) -> None:
    client_id = await begin(server)
    nasty = "</script><!--\u2028\u2029é"
    await server.publish("/chat", nasty)
    answer = await jsonp(server, connect(client_id, "callback-polling"))
    for bare in ("</", "\u2028", "\u2029"):
        assert bare.encode() not in answer.body
    assert answer.messages[1]["data"] == nasty
    assert answer.headers["content-length"] == str(len(answer.body) + len("/**/__jsonp1__();"))


async def test_callback_polling_delivers_in_answers_to_connects_only(server: Server) -> None:
    client_id = await begin(server)
    await server.publish("/chat", 1)
    (reply,) = (await jsonp(server, subscribe(client_id, "/other"))).messages
    assert reply["successful"]
    found = (await jsonp(server, connect(client_id, "callback-polling"))).messages
    assert [message.get("data") for message in found] == [None, 1]
    held = asyncio.create_task(jsonp(server, connect(client_id, "callback-polling")))
    await wait_until(lambda: server._exchange.sessions[client_id].held)
    (reply,) = (
        await jsonp(server, {"channel": "/chat", "data": 2, "clientId": client_id, "id": "p"})
    ).messages
    assert reply["successful"]
    assert [message.get("data") for message in (await held).messages] == [None, 2]


async def test_a_script_whose_page_has_gone_takes_nothing(server: Server) -> None:
    client_id = await begin(server)
    gone = asyncio.Event()
    held = asyncio.create_task(jsonp(server, connect(client_id, "callback-polling"), gone=gone))
    await wait_until(lambda: server._exchange.sessions[client_id].held)
    gone.set()
    assert (await held).status == 0
    await server.publish("/chat", 1)
    found = (await jsonp(server, connect(client_id, "callback-polling"))).messages
    assert [message.get("data") for message in found] == [None, 1]


async def test_an_address_over_its_limit_is_414() -> None:
    server = Server(limits=Limits(url=200))
    assert (await jsonp(server, {"channel": "/x"})).status == 200
    answer = await jsonp(server, {"channel": "/x", "data": "x" * 200})
    assert answer.status == 414
    assert answer.body == b"URI Too Long: at most 200 bytes are accepted"
    assert (await request(server, b"[]", path="/" + "x" * 200)).status == 414


# Who it speaks for.


async def test_jsonp_has_no_cookies_for_sessions_policies_and_extensions(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Connection | None] = []
    receive = Engine.receive

    async def spy(self: Engine, received: list[Any], link: Any) -> None:
        seen.append(link.connection)
        await receive(self, received, link)

    monkeypatch.setattr(Engine, "receive", spy)
    headers = [("cookie", "user=ann"), ("authorization", "Basic YTpi"), ("accept-language", "en")]
    await jsonp(server, HANDSHAKE, headers=headers)
    await request(server, [HANDSHAKE], headers=headers)
    script, post = seen
    assert script is not None
    assert script.transport == "callback-polling"
    assert script.cookies == {}
    assert script.headers == {"accept-language": "en"}
    assert post is not None
    assert post.cookies == {"user": "ann"}


def test_an_anonymous_scope_holds_nothing_that_tells_a_user() -> None:
    scope = {
        "type": "http", "path": "/faye", "client": ("127.0.0.1", 1), "headers": [(b"Cookie", b"a=b"), (b"x", b"y")],
        "user": "ann", "session": {"user": 1}, "auth": "x", "state": {"user": 1},
    }  # fmt: skip
    assert anonymous(scope) == {
        "type": "http", "path": "/faye", "client": ("127.0.0.1", 1), "headers": [(b"x", b"y")],
    }  # fmt: skip


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
async def test_a_script_of_a_foreign_page_is_refused_unless_some_origin_is_allowed(site: str) -> None:
    headers = [("sec-fetch-site", site)]
    answer = await jsonp(Server(), HANDSHAKE, headers=headers)
    assert answer.status == 403
    for ours in ("same-origin", "none"):
        assert (await jsonp(Server(), HANDSHAKE, headers=[("sec-fetch-site", ours)])).status == 200
    server = Server(allowed_origins=["https://app.example"])
    assert (await jsonp(server, HANDSHAKE, headers=headers)).messages[0]["successful"]
    foreign = [*headers, ("origin", "https://evil.example")]
    assert (await jsonp(server, HANDSHAKE, headers=foreign)).status == 403
