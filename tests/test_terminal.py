"""``livecollections tail`` and ``publish`` as a user runs them, against the demo."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from livecollections.testing.proxy import FaultProxy

from .command import PROGRAM, Command, command, finished

SECONDS = 20


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with command("demo", "--port", "0", cwd=tmp_path_factory.mktemp("demo")) as running:
        yield running.address()


def publish(tmp_path: Path, address: str, text: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return finished("publish", f"{address}/faye", "/demo/1", text, cwd=tmp_path, stdin=stdin)


def listening(running: Command) -> None:
    assert "over websocket" in running.wait_line("listening to", SECONDS)


def test_what_is_published_is_shown(demo: str, tmp_path: Path) -> None:
    with command("tail", f"{demo}/faye", "/demo/*", "/api/todos", cwd=tmp_path) as running:
        listening(running)
        run = publish(tmp_path, demo, '{"text": "[red]hi", "n": [1, null]}')
        assert (run.returncode, run.stdout, run.stderr) == (0, "", "")
        assert running.wait_line("/demo/1").endswith('  /demo/1  {"text":"[red]hi","n":[1,null]}')
        assert publish(tmp_path, demo, "-", stdin='"from stdin"').returncode == 0
        assert running.wait_line("/demo/1").endswith('  "from stdin"')
        # U+009B is an escape sequence to some terminals, and U+202E turns a line round.
        assert publish(tmp_path, demo, '"\\u009b2J\\u202e"').returncode == 0
        assert running.wait_line("/demo/1").endswith('  "\\u009b2J\\u202e"')
        todo = httpx.post(f"{demo}/api/todos", json={"title": "milk"}).json()
        assert running.wait_line("/api/todos").endswith(
            f"  POST    {json.dumps(todo, separators=(',', ':'))}"
        )
        httpx.delete(f"{demo}/api/todos/{todo['id']}")
        running.wait_line("DELETE")
        running.stop(signal.SIGINT)
        assert running.process.returncode == 130
        assert not [line for line in running.lines if "Traceback" in line]


def test_json_is_for_pipes(demo: str, tmp_path: Path) -> None:
    todos = [httpx.post(f"{demo}/api/todos", json={"title": str(number)}) for number in range(3)]
    first = todos[0].headers["Live-Seq"]
    arguments = [str(PROGRAM), "tail", "--json", f"{demo}/faye", "/api/todos", "/demo/1"]
    with subprocess.Popen(
        [*arguments, "--since", f"/api/todos={first}"],
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as running:  # fmt: skip
        assert running.stdout is not None
        heard = [json.loads(running.stdout.readline()) for _ in range(2)]
        assert [one["data"]["body"]["title"] for one in heard] == ["1", "2"]
        assert heard[0]["channel"] == "/api/todos"
        assert heard[0]["seq"] == heard[0]["data"]["seq"] > first
        publish(tmp_path, demo, '"\\u009b7"')
        line = running.stdout.readline()
        assert line.rstrip("\n").isprintable()
        assert json.loads(line) == {"channel": "/demo/1", "seq": None, "data": "\x9b7"}
        running.stdout.close()
        publish(tmp_path, demo, "8")
        assert running.wait(SECONDS) == 1
        assert running.stderr is not None
        assert "Traceback" not in running.stderr.read()


def test_a_position_that_is_unknown_is_a_reset(demo: str, tmp_path: Path) -> None:
    with command("tail", f"{demo}/faye", "/api/todos", "--since", "nowhere", cwd=tmp_path) as running:
        assert "read again" in running.wait_line("RESET", SECONDS)
    with command(
        "tail", "--json", f"{demo}/faye", "/api/todos", "--since", "nowhere", cwd=tmp_path
    ) as running:
        assert set(json.loads(running.wait_line("reset", SECONDS))) == {"channel", "seq", "reset"}


async def test_it_says_that_it_reconnects_and_misses_nothing(tmp_path: Path) -> None:
    with command("demo", "--port", "0", cwd=tmp_path) as server:
        address = server.address()
        async with FaultProxy(address) as proxy:
            arguments = ("tail", f"{proxy.url}/faye", "/api/todos", "--header", "X-Who: me")
            with command(*arguments, cwd=tmp_path) as running:
                await in_thread(listening, running)
                proxy.refuse()
                proxy.cut()
                await in_thread(running.wait_line, "reconnecting: ")
                await in_thread(post, address, "meanwhile")
                proxy.heal()
                await in_thread(running.wait_line, "connected again, over ")
                await in_thread(running.wait_line, "meanwhile")


def post(address: str, title: str) -> None:
    httpx.post(f"{address}/api/todos", json={"title": title})


def test_a_session_that_is_over_is_not_named(tmp_path: Path) -> None:
    with command("demo", "--port", "0", cwd=tmp_path) as server:
        address = server.address()
        with command("tail", f"{address}/faye", "/demo/*", cwd=tmp_path) as running:
            listening(running)
            server.stop(signal.SIGKILL)
            running.wait_line("reconnecting: ")
            with command("demo", "--port", address.rstrip("/").rpartition(":")[2], cwd=tmp_path):
                running.wait_line("reconnecting: the session is over")
                running.wait_line("connected again, over ")
            assert not [line for line in running.lines if "Unknown client" in line]


async def in_thread(function: object, *arguments: object) -> None:
    """The proxy runs in this loop, so waiting for a line must not stop it."""
    assert callable(function)
    await asyncio.to_thread(function, *arguments)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["publish", "URL", "/demo/1", "{"], "this is not JSON"),
        (["publish", "URL", "/api/todos", "1"], "403:/api/todos:Forbidden channel"),
        (["publish", "URL", "demo", "1"], "channel: such as"),
        (["publish", "URL", "/demo/1", "1", "--header", "nonsense"], "'Name: value' is expected"),
        (["publish", "faye", "/demo/1", "1"], "url: such as"),
        (
            ["publish", "http://127.0.0.1:9/faye", "/demo/1", "1"],
            "can't be reached: websocket: connection refused",
        ),
        (["tail", "http://127.0.0.1:9/faye", "/demo/1"], "long-polling: connection refused"),
        (["tail", "http://nowhere.invalid/faye", "/demo/1"], "there is no such host"),
        (
            ["tail", "URL/nowhere/else", "/secret"],
            "the server refuses /secret: 403:/secret:Forbidden channel",
        ),
        (["tail", "ROOT/api/todos", "/demo/1"], "can't be reached: websocket: HTTP"),
        (["tail", "URL", "demo"], "channel: such as '/chat/1' is expected"),
        (["tail", "URL", "/demo/1", "--since", "/demo/2=x"], "CHANNEL=SEQ"),
        (["tail", "URL", "/demo/1", "/demo/2", "--since", "x"], "CHANNEL=SEQ"),
        (["tail", "URL"], "Missing argument"),
    ],
)
def test_what_is_wrong_is_one_line(demo: str, tmp_path: Path, arguments: list[str], said: str) -> None:
    given = [each.replace("URL", f"{demo}/faye").replace("ROOT", demo) for each in arguments]
    run = finished(*given, cwd=tmp_path)
    assert run.returncode == 2
    assert run.stdout == ""
    assert said in run.stderr
    assert len(run.stderr.splitlines()) == 1
