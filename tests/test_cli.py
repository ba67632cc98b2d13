"""The command line: what it serves, what it prints, and what it says when something is wrong."""

from __future__ import annotations

import json
import re
import signal
import socket
import sqlite3
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from livecollections import Live
from livecollections.cli.server import warn_if_open
from livecollections.version import __version__

from .command import PROGRAM, command, finished

APPLICATION = """
from sqlmodel import Field, SQLModel
from livecollections import Live

live = Live("sqlite:///notes.db")
number = 7


@live.resource("/api/notes")
class Note(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    text: str


app = live.app
"""


PEOPLE = """
from sqlmodel import Field, SQLModel
from livecollections import Live

live = Live("sqlite:///people.db", capture="check")

@live.resource("/people")
class Person(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    name: str
    password: str | None = Field(default=None, exclude=True)
"""
FAULTY = """
from fastapi import FastAPI
from sqlmodel import Field, SQLModel
from livecollections import Live

nowhere = Live("sqlite:////nowhere/at/all.db")
memory = Live("sqlite://")
unchecked = Live("sqlite:///plain.db", capture="check")

@unchecked.resource("/api/notes")
class Note(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    text: str

mounted = FastAPI()
nowhere.mount(mounted)
wrapped = nowhere.wrap(FastAPI())
"""


@pytest.fixture
def here(tmp_path: Path) -> Path:
    (tmp_path / "notes.py").write_text(APPLICATION)
    return tmp_path


def rows(database: Path, statement: str) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(database)
    try:
        return connection.execute(statement).fetchall()
    finally:
        connection.close()


def names(database: Path) -> set[object]:
    return {
        name for (name,) in rows(database, "select name from sqlite_master where name not like 'sqlite_%'")
    }


def make_table(database: Path) -> None:
    connection = sqlite3.connect(database)
    connection.execute("create table note (id integer primary key, text text not null)")
    connection.execute("create table other (id integer primary key, text text not null)")
    connection.commit()
    connection.close()


def test_version(tmp_path: Path) -> None:
    run = finished("--version", cwd=tmp_path, program=PROGRAM)
    assert (run.returncode, run.stdout) == (0, f"livecollections {__version__}\n")


def test_no_argument_lists_the_commands(tmp_path: Path) -> None:
    listed = finished("--help", cwd=tmp_path).stdout
    for name in ("demo", "run", "install", "uninstall", "new-epoch"):
        assert re.search(rf"\b{name}\b", listed)


def test_openapi_prints_the_document_and_opens_nothing(here: Path) -> None:
    for target in ("notes:live", "notes:app"):
        run = finished("openapi", target, cwd=here)
        assert (run.returncode, run.stderr) == (0, "")
        assert json.loads(run.stdout)["paths"].keys() == {
            "/api/notes",
            "/api/notes/search",
            "/api/notes/{id}",
        }
    (here / "faulty.py").write_text(FAULTY)
    run = finished("openapi", "faulty:mounted", cwd=here)
    assert json.loads(run.stdout)["info"]["title"] == "FastAPI"
    assert not (here / "notes.db").exists()


def test_help_is_quick_to_load(tmp_path: Path) -> None:
    code = "import sys, livecollections.cli; print(*{name.partition('.')[0] for name in sys.modules})"
    run = finished("-c", code, cwd=tmp_path, program=Path(sys.executable))
    assert not {"starlette", "sqlalchemy", "uvicorn", "pydantic", "sqlmodel"} & set(run.stdout.split())


def test_demo_serves_page_rest_script_and_push(tmp_path: Path) -> None:
    with command("demo", "--port", "0", cwd=tmp_path) as demo:
        address = demo.address()
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+", address)
        with httpx.Client(base_url=address) as client:
            assert "todoapp" in client.get("/").text
            created = client.post("/api/todos", json={"title": "milk"})
            assert created.status_code == 201
            assert [todo["title"] for todo in client.get("/api/todos").json()] == ["milk"]
            assert (
                client.get("/live/livecollections.js").headers["content-type"].startswith("text/javascript")
            )
            assert client.get("/live/health").status_code == 200
            hello = [
                {"channel": "/meta/handshake", "version": "1.0", "supportedConnectionTypes": ["long-polling"]}
            ]
            assert client.post("/faye", json=hello).json()[0]["successful"] is True
        assert demo.stop() < 4
    assert rows(tmp_path / "todos.db", "select title from todo") == [("milk",)]
    assert demo.lines == [f"{address}/"]


def test_demo_keeps_its_rows_where_it_is_told(tmp_path: Path) -> None:
    with command("demo", "--port", "0", "--database", "sqlite:///elsewhere.db", cwd=tmp_path) as demo:
        httpx.post(f"{demo.address()}/api/todos", json={"title": "milk"})
    assert rows(tmp_path / "elsewhere.db", "select title from todo") == [("milk",)]
    assert not (tmp_path / "todos.db").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_it_without_a_traceback(tmp_path: Path, number: int) -> None:
    with command("demo", "--port", "0", cwd=tmp_path) as demo:
        demo.address()
        assert demo.stop(number) < 4
        with pytest.raises(AssertionError, match="it ended"):
            demo.wait_line("Traceback")


@pytest.mark.parametrize("target", ["notes:live", "notes:app", "notes:live.app"])
def test_run_serves_an_application_or_a_live(here: Path, target: str) -> None:
    with command("run", target, "--port", "0", cwd=here) as run:
        address = run.address()
        assert httpx.post(f"{address}/api/notes", json={"text": "x"}).json() == {"id": 1, "text": "x"}


def test_run_with_two_workers_shares_one_database(here: Path) -> None:
    with command("run", "notes:live", "--port", "0", "--workers", "2", cwd=here) as run:
        address = run.address()
        for number in range(8):
            assert (
                httpx.post(f"{address}/api/notes", json={"text": str(number)}, timeout=20).status_code == 201
            )
        texts = [note["text"] for note in httpx.get(f"{address}/api/notes").json()]
        assert texts == [str(number) for number in range(8)]
        assert run.stop() < 8


def test_run_with_reload_takes_a_changed_file(here: Path) -> None:
    with command("run", "notes:live", "--port", "0", "--reload", cwd=here) as run:
        address = run.address()
        assert httpx.get(f"{address}/api/notes", timeout=20).status_code == 200
        (here / "notes.py").write_text(APPLICATION.replace("/api/notes", "/api/papers"))
        run.wait_line("Reloading")
        run.wait_line("Application startup complete")
        assert httpx.get(f"{address}/api/papers", timeout=20).status_code == 200
        assert run.stop() < 8


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_beyond_loopback_it_says_so_in_one_line(tmp_path: Path, host: str) -> None:
    with command("demo", "--port", "0", "--host", host, cwd=tmp_path) as demo:
        address = demo.address()
        assert httpx.get(f"{address}/live/health").status_code == 200
    assert [line for line in demo.lines if "without authentication" in line]
    assert len(demo.lines) == 2


def test_a_taken_port_is_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        run = finished("demo", "--port", str(port), cwd=tmp_path)
    assert run.returncode == 2
    assert run.stderr == f"livecollections: port {port} of 127.0.0.1 is taken: give another with --port\n"
    assert not (tmp_path / "todos.db").exists()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("run", "nowhere:app"), "there is no module nowhere"),
        (("run", "notes.deep:app"), "there is no module notes.deep"),
        (("openapi", "notes:Note"), "serves no Live"),
        (("run", "notes:nothing"), "module notes has no attribute nothing"),
        (("run", "notes:live.nothing"), "module notes has no attribute live.nothing"),
        (("run", "notes:number"), "neither an ASGI application nor a Live"),
        (("run", "notes"), "is not of the form MODULE:ATTR"),
        (("run", "notes:app", "--host", "256.1.1.1"), "of 256.1.1.1 cannot be had"),
        (("run", "notes:app", "--workers", "2", "--reload"), "exclude each other"),
        (("demo", "--port", "0", "--database", "todos.db"), "database"),
        (("demo", "--port", "0", "--database", "oracle://x/y"), "oracle"),
        (("demo", "--port", "0", "--database", "sqlite:////nowhere/at/all.db"), "/nowhere/at/all.db"),
        (("install", "oracle://x/y"), "oracle"),
        (("install", "oracle://x/y", "--sql"), "oracle"),
        (("install", "sqlite:////nowhere/at/all.db"), "/nowhere/at/all.db"),
        (("install", "sqlite:///plain.db", "--exclude", "note.secret"), "no column note.secret"),
        (("install", "sqlite:///plain.db", "--exclude", "text"), "no column text"),
        (("install", "sqlite:///plain.db", "--exclude", "note.id"), "belongs to the key"),
        (("demo", "--port", "70000"), "--port"),
        (("demo", "--port", "x"), "--port"),
        (("demo", "--colour"), "--colour"),
        (("serve-all",), "serve-all"),
        (("install",), "database_url"),
        (("run", "notes:live", "--workers", "0"), "workers"),
        (("run", "faulty:nowhere", "--port", "0", "--workers", "2"), "/nowhere/at/all.db"),
        (("run", "faulty:nowhere.app", "--port", "0", "--workers", "2"), "/nowhere/at/all.db"),
        (("run", "faulty:mounted", "--port", "0", "--workers", "2"), "/nowhere/at/all.db"),
        (("run", "faulty:wrapped", "--port", "0", "--workers", "2"), "/nowhere/at/all.db"),
        (("run", "faulty:memory", "--port", "0", "--workers", "2"), "can't serve 2 processes"),
        (("run", "faulty:unchecked", "--port", "0", "--workers", "2"), "capture"),
        (("install", "sqlite:///plain.db", "--table", "missing"), "missing"),
        (("uninstall", "oracle://x/y", "--yes"), "oracle"),
        (("uninstall", "nonsense", "--yes"), "nonsense"),
        (("new-epoch", "oracle://x/y"), "oracle"),
        (("new-epoch", "sqlite:///plain.db"), "plain.db"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_is_wrong_is_one_line_and_status_2(here: Path, arguments: tuple[str, ...], says: str) -> None:
    make_table(here / "plain.db")
    (here / "faulty.py").write_text(FAULTY)
    run = finished(*arguments, cwd=here)
    assert run.returncode == 2, run.stdout + run.stderr
    assert says in run.stderr
    assert run.stderr.count("\n") == 1, run.stderr
    assert run.stdout == ""


def test_a_module_that_fails_to_import_shows_its_own_fault(here: Path) -> None:
    (here / "broken.py").write_text("import nowhere_at_all\n")
    run = finished("run", "broken:app", cwd=here)
    assert run.returncode != 0
    assert "No module named 'nowhere_at_all'" in run.stderr


def test_install_captures_and_uninstall_removes_every_trace(tmp_path: Path) -> None:
    database = tmp_path / "plain.db"
    make_table(database)
    before = rows(database, "select * from sqlite_master")
    assert finished("install", "sqlite:///plain.db", "--table", "note", cwd=tmp_path).returncode == 0
    connection = sqlite3.connect(database)
    connection.execute("insert into note values (1, 'x')")
    connection.execute("insert into other values (1, 'x')")
    connection.commit()
    connection.close()
    assert rows(database, "select source, method from live_changes where method != 'RESET'") == [
        ("note", "POST")
    ]
    again = finished("install", "sqlite:///plain.db", "--table", "note", cwd=tmp_path)
    assert again.returncode == 0
    asked = finished("uninstall", "sqlite:///plain.db", cwd=tmp_path, stdin="n\n")
    assert asked.returncode == 1
    assert "live_changes" in names(database)
    assert finished("uninstall", "sqlite:///plain.db", cwd=tmp_path, stdin="y\n").returncode == 0
    assert rows(database, "select * from sqlite_master where name not like 'sqlite_%'") == before
    assert finished("uninstall", "sqlite:///plain.db", "--yes", cwd=tmp_path).returncode == 0


def test_what_is_excluded_is_not_captured_and_a_check_is_content(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "people.db")
    connection.execute("create table person (id integer primary key, name text, password text)")
    connection.close()
    (tmp_path / "people.py").write_text(PEOPLE)
    for installed, says in (
        ((), "there is no change log"),
        (("install", "sqlite:///people.db"), "the log also keeps password"),
    ):
        if installed:
            assert finished(*installed, cwd=tmp_path).returncode == 0
        refused = finished("run", "people:live", "--port", "0", cwd=tmp_path)
        assert refused.returncode == 2
        assert f"person: {says}" in refused.stderr
        assert "--exclude" in refused.stderr
    assert (
        finished("install", "sqlite:///people.db", "--exclude", "person.password", cwd=tmp_path).returncode
        == 0
    )
    with command("run", "people:live", "--port", "0", cwd=tmp_path) as run:
        address = run.address()
        created = httpx.post(f"{address}/people", json={"name": "Ann"})
        assert created.json() == {"id": 1, "name": "Ann"}
    (image,) = rows(tmp_path / "people.db", "select after from live_changes where method = 'POST'")[0]
    assert "Ann" in str(image)
    assert rows(tmp_path / "people.db", "select count(*) from live_changes where method = 'RESET'") == [(1,)]


def test_install_sql_prints_what_installs_and_runs_nothing(tmp_path: Path) -> None:
    database = tmp_path / "plain.db"
    make_table(database)
    before = names(database)
    printed = finished("install", "sqlite:///plain.db", "--sql", cwd=tmp_path)
    assert printed.returncode == 0
    assert names(database) == before
    connection = sqlite3.connect(database)
    connection.executescript(printed.stdout)
    connection.execute("insert into note values (1, 'x')")
    connection.execute("insert into other values (1, 'x')")
    connection.commit()
    connection.close()
    heard = rows(database, "select source, method from live_changes where method != 'RESET' order by seq")
    assert heard == [("note", "POST"), ("other", "POST")]


def test_new_epoch_draws_another(tmp_path: Path) -> None:
    make_table(tmp_path / "plain.db")
    finished("install", "sqlite:///plain.db", cwd=tmp_path)
    first, second = (
        finished("new-epoch", "sqlite:///plain.db", cwd=tmp_path).stdout.strip() for _ in range(2)
    )
    assert re.fullmatch(r"[0-9a-f]{8}", first)
    assert re.fullmatch(r"[0-9a-f]{8}", second)
    assert first != second


def test_it_says_that_others_may_come_in_unless_somebody_asks_who_they_are(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def authenticate(connection: Any, ext: Any) -> None:
        """Nobody is known."""

    warn_if_open("0.0.0.0", Live("sqlite://").app)
    assert "without authentication" in caplog.text
    caplog.clear()
    warn_if_open("0.0.0.0", Live("sqlite://", authenticate=authenticate).app)
    warn_if_open("127.0.0.1", Live("sqlite://").app)
    assert caplog.text == ""
