"""The runner of the suites: what it counts, and what it takes for a failure."""

from __future__ import annotations

import io
import sys
import time
from pathlib import Path
from unittest.mock import Mock

import pytest
from rich.console import Console

from . import run as runner
from . import scale
from .pace import EVERY, MOST, NORMAL, Pace, work

PYTEST_RED = (
    "F.\n=== short test summary info ===\nFAILED a.py::b - 3 passed\n2 failed, 41 passed, 1 error in 3.20s\n"
)

HANGS = "import threading\n\ndef test_a():\n    threading.Event().wait(60)\n"


@pytest.fixture(autouse=True)
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """No plugin is loaded by the runs here, which need none: they take most of a second."""
    monkeypatch.setitem(runner.ENVIRONMENT, "PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")


def run_one(tmp_path: Path, body: str, seconds: float = 30, slower: float = 1) -> tuple[runner.Result, str]:
    file = tmp_path / "test_body.py"
    file.write_text(body)
    suite = runner.Suite("body", "pytest", (str(file),), seconds)
    output = io.StringIO()
    pace = Pace(lambda: NORMAL * slower)
    [result] = runner.run([suite], runner.Board(Console(file=output), [suite]), pace)
    return result, output.getvalue()


def run_node(file: Path) -> runner.Result:
    suite = runner.Suite("body", "node", (str(file),), 30)
    [result] = runner.run([suite], runner.Board(Console(file=io.StringIO()), [suite]), Pace())
    return result


@pytest.mark.parametrize(
    ("kind", "output", "passed", "failed", "skipped"),
    [
        ("pytest", "....\n4 passed in 0.10s\n", 4, 0, 0),
        ("pytest", PYTEST_RED, 41, 3, 0),
        ("pytest", "1 passed, 2 skipped in 62.51s (0:01:02)\n", 1, 0, 2),
        ("pytest", "no tests ran in 0.01s\n", 0, 0, 0),
        ("node", "# tests 3\n# pass 2\n# fail 1\n# cancelled 0\n# skipped 0\n# todo 0\n", 2, 1, 0),
        ("node", "ℹ tests 9\nℹ pass 7\nℹ fail 0\nℹ cancelled 1\nℹ skipped 1\nℹ todo 0\n", 7, 1, 1),
    ],
)
def test_closing_lines_are_counted(kind: str, output: str, passed: int, failed: int, skipped: int) -> None:
    assert runner.count(kind, output) == {"passed": passed, "failed": failed, "skipped": skipped}


def test_a_suite_that_passes_shows_no_output(tmp_path: Path) -> None:
    result, output = run_one(tmp_path, "def test_a():\n    print('quiet')\n")
    assert (result.passed, result.failed, result.fault) == (1, 0, "")
    assert "quiet" not in output


@pytest.mark.parametrize(
    "body",
    [
        "def test_a():\n    print('said why')\n    assert False\n",
        "import pytest\n\ndef test_a():\n    pytest.skip('said why')\n",
        "said_why = 1\n",
    ],
    ids=["failed", "skipped", "empty"],
)
def test_a_suite_that_fails_skips_or_runs_nothing_fails(tmp_path: Path, body: str) -> None:
    result, _ = run_one(tmp_path, body)
    assert result.fault
    assert result.failed == 1


def test_what_failed_is_named_after_all_else(tmp_path: Path) -> None:
    bodies = [
        "import pytest\n\n@pytest.mark.parametrize('n', range(12))\ndef test_a(n):\n    assert n == 99\n",
        "def test_a(): ...\n",
    ]
    failed, passed = (run_one(tmp_path, body)[0] for body in bodies)
    first, *named, last = runner.faults_of([failed, passed])
    assert first == "suite body: exit status 1"
    assert len(named) == runner.NAMED
    assert all("test_body.py::test_a[" in line for line in named)
    assert last == "  and 2 more"


def test_what_failed_under_node_is_named_once(tmp_path: Path) -> None:
    file = tmp_path / "bad.test.js"
    file.write_text("require('node:test')('is even', () => { throw new Error('odd'); });\n")
    result = run_node(file)
    [_, named] = runner.faults_of([result])
    assert named.startswith("  ✖ is even (")


def test_a_suite_over_its_budget_is_ended_and_fails(tmp_path: Path) -> None:
    result, _ = run_one(tmp_path, HANGS, seconds=2)
    assert result.fault == "over its budget of 2 s"
    assert result.seconds < 2 + runner.GRACE + 5


def test_budgets_are_stretched_where_the_machine_works_slowly(tmp_path: Path) -> None:
    result, _ = run_one(tmp_path, HANGS, seconds=2, slower=1.5)
    assert result.fault == "over its budget of 3 s"
    assert result.seconds > 3


@pytest.mark.parametrize(
    ("found", "stretch"),
    [([], 1), ([0.5, 0.5], 1), ([1, 1.2, 9], 1.2), ([3, 1.5], 2), ([9], MOST)],
)
def test_a_pace_is_the_median_of_what_was_found_within_bounds(found: list[float], stretch: float) -> None:
    left = [NORMAL * each for each in found]
    pace = Pace(lambda: left.pop(0))
    for place in range(len(found)):
        pace.look(place * EVERY)
        pace.look(place * EVERY + EVERY / 2)
    assert pace.stretch == pytest.approx(stretch)
    assert left == []


def test_a_pace_is_measured_in_seconds_of_processor() -> None:
    begun = time.thread_time()
    assert 0 < work() <= time.thread_time() - begun


def test_what_a_suite_leaves_in_its_temporary_folder_goes_with_it(tmp_path: Path) -> None:
    file = tmp_path / "where"
    body = f"def test_a(tmp_path):\n    open({str(file)!r}, 'w').write(str(tmp_path))\n"
    result, _ = run_one(tmp_path, body)
    assert not result.fault
    assert file.read_text()
    assert not Path(file.read_text()).exists()


def test_temporary_folders_are_in_memory_where_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "MEMORY", tmp_path)
    monkeypatch.setattr(runner, "ROOM", 0)
    assert runner.memory() == tmp_path
    monkeypatch.setattr(runner, "ROOM", 2**60)
    assert runner.memory() is None
    monkeypatch.setattr(runner, "MEMORY", tmp_path / "nothing")
    assert runner.memory() is None


def test_two_that_wait_count_as_one_one_that_is_alone_as_all_and_three_are_the_most() -> None:
    works, waits, alone = (
        runner.Suite(name, "pytest", (), 1, alone=name == "alone", waits=name == "waits")
        for name in ("works", "waits", "alone")
    )
    for suite, others in ((works, [works]), (waits, [works, waits]), (waits, [waits, waits]), (alone, [])):
        assert runner.fits(suite, others), suite
        assert not runner.fits(suite, [*others, works])
        assert not runner.fits(alone, [*others, suite])


def test_what_python_compiles_is_kept(tmp_path: Path) -> None:
    result, _ = run_one(tmp_path, "import sys\n\ndef test_a():\n    assert not sys.dont_write_bytecode\n")
    assert not result.fault


@pytest.mark.parametrize(
    ("asked", "is_list", "run"),
    [
        ("tests/rest", False, [1]),
        ("tests/rest", True, [1, 2, 3]),
        ("tests/rest/a.py::test_a[2]", False, [1, 2, 3]),
    ],
)
def test_a_small_run_leaves_out_what_nobody_asks_for_by_name(
    asked: str, is_list: bool, run: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scale, "FULL", False)
    config, items = Mock(args=[asked], **{"option.collectonly": is_list}), [1, 2, 3]
    scale.leave_out(config, items, lambda item: item != 1)  # type: ignore[arg-type,comparison-overlap]
    assert items == run


def test_a_draw_is_of_one_in_so_many_and_always_the_same() -> None:
    drawn = [name for name in map(str, range(900)) if scale.is_drawn(name, 3)]
    assert 250 < len(drawn) < 350
    assert drawn == [name for name in map(str, range(900)) if scale.is_drawn(name, 3)]


def test_every_test_file_is_in_one_suite() -> None:
    suites, _ = runner.load(runner.BUDGET.read_text("utf-8"))
    assert runner.unassigned(suites) == []


def test_budgets_fit_into_the_total() -> None:
    for full, limit in ((False, 12 * 60), (True, 40 * 60)):
        suites, total = runner.load(runner.BUDGET.read_text("utf-8"), full)
        assert total <= limit
        assert all(suite.seconds <= total for suite in suites)


@pytest.mark.parametrize("is_ci", [False, True])
def test_what_a_machine_lacks_is_said_with_its_count_and_fails_in_ci(
    is_ci: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file, budget = tmp_path / "test_body.py", tmp_path / "budget.toml"
    file.write_text("def test_a(): ...\ndef test_b(): ...\n")
    seconds = "seconds = 9\nfull = 9\n"
    budget.write_text(f'[total]\n{seconds}[suites.body]\npytest = ["{file}"]\nneeds = "postgres"\n{seconds}')
    monkeypatch.setattr(runner, "BUDGET", budget)
    monkeypatch.setitem(runner.NEEDED, "postgres", lambda: False)
    monkeypatch.setenv("CI", "1" if is_ci else "")
    assert runner.main(["body"]) == int(is_ci)
    assert "suite body: 2 tests left out, postgres is not installed" in capsys.readouterr().out


def test_a_suite_of_node_starts_the_programs_of_the_interpreter_that_runs_it(tmp_path: Path) -> None:
    file = tmp_path / "bin.test.js"
    file.write_text(
        f"require('node:test')('a', () => {{ require('node:assert').equal(process.env.LIVE_BIN, "
        f"'{Path(sys.executable).parent}'); }});\n"
    )
    result = run_node(file)
    assert (result.passed, result.fault) == (1, "")
