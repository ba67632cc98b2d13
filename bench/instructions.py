"""Instructions and calls of the hot paths, now and in the parent commit (i): the same on any machine, however busy.

With changes that are not committed, the parent is the last commit.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterable, Mapping
from io import BytesIO
from pathlib import Path

import orjson

from .bench import Bench
from .machine import ROOT
from .outcome import Figures, Outcome

SCRIPT = Path(__file__).parent / "hotpaths.py"
Counted = Mapping[str, Mapping[str, int]]


def compare(bench: Bench, letters: Iterable[str]) -> list[Outcome]:
    """Count in both trees."""
    parent = "HEAD" if _git("status", "--porcelain", "src").strip() else "HEAD^"
    with tempfile.TemporaryDirectory() as folder:
        with bench.preparing("i: now"):
            now = _count(ROOT / "src")
        with bench.preparing("i: parent commit"):
            with tarfile.open(fileobj=BytesIO(_git("archive", parent, "src"))) as archive:
                archive.extractall(folder, filter="data")
            before = _count(Path(folder) / "src")
    lines = []
    for path, counts in now.items():
        for unit, number in counts.items():
            was = before[path][unit]
            change = f"{(number - was) / was:+.1%}"
            lines.append(Figures(path, "", [number], unit, {"parent commit": f"{was:,}", "change": change}))
    return [Outcome("i", "Bytecode instructions and calls of the hot paths", lines)]


def _count(source: Path) -> Counted:
    counted = subprocess.run(
        [sys.executable, str(SCRIPT)],
        env={**os.environ, "PYTHONPATH": str(source), "PYTHONHASHSEED": "0"},
        capture_output=True,
        check=False,
    )
    if counted.returncode:
        raise RuntimeError(counted.stderr.decode(errors="replace"))
    found: Counted = orjson.loads(counted.stdout)
    return found


def _git(*arguments: str) -> bytes:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, check=True).stdout
