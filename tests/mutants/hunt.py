"""The hunt: removes a safeguard from a copy of the package, and has a hunter play on that.

Two rules. The tree is never touched. What counts is the oracle's word: a copy that can't be imported, a crash, or a
run that never ends is no find.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ..command import ROOT
from . import fork
from .catalogue import SOURCE, Hunt, Safeguard
from .hunters import HUNTERS

SIDE_BY_SIDE = 2
LIBRARY = "browser/livecollections.js"


@dataclass(frozen=True)
class Found:
    """What a hunter said.

    history: the number of the last that was played.  failure: the oracle's words; None: all went well.  fault: why
    this says nothing; None: it does.
    """

    history: int
    failure: str | None
    fault: str | None = None

    @property
    def is_seen(self) -> bool:
        return self.failure is not None and self.fault is None


@contextmanager
def copied(safeguard: Safeguard | None) -> Iterator[Path]:
    """A copy of the package, without the safeguard; None: whole."""
    with tempfile.TemporaryDirectory(prefix="live-mutant-") as folder:
        package = Path(folder) / "livecollections"
        shutil.copytree(SOURCE, package, ignore=shutil.ignore_patterns("vendor"))
        if safeguard is not None:
            for file, text in safeguard.removed().items():
                (package / file).write_text(text, "utf-8")
        yield package


def hunt(safeguard: Safeguard, task: Hunt) -> Found:
    """Hunt one that has been removed."""
    with copied(safeguard) as package:
        return run(task, package, [place.file for place in safeguard.places])


def control(task: Hunt) -> Found:
    """The same histories on a copy that is whole."""
    with copied(None) as package:
        return run(task, package)


def run(task: Hunt, package: Path, files: Sequence[str] = ()) -> Found:
    """Have a hunter play on a package. files: those that were changed."""
    hunter = HUNTERS[task.hunter]
    where = ["--seed", "1", "--path", str(task.first - 1)] if hunter.is_chain else ["--seed", str(task.first)]
    where += ["--histories", str(task.histories)]
    environment = _environment(package)
    try:
        if hunter.script:
            done = subprocess.run(
                ["node", *hunter.script, "--brief", *where],
                cwd=ROOT,
                env=environment,
                capture_output=True,
                text=True,
                timeout=hunter.seconds,
            )
        else:
            modules = [f"--module={_module(file)}" for file in files]
            door = [task.hunter, "--package", str(package), *modules, *where]
            done = fork.run(door, package, environment, hunter.seconds)
    except subprocess.TimeoutExpired:
        return Found(0, None, f"no answer within {hunter.seconds:.0f} s")
    return _read(done, task.first)


def _environment(package: Path) -> dict[str, str]:
    """In which the package is found, by Python and by Node."""
    known = {name: value for name, value in os.environ.items() if name != "NODE_TEST_CONTEXT"}
    return known | {
        "PYTHONPATH": str(package.parent),
        "PYTHONDONTWRITEBYTECODE": "1",
        "LIVE_LIBRARY": str(package / LIBRARY),
        "NODE_PATH": str(ROOT / "node_modules"),
    }


def _module(file: str) -> str:
    return ".".join(("livecollections", *Path(file).with_suffix("").parts)).removesuffix(".__init__")


def _read(done: subprocess.CompletedProcess[str], first: int) -> Found:
    try:
        said = json.loads(done.stdout.splitlines()[-1])
    except (ValueError, IndexError):
        return Found(0, None, (done.stderr.strip().splitlines() or ["it said nothing"])[-1])
    crash, failure = said["crash"], said["failure"]
    return Found(first + said["histories"] - 1, failure, None if crash is None else f"a crash: {crash}")
