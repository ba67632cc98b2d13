"""Collections made and let go on one client against the real server, a thousand in full: nothing of them is left."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from select import select
from typing import Any

import pytest

from livecollections.testing import Site, wait_until_sync

from ..scale import scaled
from .site import make

ROUNDS = scaled(400, 1_000)
MOST_GROWN = 1_000_000
"""Bytes of heap after the last three fifths of them; a collection that stays, with its models, is some 10 kB."""


@pytest.fixture
def live_app(project: Path) -> Any:
    return make(project)


def test_rounds_leave_nothing(project: Path, live_site: Site) -> None:
    exchange = live_site.live.bayeux._exchange
    for number in range(5):
        live_site.sql("INSERT INTO package_todo (title) VALUES (?)", f"todo {number}")
    command = ["node", "--expose-gc", "rounds.cjs", live_site.url, str(ROUNDS)]
    with subprocess.Popen(command, cwd=project, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin
        assert process.stdout
        try:
            assert select([process.stdout], [], [], 80)[0], "no report in time"
            report = json.loads(process.stdout.readline())
            wait_until_sync(lambda: not exchange._subscribers)
            assert [dict(session.subscriptions) for session in exchange.sessions.values()] == [{}]
            process.stdin.close()
            # Nothing that is left keeps the program from ending.
            assert process.wait(20) == 0
        finally:
            process.kill()
    assert sum(report["done"].values()) == ROUNDS
    assert min(report["done"].values()) >= ROUNDS // 6
    assert report["before"] == {"channels": [], "extensions": 0, "listeners": 0}
    assert report["after"] == {"rows": 5, "channels": ["/api/todos"], "extensions": 1, "listeners": 1}
    assert report["left"] == report["before"]
    assert report["alive"] <= 5, report
    assert report["grown"] < MOST_GROWN, report
