"""Runs the suites of ``budget.toml`` side by side, each within its budget of seconds.

Four rules: a suite that fails, skips, runs no test or goes over its budget fails the run; a test file in no
suite, or in two, fails it before anything starts; whatever a suite leaves running is ended with it; budgets are
stretched where the machine works slower than theirs. Only
the output of suites that failed, or that print figures, is shown; the last lines name the tests that failed, and say
``N passed, N failed``.
What Python compiles is kept for all processes of a run, also where the environment says that it is not to be.

It knows pytest and Node's test runner by their closing lines, and nothing of what the suites test.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.table import Table
from rich.text import Text

from .mongo import server as mongo
from .pace import Pace
from .postgres import server as postgres
from .scale import FULL

ROOT = Path(__file__).parent.parent
BUDGET = ROOT / "tests" / "budget.toml"
SIDE_BY_SIDE = 2
MOST = 3
"""Suites that run side by side, however much they wait: their deadlines are for a machine that has time for them."""
ENVIRONMENT = {
    **{name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"},
    "LIVE_BIN": str(Path(sys.executable).parent),
}
"""The environment of suites; those of Node start our programs from LIVE_BIN."""
MEMORY, ROOM = Path("/dev/shm"), 4 * 2**30
"""Where temporary folders wait for no disk, and the bytes that must be free there: no test cuts the power."""
TAIL = 150
"""Lines shown of the output of a suite that failed."""
NAMED = 10
"""Tests of one suite that are named at the end of the run, of those that failed."""
GRACE = 10.0
"""Seconds between asking a suite that is over its budget to report, and ending it."""

NEEDED = {"mongo": mongo.is_here, "postgres": postgres.is_here}

COUNT = re.compile(
    r"^=*\s*(?:\d+ \w+, )*\d+ (?:passed|failed|errors?|skipped|xfailed|deselected)\b.* in [\d.]+s", re.M
)
PYTEST = re.compile(r"(\d+) (passed|failed|errors?|skipped)")
NODE = re.compile(r"^(?:#|ℹ) (pass|fail|cancelled|skipped|todo) (\d+)$", re.M)
FAILING = re.compile(r"^(?:(?:FAILED|ERROR) .+|\s*✖ .+ \([\d.]+ms\))$", re.M)
WORDS = {
    "pass": "passed",
    "fail": "failed",
    "cancelled": "failed",
    "error": "failed",
    "errors": "failed",
    "todo": "skipped",
}


@dataclass(frozen=True, slots=True)
class Suite:
    """What one suite runs, and its budget in seconds on a machine of the usual pace."""

    name: str
    runner: str
    paths: tuple[str, ...]
    seconds: float
    alone: bool = False
    show: bool = False
    waits: bool = False
    needs: str | None = None
    """What has to be installed for it, one of NEEDED."""
    once: str = ""
    """Why another version of Python has nothing to say on it; empty where it has."""

    @property
    def share(self) -> float:
        """How many of those that run side by side it counts for."""
        return SIDE_BY_SIDE if self.alone else 0.5 if self.waits else 1

    def command(self) -> list[str]:
        """What to run, from the root of the checkout."""
        if self.runner == "pytest":
            return [
                sys.executable,
                "-m",
                "pytest",
                "-q",
                "-p",
                "no:cacheprovider",
                "--color=no",
                "--tb=short",
                *self.paths,
            ]
        return ["node", "--test", "--test-reporter=spec", *(str(file) for file in sorted(self.files()))]

    def files(self) -> Iterator[Path]:
        """The test files that it covers."""
        for path in self.paths:
            yield from test_files(ROOT / path)


@dataclass(frozen=True, slots=True)
class Result:
    """How a suite ended. worked: the seconds of processor that it took."""

    suite: Suite
    seconds: float
    worked: float
    passed: int
    failed: int
    fault: str
    """Why it failed, or empty."""
    failing: tuple[str, ...] = ()
    """The lines that name tests that failed."""


def test_files(path: Path) -> Iterator[Path]:
    """The test files at or below a path: what pytest and Node's runner would find."""
    if path.is_file():
        yield path
        return
    for pattern in ("test_*.py", "*.test.js", "*.test.mjs"):
        yield from path.rglob(pattern)


def load(text: str, full: bool = FULL) -> tuple[list[Suite], float]:
    """The suites, and the seconds that all may take together."""
    data = tomllib.loads(text)
    which = "full" if full else "seconds"
    suites = []
    for name, entry in data["suites"].items():
        runner = "pytest" if "pytest" in entry else "node"
        alone, show, waits = (entry.get(mark) in (True, which) for mark in ("alone", "show", "waits"))
        paths, needs, once = tuple(entry[runner]), entry.get("needs"), entry.get("once", "")
        suites.append(Suite(name, runner, paths, entry[which], alone, show, waits, needs, once))
    return suites, data["total"][which]


def unassigned(suites: Sequence[Suite]) -> list[str]:
    """Sentences on test files in no suite or in two, and on paths that hold none."""
    homes: dict[Path, list[str]] = {path: [] for path in test_files(ROOT / "tests")}
    faults: list[str] = []
    for suite in suites:
        empty = [path for path in suite.paths if not any(test_files(ROOT / path))]
        faults.extend(f"suite {suite.name}: {path} holds no test file" for path in empty)
        for file in suite.files():
            homes.setdefault(file, []).append(suite.name)
    for file, names in sorted(homes.items()):
        if len(names) != 1:
            where = "no suite" if not names else " and ".join(names)
            faults.append(
                f"{file.relative_to(ROOT)} is in {where}: put it into one suite of tests/budget.toml"
            )
    return faults


def lacking(suites: Sequence[Suite]) -> list[Suite]:
    """The suites of which this machine can't run any test."""
    return [suite for suite in suites if suite.needs and not NEEDED[suite.needs]()]


def left_out(suite: Suite) -> str:
    """The sentence that is said of such a suite."""
    listed = subprocess.run(
        [*suite.command(), "--collect-only"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    number = listed.stdout.count("::")
    return (
        f"suite {suite.name}: {number} tests left out, {suite.needs} is not installed (see `make setup-test`)"
    )


def count(runner: str, output: str) -> dict[str, int]:
    """Tests passed, failed and skipped, by the runner's own closing lines."""
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    if runner == "pytest":
        closing = COUNT.findall(output)
        found = [(word, number) for number, word in PYTEST.findall(closing[-1])] if closing else []
    else:
        found = NODE.findall(output)
    for word, number in found:
        counts[WORDS.get(word, word)] += int(number)
    return counts


def memory() -> Path | None:
    """The folder for temporary ones; None: the machine's own."""
    return MEMORY if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free >= ROOM else None


class Running:
    """One suite's process, its group and its output."""

    def __init__(self, suite: Suite, pace: Pace) -> None:
        self.suite = suite
        self._pace = pace
        self.output: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  closed in result()
        # Of its own, or it would tidy up after all others, perhaps for longer than it runs.
        self.folder = tempfile.TemporaryDirectory(prefix="live-", dir=memory(), ignore_cleanup_errors=True)
        self.started = time.monotonic()
        self.worked = 0.0
        self.asked: float | None = None
        self.process = subprocess.Popen(
            suite.command(),
            cwd=ROOT,
            env={**ENVIRONMENT, "TMPDIR": self.folder.name},
            stdin=subprocess.DEVNULL,
            stdout=self.output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.started

    @property
    def allowed(self) -> float:
        """The seconds that it may take on this machine."""
        return self.suite.seconds * self._pace.stretch

    def ended(self) -> bool:
        """Whether it has ended; one over its budget is asked to report, and then ended."""
        process, status, usage = os.wait4(self.process.pid, os.WNOHANG)
        if process:
            self.process.returncode = os.waitstatus_to_exitcode(status)
            self.worked = usage.ru_utime + usage.ru_stime
            return True
        if self.seconds > self.allowed and self.asked is None:
            self.asked = time.monotonic()
            os.kill(self.process.pid, signal.SIGINT)
        if self.asked is not None and time.monotonic() - self.asked > GRACE:
            self.kill()
        return False

    def kill(self) -> None:
        """End the whole group, what the suite left behind too."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)

    def result(self) -> tuple[Result, str]:
        """How it ended, and the tail of its output."""
        self.kill()
        seconds = self.seconds
        self.output.seek(0)
        output = self.output.read().decode("utf-8", "replace")
        self.output.close()
        self.folder.cleanup()
        counts = count(self.suite.runner, output)
        fault = ""
        if self.asked is not None or seconds > self.allowed:
            fault = f"over its budget of {self.allowed:.0f} s"
        elif self.process.returncode:
            fault = f"exit status {self.process.returncode}"
        elif counts["failed"] or counts["skipped"] or not counts["passed"]:
            fault = f"{counts['passed']} passed, {counts['failed']} failed, {counts['skipped']} skipped"
        failed = max(counts["failed"], 1) if fault else 0
        # Node names them as they fail, and again at its end.
        failing = tuple(dict.fromkeys(line.strip() for line in FAILING.findall(output))) if fault else ()
        result = Result(self.suite, seconds, self.worked, counts["passed"], failed, fault, failing)
        return result, "\n".join(output.splitlines()[-TAIL:])


class Board:
    """What a person sees while suites run: a bar a suite on a terminal, else one line as each ends."""

    def __init__(self, console: Console, suites: Sequence[Suite]) -> None:
        self.console = console
        columns = (
            TextColumn("{task.description:12}"),
            BarColumn(),
            TextColumn("{task.completed:.0f} of {task.total:.0f} s"),
        )
        self.progress = Progress(*columns, console=console, disable=not console.is_terminal)
        self.tasks: dict[str, TaskID] = {
            suite.name: self.progress.add_task(suite.name, total=suite.seconds, start=False)
            for suite in suites
        }

    def show(self, running: Running) -> None:
        self.progress.update(self.tasks[running.suite.name], completed=running.seconds)

    def ended(self, result: Result, output: str) -> None:
        self.progress.remove_task(self.tasks[result.suite.name])
        outcome = result.fault or "ok"
        line = f"{result.suite.name:12} {result.passed:5} passed {result.seconds:6.1f} s  {outcome}"
        self.console.print(Text(line, style="red" if result.fault else ""))
        if result.fault or result.suite.show:
            self.console.print(Text(output))
            self.console.rule(f"end of {result.suite.name}")


def run(suites: Sequence[Suite], board: Board, pace: Pace) -> list[Result]:
    """Run suites, the longest first, some side by side."""
    waiting = sorted(suites, key=lambda suite: (suite.alone, -suite.seconds))
    running: list[Running] = []
    results: list[Result] = []
    try:
        while waiting or running:
            while fitting := next(
                (one for one in waiting if fits(one, [each.suite for each in running])), None
            ):
                waiting.remove(fitting)
                running.append(Running(fitting, pace))
            time.sleep(0.1)
            pace.look(time.monotonic())
            for each in list(running):
                board.show(each)
                if each.ended():
                    running.remove(each)
                    result, output = each.result()
                    board.ended(result, output)
                    results.append(result)
    finally:
        for each in running:
            each.kill()
    return results


def fits(suite: Suite, others: Sequence[Suite]) -> bool:
    """Whether a suite can run beside others."""
    return len(others) < MOST and sum(other.share for other in others) + suite.share <= SIDE_BY_SIDE


def summary(results: Sequence[Result], total: float, stretch: float) -> Table:
    """The table at the end."""
    table = Table(title=f"{total:.0f} s; budgets are times {stretch:.2f}, by the machine's pace")
    for column in ("suite", "passed", "failed", "seconds", "processor", "budget"):
        table.add_column(column, justify="left" if column == "suite" else "right")
    for result in sorted(results, key=lambda each: -each.seconds):
        style = "red" if result.fault else ""
        cells = (
            str(result.passed),
            str(result.failed),
            f"{result.seconds:.1f}",
            f"{result.worked:.1f}",
            f"{result.suite.seconds * stretch:.0f}",
        )
        table.add_row(result.suite.name, *cells, style=style)
    return table


def faults_of(results: Sequence[Result]) -> Iterator[str]:
    """Lines on what failed: all that is left of a long output may be its end."""
    for result in results:
        if result.fault:
            yield f"suite {result.suite.name}: {result.fault}"
            yield from (f"  {line}" for line in result.failing[:NAMED])
            if len(result.failing) > NAMED:
                yield f"  and {len(result.failing) - NAMED} more"


def main(names: Sequence[str]) -> int:
    """Run the named suites, or all. The answer is the exit status."""
    console = Console(highlight=False, soft_wrap=True)
    suites, allowed = load(BUDGET.read_text("utf-8"))
    faults = [] if names else unassigned(suites)
    faults += [f"there is no suite {name}" for name in set(names) - {suite.name for suite in suites}]
    if faults:
        console.print("\n".join(faults), markup=False)
        console.print(f"0 passed, {len(faults)} failed")
        return 1
    chosen = [suite for suite in suites if not names or suite.name in names]
    absent = lacking(chosen)
    for suite in absent:
        console.print(left_out(suite), markup=False)
    if absent and os.environ.get("CI"):
        console.print(f"0 passed, {len(absent)} failed")
        return 1
    chosen = [suite for suite in chosen if suite not in absent]
    # A shell starts what goes on in the background with SIGINT ignored, and the programs under test would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    started = time.monotonic()
    board, pace = Board(console, chosen), Pace()
    with board.progress:
        results = run(chosen, board, pace)
    total = time.monotonic() - started
    allowed *= pace.stretch
    console.print(summary(results, total, pace.stretch))
    for line in faults_of(results):
        console.print(line, markup=False)
    failed = sum(result.failed for result in results)
    if total > allowed:
        console.print(f"all suites together took {total:.0f} s, over their budget of {allowed:.0f} s")
        failed += 1
    console.print(f"{sum(result.passed for result in results)} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
