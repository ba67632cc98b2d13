"""The suite on each version of Python that is here: ``make test-pythons``.

Interpreters are those on the path, of pyenv and of uv, one for each minor version that the package is for. Each gets an
environment of its own, made once, in ``.venv/pythons``; ``--install`` makes those of the others and no more. One line
says which there are, and which are not.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
VERSIONS = sorted(
    (each.rpartition(" ")[2] for each in PROJECT["classifiers"] if "Python :: 3." in each),
    key=lambda version: int(version.partition(".")[2]),
)
OWN = f"{sys.version_info.major}.{sys.version_info.minor}"
TESTS = (
    "tests/test_feed.py", "tests/test_live.py", "tests/test_stop.py", "tests/test_listeners.py", "tests/stores",
    "tests/rest/test_verbs.py", "tests/rest/test_stream.py", "tests/bayeux/test_session.py",
    "tests/bayeux/test_direct.py", "tests/client/test_client.py", "tests/collection/test_live_collection.py",
    "tests/platforms/test_elsewhere.py", "tests/upgrade",
)  # fmt: skip
"""What depends on the interpreter most: loops, threads, sockets, drivers, annotations."""
ASKED = "import sys, ensurepip; v = sys.version_info; print(f'{v.major}.{v.minor}', sys.implementation.name)"
SMALL = ("tests/test_feed.py", "tests/stores/test_conformance.py", "tests/platforms/test_elsewhere.py")


def interpreters() -> dict[str, Path]:
    """Of each version that the package is for, and that is here, a program that answers."""
    found: dict[str, Path] = {}
    for program in candidates():
        told = subprocess.run(
            [program, "-c", ASKED],
            capture_output=True, text=True, timeout=20, check=False,
        )  # fmt: skip
        version, _, implementation = told.stdout.strip().partition(" ")
        if told.returncode == 0 and version in VERSIONS and implementation == "cpython":
            found.setdefault(version, program)
    return found


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
    wanted = hashlib.sha256(
        b"".join((ROOT / name).read_bytes() for name in ("pyproject.toml", "constraints.txt"))
        + str(program).encode()
    ).hexdigest()
    folder = ROOT / ".venv" / "pythons" / version
    python, mark = folder / "bin" / "python", folder / "made"
    if mark.exists() and mark.read_text("utf-8") == wanted:
        return python
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run([str(program), "-m", "venv", str(folder)], timeout=120, check=True)
    pip = [
        str(python),
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--root-user-action=ignore",
    ]
    pip += ["-c", str(ROOT / "constraints.txt")]
    subprocess.run([*pip, "hatchling", "editables"], timeout=300, check=True)
    subprocess.run([*pip, "--no-build-isolation", "-e", f"{ROOT}[test]"], timeout=900, check=True)
    mark.write_text(wanted, "utf-8")
    return python


def run(python: Path, *tests: str) -> subprocess.CompletedProcess[str]:
    """Run tests on an interpreter."""
    command = [str(python), "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=1800, check=False)


def install() -> int:
    """Make the environments of the other versions than this one; the answer is the exit status."""
    for version, program in interpreters().items():
        if version != OWN:
            environment(version, program)
    return 0


def main() -> int:
    """Run the suite on each; the answer is the exit status."""
    found = interpreters()
    print(line(found), flush=True)
    failed = 0
    for version, program in sorted(found.items(), key=lambda each: VERSIONS.index(each[0])):
        done = run(environment(version, program), *TESTS)
        print(f"Python {version}: {(done.stdout.strip().splitlines() or ['nothing ran'])[-1]}", flush=True)
        if done.returncode:
            failed += 1
            print(done.stdout + done.stderr, flush=True)
    return bool(failed)


if __name__ == "__main__":
    sys.exit(install() if "--install" in sys.argv else main())
