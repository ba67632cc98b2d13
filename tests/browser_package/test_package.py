"""The npm package: what is in it, and that Node takes it, by `require` and by `import`."""

from __future__ import annotations

import json
import subprocess
import tarfile
from pathlib import Path

import pytest

from livecollections.version import __version__

BROWSER = "package/src/livecollections/browser"


def test_it_holds_the_browser_files_and_nothing_else(tarball: Path) -> None:
    with tarfile.open(tarball) as packed:
        names = set(packed.getnames())
    kinds = {"js", "mjs", "d.ts", "d.mts"}
    about = {f"package/{name}" for name in ("package.json", "README.md", "LICENSE")}
    assert names == about | {f"{BROWSER}/livecollections.{kind}" for kind in kinds}


def test_it_bears_the_version_of_the_python_package(tarball: Path, project: Path) -> None:
    assert tarball.name == f"livecollections-{__version__}.tgz"
    installed = project / "node_modules" / "livecollections"
    assert json.loads((installed / "package.json").read_text("utf-8"))["version"] == __version__
    for kind in ("js", "d.ts"):
        text = (installed / "src" / "livecollections" / "browser" / f"livecollections.{kind}").read_text(
            "utf-8"
        )
        assert f"livecollections {__version__}" in text.splitlines()[0].replace(".js", ""), kind


def test_every_path_that_it_names_is_there(project: Path) -> None:
    installed = project / "node_modules" / "livecollections"
    package = json.loads((installed / "package.json").read_text("utf-8"))
    pending, paths = [package["exports"], package["main"], package["module"], package["types"]], []
    while pending:
        entry = pending.pop()
        if isinstance(entry, dict):
            pending += entry.values()
        else:
            paths.append(entry)
    assert len(paths) == 8
    for path in paths:
        assert (installed / path).is_file(), path


@pytest.mark.parametrize("program", ["requires.cjs", "imports.mjs"])
def test_node_takes_it(project: Path, program: str) -> None:
    run = subprocess.run(
        ["node", program], cwd=project, capture_output=True, text=True, timeout=30, check=False
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout == f"{__version__} works\n"
    assert run.stderr == ""
