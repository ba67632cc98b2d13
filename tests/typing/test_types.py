"""What a user's type checker makes of the public names: mypy (with the whole house) and pyright, both strict."""

from __future__ import annotations

import ast
import json
import subprocess
from pathlib import Path

import livecollections
import livecollections.bayeux
import livecollections.testing
from tests.upgrade.api import ALEMBIC, public

FOLDER = Path(__file__).parent
ROOT = FOLDER.parent.parent
CHECKED = sorted(path for path in FOLDER.glob("*.py") if not path.name.startswith(("_", "test_")))
WHOLE = (
    livecollections.Live,
    livecollections.LiveClient,
    livecollections.LiveCollection,
    livecollections.LiveRouter,
    livecollections.bayeux.Client,
    livecollections.bayeux.Server,
)
"""Classes of which each public member is asserted."""


def asserted() -> tuple[set[str], set[str]]:
    """The names and the attributes within assertions, and within what is annotated."""
    names: set[str] = set()
    attributes: set[str] = set()
    for path in CHECKED:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            is_assertion = isinstance(node, ast.Call) and ast.unparse(node.func) == "assert_type"
            if is_assertion or isinstance(
                node, ast.AnnAssign | ast.arg | ast.With | ast.AsyncWith | ast.ClassDef
            ):
                names |= {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}
            # Also what decorates, and so gives what is called after it.
            attributes |= {each.attr for each in ast.walk(node) if isinstance(each, ast.Attribute)}
    return names, attributes


def test_every_public_name_is_asserted() -> None:
    names, _ = asserted()
    packages = (livecollections, livecollections.bayeux, livecollections.testing)
    expected = {name for package in packages for name in package.__all__} | {*ALEMBIC}
    assert expected - names - {"__version__"} == set()


def test_every_member_of_what_is_used_most_is_asserted() -> None:
    _, attributes = asserted()
    assert {f"{kind.__name__}.{name}" for kind in WHOLE for name in public(kind) - attributes} == set()


def pyright(*arguments: str) -> list[tuple[str, str]]:
    """What pyright says: the rule, and the sentence."""
    program = ROOT / "node_modules" / "pyright" / "index.js"
    run = subprocess.run(
        ["node", str(program), "--outputjson", *arguments],
        cwd=ROOT, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    told = json.loads(run.stdout)
    assert told["summary"]["filesAnalyzed"] > 0, run.stdout
    return [(each.get("rule", ""), each["message"]) for each in told["generalDiagnostics"]]


def test_pyright_agrees() -> None:
    assert pyright("-p", str(FOLDER / "pyrightconfig.json")) == []


def test_a_wrong_option_is_a_wrong_type_and_an_assertion_that_is_wrong_is_found(tmp_path: Path) -> None:
    """So that the test above can fail."""
    config = json.loads((FOLDER / "pyrightconfig.json").read_text("utf-8"))
    config |= {"extraPaths": [str(ROOT / "src")], "venvPath": str(ROOT)}
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(config))
    (tmp_path / "wrong.py").write_text(
        "from typing import assert_type\n"
        "from livecollections import Live, LiveClient\n"
        "live = Live('sqlite://')\n"
        "live.add_table('/api/a', 'a', colour='red')\n"
        "live.add_table('/api/a', 'a', limit='ten')\n"
        "assert_type(LiveClient('http://a').collection('/api/a'), int)\n"
    )
    found = [rule for rule, _ in pyright("-p", str(tmp_path / "pyrightconfig.json"))]
    assert sorted(found) == ["reportArgumentType", "reportAssertTypeFailure", "reportCallIssue"]


def test_the_package_says_that_it_is_typed() -> None:
    assert (ROOT / "src" / "livecollections" / "py.typed").read_text("utf-8") == ""
