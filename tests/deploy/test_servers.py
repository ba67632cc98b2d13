"""uvicorn with several workers, and gunicorn with its file: the fast path, restarts, and what needs stickiness."""

from __future__ import annotations

import asyncio
import json
import shlex
import signal
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import connect as open_socket

from livecollections import LiveClient, LiveCollection
from livecollections.bayeux.transports.writer import EXTENSION
from livecollections.testing.waiting import wait_until

from ..command import ROOT, Command, command
from ..conformance.client import HANDSHAKE, client, connect
from ..conformance.hosts import wait_served
from ..ports import free_port
from .proxies import FILES
from .shop import ORDERS

PAGE = (ROOT / "docs" / "deploy.md").read_text("utf-8")


@contextmanager
def serving(line: str, port: int, folder: Path) -> Iterator[Command]:
    """Run a command line of the page, with the shop that says who serves."""
    assert f"\n{line}\n" in PAGE
    name, *arguments = shlex.split(line.replace("shop:app", "tests.deploy.about:app"))
    arguments = [each.replace("gunicorn_conf.py", str(FILES / "gunicorn_conf.py")) for each in arguments]
    env = {"PYTHONPATH": str(ROOT), "DATABASE_URL": f"sqlite:///{folder}/shop.db", "PROXY_PATIENCE": "10"}
    where = ("--bind", f"127.0.0.1:{port}") if name == "gunicorn" else ("--port", str(port))
    program = Path(sys.executable).with_name(name)
    with command(*arguments, *where, cwd=folder, env=env, program=program) as process:
        wait_served(process, port)
        yield process


async def process_of(url: str) -> int:
    """Who takes a new connection."""
    async with httpx.AsyncClient(verify=False, timeout=60) as http:
        found = (await http.get(f"{url}/about")).json()["process"]
    assert isinstance(found, int)
    return found


async def extensions(url: str) -> list[str]:
    """What a WebSocket is offered."""
    async with open_socket(url.replace("http", "ws", 1) + "/about", proxy=None) as socket:
        told: dict[str, Any] = json.loads(await socket.recv())
    return list(told["extensions"])


@pytest.fixture(scope="module")
def workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of two workers of uvicorn that share a port."""
    port = free_port()
    line = (
        "uvicorn shop:app --workers 2 --ws livecollections.bayeux.transports.direct:DirectProtocol "
        "--ws-per-message-deflate false"
    )
    with serving(line, port, tmp_path_factory.mktemp("workers")) as process:
        for _ in range(2):
            process.wait_line("Application startup complete", 60)
        yield f"http://127.0.0.1:{port}"


async def test_workers_share_a_port_and_each_has_the_fast_path(workers: str) -> None:
    met: set[int] = set()

    async def both_met() -> bool:
        met.add(await process_of(workers))
        assert EXTENSION in await extensions(workers)
        return len(met) == 2

    await wait_until(both_met)


async def test_sockets_need_no_stickiness_and_hear_what_any_worker_wrote(workers: str) -> None:
    for _ in range(4):
        async with LiveClient(workers, transports=("websocket",)) as one, one.collection(ORDERS) as orders:
            made = [await order(workers) for _ in range(3)]
            await wait_until(partial(has_all, orders, made))


async def test_polls_of_a_session_land_elsewhere_without_stickiness_and_are_told_what_to_do(
    workers: str,
) -> None:
    """The second time the advice names the ways that need no luck, and slows the others down."""
    async with client(workers) as speaker:
        advised: list[dict[str, Any]] = []

        async def lost() -> bool:
            # Each request on a connection of its own, with the cookie of the first.
            async with speaker.twin() as one:
                client_id = await one.handshake()
                speaker.http.cookies.update(one.http.cookies)
            for _ in range(8):
                async with speaker.twin() as another:
                    reply = await another.one(connect(client_id, advice={"timeout": 0}))
                if not reply["successful"]:
                    assert reply["error"] == f"401:{client_id}:Unknown client"
                    advised.append(reply["advice"])
            return any("connectionTypes" in each for each in advised)

        await wait_until(lost)
    assert {each["reconnect"] for each in advised} == {"handshake"}
    slowed = next(each for each in advised if "connectionTypes" in each)
    assert slowed == {
        "reconnect": "handshake",
        "interval": 1000,
        "connectionTypes": ["websocket", "eventsource"],
    }


async def test_gunicorn_replaces_its_worker_without_refusing_anybody(tmp_path: Path) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with serving("gunicorn -c gunicorn_conf.py shop:app", port, tmp_path) as process:
        process.wait_line("Application startup complete", 60)
        before = await process_of(url)
        assert EXTENSION in await extensions(url)
        async with (
            LiveClient(url, patience=60) as one,
            one.collection(ORDERS) as orders,
            client(url) as speaker,
            speaker.socket() as socket,
        ):
            reply = await socket.ask(HANDSHAKE)
            await socket.connected(reply["clientId"], ORDERS)
            made = [await order(url)]
            process.process.send_signal(signal.SIGHUP)
            # Until the new worker serves a request waits; none is refused.
            made += await asyncio.gather(order(url), order(url))
            assert await socket.closed(60) == 1012
            process.wait_line("Application startup complete", 60)
            made.append(await order(url))
            assert await process_of(url) != before
            await wait_until(partial(has_all, orders, made), 60)
        assert await asyncio.to_thread(process.stop, signal.SIGTERM) < 6
        assert process.process.returncode == 0
        assert not any("Traceback" in line for line in process.said())


def has_all(orders: LiveCollection[Any], made: Iterable[int]) -> bool:
    """Whether a collection has all that was made."""
    return set(made) <= set(map(int, orders.keys()))


async def order(url: str) -> int:
    """Write on a connection of its own."""
    async with httpx.AsyncClient(verify=False, timeout=60) as http:
        answer = await http.post(url + ORDERS, json={"article": "tea"})
    assert answer.status_code == 201, answer.text
    return int(answer.json()["id"])
