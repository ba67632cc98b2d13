"""Servers that are not what a collection needs, and lists that come in pages."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from livecollections import errors
from livecollections.bayeux import Policy, Server
from livecollections.bayeux.ways import Endpoint
from livecollections.collection import LiveClient
from livecollections.collection.reading import Reading
from livecollections.collection.rest import Rest, refusal

from ..bayeux.wire import Open
from ..serving import served, wait_until
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


class Elsewhere(Site):
    """No such channel, and no such list; that is said when ``may_answer`` is set."""

    def __init__(self) -> None:
        super().__init__(Policy(deny=["/api/**"]))
        self.may_answer = asyncio.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if not scope["path"].startswith("/api/"):
            await self.bayeux(scope, receive, send)
            return
        await self.may_answer.wait()
        await send({"type": "http.response.start", "status": 404, "headers": []})
        await send({"type": "http.response.body", "body": b""})


@pytest.mark.parametrize("is_list_first", [True, False])
async def test_a_wrong_path_is_a_404_whichever_answers_first(is_list_first: bool) -> None:
    site = Elsewhere()
    async with served(site) as url, LiveClient(url, timeout=5) as client:
        todos = client.collection("/api/todos")
        entering = asyncio.create_task(todos.__aenter__())
        if not is_list_first:
            await wait_until(lambda: todos.live == "refused")
        site.may_answer.set()
        with pytest.raises(errors.DocumentNotFound):
            await entering


async def test_entering_is_given_up_after_some_tries_and_says_what_was_wrong() -> None:
    async with LiveClient("http://127.0.0.1:9", timeout=60) as client:
        with pytest.raises(errors.Unreachable, match="connection refused"):
            await client.collection("/api/todos", tries=2).__aenter__()
        for wrong in (0, True, "3"):
            with pytest.raises(errors.ConfigurationError, match="tries"):
                client.collection("/api/todos", tries=wrong)  # type: ignore[arg-type]


class Forgetful(Site):
    """It knows no session any more when it is asked again, as if it were started anew each time."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["path"].startswith("/faye"):
            self.bayeux = Server(timeout=2, policy=Open())
        await super().__call__(scope, receive, send)


@pytest.mark.parametrize(("timeout", "tries"), [(0.5, None), (60, 3)])
async def test_a_session_that_is_lost_is_no_refusal(timeout: float, tries: int | None) -> None:
    async with (
        served(Forgetful(Open()), lifespan="off") as url,
        LiveClient(url, timeout=timeout, transports=["long-polling"]) as client,
    ):
        with pytest.raises(errors.Unconfirmed, match=r"live is not confirmed: 401:.*:Unknown client"):
            await client.collection("/api/todos", tries=tries).__aenter__()
        with pytest.raises(errors.Unreachable, match=r"401:.*:Unknown client"):
            await client.bayeux.wait_connected(0.5, tries=tries)


async def test_a_context_of_ones_own_decides_whom_to_trust_for_rest_too(certified: dict[str, Path]) -> None:
    trusting = ssl.create_default_context(cafile=certified["ssl_certfile"])
    async with served(Site(Open()), **certified) as plain:
        url = plain.replace("http", "https")
        async with (
            LiveClient(url, timeout=5, ssl=trusting) as client,
            client.collection("/api/todos") as todos,
        ):
            assert (todos.live, len(todos)) == ("live", 0)
        async with httpx.AsyncClient(base_url=url, verify=Endpoint(url).certificates) as http:
            with pytest.raises(errors.Unreachable, match="its certificate is not trusted, self-signed"):
                await Rest(http, "/api/todos", {}, {}).read(Reading(True, None, 1, 0, None))
    with pytest.raises(errors.ConfigurationError, match=r"ssl: an ssl\.SSLContext is expected, not True"):
        LiveClient(url, ssl=True)  # type: ignore[arg-type]


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
    assert [page[:2] for page in reading.pages] == [([{"id": n}], spell(f"a{5 + n}")) for n in range(3)]
    assert reading.until == spell("a9")
    part = Reading(False, {"skip": "0"}, 1, 0, None)
    await rest_of(answer).read(part)
    assert len(part.pages) == 1


@pytest.mark.parametrize(
    ("query", "headers", "pages"),
    [
        ({"done": "true"}, {"Live-Signal": "/api/todos"}, 2),
        ({"limit": "1"}, {"Live-Signal": "/api/todos"}, 1),
        ({}, {}, 1),
    ],
    ids=["a filter", "its own limit", "another server"],
)
async def test_a_list_that_the_server_has_cut_is_followed(
    query: dict[str, str], headers: dict[str, str], pages: int
) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        link = {} if "after" in request.url.params else {"Link": '</api/todos?after=1>; rel="next"'}
        return httpx.Response(200, headers={**headers, **link}, content=b"[{}]")

    http = httpx.AsyncClient(transport=httpx.MockTransport(answer), base_url="http://test")
    reading = Reading(True, None, 1, 0, None)
    await Rest(http, "/api/todos", query, {}).read(reading)
    assert len(reading.pages) == pages


async def test_pages_that_lead_in_a_circle_are_no_list() -> None:
    headers = {"Live-Channel": "/api/todos", "Link": '<?after=1>; rel="next"'}
    with pytest.raises(errors.Unconfirmed, match="circle"):
        await rest_of(lambda request: httpx.Response(200, headers=headers, content=b"[{}]")).read(
            Reading(True, None, 1, 0, None)
        )


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
