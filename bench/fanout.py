"""Fan-out beside npm's ``faye``: one publisher, many WebSocket subscribers, deliveries a second.

    python -m bench.fanout [SUBSCRIBERS] [ROUNDS]

Both servers are asked by the same load generator (Node's ``ws``), in turn, in one run; the medians of the
rounds and their ratio count, absolute figures are this machine's.
"""

from __future__ import annotations

import json
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

HERE = Path(__file__).parent
PATIENCE = 120.0
"""Seconds that one round may take."""


@dataclass(frozen=True, slots=True)
class Load:
    """What is published: messages, and how many of them in one frame (0: one each, without waiting)."""

    name: str
    messages: int
    together: int


LOADS = (
    Load("one, then the next", 100, 1),
    Load("one after the other", 100, 0),
    Load("50 in one frame", 400, 50),
)
PORT = "{port}"
SERVERS = {
    "livecollections": (
        sys.executable, "-m", "uvicorn", "bench.fanout_app:app", "--port", PORT, "--loop", "uvloop",
        "--ws", "websockets-sansio", "--ws-per-message-deflate", "false", "--log-level", "warning",
    ),
    "faye": ("node", str(HERE / "fanout_faye.js"), PORT),
}  # fmt: skip


@contextmanager
def serving(name: str) -> Iterator[str]:
    """One of the servers in its own process; gives its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [part.replace(PORT, str(port)) for part in SERVERS[name]]
    process = subprocess.Popen(command, cwd=HERE.parent)
    try:
        _wait_listening(port, process)
        yield f"ws://127.0.0.1:{port}/faye"
    finally:
        process.kill()
        process.wait()


def _wait_listening(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise RuntimeError("a server did not start")


def measure(name: str, load: Load, subscribers: int) -> float:
    """Deliveries a second of one round."""
    with serving(name) as url:
        arguments = [url, str(subscribers), str(load.messages), str(load.together)]
        run = subprocess.run(
            ["node", str(HERE / "fanout_load.js"), *arguments],
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=True,
        )
    result = json.loads(run.stdout)
    return float(result["deliveries"] / result["seconds"])


def main(subscribers: int = 500, rounds: int = 3) -> None:
    """Measure, and print a table."""
    console = Console()
    table = Table(
        title=f"deliveries a second, {subscribers} WebSocket subscribers, median of {rounds} rounds"
    )
    for column in ("publishes", *SERVERS, "ratio"):
        table.add_column(column, justify="left" if column == "publishes" else "right")
    for load in LOADS:
        figures: dict[str, list[float]] = {name: [] for name in SERVERS}
        for number in range(rounds):
            for name, found in figures.items():
                with console.status(f"{load.name}, round {number + 1}, {name}"):
                    found.append(measure(name, load, subscribers))
        medians = {name: statistics.median(found) for name, found in figures.items()}
        ratio = medians["livecollections"] / medians["faye"]
        table.add_row(load.name, *(f"{value:,.0f}" for value in medians.values()), f"{ratio:.2f}")
    console.print(table)


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:3]))
