"""The log of the process: the library configures none, and one grep for a seq shows a change's whole way."""

from __future__ import annotations

import json
import logging
import re
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlmodel import Field, SQLModel, select

from livecollections import Live
from livecollections.cli.logs import Level, Objects, Sparing, configuration
from livecollections.testing import wait_until

from .command import command, finished

APPLICATION = """
from sqlmodel import Field, SQLModel
from livecollections import Live

live = Live("sqlite:///notes.db")


@live.resource("/api/notes")
class Note(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    text: str


@live.on(Note, "create", durable="counting")
async def count(change):
    pass
"""
STRAYS = """
import asyncio, gc, logging, threading, warnings
from fastapi import FastAPI


class Broken:
    def __del__(self):
        raise ValueError("in a finalizer")


async def fail():
    raise ValueError("in a task")


def fail_in_a_thread():
    raise ValueError("in a thread")


async def lifespan(app):
    task = asyncio.ensure_future(fail())
    await asyncio.wait([task])
    del task
    fail()
    Broken()
    gc.collect()
    warnings.warn("that is old")
    logging.getLogger("websockets.server").warning("opening handshake failed")
    logging.getLogger("mine").info("it begins")
    thread = threading.Thread(target=fail_in_a_thread)
    thread.start()
    thread.join()
    yield


app = FastAPI(lifespan=lifespan)
"""
STRAYS_TOLD = [
    ("error", "asyncio", "Task exception was never retrieved"),
    ("error", "py.threads", "exception in thread"),
    ("error", "py.unraisable", "Broken.__del__"),
    ("warning", "py.warnings", "RuntimeWarning: coroutine 'fail' was never awaited"),
    ("warning", "py.warnings", "UserWarning: that is old"),
    ("warning", "websockets.server", "opening handshake failed"),
]
STEPS = ["committed", "read", "published", "sent", "heard"]


def poll(client: httpx.Client) -> str:
    """A session that hears the notes by long-polling; its clientId."""
    hello = {"channel": "/meta/handshake", "version": "1.0", "supportedConnectionTypes": ["long-polling"]}
    session: str = client.post("/faye", json=[hello]).json()[0]["clientId"]
    asked = {"channel": "/meta/subscribe", "clientId": session, "subscription": "/api/notes"}
    assert client.post("/faye", json=[asked]).json()[0]["successful"]
    return session


@pytest.mark.parametrize("form", [(), ("--log-json",)], ids=["lines", "json"])
def test_a_grep_for_a_seq_shows_the_whole_way(tmp_path: Path, form: tuple[str, ...]) -> None:
    (tmp_path / "notes.py").write_text(APPLICATION)
    with (
        command("run", "notes:live", "--port", "0", "--log-level", "debug", *form, cwd=tmp_path) as run,
        httpx.Client(base_url=run.address(), timeout=20) as client,
        command("tail", str(client.base_url.join("/faye")), "/api/notes", cwd=tmp_path) as tail,
        client.stream("GET", "/api/notes", headers={"Accept": "text/event-stream"}) as stream,
    ):
        tail.wait_line("over websocket")
        streamed = stream.iter_lines()
        assert next(streamed) == ": live"
        session = poll(client)
        connect = {"channel": "/meta/connect", "clientId": session, "connectionType": "long-polling"}
        client.post("/faye", json=[connect])  # the first is answered at once
        created = client.post("/api/notes", json={"text": "a secret matter"})
        assert created.headers["Live-Seq"] in client.post("/faye", json=[connect]).text
        tail.wait_line("a secret matter")
        assert any("a secret matter" in line for line in streamed)
        run.wait_line("heard seq=")
    seq = created.headers["Live-Seq"]
    way = [line for line in run.said() if seq in line]
    assert sorted(re.findall(r"(\w+) seq=", " ".join(way))) == sorted([*STEPS, "sent", "sent"])
    sent = dict(re.findall(r"session=(\w{6}) transport=([\w-]+)", " ".join(way)))
    assert sorted(sent.values()) == ["in-process", "long-polling", "websocket"]
    assert sent[session[-6:]] == "long-polling"
    (published,) = (line for line in way if "published seq=" in line)
    assert "channel=/api/notes receivers=3" in published
    assert session not in " ".join(run.lines)
    assert "a secret matter" not in " ".join(run.lines)
    if form:
        told = [json.loads(line) for line in run.lines if not line.startswith(("http://", "inspector: "))]
        assert {one["seq"] for one in told if "seq=" in one["message"]} == {seq}
        assert {one["logger"].partition(".")[0] for one in told} == {"livecollections", "uvicorn"}


def only(stderr: str) -> dict[str, Any]:
    """What is told on stderr, which is one object."""
    [line] = stderr.splitlines()
    told: dict[str, Any] = json.loads(line)
    assert told["logger"] == "livecollections.cli"
    return told


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["run", "nowhere:app"], "there is no module nowhere"),
        (["run", "nowhere", "--workers", "0"], "Invalid value for '--workers'"),
        (["demo", "--frobnicate"], "No such option: --frobnicate"),
        (["demo", "--database", "sqlite:///nowhere/todos.db"], "nowhere/todos.db"),
        (["serve", "sqlite:///nowhere.db"], "name what is to be served"),
    ],
    ids=lambda value: value[-1] if isinstance(value, list) else "",
)
def test_why_the_program_ends_is_an_object(arguments: list[str], told: str, tmp_path: Path) -> None:
    run = finished(*arguments, "--log-json", cwd=tmp_path)
    said = only(run.stderr)
    assert (run.returncode, said["level"]) == (2, "error")
    assert told in said["message"]


@pytest.mark.parametrize(("switch", "is_object"), [("yes", True), ("1", True), ("no", False), ("", False)])
def test_a_wrong_variable_is_told_as_another_asks(
    switch: str, is_object: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIVECOLLECTIONS_LOG_JSON", switch)
    monkeypatch.setenv("LIVECOLLECTIONS_PORT", "tcp://10.0.0.1:80")
    said = finished("demo", cwd=tmp_path).stderr
    assert said.startswith("{") is is_object
    assert "(from LIVECOLLECTIONS_PORT)" in (only(said)["message"] if is_object else said)


def test_what_nobody_has_foreseen_is_an_object(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("1 / 0\n")
    run = finished("run", "broken:app", "--log-json", cwd=tmp_path)
    said = only(run.stderr)
    assert (run.returncode, said["level"]) == (1, "critical")
    assert said["exception"].endswith("ZeroDivisionError: division by zero")
    assert "Traceback" in finished("run", "broken:app", cwd=tmp_path).stderr


def test_what_an_application_leaves_with_is_an_object(tmp_path: Path) -> None:
    (tmp_path / "leaving.py").write_text("import sys\nsys.exit('DATABASE_URL is not set')\n")
    run = finished("run", "leaving:app", "--log-json", cwd=tmp_path)
    assert (run.returncode, only(run.stderr)["message"]) == (1, "DATABASE_URL is not set")
    run = finished("run", "leaving:app", cwd=tmp_path)
    assert (run.returncode, run.stderr) == (1, "DATABASE_URL is not set\n")


def test_an_answer_that_is_no_yes_is_told_as_an_object(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "shop.db")) as connection:
        connection.execute("create table orders (id integer primary key)")
    run = finished("serve", "sqlite:///shop.db", "--table", "orders", "--log-json", cwd=tmp_path)
    assert (run.returncode, only(run.stderr)["level"]) == (1, "error")


@pytest.mark.parametrize("workers", ["1", "2"])
def test_that_others_may_come_in_is_an_object(workers: str, tmp_path: Path) -> None:
    (tmp_path / "notes.py").write_text(APPLICATION)
    options = ("--host", "0.0.0.0", "--port", "0", "--workers", workers, "--log-json")
    with command("run", "notes:live", *options, cwd=tmp_path) as run:
        told = json.loads(run.wait_line("without authentication"))
        run.address()
        assert (told["level"], told["logger"]) == ("warning", "livecollections.cli")
        run.stop()
        assert all(json.loads(line) for line in run.said() if not line.startswith(("http://", "inspector: ")))


def test_a_quieter_level_says_nothing_of_changes(tmp_path: Path) -> None:
    with command("demo", "--port", "0", "--log-level", "error", cwd=tmp_path) as demo:
        assert httpx.post(f"{demo.address()}/api/todos", json={"title": "milk"}).status_code == 201
        demo.stop()
        assert [line.partition("http")[0] for line in demo.said()] == ["", "inspector: "]


def told_of_strays(cwd: Path, application: str, *options: str, processes: int = 1) -> list[str]:
    """What an application's server tells on stderr, from its start to its stop."""
    (cwd / "strays.py").write_text(application)
    with command("run", "strays:app", "--port", "0", *options, cwd=cwd) as run:
        for _ in range(processes):
            run.wait_line("ValueError: in a thread")
        run.stop()
    return [line for line in run.said() if not line.startswith("http://")]


@pytest.mark.parametrize(
    ("level", "options", "processes"),
    [("debug", (), 1), ("error", (), 1), ("warning", ("--workers", "2"), 2), ("info", ("--reload",), 1)],
    ids=["debug", "error", "workers", "reload"],
)
def test_what_nobody_has_configured_is_an_object_once(
    level: str, options: tuple[str, ...], processes: int, tmp_path: Path
) -> None:
    options = ("--log-json", "--log-level", level, *options)
    lines = told_of_strays(tmp_path, STRAYS, *options, processes=processes)
    told = [
        (one["level"], one["logger"], next((text for *_, text in STRAYS_TOLD if text in one["message"]), ""))
        for one in map(json.loads, lines)
        if one["logger"].partition(".")[0] not in ("livecollections", "uvicorn")
    ]
    expected = [one for one in STRAYS_TOLD if one[0] == "error" or level != "error"]
    assert sorted(told) == sorted(expected * processes)


def test_what_nobody_has_configured_is_a_line_of_ours(tmp_path: Path) -> None:
    lines = told_of_strays(tmp_path, STRAYS)
    for level, name, message in STRAYS_TOLD:
        (line,) = (line for line in lines if message in line)
        assert re.match(rf"\S+ \S+ {level.upper():<7} {name}: ", line)


def test_what_an_application_configures_at_its_import_stands(tmp_path: Path) -> None:
    mine = "import logging\nlogging.basicConfig(level='INFO', format='mine: %(message)s')\n" + STRAYS
    lines = told_of_strays(tmp_path, mine, "--log-json")
    assert "mine: it begins" in lines
    assert [line for line in lines if "opening handshake failed" in line] == [
        "mine: opening handshake failed"
    ]


def test_what_a_changed_file_raises_is_an_object(tmp_path: Path) -> None:
    (tmp_path / "notes.py").write_text(APPLICATION)
    with command("run", "notes:live", "--port", "0", "--reload", "--log-json", cwd=tmp_path) as run:
        run.wait_line("Application startup complete")
        (tmp_path / "notes.py").write_text(APPLICATION + "\n1 +\n")
        told = json.loads(run.wait_line("SyntaxError"))
        assert (told["level"], told["logger"]) == ("critical", "livecollections.cli")
        assert told["exception"].endswith("SyntaxError: invalid syntax")
        (tmp_path / "notes.py").write_text(APPLICATION)
        run.wait_line("Application startup complete")
        run.stop()
        assert all(json.loads(line) for line in run.said() if not line.startswith(("http://", "inspector: ")))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("raise KeyError('no such setting')", "no such setting"),
        ("sys.exit('DATABASE_URL is not set')", "not set"),
    ],
    ids=["it raises", "it leaves"],
)
def test_why_a_worker_can_not_load_the_application_is_an_object_and_the_end(
    line: str, said: str, tmp_path: Path
) -> None:
    only_in_workers = f"import multiprocessing, sys\nif multiprocessing.parent_process():\n    {line}\n"
    (tmp_path / "notes.py").write_text(only_in_workers + APPLICATION)
    with command("run", "notes:live", "--port", "0", "--workers", "2", "--log-json", cwd=tmp_path) as run:
        told = json.loads(run.wait_line(said))
        assert (told["level"], told["logger"]) == ("critical", "livecollections.cli")
        assert ("exception" in told) is line.startswith("raise")
        assert told.get("exception", "Traceback").startswith("Traceback")
        assert run.process.wait(30) == 3
        run.reader.join(10)
        assert all(json.loads(line) for line in run.said() if not line.startswith("http://"))
        assert len([line for line in run.lines if said in line]) <= 2, "no other is started in its place"


class Note(SQLModel, table=True):
    __tablename__ = "logged_note"

    id: int | None = Field(default=None, primary_key=True)
    text: str


async def test_the_library_configures_no_logging(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    live = Live(f"sqlite:///{tmp_path}/notes.db")
    live.add_resource("/api/notes", Note)
    caplog.set_level(logging.DEBUG, "livecollections")
    async with live:
        async with live.session() as session:
            session.add_all([Note(text="x"), Note(text="y")])
            await session.commit()
            assert (await session.exec(select(Note))).all()
            await session.commit()
        await wait_until(lambda: caplog.text.count("published seq=") == 2, 5)
    ours = [
        found
        for name, found in logging.root.manager.loggerDict.items()
        if name.startswith("livecollections.") and isinstance(found, logging.Logger)
    ]
    assert len(ours) > 5
    assert not [found for found in ours if found.handlers or found.level or not found.propagate]
    told = [record for record in caplog.records if hasattr(record, "seq")]
    ways: dict[str, list[str]] = {}
    for record in told:
        ways.setdefault(record.__dict__["seq"], []).append(record.getMessage().split()[0])
    assert [*ways.values()] == [["committed", "read", "published"]] * 2
    assert {record.__dict__["by"] for record in told[:2]} == {"session"}


def test_objects_hold_extras_and_what_was_raised() -> None:
    record = logging.makeLogRecord(
        {"msg": "it %s", "args": ("failed",), "seq": "1", "odd": {1}, "color_message": "x"}
    )
    try:
        raise ValueError("why")
    except ValueError as error:
        record.exc_info = (type(error), error, error.__traceback__)
    told = json.loads(Objects().format(record))
    assert (told["message"], told["seq"], told["odd"]) == ("it failed", "1", "{1}")
    assert told["exception"].endswith("ValueError: why")
    assert told.keys() == {"time", "level", "logger", "message", "seq", "odd", "exception"}


def test_what_urls_bear_is_not_told() -> None:
    client_id = "0123456789abcdef" * 3
    for path, told in {
        "/faye?message=%5B%7B%22ext%22%3A%7B%22token%22%3A%22secret%22%7D%7D%5D&jsonp=f": "/faye?message=…",
        f"/faye/{client_id}": "/faye/…abcdef",
        "/api/todos?title=milk": "/api/todos?title=milk",
        "/api/todos?key=7": "/api/todos?key=7",
        "/live?key=secret": "/live?key=…",
        "/live/?key=secret": "/live/?key=…",
        "/live?%6bey=secret": "/live?key=…",
        "/live?a=%41&%4B%65y=%41secret&b=%42": "/live?a=%41&key=…&b=%42",
        "/live?key%3dsecret": "/live?key=…",
        "/faye?%6dessage=%5B%7B%22ext%22%3A%7B%22token%22%3A%22secret%22%7D%7D%5D&jsonp=f": "/faye?message=…",
        "/Live?a=1&KEY=secret&b=2": "/Live?a=1&key=…&b=2",
        "/app/live/inspector/events?key=secret": "/app/live/inspector/events?key=…",
    }.items():
        record = logging.makeLogRecord(
            {"name": "uvicorn.access", "msg": "%s - %s %s %s %d", "args": ("::1", "GET", path, "1.1", 200)}
        )
        assert Sparing().filter(record)
        assert record.getMessage() == f"::1 - GET {told} 1.1 200"


def test_uvicorn_says_nothing_of_what_is_in_frames() -> None:
    assert configuration(Level.DEBUG, as_json=False)["loggers"]["uvicorn"]["level"] == "INFO"
