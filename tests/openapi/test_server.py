"""The OpenAPI document and the server: whatever schemathesis makes up from the one, the other answers as it says."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from tests.command import ROOT
from tests.scale import FULL, scaled
from tests.serving import served

from .app import live

CONFIG = Path(__file__).parent / "schemathesis.toml"
PHASES = "examples,coverage,fuzzing,stateful" if FULL else "examples,fuzzing"


async def test_what_is_served_is_what_is_described(tmp_path: Path) -> None:
    async with served(live.app) as address:
        run = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(CONFIG)),
            *("run", f"{address}/openapi.json", "--no-color", "--phases", PHASES),
            *("--max-examples", str(scaled(1, 12)), "--seed", "1"),
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        told, _ = await asyncio.wait_for(run.communicate(), scaled(60, 500))
    assert run.returncode == 0, told.decode()[-20_000:]
    assert b"no failures" in told or b"No issues found" in told or b"passed" in told
