"""The package as a user has it: packed by npm, and unpacked beside what it needs, once for all tests here."""

from __future__ import annotations

import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
HERE = Path(__file__).parent
MODULES = ROOT / "node_modules"


@pytest.fixture(scope="package")
def tarball(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `npm publish` would send."""
    folder = tmp_path_factory.mktemp("packed")
    subprocess.run(
        ["npm", "pack", "--offline", "--ignore-scripts", "--pack-destination", str(folder)],
        cwd=ROOT, capture_output=True, timeout=60, check=True,
    )  # fmt: skip
    [packed] = folder.iterdir()
    return packed


@pytest.fixture(scope="package")
def project(tarball: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of a user's, with the package installed and our programs in it."""
    folder = tmp_path_factory.mktemp("project")
    modules = folder / "node_modules"
    modules.mkdir()
    for installed in MODULES.iterdir():
        if not installed.name.startswith("."):
            (modules / installed.name).symlink_to(installed)
    with tarfile.open(tarball) as packed:
        packed.extractall(folder, filter="data")
    (folder / "package").rename(modules / "livecollections")
    for kind in ("programs", "types"):
        shutil.copytree(HERE / kind, folder, dirs_exist_ok=True)
    return folder
