"""SemVer, held by tests: the public API is what was written down, and what will go says so for long enough."""

from __future__ import annotations

import ast
import inspect
import re
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from semantic_version import Version

from livecollections import Log
from livecollections.deprecation import deprecated
from livecollections.stores import log_format
from livecollections.version import __version__

from . import api
from .opening import DUMPS

ROOT = Path(__file__).parent.parent.parent
PACKAGE = ROOT / "src" / "livecollections"
CHANGELOG = (ROOT / "CHANGELOG.md").read_text("utf-8")


def test_the_public_api_is_what_was_written_down() -> None:
    now, kept = api.text().splitlines(), api.FILE.read_text("utf-8").splitlines()
    changed = [f"- {line}" for line in kept if line not in now] + [
        f"+ {line}" for line in now if line not in kept
    ]
    assert now == kept, "\n".join(
        [
            "the public API is another: name in CHANGELOG.md what users notice, then run `python -m tests.upgrade.api`",
            *changed,
        ]
    )


def test_what_changes_on_a_class_is_in_the_text(monkeypatch: pytest.MonkeyPatch) -> None:
    before = api.text()
    monkeypatch.setattr(Log, "trim", lambda self, now: None, raising=False)
    assert set(api.text().splitlines()) - set(before.splitlines()) == {"livecollections.Log.trim(self, now)"}


@pytest.mark.parametrize(
    "folder", sorted(path.parent for path in DUMPS.glob("*/api.txt")), ids=lambda path: path.name
)
def test_what_went_since_an_earlier_version_is_named_in_the_changelog(folder: Path) -> None:
    """This version's own is there from its first day, and may be written again until it is out."""
    since = [text for version, text in sections().items() if Version(version) > Version(folder.name)]
    before = (folder / "api.txt").read_text("utf-8")
    if folder.name != __version__:
        assert api.unnamed(before, api.text(), "\n".join(since)) == []


def test_what_went_and_is_not_named_is_found() -> None:
    before = (
        "a.Live.mount(self) -> None\na.Log\nlivecollections run --host TARGET\noption of a resource by: Any\n"
    )
    now = "a.Live.mount(self, app) -> None\na.Log\nlivecollections run TARGET\n"
    assert api.unnamed(before, now, "nothing") == [line for line in before.splitlines() if line != "a.Log"]
    assert api.unnamed(before, now, "`Live.mount` takes an app, `run` no host, and `by` has gone") == []


def test_the_text_is_the_same_in_every_process() -> None:
    assert " at 0x" not in api.text()
    assert len(api.text().splitlines()) > 150


# --- what will go -------------------------------------------------------------------------------------------------


def removals(source: str) -> Iterator[str]:
    """The version that each call of ``deprecated`` names."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] == "deprecated":
            [removal] = [word.value for word in node.keywords if word.arg == "removal"]
            assert isinstance(removal, ast.Constant), f"line {node.lineno}: the version is to be a literal"
            yield str(removal.value)


def overdue(source: str, version: str) -> list[str]:
    """Those whose time has come."""
    return [removal for removal in removals(source) if Version(removal) <= Version(version)]


def test_nothing_is_kept_longer_than_it_was_promised() -> None:
    for path in PACKAGE.rglob("*.py"):
        if path.name != "deprecation.py":
            assert not overdue(path.read_text("utf-8"), __version__), f"{path}: take away what is deprecated"


def test_a_deprecation_that_is_due_is_found() -> None:
    source = 'from . import deprecation\ndeprecation.deprecated("a", removal="0.3.0", instead="b")\n'
    assert overdue(source, "0.2.9") == []
    assert overdue(source, "0.3.0") == overdue(source, "1.0.0") == ["0.3.0"]


def test_a_deprecation_warns_whoever_calls_and_says_when_it_goes() -> None:
    def old() -> None:
        deprecated("old()", removal="0.3.0", instead="new()")

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        old()
        line = inspect.currentframe().f_lineno - 1  # type: ignore[union-attr]
    [warning] = caught
    assert warning.category is DeprecationWarning
    assert str(warning.message) == "old() is deprecated, and goes in livecollections 0.3.0: use new()"
    assert (warning.filename, warning.lineno) == (__file__, line)


# --- what is told -------------------------------------------------------------------------------------------------


def sections() -> dict[str, str]:
    """The text of each version in the changelog."""
    parts = re.split(r"^## \[(\S+)\].*\n", CHANGELOG, flags=re.M)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


@pytest.mark.parametrize("version", sections())
def test_each_version_says_what_to_do_before_the_upgrade(version: str) -> None:
    headings = re.findall(r"^### (.+)\n", sections()[version], re.M)
    assert headings[0] == "Before you upgrade"


def test_the_format_of_the_log_is_known_since_a_version_that_there_is() -> None:
    assert log_format.KNOWN_SINCE in sections()
