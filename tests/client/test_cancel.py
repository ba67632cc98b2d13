"""Cancelling the Python client at any moment leaves no task and no socket."""

from __future__ import annotations

import asyncio
from typing import Any

import psutil
import pytest

from livecollections.bayeux import Client, Server

from ..bayeux.wire import Log, Open
from ..scale import scaled
from ..serving import served, wait_until
from .test_client import PROCESS, transport

__all__ = ["transport"]

OURS = (
    "/bayeux/driver.py",
    "/bayeux/client.py",
    "/bayeux/ways.py",
    "/websockets/asyncio/client.py",
    "/httpx/",
    "/httpcore/",
)


def left() -> list[Any]:
    """The tasks that are the client's or its libraries'."""
    found = []
    for task in asyncio.all_tasks():
        code = getattr(task.get_coro(), "cr_code", None)
        if code is not None and any(part in code.co_filename for part in OURS):
            found.append(task)
    return found


def sockets_to(url: str) -> int:
    port = int(url.rpartition(":")[2])
    return len(
        [
            one
            for one in PROCESS.net_connections("tcp")
            if one.raddr and one.raddr.port == port and one.status != psutil.CONN_TIME_WAIT and one.fd != -1
        ]
    )


async def use(url: str, transport: str, log: Log) -> None:
    """Everything that a program does with a client."""
    async with Client(url, transports=[transport], timeout=5) as client:
        await client.wait_connected(5)
        async with (
            client.subscribe("/chat") as chat,
            client.subscribe(log.channel, since=log.seq(0)) as todos,
        ):
            log.add(1)
            await client.publish("/chat", "hi")
            await anext(chat)
            await anext(todos)


async def steps(work: asyncio.Task[None], count: int | None = None) -> int:
    """Let the loop turn so many times, or until the work is done; returns how often it did."""
    done = 0
    while not work.done() and (count is None or done < count):
        await asyncio.sleep(0)
        done += 1
    return done


@pytest.mark.parametrize("times", [1, 2])
async def test_cancelled_at_any_moment_nothing_is_left(transport: str, times: int) -> None:
    server = Server(timeout=2, policy=Open())
    log = Log(server)
    async with served(server) as url:
        whole = asyncio.create_task(use(url, transport, log))
        length = await steps(whole)
        await whole
        moments = scaled(30, 300)
        cancelled = 0
        for number in range(moments):
            work = asyncio.create_task(use(url, transport, log))
            await steps(work, number * length // moments)
            for _ in range(times):
                work.cancel()
                await asyncio.sleep(0)
            await asyncio.wait([work])
            cancelled += work.cancelled()
            assert work.cancelled() or work.exception() is None
            await wait_until(lambda: not left())
            await wait_until(lambda: sockets_to(url) == 0)
        assert cancelled > moments // 2


async def test_a_cancelled_publish_and_iteration_harm_nothing(transport: str) -> None:
    server = Server(timeout=2, policy=Open())
    async with (
        served(server) as url,
        Client(url, transports=[transport]) as client,
        client.subscribe("/chat") as chat,
    ):
        for number in range(20):
            publishing = asyncio.create_task(client.publish("/chat", -number - 1))
            hearing = asyncio.create_task(anext(chat))
            for _ in range(number):
                await asyncio.sleep(0)
            publishing.cancel()
            hearing.cancel()
            await asyncio.wait([publishing, hearing])
        await client.publish("/chat", "end")
        while (item := await anext(chat)).data != "end":
            assert item.data < 0


async def test_entering_a_subscription_may_be_cancelled() -> None:
    server = Server(timeout=2, policy=Open())
    async with served(server) as url, Client(url) as client:
        await client.wait_connected(5)
        for number in range(12):
            entering = asyncio.ensure_future(client.subscribe("/chat").__aenter__())
            for _ in range(number):
                await asyncio.sleep(0)
            entering.cancel()
            await asyncio.wait([entering])
            if not entering.cancelled():
                await entering.result().__aexit__()
        await client.publish("/other", 1)
        await wait_until(lambda: "/chat" not in server._exchange._subscribers)
