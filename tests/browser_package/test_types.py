"""The package's types, under `tsc --strict`, for each way in which TypeScript finds a package."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from .conftest import MODULES, ROOT

WAYS = [("node16", "node16", ".mts"), ("nodenext", "nodenext", ".mts"), ("preserve", "bundler", ".ts")]
EXPECTED = re.compile(r"^\s*// @ts-expect-error.*\n", re.M)


DECLARATIONS = ROOT / "src" / "livecollections" / "browser" / "livecollections.d.ts"
NAME = re.compile(r"^ {4,}(?:static |readonly |export (?:const|type|interface) )*(\w+)\??[:(<= ]", re.M)


def compiled(project: Path, module: str, resolution: str, *arguments: str) -> tuple[int, str]:
    """The exit status and the output of the compiler; it checks the declarations too."""
    run = subprocess.run(
        [
            MODULES / ".bin" / "tsc", "--strict", "--noEmit", "--pretty", "false", "--target", "es2022",
            "--module", module, "--moduleResolution", resolution, *arguments,
        ],
        cwd=project, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    return run.returncode, run.stdout + run.stderr


def source(project: Path, name: str, ending: str) -> str:
    """A source of ours under the ending that makes it an ES module there."""
    if ending != ".ts":
        shutil.copyfile(project / f"{name}.ts", project / f"{name}{ending}")
    return name + ending


@pytest.mark.parametrize(("module", "resolution", "ending"), WAYS)
def test_the_api_can_be_used_by_import(project: Path, module: str, resolution: str, ending: str) -> None:
    assert compiled(project, module, resolution, source(project, "uses", ending)) == (0, "")


def test_every_public_name_is_used(project: Path) -> None:
    declared = {
        name
        for name in NAME.findall(DECLARATIONS.read_text("utf-8"))
        if name not in ("constructor", "export", "interface")
    }
    assert {
        "connect",
        "whenLive",
        "FayeClient",
        "withCredentials",
        "unsaved",
        "VERSION",
        "addExtension",
    } <= declared
    uses = set(re.findall(r"\w+", (project / "uses.ts").read_text("utf-8")))
    assert declared - uses == set()


@pytest.mark.parametrize(("module", "resolution", "ending"), WAYS)
def test_require_gives_the_class(project: Path, module: str, resolution: str, ending: str) -> None:
    assert compiled(project, module, resolution, "requires.cts") == (0, "")


def test_a_script_tag_leaves_the_class(project: Path) -> None:
    assert compiled(project, "preserve", "bundler", "--types", "livecollections", "global.ts") == (0, "")


@pytest.mark.parametrize(("module", "resolution", "ending"), WAYS)
def test_each_mistake_is_caught(project: Path, module: str, resolution: str, ending: str) -> None:
    assert compiled(project, module, resolution, source(project, "wrong", ending)) == (0, "")


def test_mistakes_that_are_not_expected_fail(project: Path) -> None:
    text = (project / "wrong.ts").read_text("utf-8")
    bare, count = EXPECTED.subn("", text)
    assert count >= 20
    (project / "bare.ts").write_text(bare, "utf-8")
    status, output = compiled(project, "preserve", "bundler", "bare.ts")
    assert status != 0
    assert len(re.findall(r"^bare\.ts\(\d+,\d+\): error TS", output, re.M)) == count, output
