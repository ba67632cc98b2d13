"""Each example is served by the command line, as its first lines say, and does what they promise."""

from __future__ import annotations

import asyncio
import re
import signal
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from .command import ROOT, Command, command
from .serving import wait_until
from .webhooks.receiver import SECRET, Order, order, selling

EXAMPLES = ROOT / "examples"


@contextmanager
def serving(name: str, folder: Path) -> Iterator[tuple[httpx.Client, Command]]:
    """An example at work, its database in a folder of the test's."""
    target = f"examples.{name}:app"
    assert f"livecollections run {target}" in (EXAMPLES / f"{name}.py").read_text("utf-8")
    with command("run", target, "--port", "0", cwd=folder, env={"PYTHONPATH": str(ROOT)}) as run:
        with httpx.Client(base_url=run.address()) as client:
            yield client, run
        assert run.stop() < 6


@contextmanager
def beside(name: str, url: str, folder: Path) -> Iterator[Command]:
    """An example that is a program of its own, beside a server."""
    path = EXAMPLES / f"{name}.py"
    assert f"python examples/{name}.py http" in path.read_text("utf-8")
    with command(str(path), url, cwd=folder, program=Path(sys.executable)) as run:
        yield run
        assert run.stop(signal.SIGINT) < 6
        assert run.process.returncode == 0


def test_every_example_has_a_test() -> None:
    tested = set(re.findall(r'(?:serving|beside)\("(\w+)"', Path(__file__).read_text("utf-8")))
    assert {path.stem for path in EXAMPLES.glob("*.py")} == tested


def test_ten_lines_serve_todos(tmp_path: Path) -> None:
    with serving("todos", tmp_path) as (client, _):
        assert client.post("/api/todos", json={"title": "milk"}).status_code == 201
        [todo] = client.get("/api/todos").json()
        assert todo == {"id": 1, "title": "milk", "completed": False, "order": None}
        assert "/api/todos" in client.get("/openapi.json").json()["paths"]
        assert client.get("/docs").status_code == 200


def test_inside_fastapi_own_routes_commit_live(tmp_path: Path) -> None:
    with serving("fastapi_app", tmp_path) as (client, _):
        created = client.post("/api/shop/articles", json={"name": "tea", "price": 8.0})
        assert created.status_code == 201
        with client.stream("GET", "/api/shop/articles", headers={"Accept": "text/event-stream"}) as stream:
            lines = stream.iter_lines()
            sale = client.post("/sale?percent=25", headers={"Live-Origin": "autumn"})
            assert sale.json() == {"percent": 25}
            heard = next(line for line in lines if '"price":6' in line)
        assert '"method":"PUT"' in heard
        assert sale.headers["Live-Seq"] > created.headers["Live-Seq"]
        assert client.get("/api/shop/articles").json() == [{"id": 1, "name": "tea", "price": 6.0}]
        paths = client.get("/openapi.json").json()["paths"]
        assert {"/sale", "/api/shop/articles"} <= paths.keys()


def test_tasks_are_those_of_each_user(tmp_path: Path) -> None:
    with serving("tasks_app", tmp_path) as (client, _):
        ann, bob = ({"Authorization": f"Bearer {name}'s token"} for name in ("ann", "bob"))
        created = client.post("/api/tasks", json={"title": "buy milk"}, headers=ann)
        assert (created.status_code, created.json()["owner"]) == (201, "ann")
        assert client.get("/api/tasks", headers=bob).json() == []
        assert client.get("/api/tasks").status_code == 401
        done = client.patch(created.headers["location"], json={"done": True}, headers=ann)
        assert done.json()["done_at"]
        assert client.patch("/api/tasks/1", json={"done_at": None}, headers=ann).status_code == 422
        assert client.get("/open").json() == {"open": 0}
        assert "/api/tasks/{id}" in client.get("/openapi.json").json()["paths"]


def test_two_users_have_each_his_own(tmp_path: Path) -> None:
    with serving("two_users", tmp_path) as (client, _):
        ann, bob = ({"Authorization": f"Bearer {name}'s token"} for name in ("ann", "bob"))
        assert client.get("/api/notes").status_code == 401
        assert client.post("/api/notes", json={"text": "hers"}, headers=ann).json()["owner_id"] == 1
        assert client.get("/api/notes", headers=bob).json() == []
        assert len(client.get("/api/notes", headers=ann).json()) == 1
        rooms = [
            client.get(f"/api/rooms/{room}/messages", headers=bob).status_code for room in ("hall", "staff")
        ]
        assert rooms == [200, 403]
        assert client.post("/api/pupils", json={"name": "x"}, headers=bob).status_code == 403
        client.post("/api/pupils", json={"name": "Tom", "grade": 2}, headers=ann)
        assert client.get("/api/pupils", headers=bob).json() == [{"id": 1, "name": "Tom"}]
        with client.stream("GET", "/api/pupils", headers={"Accept": "text/event-stream", **bob}) as stream:
            lines = stream.iter_lines()
            client.patch("/api/pupils/1", json={"grade": 1}, headers=ann)
            client.patch("/api/pupils/1", json={"name": "Tim"}, headers=ann)
            heard = next(line for line in lines if '"method"' in line)
        assert '"body":{"id":1,"name":"Tim"}' in heard


def test_around_another_application(tmp_path: Path) -> None:
    with serving("wrap_app", tmp_path) as (client, _):
        assert client.get("/anything").text == "hello from the application inside\n"
        assert client.post("/api/notes", json={"text": "x"}).status_code == 201
        assert client.get("/api/notes").json() == [{"id": 1, "text": "x"}]


def test_a_durable_listener_hears_what_was_written_while_it_slept(tmp_path: Path) -> None:
    with serving("listener", tmp_path) as (client, run):
        client.post("/api/orders", json={"article": "tea"})
        client.patch("/api/orders/1", json={"paid": True})
        run.wait_line("receipt for order 1: tea")
        client.post("/api/orders", json={"article": "milk"})
    connection = sqlite3.connect(tmp_path / "orders.db")
    connection.execute('update "order" set paid = true')
    connection.commit()
    connection.close()
    with serving("listener", tmp_path) as (_, run):
        run.wait_line("receipt for order 2: milk")
        assert not [line for line in run.lines if "receipt for order 1" in line]


def test_a_receiver_of_webhooks_keeps_what_it_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WEBHOOK_SECRET", SECRET)
    with serving("webhook_receiver", tmp_path) as (client, run):
        url = f"{client.base_url}/hooks/orders"
        assert client.post(url, json={}).status_code == 400

        async def sell() -> None:
            async with selling(tmp_path, url) as live:
                await order(live, "a", "b")
                async with live.session() as session:
                    await session.delete(await session.get(Order, 1))
                    await session.commit()
                expected = [{"id": 2, "text": "b"}]
                await wait_until(lambda: client.get("/orders").json() == expected)

        asyncio.run(sell())
        assert not [line for line in run.lines if "missed" in line]


def test_a_program_watches_a_list(tmp_path: Path) -> None:
    with serving("todos", tmp_path) as (client, _), beside("watch", str(client.base_url), tmp_path) as run:
        run.wait_line("0 todos, live")
        client.post("/api/todos", json={"title": "milk"})
        run.wait_line("add 1 milk")
        client.patch("/api/todos/1", json={"title": "oat milk"})
        run.wait_line("change 1 oat milk")
        client.delete("/api/todos/1")
        run.wait_line("remove 1 oat milk")
