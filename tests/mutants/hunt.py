"""The hunt: removes a safeguard from a copy of the package, and has a hunter play on that.

Two rules. The tree is never touched. What counts is the oracle's word: a copy that can't be imported, a crash, or a
run that never ends is no find.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ..command import ROOT
from .catalogue import SOURCE, Safeguard
from .hunters import HUNTERS

SEED = 1
SIDE_BY_SIDE = 2
LIBRARY = "browser/livecollections.js"


@dataclass(frozen=True)
class Found:
    """What a hunter said. histories: played.  failure: the oracle's words; None: all went well.  fault: why this
    says nothing; None: it does."""

    histories: int
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
            (package / safeguard.file).write_text(safeguard.removed(), "utf-8")
        yield package


def hunt(safeguard: Safeguard) -> Found:
    """Hunt one that has been removed."""
    with copied(safeguard) as package:
        return run(safeguard.hunter, package, safeguard.within, safeguard.file)


def control(hunter: str, histories: int) -> Found:
    """The same histories on a copy that is whole."""
    with copied(None) as package:
        return run(hunter, package, histories)


def run(hunter: str, package: Path, histories: int, file: str = "__init__.py") -> Found:
    """Have a hunter play on a package. file: the one that was changed."""
    if HUNTERS[hunter].play is None:
        script = ROOT / "tests" / "js" / "rules" / "storm.js"
        command = ["node", str(script), "--shrink", "0", "--brief"]
        more = {"LIVE_LIBRARY": str(package / LIBRARY), "NODE_PATH": str(ROOT / "node_modules")}
    else:
        module = ".".join(("livecollections", *Path(file).with_suffix("").parts)).removesuffix(".__init__")
        command = [sys.executable, "-m", "tests.mutants.door", hunter]
        command += ["--package", str(package), "--module", module]
        more = {"PYTHONPATH": str(package.parent), "PYTHONDONTWRITEBYTECODE": "1"}
    command += ["--seed", str(SEED), "--histories", str(histories)]
    environment = {name: value for name, value in os.environ.items() if name != "NODE_TEST_CONTEXT"}
    try:
        done = subprocess.run(
            command,
            cwd=ROOT,
            env=environment | more,
            capture_output=True,
            text=True,
            timeout=HUNTERS[hunter].seconds,
        )
    except subprocess.TimeoutExpired:
        return Found(0, None, f"no answer within {HUNTERS[hunter].seconds:.0f} s")
    return _read(done)


def _read(done: subprocess.CompletedProcess[str]) -> Found:
    try:
        said = json.loads(done.stdout.splitlines()[-1])
    except (ValueError, IndexError):
        return Found(0, None, (done.stderr.strip().splitlines() or ["it said nothing"])[-1])
    crash, failure = said.get("crash"), said.get("failure")
    return Found(said["histories"], failure, None if crash is None else f"a crash: {crash}")
