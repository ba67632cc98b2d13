"""Types by ``livecollections openapi`` and openapi-typescript: they compile, and tell right from wrong."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from tests.command import ROOT

TYPES = Path(__file__).parent / "types"


def run(*command: str, cwd: Path = ROOT) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_types_compile_strictly_and_tell_right_from_wrong(tmp_path: Path) -> None:
    described = run(
        sys.executable,
        "-c",
        "from livecollections.cli import main; main()",
        "openapi",
        "tests.openapi.app:live",
    )
    (tmp_path / "openapi.json").write_text(described, "utf-8")
    binaries = TYPES / "node_modules" / ".bin"
    run(
        str(binaries / "openapi-typescript"),
        "openapi.json",
        "--output",
        "api.d.ts",
        "--default-non-nullable=false",
        cwd=tmp_path,
    )
    shutil.copy(TYPES / "use.ts", tmp_path)
    run(str(binaries / "tsc"), "--strict", "--noEmit", "--target", "es2022", "use.ts", cwd=tmp_path)
