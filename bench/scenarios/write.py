"""From a write to its push (f): todos created by REST, received by 100 WebSockets.

Ours beside the same application written by hand, with the same validation and pragmas, each time on a new database;
and how ours grows with the rows of its table and with the length of its log.
"""

from __future__ import annotations

import sqlite3
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import orjson
import psutil

from livecollections.stores.sqlite import install

from ..bench import Bench
from ..contenders import OURS as FANOUT
from ..contenders import PORT
from ..machine import cores
from ..native import program
from ..outcome import Chart, Curve, Figures, Outcome, Ratio, ratio
from ..running import serving

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
        lines += [figures(name, case, rounds) for name, rounds in found.items()]
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
        application = "todos" if name == OURS else "todos_by_hand"
        protocol = "bayeux" if name == OURS else "socketio"
        settings = {"BENCH_DATABASE": str(path), "BENCH_SYNCHRONOUS": synchronous}
        with serving(command(application, by_hand=name != OURS), settings) as (port, process):
            return created(bench, name, port, process, protocol, at_once, subscribers)


def created(
    bench: Bench,
    name: str,
    port: int,
    process: psutil.Process,
    protocol: str,
    at_once: int,
    subscribers: int,
) -> Round:
    """One round of creates on a server.

    Raises:
        RuntimeError: not everything was created, or pushed to everybody.
    """
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


def command(application: str, *, by_hand: bool = False) -> Sequence[str]:
    """What serves one of our applications, as its own command line does; or one by hand, as uvicorn ships."""
    sockets = "websockets-sansio" if by_hand else FANOUT.command[FANOUT.command.index("--ws") + 1]
    return (
        sys.executable, "-m", "uvicorn", f"bench.servers.{application}:app", "--port", PORT, "--loop", "uvloop",
        "--http", "httptools", "--ws", sockets, "--ws-per-message-deflate", "false", "--no-access-log",
        "--log-level", "warning",
    )  # fmt: skip


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


# What is told of it.


def figures(name: str, case: str, rounds: Sequence[Round]) -> Figures:
    """The line of a server in a case."""
    notes = {
        "CPU ms": f"{median(rounds, 'cpu'):.2f}",
        "push p50 ms": f"{median(rounds, 'pushed'):.1f}",
        "p99 ms": f"{median(rounds, 'late'):.1f}",
        "load": f"{median(rounds, 'generator'):.0%}",
    }
    return Figures(name, case, [each.rate for each in rounds], UNIT, notes)


def median(rounds: Sequence[Round], figure: str) -> float:
    """Of one figure of the rounds."""
    return statistics.median(float(getattr(each, figure)) for each in rounds)


def _ratio(case: str, found: Mapping[str, Sequence[Round]], needed: float | None) -> list[Ratio]:
    ours, by_hand = (median(found[name], "rate") for name in (OURS, BY_HAND))
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
    lines = [figures(OURS, f"{number:,} {what}", rounds) for (what, number), rounds in found.items()]
    curves = [
        Curve(
            f"with {what}", bench.sizes.rows, [median(found[what, each], "cpu") for each in bench.sizes.rows]
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
