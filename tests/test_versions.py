"""One version, everywhere: the Python package, the npm package, its lock file and the changelog."""

from __future__ import annotations

import json
import re
from pathlib import Path

from livecollections.version import __version__

ROOT = Path(__file__).parent.parent


def test_package_json_has_the_version() -> None:
    assert json.loads((ROOT / "package.json").read_text("utf-8"))["version"] == __version__
    assert json.loads((ROOT / "package-lock.json").read_text("utf-8"))["version"] == __version__


def test_the_browser_files_have_the_version() -> None:
    script = (ROOT / "src" / "livecollections" / "browser" / "livecollections.js").read_text("utf-8")
    assert set(re.findall(r"\bVERSION: '([^']+)'", script)) == {__version__}


def test_the_changelog_begins_with_the_version() -> None:
    headings = re.findall(
        r"^## \[(\S+)\](?: - (\d{4}-\d\d-\d\d|unreleased))$", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.M
    )
    assert headings, "no heading of the form `## [0.1.0] - 2026-01-31`"
    assert headings[0][0] == __version__


def test_the_lock_file_names_no_address() -> None:
    assert '"resolved"' not in (ROOT / "package-lock.json").read_text("utf-8")
    assert "://" not in (ROOT / "constraints.txt").read_text("utf-8")
