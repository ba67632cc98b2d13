"""The suite on each version of Python that is here: ``make test-pythons``.

Interpreters are those on the path, of pyenv and of uv, one for each minor version that the package is for. One line
says which there are, and which are not. Each but this one, which is ``make test``'s, gets an environment of its own in
``.venv/pythons`` by the Makefile's recipe (``--install`` makes those and no more), and runs every suite of
``budget.toml`` in its small size, but for those that say there why not (``once``).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

from tests.run import BUDGET, Suite, load

ROOT = Path(__file__).parent.parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
VERSIONS = sorted(
    (each.rpartition(" ")[2] for each in PROJECT["classifiers"] if "Python :: 3." in each),
    key=lambda version: int(version.partition(".")[2]),
)
OWN = f"{sys.version_info.major}.{sys.version_info.minor}"
ASKED = "import sys, ensurepip; v = sys.version_info; print(f'{v.major}.{v.minor}', sys.implementation.name)"
SMALL = {name: value for name, value in os.environ.items() if name != "LIVE_FULL"}
"""The environment of suites in their small size."""


def interpreters() -> dict[str, Path]:
    """Of each version that the package is for, and that is here, a program that answers; the oldest version first."""
    found: dict[str, Path] = {}
    for program in candidates():
        told = subprocess.run(
            [program, "-c", ASKED],
            capture_output=True, text=True, timeout=20, check=False,
        )  # fmt: skip
        version, _, implementation = told.stdout.strip().partition(" ")
        if told.returncode == 0 and version in VERSIONS and implementation == "cpython":
            found.setdefault(version, program)
    return {version: found[version] for version in VERSIONS if version in found}


def candidates() -> Iterator[Path]:
    """Programs that may be Python."""
    for version in VERSIONS:
        if program := shutil.which(f"python{version}"):
            yield Path(program)
    home = Path.home()
    managed = {
        Path(os.environ.get("PYENV_ROOT", home / ".pyenv")) / "versions": "*/bin/python3",
        Path(
            os.environ.get("UV_PYTHON_INSTALL_DIR", home / ".local" / "share" / "uv" / "python")
        ): "*/bin/python3",
    }
    for folder, pattern in managed.items():
        yield from sorted(folder.glob(pattern))


def line(found: dict[str, Path]) -> str:
    """Which versions there are."""
    missing = [version for version in VERSIONS if version not in found]
    lacks = f"; not on this machine: {', '.join(missing)}" if missing else ""
    return f"Python {', '.join(version for version in VERSIONS if version in found)}{lacks}"


def environment(version: str, program: Path) -> Path:
    """The interpreter of an environment with the package, as it stands here, and what its tests need."""
    folder = Path(".venv", "pythons", version)
    python = ROOT / folder / "bin" / "python"
    if not python.exists():  # or what it was made of has gone
        shutil.rmtree(ROOT / folder, ignore_errors=True)
        python.parent.parent.parent.mkdir(exist_ok=True)
    recipe = ["make", "--no-print-directory", f"VENV={folder}", f"PYTHON={program}", str(folder / ".tested")]
    subprocess.run(recipe, cwd=ROOT, stdout=subprocess.DEVNULL, timeout=1200, check=True)
    return python


def suites() -> list[Suite]:
    """Those of the budget."""
    return load(BUDGET.read_text("utf-8"), full=False)[0]


def command(python: Path) -> list[str]:
    """What runs all suites to which an interpreter matters on one."""
    return [str(python), "-m", "tests.run", *(suite.name for suite in suites() if not suite.once)]


def install() -> int:
    """Make the environments of the other versions than this one; the answer is the exit status."""
    for version, program in interpreters().items():
        if version != OWN:
            environment(version, program)
    return 0


def main() -> int:
    """Run the suites on each other version than this one; the answer is the exit status."""
    found = interpreters()
    print(f"{line(found)}. `make test` is for {OWN}, the others run here, without", flush=True)
    for suite in suites():
        if suite.once:
            print(f"  {suite.name}: {suite.once}", flush=True)
    ended: dict[str, int] = {}
    for version, program in found.items():
        if version != OWN:
            print(f"\nPython {version}", flush=True)
            done = subprocess.run(command(environment(version, program)), cwd=ROOT, env=SMALL, check=False)
            ended[version] = done.returncode
    for version, status in ended.items():
        print(f"Python {version}: {'failed' if status else 'passed'}", flush=True)
    return int(any(ended.values()))


if __name__ == "__main__":
    sys.exit(install() if "--install" in sys.argv else main())
