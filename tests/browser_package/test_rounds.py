"""A thousand collections made and let go on one client against the real server: nothing of them is left."""

from __future__ import annotations

import asyncio
import json
from asyncio.subprocess import PIPE
from pathlib import Path

import httpx

from tests.serving import served, wait_until

from .site import make

ROUNDS = 1_000
MOST_GROWN = 1_000_000
"""Bytes of heap after the last 600 rounds; a collection that stays, with its models, is some 10 kB."""


async def test_rounds_leave_nothing(project: Path, tmp_path: Path) -> None:
    live, app = make(tmp_path / "todos.db", project)
    exchange = live.bayeux._exchange
    async with served(app) as address, httpx.AsyncClient(base_url=address) as client:
        for number in range(5):
            assert (await client.post("/api/todos", json={"title": f"todo {number}"})).status_code == 201
        process = await asyncio.create_subprocess_exec(
            "node", "--expose-gc", "rounds.cjs", address, str(ROUNDS), cwd=project, stdin=PIPE, stdout=PIPE
        )  # fmt: skip
        assert process.stdin
        assert process.stdout
        try:
            report = json.loads(await asyncio.wait_for(process.stdout.readline(), 80))
            await wait_until(lambda: not exchange._subscribers)
            assert [dict(session.subscriptions) for session in exchange.sessions.values()] == [{}]
            process.stdin.close()
            # Nothing that is left keeps the program from ending.
            assert await asyncio.wait_for(process.wait(), 20) == 0
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
    assert sum(report["done"].values()) == ROUNDS
    assert min(report["done"].values()) >= ROUNDS // 6
    assert report["before"] == {"channels": [], "extensions": 0, "listeners": 0}
    assert report["after"] == {"rows": 5, "channels": ["/api/todos"], "extensions": 1, "listeners": 1}
    assert report["left"] == report["before"]
    assert report["alive"] <= 5, report
    assert report["grown"] < MOST_GROWN, report
