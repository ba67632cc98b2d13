"""Every command line of the documentation is run, page by page, as a reader would; the port is another.

``snippets.toml`` has what a page needs beside it, the statuses that are not to be below 400, and the few commands that
no test runs, with the reason.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from livecollections.testing import wait_until_sync as wait_until

from ..command import ROOT
from ..ports import free_port
from ..scale import FULL
from .test_snippets import SETTINGS, SNIPPETS, elsewhere, name_of

LEFT_OUT: dict[str, str] = SETTINGS["commands"]
SERVERS = re.compile(r"livecollections (run|serve|demo)\b|(uvicorn|hypercorn|granian) ")
LISTENS = re.compile(r"curl -N |livecollections tail |livecollections log .*--follow")
ADDRESS = "127.0.0.1:8000"


@dataclass
class Session:
    """One reader at his terminals, in a folder of his own.

    port: of the last server that he has started, where ``base`` is none.  listening: what runs in other terminals, and
    where it prints.
    """

    folder: Path
    needs: dict[str, Any]
    port: int = 0
    base: subprocess.Popen[bytes] | None = None
    server: subprocess.Popen[bytes] | None = None
    listening: list[tuple[str, subprocess.Popen[bytes], Path]] = field(default_factory=list)

    def __enter__(self) -> Session:
        for name, source in self.needs.get("files", {}).items():
            if (ROOT / source).is_dir():
                shutil.copytree(ROOT / source, self.folder / name, dirs_exist_ok=True)
            else:
                shutil.copy(ROOT / source, self.folder / name)
        if before := self.needs.get("before"):
            self.finish(before)
        if base := self.needs.get("base"):
            self.base, self.port = self.serve(base)
        return self

    def __exit__(self, *_: object) -> None:
        for process in (*(each for _, each, _ in self.listening), self.server, self.base):
            if process is not None:
                end(process)

    def run(self, command: str) -> None:
        """Do what the reader does with one line."""
        if self.server and (SERVERS.search(command) or "uninstall" in command):
            end(self.server)
            self.server = None
        if SERVERS.search(command):
            self.server, port = self.serve(command)
            self.port = self.port if self.base else port
        elif LISTENS.match(command):
            process, printed = self.begin(self.here(command))
            self.listening.append((command, process, printed))
            if command.startswith("curl"):
                wait_until(partial(is_answered, command, printed), within=20)
        else:
            self.finish(self.here(command))
        for part, further in self.needs.get("after", {}).items():
            if part in command:
                self.finish(further)

    def here(self, command: str) -> str:
        """With this server's port; ``curl`` says the status, too, and ``sqlite3`` waits where another writes."""
        command = command.replace("sqlite3 ", "sqlite3 -cmd '.timeout 10000' ")
        status = "curl --silent --write-out '%{stderr}%{http_code}\\n' "
        return (
            command.replace(ADDRESS, f"127.0.0.1:{self.port}")
            .replace("curl ", status)
            .replace(" -N ", " -N --include ")
        )

    def serve(self, command: str) -> tuple[subprocess.Popen[bytes], int]:
        """Start a server, and wait until it answers."""
        port = free_port()
        command = re.sub(r"--(port|host) \S+", "", command)
        option = f"--bind 127.0.0.1:{port}" if "hypercorn" in command else f"--port {port}"
        process, printed = self.begin(f"{command} {option}")
        wait_until(lambda: process.poll() is not None or answers(port), within=60)
        assert process.poll() is None, f"{command}: {printed.read_text()}"
        return process, port

    def begin(self, command: str) -> tuple[subprocess.Popen[bytes], Path]:
        """Run a line in a terminal of its own; who asks there is told yes."""
        printed = self.folder / f"terminal-{len(self.listening)}-{free_port()}"
        with printed.open("wb") as out:
            process = subprocess.Popen(
                ["bash", "-c", command],
                cwd=self.folder,
                env=environment(),
                stdin=subprocess.PIPE,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        assert process.stdin
        with suppress(BrokenPipeError), process.stdin as typed:
            typed.write(b"y\n")
        return process, printed

    def finish(self, command: str) -> None:
        """Run a line to its end: it succeeds, and no answer is a refusal but where the page says so."""
        done = subprocess.run(
            ["bash", "-euc", command],
            cwd=self.folder,
            env=environment(),
            input="y\n",
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        ends = [0, *(each for part, each in self.needs.get("ends", {}).items() if part in command)]
        assert done.returncode in ends, f"{command}: {done.stderr}{done.stdout}"
        expected = [status for part, status in self.needs.get("expect", {}).items() if part in command]
        for status in re.findall(r"^(\d{3})$", done.stderr, re.M) if "--write-out" in command else ():
            assert int(status) in expected if expected else int(status) < 400, (
                f"{command}: {status} {done.stdout}"
            )

    def check_listening(self) -> None:
        """Nobody who listens was sent away."""
        for command, process, printed in self.listening:
            if not command.startswith("curl"):
                assert process.poll() in (None, 0), f"{command}: {printed.read_text()}"


def is_answered(command: str, printed: Path) -> bool:
    assert " 200 " in printed.read_text().partition("\r\n")[0], f"{command}: {printed.read_text()}"
    return True


def environment() -> dict[str, str]:
    programs = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return {**os.environ, "PATH": programs, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", "NO_COLOR": "1"}


def answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/live/health").status_code < 500
    except httpx.TransportError:
        return False


def end(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(10)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def commands() -> dict[str, list[str]]:
    """The command lines of each page, but those that are left out."""
    found: dict[str, list[str]] = {}
    for snippet in SNIPPETS:
        if snippet.language == "sh" and not snippet.file and not elsewhere(snippet):
            lines = snippet.text.replace("\\\n", " ").splitlines()
            found.setdefault(name_of(snippet.page), []).extend(map(uncommented, lines))
    kept = {page: [line for line in lines if line and not left_out(line)] for page, lines in found.items()}
    return {page: lines for page, lines in kept.items() if lines}


def uncommented(line: str) -> str:
    return re.sub(r"\s+# .*$", "", line).strip()


def left_out(line: str) -> bool:
    return line.startswith(tuple(LEFT_OUT))


COMMANDS = commands()
PAGES = [page for page in COMMANDS if FULL or page in SETTINGS["few"]["pages"]]


@pytest.mark.parametrize("page", PAGES)
def test_commands_of_a_page_run(page: str, tmp_path: Path) -> None:
    with Session(tmp_path, SETTINGS["sh"].get(page, {})) as session:
        for line in COMMANDS[page]:
            session.run(line)
        session.check_listening()


def test_what_is_left_out_is_still_there() -> None:
    lines = [
        uncommented(line)
        for snippet in SNIPPETS
        if snippet.language == "sh"
        for line in snippet.text.replace("\\\n", " ").splitlines()
    ]
    for beginning in LEFT_OUT:
        assert any(line.startswith(beginning) for line in lines), beginning
