"""The command line as a user runs it: a program of its own, whose lines are read as they come."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from .warm import warm

ROOT = Path(__file__).parent.parent
PROGRAM = Path(sys.executable).with_name("livecollections")


class Command:
    """A running program; ``lines`` are those of its stdout and stderr so far."""

    def __init__(
        self,
        arguments: tuple[str, ...],
        cwd: Path,
        env: Mapping[str, str] | None,
        program: Path,
        answer: str = "",
    ) -> None:
        self.lines: list[str] = []
        self._fresh: queue.Queue[str | None] = queue.Queue()
        self.process = subprocess.Popen(
            [str(program), *arguments],
            cwd=cwd,
            env={**os.environ, "PYTHONUNBUFFERED": "1", "NO_COLOR": "1", **(env or {})},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        assert self.process.stdin
        with self.process.stdin as typed:
            typed.write(answer)
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self._fresh.put(line.rstrip("\n"))
        self._fresh.put(None)

    def wait_line(self, containing: str, within: float = 20) -> str:
        """The first line from now on that contains a text."""
        deadline = time.monotonic() + within
        while True:
            try:
                line = self._fresh.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"no line with {containing!r} in {within} s, but {self.lines}") from None
            assert line is not None, f"it ended without a line with {containing!r}: {self.lines}"
            self.lines.append(line)
            if containing in line:
                return line

    def said(self) -> list[str]:
        """All lines so far."""
        while not self._fresh.empty():
            if (line := self._fresh.get_nowait()) is not None:
                self.lines.append(line)
        return self.lines

    def address(self) -> str:
        """The address that it prints once it serves, without the closing slash."""
        line = self.wait_line("http://")
        return line[line.index("http://") :].rstrip("/")

    def inspector(self) -> str:
        """The link that opens its inspector, which it prints after the address."""
        return self.wait_line("inspector: ").removeprefix("inspector: ")

    def stop(self, number: int = signal.SIGTERM, within: float = 10) -> float:
        """Ask it to stop; the answer is the seconds that it took."""
        started = time.monotonic()
        self.process.send_signal(number)
        self.process.wait(within)
        return time.monotonic() - started


@contextmanager
def command(
    *arguments: str,
    cwd: Path,
    env: Mapping[str, str] | None = None,
    program: Path = PROGRAM,
    answer: str = "",
) -> Iterator[Command]:
    """Run the command line, and end it and its children at the end. answer: what is typed."""
    running = Command(arguments, cwd, env, program, answer)
    try:
        yield running
    finally:
        with suppress(ProcessLookupError):
            os.killpg(running.process.pid, signal.SIGKILL)
        running.process.wait(10)
        running.reader.join(10)
        assert running.process.stdout
        running.process.stdout.close()


def finished(
    *arguments: str, cwd: Path, stdin: str = "", program: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the command line to its end; program: another, or that on the path, whose start takes its time."""
    if program is None:
        return warm().run(arguments, cwd, stdin)
    return subprocess.run(
        [str(program), *arguments],
        cwd=cwd,
        env={**os.environ, "NO_COLOR": "1", "COLUMNS": "120"},
        input=stdin,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
