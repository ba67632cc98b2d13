"""From a write to its push (f): todos created by REST, received by 100 WebSockets.

Ours beside the same application written by hand, with the same validation and pragmas, each time on a new database;
and how ours grows with the rows of its table and with the length of its log.
"""

from __future__ import annotations

import os
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import orjson
import psutil

from livecollections.stores.sqlite import install

from ..bench import Bench
from ..contenders import OURS as FANOUT
from ..machine import ROOT, cores
from ..native import program
from ..outcome import Chart, Curve, Figures, Outcome, Ratio, ratio
from ..running import START, free_ports

SUBSCRIBERS = 100
NEEDED = 5.0
NEEDED_AT = "NORMAL"
"""How SQLite syncs where the ratio is needed; the other is told too."""
PATIENCE = 120.0
"""Seconds that a round may take beyond its own."""
UNIT = "creates/s"
BY_HAND = "by hand"
"""FastAPI, SQLModel, AsyncSession on aiosqlite and python-socketio."""
OURS = "ours"
CASES = ((16, "NORMAL"), (1, "NORMAL"), (16, "FULL"), (1, "FULL"))
"""How many create at once, each one todo after the other, and how SQLite syncs."""
TABLE = (
    "CREATE TABLE todo (title VARCHAR(200) NOT NULL, completed BOOLEAN NOT NULL, "
    '"order" INTEGER, id INTEGER NOT NULL, PRIMARY KEY (id))'
)
"""As SQLModel makes it."""

TRIES = 3
"""How often a server is started, if its port is taken."""

Fill = Callable[[Path], None]


@dataclass(frozen=True, slots=True)
class Round:
    """What one round gave. rate: todos created a second, until the last push of the last.  cpu: milliseconds of the
    server's for each.  pushed, late: milliseconds from a POST to its pushes, median and 99th percentile.
    generator: the part of its core that the load took."""

    rate: float
    cpu: float
    pushed: float
    late: float
    generator: float


def run(bench: Bench, letters: Iterable[str]) -> list[Outcome]:
    """Both."""
    subscribers = min(SUBSCRIBERS, bench.sizes.clients)
    lines, ratios = [], []
    for at_once, synchronous in CASES[: bench.sizes.writes]:
        case = f"{at_once} at once, {synchronous}"
        measures = {
            name: partial(_measure, bench, name, at_once, synchronous, subscribers)
            for name in (OURS, BY_HAND)
        }
        found = bench.alternate(f"f {case}", measures)
        lines += [_figures(name, case, rounds) for name, rounds in found.items()]
        ratios += _ratio(case, found, NEEDED if synchronous == NEEDED_AT else None)
    grown, charts = _growth(bench, subscribers)
    remarks = [
        f"The CPU of a create {curve.name} grows with the power {curve.exponent:.2f} of their number."
        for chart in charts
        for curve in chart.curves
    ]
    title = f"From POST to push, {subscribers} subscribers"
    return [Outcome("f", title, [*lines, *grown], ratios, charts, remarks)]


def _measure(
    bench: Bench, name: str, at_once: int, synchronous: str, subscribers: int, fill: Fill | None = None
) -> Round:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "todos.db"
        if fill is not None:
            fill(path)
        with _serving(name, path, synchronous) as (port, process):
            protocol = "bayeux" if name == OURS else "socketio"
            numbers = map(str, (subscribers, at_once, 2 * bench.sizes.seconds))
            before = _cpu(process)
            with cores(for_servers=False):
                generator = subprocess.Popen(
                    [program("write"), str(port), protocol, *numbers], stdout=subprocess.PIPE
                )
            output, _ = generator.communicate(timeout=2 * bench.sizes.seconds + PATIENCE)
            used = _cpu(process) - before
    found: dict[str, Any] = orjson.loads(output or b"{}")
    if generator.returncode or found["failed"] or found["pushed"] != found["created"] * subscribers:
        raise RuntimeError(f"{name} did not create or push everything: {found}")
    return Round(
        found["created"] / found["seconds"],
        used / found["created"] * 1e3,
        found["push_p50"],
        found["push_p99"],
        found["busy"] / found["seconds"],
    )


@contextmanager
def _serving(name: str, path: Path, synchronous: str) -> Iterator[tuple[int, psutil.Process]]:
    """One of the two in a process of its own; gives its port and the process."""
    for _ in range(TRIES):
        (port,) = free_ports(1)
        process = _started(name, path, synchronous, port)
        try:
            if _wait_listening(port, process):
                yield port, psutil.Process(process.pid)
                return
        finally:
            process.kill()
            process.wait()
    raise RuntimeError(f"{name} did not start")


def _started(name: str, path: Path, synchronous: str, port: int) -> subprocess.Popen[bytes]:
    sockets = FANOUT.command[FANOUT.command.index("--ws") + 1] if name == OURS else "websockets-sansio"
    application = "todos" if name == OURS else "todos_by_hand"
    command = [
        sys.executable, "-m", "uvicorn", f"bench.servers.{application}:app", "--port", str(port), "--loop", "uvloop",
        "--http", "httptools", "--ws", sockets, "--ws-per-message-deflate", "false", "--no-access-log",
        "--log-level", "warning",
    ]  # fmt: skip
    settings = {"BENCH_DATABASE": str(path), "BENCH_SYNCHRONOUS": synchronous}
    with cores(for_servers=True):
        return subprocess.Popen(command, cwd=ROOT, env={**os.environ, **settings})


def _wait_listening(port: int, process: subprocess.Popen[bytes]) -> bool:
    """Whether it came to listen; its port may have been taken meanwhile."""
    deadline = time.monotonic() + START
    while time.monotonic() < deadline and process.poll() is None:
        if _listens(port):
            return True
        time.sleep(0.02)
    return False


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


# What is told of it.


def _figures(name: str, case: str, rounds: Sequence[Round]) -> Figures:
    notes = {
        "CPU ms": f"{_median(rounds, 'cpu'):.2f}",
        "push p50 ms": f"{_median(rounds, 'pushed'):.1f}",
        "p99 ms": f"{_median(rounds, 'late'):.1f}",
        "load": f"{_median(rounds, 'generator'):.0%}",
    }
    return Figures(name, case, [each.rate for each in rounds], UNIT, notes)


def _median(rounds: Sequence[Round], figure: str) -> float:
    return statistics.median(float(getattr(each, figure)) for each in rounds)


def _ratio(case: str, found: Mapping[str, Sequence[Round]], needed: float | None) -> list[Ratio]:
    ours, by_hand = (_median(found[name], "rate") for name in (OURS, BY_HAND))
    return ratio(f"{case}, {OURS} ÷ {BY_HAND}", ours, by_hand, needed)


# How it grows.


def _growth(bench: Bench, subscribers: int) -> tuple[list[Figures], list[Chart]]:
    fills: dict[str, Callable[[int, Path], None]] = {"rows": _fill_table, "log entries": _fill_log}
    measures = {
        (what, number): partial(_measure, bench, OURS, 16, "NORMAL", subscribers, partial(fill, number))
        for what, fill in fills.items()
        for number in bench.sizes.rows
    }
    found = bench.alternate("f growth", measures, max(1, bench.sizes.rounds // 3))
    lines = [_figures(OURS, f"{number:,} {what}", rounds) for (what, number), rounds in found.items()]
    curves = [
        Curve(
            f"with {what}", bench.sizes.rows, [_median(found[what, each], "cpu") for each in bench.sizes.rows]
        )
        for what in fills
    ]
    return lines, [Chart("The CPU of a create with its pushes", "number", "ms", curves, exponents=True)]


def _fill_table(rows: int, path: Path) -> None:
    """A table that was there before we were."""
    with closing(sqlite3.connect(path)) as shell, shell:
        shell.execute(TABLE)
        titles = ((f"todo {number}",) for number in range(rows))
        shell.executemany("INSERT INTO todo (title, completed) VALUES (?, 0)", titles)


def _fill_log(entries: int, path: Path) -> None:
    """A log of changes of one row, which its triggers wrote."""
    _fill_table(1, path)
    install(f"sqlite:///{path}", ["todo"])
    titles = ((f"changed {number}",) for number in range(entries))
    with closing(sqlite3.connect(path)) as shell, shell:
        shell.executemany("UPDATE todo SET title = ?", titles)
