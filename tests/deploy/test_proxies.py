"""What users meet behind nginx, Caddy and HAProxy, each with the file that the documentation shows."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from itertools import count

import httpx

from livecollections import LiveClient
from livecollections.testing.waiting import wait_until

from ..command import Command
from ..conformance.client import HANDSHAKE, WITHIN, Client, client, connect
from .proxies import Proxy
from .shop import ORDERS, PATIENCE, Shop

SOMEBODY = "127.0.0.2"
"""Another machine, as far as an application knows that believes 127.0.0.1."""
FORGED = {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "evil.example"}


@asynccontextmanager
async def at(front: Proxy, address: str = SOMEBODY) -> AsyncIterator[httpx.AsyncClient]:
    """A client that has an address of its own."""
    transport = httpx.AsyncHTTPTransport(local_address=address, verify=False)
    async with httpx.AsyncClient(base_url=front.url, transport=transport, timeout=WITHIN) as http:
        yield http


async def order(speaker: Client, article: str) -> int:
    answer = await speaker.http.post(speaker.url + ORDERS, json={"article": article})
    assert answer.status_code == 201, answer.text
    key = answer.json()["id"]
    assert isinstance(key, int)
    return key


async def test_rest_with_its_headers(front: Proxy) -> None:
    async with at(front) as http:
        made = await http.post(ORDERS, json={"article": "tea"}, headers={"Live-Origin": "me"})
        path = f"{ORDERS}/{made.json()['id']}"
        assert (made.status_code, made.headers["Location"]) == (201, path)
        read = await http.get(path)
        assert read.headers["Live-Seq"] >= made.headers["Live-Seq"]
        again = await http.get(path, headers={"If-None-Match": read.headers["ETag"]})
        assert again.status_code == 304
        changed = await http.put(path, json={"article": "tea", "paid": True}, headers={"If-Match": '"other"'})
        assert changed.status_code == 412
        changed = await http.patch(path, json={"paid": True})
        assert changed.json()["paid"] is True
        assert (await http.get(f"{ORDERS}?paid=true")).headers["Live-Signal"] == ORDERS
        assert (await http.delete(path)).status_code == 204
        assert (await http.get(path)).status_code == 404


async def test_a_list_that_is_long_comes_whole(front: Proxy) -> None:
    async with at(front) as http:
        articles = [{"article": f"{number}" * 500} for number in range(100)]
        made = await http.post(ORDERS, json=articles)
        assert made.status_code == 201
        listed = await http.get(ORDERS)
        assert {each["article"] for each in articles} <= {each["article"] for each in listed.json()}
        assert listed.headers["Live-Channel"] == ORDERS


async def test_a_socket_a_poll_and_a_stream_hear_at_once(front: Proxy) -> None:
    async with client(front.url) as speaker, speaker.twin() as polling, speaker.twin() as streaming:
        one, two = await polling.connected(ORDERS), await streaming.connected(ORDERS)
        # Not one poll: it may be over before the order is there.
        poll = asyncio.ensure_future(polling.hear(one, 1))
        async with speaker.socket(origin=front.url) as socket, streaming.stream(two) as events:
            reply = await socket.ask(HANDSHAKE)
            await socket.connected(reply["clientId"], ORDERS)
            key = await order(speaker, "tea")
            for told in (await socket.hear(1), await poll, await events.hear(1)):
                assert [(each["method"], each["body"]["id"]) for each in told] == [("POST", key)]


async def test_what_is_idle_is_kept_by_all(proxies: dict[str, Proxy]) -> None:
    idle = (idle_socket, idle_poll, idle_stream)
    await asyncio.gather(*(each(front) for each in idle for front in proxies.values()))


async def idle_socket(front: Proxy) -> None:
    async with client(front.url) as speaker, speaker.socket() as socket:
        reply = await socket.ask(HANDSHAKE)
        await socket.connected(reply["clientId"])
        begun = time.monotonic()
        while time.monotonic() - begun < PATIENCE + 1:
            (told,) = await socket.receive()
            assert (told["channel"], told["successful"]) == ("/meta/connect", True)
            await socket.send(connect(reply["clientId"], "websocket", id="held"))


async def idle_poll(front: Proxy) -> None:
    async with client(front.url) as speaker:
        client_id = await speaker.connected()
        begun = time.monotonic()
        for _ in range(2):
            (reply,) = await speaker.post(connect(client_id))
            assert reply["successful"]
        assert time.monotonic() - begun > PATIENCE


async def idle_stream(front: Proxy) -> None:
    async with client(front.url) as speaker:
        client_id = await speaker.connected()
        async with speaker.stream(client_id) as events:
            await events.line()
            begun = time.monotonic()
            while time.monotonic() - begun < PATIENCE + 1:
                await speaker.post(connect(client_id, "eventsource"))
                assert await events.line() == ":", "the stream was cut"


async def test_a_stream_of_a_list_is_not_buffered_and_goes_on_after_its_last(front: Proxy) -> None:
    streamed = {"Accept": "text/event-stream"}
    async with client(front.url) as speaker:
        async with speaker.http.stream("GET", front.url + ORDERS, headers=streamed) as answer:
            lines = answer.aiter_lines()
            first = asyncio.ensure_future(heard(lines, "tea"))
            await order(speaker, "tea")
            last = await asyncio.wait_for(first, WITHIN)
        await order(speaker, "missed")
        headers = {**streamed, "Last-Event-ID": last}
        async with speaker.http.stream("GET", front.url + ORDERS, headers=headers) as answer:
            await asyncio.wait_for(heard(answer.aiter_lines(), "missed"), WITHIN)


async def heard(lines: AsyncIterator[str], article: str) -> str:
    """The id of the event that has an article."""
    last = ""
    async for line in lines:
        if line.startswith("id: "):
            last = line.removeprefix("id: ")
        if line.startswith("data: ") and json.loads(line[6:])["body"]["article"] == article:
            return last
    raise AssertionError("the stream has ended")


async def test_the_application_knows_the_clients_address_whatever_the_client_says(
    front: Proxy, served: Shop
) -> None:
    async with at(front) as http:
        answer = await http.get(f"{ORDERS}/{time.monotonic_ns()}", headers=FORGED)
        assert answer.status_code == 404
        path = answer.request.url.path
        await wait_until(lambda: logged(served, path))
        assert re.search(rf"\b{SOMEBODY}:\d+ - .*{path}", logged(served, path)[0])
        reply = await http.post("/faye", json=[HANDSHAKE], headers=FORGED)
        assert reply.json()[0]["successful"]
        assert "secure" not in reply.headers["Set-Cookie"].lower(), "it is http"


async def test_pages_of_the_proxys_own_address_are_let_in_and_others_are_not(front: Proxy) -> None:
    async with at(front) as http:
        for origin, status in ((front.url, 200), ("http://evil.example", 403)):
            answer = await http.post("/faye", json=[HANDSHAKE], headers={**FORGED, "Origin": origin})
            assert answer.status_code == status


async def test_an_address_stays_with_its_process_and_addresses_are_parted(front: Proxy, served: Shop) -> None:
    paths: dict[str, list[str]] = {}
    for number in range(2, 14):
        for _ in range(2):
            async with at(front, f"127.0.0.{number}") as http:
                answer = await http.get(f"{ORDERS}/{time.monotonic_ns()}", headers={"Connection": "close"})
                paths.setdefault(f"127.0.0.{number}", []).append(answer.request.url.path)
    met = [await wait_until(partial(ports, served, asked)) for asked in paths.values()]
    assert all(len(processes) == 1 for processes in met), met
    assert set().union(*met) == set(served.processes)


def logged(served: Shop, path: str) -> list[str]:
    return [line for process in served.processes.values() for line in process.said() if path in line]


def ports(served: Shop, paths: list[str]) -> set[int]:
    """Of the processes that were asked for these paths; empty while one is not logged yet."""
    found = {path: port for port, each in served.processes.items() for path in paths if in_log(each, path)}
    return set(found.values()) if len(found) == len(paths) else set()


def in_log(process: Command, path: str) -> bool:
    return any(path in line for line in process.said())


async def test_a_reload_of_the_proxy_refuses_nobody_and_loses_nothing(front: Proxy) -> None:
    async with LiveClient(front.url) as one, one.collection(ORDERS) as orders, client(front.url) as speaker:
        made: list[int] = []
        writing = asyncio.ensure_future(write(speaker, made))
        await wait_until(lambda: len(made) > 5)
        await asyncio.to_thread(front.reload)
        reloaded = len(made)
        await wait_until(lambda: len(made) > reloaded + 5)
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)
        made.append(await order(speaker, "last"))
        await wait_until(lambda: set(made) <= set(map(int, orders.keys())))


async def write(speaker: Client, made: list[int]) -> None:
    """Order, on a connection for each: one that is kept may end in the very moment in which it is used again."""
    while True:
        async with speaker.twin() as one:
            made.append(await order(one, "tea"))
        await asyncio.sleep(0.02)


async def test_processes_are_restarted_one_after_the_other_and_nobody_is_refused(
    proxies: dict[str, Proxy], served: Shop
) -> None:
    async with LiveClient(proxies["nginx"].url) as one, one.collection(ORDERS) as orders:
        made: list[str] = []
        working = [
            asyncio.ensure_future(work_from(name, front, number, made))
            for name, front in proxies.items()
            for number in (2, 3, 4, 5)
        ]
        for port in list(served.processes):
            served.processes[port].process.send_signal(signal.SIGTERM)
            ended = await asyncio.to_thread(served.processes[port].process.wait, WITHIN)
            assert ended in (0, -signal.SIGTERM)
            served.start(port)
            await asyncio.to_thread(served.wait_served)
            for asks in ("HTTP/1.0", "HTTP/1.1"):  # HAProxy's question and Caddy's
                question = f'"GET /live/health {asks}" 200'
                await wait_until(partial(in_log, served.processes[port], question))
            await wait_until(partial(longer, made, len(made) + 20))
        for task in working:
            task.cancel()
        over = await asyncio.gather(*working, return_exceptions=True)
        assert [str(error) for error in over if not isinstance(error, asyncio.CancelledError)] == []
        await wait_until(lambda: set(made) <= {each["article"] for each in orders})
        articles = [each["article"] for each in orders]
        assert [article for article in made if articles.count(article) != 1] == []


def longer(made: list[str], count: int) -> bool:
    return len(made) > count


async def work_from(name: str, front: Proxy, number: int, made: list[str]) -> None:
    """Read and write, until cancelled. What is read is never refused; a write in the very moment may be, and is sent
    again with its key."""
    async with at(front, f"127.0.0.{number}") as http:
        for turn in count():
            answer = await http.get(f"{ORDERS}?limit=1")
            assert answer.status_code == 200, f"{name}: {answer.status_code} {answer.text}"
            article = f"{name} {number} {turn}"
            while not await is_made(http, article):
                pass
            made.append(article)
            await asyncio.sleep(0.05)


async def is_made(http: httpx.AsyncClient, article: str) -> bool:
    """Whether an answer to a write came; the proxy says 502, or nothing, where its process ended meanwhile."""
    try:
        answer = await http.post(ORDERS, json={"article": article}, headers={"Idempotency-Key": article})
    except httpx.RemoteProtocolError:
        return False
    assert answer.status_code in (201, 502), answer.text
    return answer.status_code == 201
