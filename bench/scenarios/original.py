"""The stack of the article beside ours (h), on one MongoDB server: from POST to push, and what is lost in kills.

Its server is Express, Mongoose, baucis and Faye, with the article's middleware. The database server is the one that
``MONGODB_URL`` names, or SecantusDB, which begins anew for each round: at each write it goes through those of the last
half hour. Each round has a database of its own there. It shares the servers' cores.
"""

from __future__ import annotations

import random
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import orjson

from tests.mongo.server import REAL, database_url, own

from ..bench import Bench
from ..contenders import PORT
from ..machine import cores
from ..outcome import Figures, Outcome, Ratio, ratio
from ..running import free_ports, is_listening, started
from ..running import serving as served
from .write import OURS, PATIENCE, SUBSCRIBERS, Round, command, created, figures, median

NEEDED = 2.0
ORIGINAL = "the article's"
FOLDER = Path(__file__).parent.parent / "original"
COMMANDS: dict[str, Sequence[str]] = {
    OURS: command("todos_mongo"),
    ORIGINAL: ("node", str(FOLDER / "server.js"), PORT),
}
AT_ONCE = (16, 1)
"""How many create at once, each one todo after the other."""
SEED = 7
LONGEST = 4
"""How many times the seconds of a round a server lives, at most, from when it listens."""


@dataclass(frozen=True, slots=True)
class Kills:
    """What was acknowledged while a server was killed again and again, and how much of it no listener ever heard."""

    acknowledged: int
    lost: int


def run(bench: Bench, letters: Iterable[str]) -> list[Outcome]:
    """Both."""
    subscribers = min(SUBSCRIBERS, bench.sizes.clients)
    lines, ratios = list[Figures](), list[Ratio]()
    for at_once in AT_ONCE[: bench.sizes.writes]:
        case = f"{at_once} at once"
        measures = {name: partial(_measure, bench, name, at_once, subscribers) for name in COMMANDS}
        found = bench.alternate(f"h {case}", measures)
        lines += [figures(name, case, rounds) for name, rounds in found.items()]
        ours, original = (median(found[name], "rate") for name in COMMANDS)
        ratios += ratio(f"{case}, {OURS} ÷ {ORIGINAL}", ours, original, NEEDED)
    kills = bench.sizes.kills
    for name, (each,) in bench.alternate(
        f"h {kills} kills", {name: partial(_kill, bench, name) for name in COMMANDS}, 1
    ).items():
        notes = {"lost": f"{each.lost:,}"}
        lines.append(Figures(name, f"{kills} kills", [each.acknowledged], "creates acknowledged", notes))
        what = f"{kills} kills, {name}: what was heard of what was acknowledged"
        ratios += ratio(what, each.acknowledged - each.lost, each.acknowledged, 1.0 if name == OURS else None)
    title = f"The article's stack on MongoDB, from POST to push, {subscribers} subscribers"
    return [Outcome("h", title, lines, ratios)]


def _measure(bench: Bench, name: str, at_once: int, subscribers: int) -> Round:
    with served(COMMANDS[name], {"BENCH_DATABASE": _database()}) as (port, process):
        return created(bench, name, port, process, "bayeux", at_once, subscribers)


def _database() -> str:
    """The URL of a database that is empty, on a server that has nothing behind it."""
    if not REAL:
        with cores(for_servers=True):
            own().stop()
            own().start()
    return database_url()


def _kill(bench: Bench, name: str) -> Kills:
    """Kill a server at random moments, each time after it came to listen, while somebody writes."""
    moments = random.Random(SEED)
    settings = {"BENCH_DATABASE": _database()}
    (port,) = free_ports(1)
    server = _start(name, settings, port)
    try:
        with _witness(name, port) as witness:
            for _ in range(bench.sizes.kills):
                time.sleep(moments.uniform(0, LONGEST * bench.sizes.seconds))
                _end(server)
                server = _start(name, settings, port)
            output, _ = witness.communicate(b"\n", PATIENCE)
            return Kills(**orjson.loads(output))
    finally:
        _end(server)


def _start(name: str, settings: Mapping[str, str], port: int) -> subprocess.Popen[bytes]:
    server = started(COMMANDS[name], settings, port)
    if not is_listening(port, server):
        _end(server)
        raise RuntimeError(f"{name} did not start")
    return server


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()


@contextmanager
def _witness(name: str, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """Who writes to a server, and whose listeners all listen to it."""
    command = ("node", str(FOLDER / "witness.js"), "ours" if name == OURS else "original", str(port))
    with cores(for_servers=False):
        witness = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert witness.stdout is not None
        if not witness.stdout.readline():
            raise RuntimeError(f"nobody listens to {name}")
        yield witness
    finally:
        _end(witness)
