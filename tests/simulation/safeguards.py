"""Safeguards, one taken away at a time, each with a history that then breaks a promise: the search bites."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import livecollections

PACKAGE = Path(str(livecollections.__file__)).parent
ROOT = Path(__file__).parent.parent.parent
HISTORIES = Path(__file__).parent / "without"


@dataclass(frozen=True, slots=True)
class Safeguard:
    """What keeps a promise.

    name: of its history, too.  promise: what that breaks.  file: of the package.  find, replace: the text that the
    safeguard is, and what stands there without it.
    """

    name: str
    promise: str
    file: str
    find: str
    replace: str

    @property
    def history(self) -> Path:
        """A history that fails without it."""
        return HISTORIES / f"{self.name}.json"


SAFEGUARDS = (
    Safeguard(
        "prev-check", "G1", "collection/replica.py",
        'has_gap = method != "RESET" and is_older(position, prev)', "has_gap = False",
    ),
    Safeguard(
        "floor-and-tombstones", "G2", "collection/documents.py",
        "if not self.is_buried(key, seq) and not (listed and is_older(seq, self.floor)):", "if True:",
    ),
    Safeguard(
        "version-check", "G2", "collection/documents.py",
        "elif is_news(seq, state.version) and (listed or seq is None or seq != state.version):", "else:",
    ),
    Safeguard(
        "re-read-after-a-reset", "G1", "collection/replica.py",
        "        self.joined = False\n        self.unread(needed=True)", "        self.joined = True",
    ),
    Safeguard("check-digits", "G3", "stores/sqlite_log.py", "found[0] == seq[-4:]", "True"),
    Safeguard(
        "answers-ahead-of-the-stream", "G1", "collection/replica.py",
        "        if was_broken:\n            self._doubt_answers()\n", "",
    ),
)  # fmt: skip


def without(safeguard: Safeguard, folder: Path) -> Path:
    """A copy of the package without a safeguard; the answer is where Python finds it."""
    copied = folder / PACKAGE.name
    shutil.copytree(PACKAGE, copied, ignore=shutil.ignore_patterns("__pycache__", "static"))
    path = copied / safeguard.file
    text = path.read_text("utf-8")
    assert text.count(safeguard.find) == 1, (
        f"{safeguard.name} stands {text.count(safeguard.find)} times there"
    )
    path.write_text(text.replace(safeguard.find, safeguard.replace), "utf-8")
    return folder


def replay(history: Path, package: Path | None) -> subprocess.CompletedProcess[str]:
    """Play a history in a process of its own. package: where another copy of the package is."""
    command = [sys.executable, "-m", "tests.simulation", "--replay", str(history), "--lines", "1"]
    environment = {**os.environ, **({} if package is None else {"PYTHONPATH": str(package)})}
    return subprocess.run(
        command,
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        check=False,
    )
