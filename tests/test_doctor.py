"""`doctor` and `log` of a SQLite file, and of this machine; the other databases have tests of their own."""

from __future__ import annotations

import json
import resource
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from livecollections.cli import checkup
from livecollections.stores.administration import Finding
from livecollections.stores.base import Log
from livecollections.stores.sqlite_administration import SQLiteAdministration
from livecollections.stores.sqlite_examination import _program

from .command import command, finished

APPLICATION = """
from sqlmodel import Field, SQLModel
from livecollections import Live

live = Live("sqlite:///notes.db")

@live.resource("/api/notes")
class Note(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    text: str
"""
URL = "sqlite:///notes.db"


@contextmanager
def opened(path: Path) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(path / "notes.db", isolation_level=None)
    try:
        yield connection
    finally:
        connection.close()


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A folder with a file that is captured, and in WAL, with three entries in its log."""
    with opened(tmp_path) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE note (id integer PRIMARY KEY, text text NOT NULL)")
        assert finished("install", URL, cwd=tmp_path).returncode == 0
        connection.execute("INSERT INTO note VALUES (1, 'x')")
        connection.execute("UPDATE note SET text = 'y\u001b[2J'")
        connection.execute("DELETE FROM note")
    return tmp_path


def content(path: Path) -> list[str]:
    with opened(path) as connection:
        return [*connection.iterdump(), str(connection.execute("PRAGMA journal_mode").fetchone())]


def advised(findings: Sequence[Finding]) -> dict[str, str]:
    return {found.subject: found.advice for found in findings if found.advice}


@pytest.mark.parametrize("target", [URL, "notes:live"])
def test_all_is_well_and_nothing_is_changed(here: Path, target: str) -> None:
    (here / "notes.py").write_text(APPLICATION)
    before = content(here)
    run = finished("doctor", target, cwd=here)
    assert run.returncode == 0, run.stdout
    lines = run.stdout.splitlines()
    assert all(line.startswith("ok ") for line in lines)
    subjects = [line.split()[1].rstrip(":") for line in lines]
    assert subjects == [
        "versions", "open", "SQLite", "JSON", "journal", "processes", "triggers", "log", "retention", "wake-up",
    ]  # fmt: skip
    assert "triggers: in place on note" in run.stdout
    assert "log: 3 changes" in run.stdout
    assert content(here) == before


def test_what_is_to_be_done_is_said_and_is_status_1(here: Path) -> None:
    with opened(here) as connection:
        connection.execute("DROP TRIGGER live_note_update")
        connection.execute("PRAGMA journal_mode = DELETE")
    before = content(here)
    run = finished("doctor", URL, cwd=here)
    assert run.returncode == 1
    todo = [line for line in run.stdout.splitlines() if line.startswith("to do ")]
    assert [line.split()[2] for line in todo] == ["journal:", "triggers:"]
    assert "note: triggers are missing" in todo[1]
    assert "livecollections install" in todo[1]
    assert content(here) == before
    assert finished("install", URL, cwd=here).returncode == 0
    assert "in place on note" in finished("doctor", URL, cwd=here).stdout


def test_an_application_whose_columns_the_log_lacks_is_told(here: Path) -> None:
    (here / "notes.py").write_text(APPLICATION + "    more: str | None = None\n")
    with opened(here) as connection:
        connection.execute("ALTER TABLE note ADD COLUMN more text")
    run = finished("doctor", "notes:live", cwd=here)
    assert run.returncode == 1
    assert "the log does not keep more" in run.stdout


@pytest.mark.parametrize(
    ("target", "says"),
    [
        ("sqlite:////nowhere/at/all.db", "can't be opened"),
        ("sqlite:///plain.db", "log: there is none"),
        ("notes:number", "serves no Live"),
    ],
)
def test_what_can_not_be_looked_at_is_to_be_done(tmp_path: Path, target: str, says: str) -> None:
    (tmp_path / "notes.py").write_text("async def number(scope, receive, send): ...\n")
    sqlite3.connect(tmp_path / "plain.db").close()
    (tmp_path / "plain.db").touch()
    run = finished("doctor", target, cwd=tmp_path)
    assert run.returncode == 1
    assert says in run.stdout


@pytest.mark.parametrize("target", ["oracle://x/y", "notes", "nowhere:app"])
def test_a_target_that_is_none_is_an_error(tmp_path: Path, target: str) -> None:
    run = finished("doctor", target, cwd=tmp_path)
    assert (run.returncode, run.stdout) == (2, "")


async def test_a_log_that_nobody_trims_is_told(here: Path) -> None:
    administration = SQLiteAdministration(f"sqlite:///{here}/notes.db", Log(days=1))
    with opened(here) as connection:
        connection.execute("UPDATE live_changes SET at = ?", (time.time() - 3 * 86_400,))
        assert "start the application" in advised(await administration.examine())["retention"]
        connection.execute("INSERT INTO live_cursors (name, seq) VALUES ('mails', 'abc')")
        assert "mails has heard no further than abc" in advised(await administration.examine())["retention"]


async def test_processes_of_another_version_and_a_migration_are_told(here: Path) -> None:
    administration = SQLiteAdministration(f"sqlite:///{here}/notes.db")
    with opened(here) as connection:
        beat = {"version": "0.0.1", "at": time.time(), "columns": {}}
        connection.execute("INSERT INTO live_meta VALUES ('heartbeat:x', ?)", (json.dumps(beat),))
        assert "restart" in advised(await administration.examine())["processes"]
        connection.execute("INSERT INTO live_meta VALUES ('paused', ?)", (str(time.time() + 60),))
        assert "end it" in advised(await administration.examine())["triggers"]


def test_a_sqlite_without_json_functions_is_told() -> None:
    connection = sqlite3.connect(":memory:")
    connection.set_authorizer(
        lambda action, _, name, *others: sqlite3.SQLITE_DENY if name == "json_object" else sqlite3.SQLITE_OK
    )
    assert advised(_program(connection)).keys() == {"JSON"}
    connection.close()


def test_a_low_limit_of_open_files_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda which: (1024, 4096))
    assert "LimitNOFILE" in checkup.open_files().advice
    monkeypatch.setattr(resource, "getrlimit", lambda which: (65_536, 65_536))
    assert not checkup.open_files().advice


def test_the_log_is_printed_in_order(here: Path) -> None:
    lines = finished("log", URL, cwd=here).stdout.splitlines()
    assert [line.split()[4] for line in lines] == ["POST", "PUT", "DELETE"]
    assert '{"id":1,"text":"y\\u001b[2J"}' in lines[1]
    seqs = [line.split()[2] for line in lines]
    after = finished("log", URL, "--since", seqs[1], cwd=here).stdout
    assert after.splitlines() == lines[2:]
    told = [json.loads(line) for line in finished("log", URL, "--json", cwd=here).stdout.splitlines()]
    assert [one["seq"] for one in told] == seqs
    assert told[1]["before"] == {"id": 1, "text": "x"}
    assert told[2]["after"] is None
    assert told[0]["key"] == [1]


def test_values_that_json_has_not_are_told_as_on_the_wire(here: Path) -> None:
    with opened(here) as connection:
        connection.execute("CREATE TABLE odd (id blob PRIMARY KEY, number real)")
        assert finished("install", URL, cwd=here).returncode == 0
        connection.execute("INSERT INTO odd VALUES (x'00ff', 9e999)")
    last = json.loads(finished("log", URL, "--json", cwd=here).stdout.splitlines()[-1])
    assert (last["key"], last["after"]) == (["00ff"], {"id": "00ff", "number": None})


def test_the_log_is_followed(here: Path) -> None:
    with command("log", URL, "--follow", "--json", cwd=here) as log:
        log.wait_line('"DELETE"')
        with opened(here) as connection:
            connection.execute("INSERT INTO note VALUES (2, 'later')")
        assert json.loads(log.wait_line("later"))["method"] == "POST"
        log.stop(2)
    assert log.process.returncode == 130


@pytest.mark.parametrize("since", ["", "x", "00000000" + "0" * 20, "f" * 28])
def test_a_since_that_names_no_entry_is_one_line(here: Path, since: str) -> None:
    run = finished("log", URL, "--since", since, cwd=here)
    assert (run.returncode, run.stdout) == (2, "")
    assert run.stderr.startswith("livecollections: since: ")
    assert run.stderr.count("\n") == 1


def test_a_new_epoch_ends_what_was_followed(here: Path) -> None:
    old = finished("log", URL, cwd=here).stdout.splitlines()[0].split()[2]
    assert finished("new-epoch", URL, cwd=here).returncode == 0
    run = finished("log", URL, "--since", old, cwd=here)
    assert run.returncode == 2
    assert "other-epoch" in run.stderr


def test_a_file_without_a_log_has_none_to_print(tmp_path: Path) -> None:
    sqlite3.connect(tmp_path / "notes.db").execute(
        "CREATE TABLE t (id integer PRIMARY KEY)"
    ).connection.close()
    run = finished("log", URL, cwd=tmp_path)
    assert (run.returncode, run.stderr.count("\n")) == (2, 1)
    assert "no change log" in run.stderr
