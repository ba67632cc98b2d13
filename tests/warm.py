"""The command line in a fork of a process that has imported what it imports: it begins in milliseconds.

Each has a process, a folder, streams and an exit status of its own. That the program on the path comes to ``main`` is
what tests of the program itself show.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import signal
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
IMPORTED = (
    "fastapi", "sqlmodel", "uvicorn.protocols.http.httptools_impl", "livecollections.cli", "livecollections.collection",
    "livecollections.demo", "livecollections.live", "livecollections.stores.sqlite", "livecollections.terminal",
)  # fmt: skip
SECONDS = 30
"""After which one is ended."""


class Warm:
    """The other end of the process."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", __name__]
        self._process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def close(self) -> None:
        """End it."""
        self._process.communicate()

    def run(self, arguments: Sequence[str], cwd: Path, stdin: str) -> subprocess.CompletedProcess[str]:
        """Run the command line to its end."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with tempfile.TemporaryDirectory() as folder:
            streams = [str(Path(folder) / name) for name in ("in", "out", "err")]
            Path(streams[0]).write_text(stdin, "utf-8")
            environment = {**os.environ, "NO_COLOR": "1", "COLUMNS": "120"}
            asked = {"arguments": arguments, "cwd": str(cwd), "streams": streams, "environment": environment}
            self._process.stdin.write(json.dumps(asked) + "\n")
            self._process.stdin.flush()
            status = int(self._process.stdout.readline())
            out, err = (Path(name).read_text("utf-8") for name in streams[1:])
        return subprocess.CompletedProcess([*arguments], status, out, err)


@cache
def warm() -> Warm:
    """The one of this process, which ends with it."""
    made = Warm()
    atexit.register(made.close)
    return made


def main() -> None:
    """Do as the lines of stdin say, each with the exit status as the answer."""
    for name in IMPORTED:
        import_module(name)
    sys.path = [place for place in sys.path if place not in ("", str(ROOT))]
    gc.collect()
    gc.freeze()
    for line in sys.stdin:
        child = os.fork()
        if not child:
            _live(json.loads(line))
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def _live(asked: dict[str, Any]) -> None:
    """Be the program."""
    from livecollections import cli

    signal.alarm(SECONDS)
    for number, name in enumerate(asked["streams"]):
        os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT if number else os.O_RDONLY), number)
    sys.stdin, sys.argv = open(0, encoding="utf-8"), ["livecollections", *asked["arguments"]]  # noqa: SIM115
    os.environ.clear()
    os.environ.update(asked["environment"])
    os.chdir(asked["cwd"])
    status: Any = 0
    try:
        cli.main()
    except SystemExit as end:
        status = end.code
        if isinstance(status, str):
            print(status, file=sys.stderr)
            status = 1
    except BaseException:
        traceback.print_exc()
        status = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status or 0)


if __name__ == "__main__":
    main()
