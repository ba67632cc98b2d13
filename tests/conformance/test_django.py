"""Django with a Live round it: its own views, and REST and push beside them, in one process."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from .client import Client, client
from .hosts import HOSTS, Running, running


@pytest.fixture(scope="module")
def django() -> Iterator[Running]:
    (host,) = (host for host in HOSTS if host.application == "in_django")
    with running(host) as served:
        yield served


@pytest.fixture
async def inside(django: Running) -> AsyncIterator[Client]:
    async with client(django.url) as speaking:
        yield speaking


async def test_djangos_views_stay_djangos(inside: Client) -> None:
    for path, name in (("/hello/", "world"), ("/hello/async/", "async world")):
        answer = await inside.http.get(inside.url + path)
        assert (answer.status_code, answer.json()) == (200, {"hello": name})
    assert (await inside.http.get(inside.url + "/nowhere/")).status_code == 404


async def test_rest_and_push_work_beside_them(inside: Client) -> None:
    polling = await inside.connected("/api/notes")
    async with inside.socket() as socket:
        await socket.connected(await inside.handshake(), "/api/notes")
        made = await inside.http.post(inside.url + "/api/notes", json={"text": "milk"})
        assert made.status_code == 201
        for (heard,) in (await socket.hear(1), await inside.hear(polling, 1)):
            assert (heard["method"], heard["body"]) == ("POST", made.json())
            assert heard["seq"] == made.headers["Live-Seq"]
    assert (await inside.http.get(inside.url + "/api/notes")).json() == [made.json()]
