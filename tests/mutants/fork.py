"""A door in a fork of a process that has imported what is not ours: it begins where our own modules do.

One rule: nothing of ours is imported before the fork, since each has another copy of the package.
"""

from __future__ import annotations

import atexit
import multiprocessing
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload([f"{__package__}.preload"])


def run(
    arguments: Sequence[str], package: Path, environment: Mapping[str, str], seconds: float
) -> subprocess.CompletedProcess[str]:
    """Have the door play on a package. Raises subprocess.TimeoutExpired; its exit status stands in its answer, too."""
    with tempfile.TemporaryDirectory(prefix="live-door-") as folder:
        streams = [Path(folder) / name for name in ("out", "err")]
        process = _FORKS.Process(target=_live, args=(arguments, package, environment, streams))
        process.start()
        process.join(seconds)
        if process.exitcode is None:
            process.kill()
            process.join()
            raise subprocess.TimeoutExpired(arguments, seconds)
        out, err = (stream.read_text("utf-8") if stream.exists() else "" for stream in streams)
    return subprocess.CompletedProcess(arguments, process.exitcode, out, err)


def _live(
    arguments: Sequence[str], package: Path, environment: Mapping[str, str], streams: Sequence[Path]
) -> None:
    """Be the program."""
    for number, stream in enumerate(streams, 1):
        os.dup2(os.open(stream, os.O_WRONLY | os.O_CREAT), number)
    os.environ.clear()
    os.environ.update(environment)
    sys.path.insert(0, str(package.parent))
    sys.dont_write_bytecode = True
    sys.argv = ["door", *arguments]

    from . import door

    try:
        sys.exit(door.main())
    finally:
        # What ends a program, and no fork: servers that stories have started stop there.
        atexit._run_exitfuncs()
