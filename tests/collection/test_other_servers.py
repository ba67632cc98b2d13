"""Servers that are not what a collection needs, and lists that come in pages."""

from __future__ import annotations

from typing import Any

import httpx
import orjson
import pytest

from livecollections import errors
from livecollections.bayeux import Policy, Server
from livecollections.collection import LiveClient
from livecollections.collection.reading import Reading
from livecollections.collection.rest import Rest, refusal

from ..bayeux.wire import Open
from ..serving import served
from .seqs import spell


class Site:
    """A Bayeux server, and one list beside it that says it is the whole of a channel."""

    def __init__(self, policy: Policy) -> None:
        self.bayeux = Server(timeout=2, policy=policy)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if not scope["path"].startswith("/api/"):
            await self.bayeux(scope, receive, send)
            return
        headers = [(b"live-seq", spell("a5").encode()), (b"live-channel", b"/api/todos")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"[]"})


async def test_a_channel_that_is_refused_is_said() -> None:
    async with served(Site(Policy(deny=["/api/**"]))) as url, LiveClient(url, timeout=5) as client:
        with pytest.raises(errors.BayeuxError, match="403"):
            await client.collection("/api/todos").__aenter__()


async def test_a_plain_channel_tells_no_seqs_and_is_followed_without() -> None:
    site = Site(Open())
    async with (
        served(site) as url,
        LiveClient(url, timeout=5) as client,
        client.collection("/api/todos") as todos,
    ):
        for number in range(2):
            await site.bayeux.publish("/api/todos", {"method": "PUT", "body": {"id": number}})
        await todos.wait_until(lambda todos: todos.keys() == ["0", "1"], 5)
        assert todos.live == "live"


def page(number: int) -> httpx.Response:
    headers = {
        "Live-Seq": spell(f"a{5 + number}"),
        "Live-Channel": "/api/todos",
        "Live-Until": spell(f"a{9 - number}"),
    }
    if number < 2:
        headers["Link"] = f'<?skip={number + 1}>; rel="next"'
    return httpx.Response(200, headers=headers, content=orjson.dumps([{"id": number}]))


def rest_of(handler: Any) -> Rest:
    http = httpx.AsyncClient(transport=httpx.MockTransport(handler), base_url="http://test")
    return Rest(http, "/api/todos", {"a": "b c"}, {})


async def test_the_pages_of_a_whole_list_are_one() -> None:
    asked = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.raw_path.decode())
        return page(int(request.url.params.get("skip", 0)))

    reading = Reading(True, None, 1, 0, None)
    await rest_of(answer).read(reading)
    assert asked == ["/api/todos?a=b+c", "/api/todos?skip=1", "/api/todos?skip=2"]
    assert reading.pages == [([{"id": n}], spell(f"a{5 + n}")) for n in range(3)]
    assert reading.until == spell("a9")
    part = Reading(False, {"skip": "0"}, 1, 0, None)
    await rest_of(answer).read(part)
    assert len(part.pages) == 1


@pytest.mark.parametrize("body", [b"{}", b"[1]", b"not JSON"])
async def test_an_answer_that_is_no_list_is_none(body: bytes) -> None:
    with pytest.raises(errors.Unconfirmed):
        await rest_of(lambda request: httpx.Response(200, content=body)).read(Reading(True, None, 1, 0, None))


@pytest.mark.parametrize(
    ("status", "body", "kind", "detail"),
    [
        (
            404,
            b'{"detail": "there is no such document"}',
            errors.DocumentNotFound,
            "there is no such document",
        ),
        (422, b'{"title": "Unprocessable"}', errors.InvalidDocument, "Unprocessable"),
        (403, b"<html>", errors.RequestRefused, "Forbidden"),
        (599, b"[]", errors.RequestRefused, "status 599"),
    ],
)
def test_a_refusal_is_an_error_whatever_its_body(status: int, body: bytes, kind: type, detail: str) -> None:
    error = refusal(status, body)
    assert type(error) is kind
    assert (error.status, error.detail, str(error)) == (status, detail, detail)
