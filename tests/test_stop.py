"""A graceful stop: a real uvicorn process, under each of its ways to run, behind held polls, sockets and streams."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import ssl
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import connect

from tests.ports import free_port
from tests.serving import wait_until

APPLICATION = """
from sqlmodel import Field, SQLModel
from livecollections import Live

live = Live("sqlite:///stop.db")

@live.resource("/api/todos")
class Todo(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    title: str

app = live.app
"""
POLLS = 100
PLAIN = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""No certificates: to read them takes each of a hundred clients 50 ms."""


@asynccontextmanager
async def running(folder: Path, *options: str) -> AsyncIterator[tuple[Process, str]]:
    (folder / "stop_application.py").write_text(APPLICATION)
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "uvicorn", "stop_application:app", "--port", str(port), *options,
        cwd=folder, stdout=PIPE, stderr=PIPE, env={**os.environ, "PYTHONPATH": str(folder)},
        start_new_session=True,
    )  # fmt: skip
    address = f"http://127.0.0.1:{port}"
    try:
        async with httpx.AsyncClient() as client:
            deadline = time.monotonic() + 30
            while True:
                assert process.returncode is None, "the server has ended"
                assert time.monotonic() < deadline, "the server does not answer"
                try:
                    if (await client.get(f"{address}/live/health")).status_code == 200:
                        break
                except httpx.TransportError:
                    await asyncio.sleep(0.05)
        yield process, address
    finally:
        # Its children too: they hold the pipes open.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.communicate()


async def hold(address: str) -> str:
    """Handshake and hold a poll until it is answered; gives the advice of the answer."""
    async with httpx.AsyncClient(timeout=60, verify=PLAIN) as client:
        shaken = await client.post(
            f"{address}/faye",
            json=[
                {"channel": "/meta/handshake", "version": "1.0", "supportedConnectionTypes": ["long-polling"]}
            ],
        )
        connecting = {
            "channel": "/meta/connect",
            "clientId": shaken.json()[0]["clientId"],
            "connectionType": "long-polling",
        }
        await client.post(f"{address}/faye", json=[connecting])

        async def sent(event: str, info: dict[str, Any]) -> None:
            if event == "http11.send_request_body.complete":
                HELD.append(address)

        answer = await client.post(f"{address}/faye", json=[connecting], extensions={"trace": sent})
        if answer.status_code == 503:
            return "too late"
        return str(answer.json()[0]["advice"]["reconnect"])


HELD: list[str] = []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_it_is_gone_within_two_seconds_behind_held_polls(tmp_path: Path, number: int) -> None:
    async with running(tmp_path) as (process, address):
        HELD.clear()
        polls = [asyncio.create_task(hold(address)) for _ in range(POLLS)]
        stream_open = asyncio.Event()

        async def stream() -> None:
            headers = {"Accept": "text/event-stream"}
            async with (
                httpx.AsyncClient(timeout=60, verify=PLAIN) as client,
                client.stream("GET", f"{address}/api/todos", headers=headers) as answer,
            ):
                async for _ in answer.aiter_raw():
                    stream_open.set()

        streaming = asyncio.create_task(stream())
        async with connect(address.replace("http", "ws") + "/faye") as websocket:
            await websocket.send(json.dumps([]))
            await websocket.recv()
            await wait_until(lambda: len(HELD) == POLLS, 30)
            await stream_open.wait()
            async with httpx.AsyncClient() as client:
                await client.get(f"{address}/live/health")
            started = time.monotonic()
            process.send_signal(number)
            await asyncio.wait_for(process.wait(), 10)
            took = time.monotonic() - started
            await websocket.wait_closed()
            assert websocket.close_code == 1012
        answers = await asyncio.gather(*polls)
        await streaming
        assert took < 2.0
        # One that was on its way when the signal came may find the door closed.
        assert answers.count("too late") <= POLLS / 10


async def test_workers_stop_too(tmp_path: Path) -> None:
    async with running(tmp_path, "--workers", "2") as (process, address):
        HELD.clear()
        async with connect(address.replace("http", "ws") + "/faye") as websocket:
            await websocket.send(json.dumps([]))
            await websocket.recv()
            started = time.monotonic()
            process.send_signal(signal.SIGTERM)
            await asyncio.wait_for(process.wait(), 10)
            took = time.monotonic() - started
            await websocket.wait_closed()
            assert websocket.close_code == 1012
        assert took < 4.0


async def test_a_reload_is_not_held_up(tmp_path: Path) -> None:
    async with running(tmp_path, "--reload", "--reload-dir", str(tmp_path)) as (_process, address):
        async with connect(address.replace("http", "ws") + "/faye") as websocket:
            await websocket.send(json.dumps([]))
            await websocket.recv()
            (tmp_path / "stop_application.py").write_text(APPLICATION + "\nreloaded = True\n")
            started = time.monotonic()
            await asyncio.wait_for(websocket.wait_closed(), 20)
            assert websocket.close_code == 1012
        async with httpx.AsyncClient() as client:
            while True:
                assert time.monotonic() < started + 20
                try:
                    if (await client.get(f"{address}/live/health")).status_code == 200:
                        break
                except httpx.TransportError:
                    await asyncio.sleep(0.05)
