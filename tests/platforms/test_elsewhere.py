"""As on macOS and Windows: no uvloop, no httptools, nothing that only Unix has, no signal handlers on the loop."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import httpx
import pytest

from livecollections import LiveClient
from tests.command import ROOT, command
from tests.serving import wait_until

from .elsewhere import HIDDEN

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
FAST = ("uvloop", "httptools")


def python(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )


def test_every_module_is_imported_without_them() -> None:
    run = python("-W", "error", "-m", "tests.platforms.elsewhere")
    assert run.returncode == 0, run.stderr
    package = ROOT / "src" / "livecollections"
    files = {
        path.relative_to(package.parent).with_suffix("").as_posix().replace("/", ".")
        for path in package.rglob("*.py")
    }
    expected = {name.removesuffix(".__init__") for name in files}
    assert set(run.stdout.split()) == expected


@pytest.mark.parametrize("name", sorted(HIDDEN))
def test_what_is_hidden_is_hidden(name: str) -> None:
    code = f"from tests.platforms.elsewhere import hide; hide(); import {name}"
    assert f"No module named '{name}'" in python("-c", code).stderr


async def test_the_demo_serves_and_pushes_without_them(tmp_path: Path) -> None:
    words = ("-m", "tests.platforms.elsewhere", "demo", "--port", "0")
    with command(*words, cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, program=Path(sys.executable)) as demo:
        address = demo.address()
        async with LiveClient(address) as client, client.collection("/api/todos") as todos:
            assert client.bayeux.transport == "websocket"
            async with httpx.AsyncClient(base_url=address) as http:
                assert (await http.post("/api/todos", json={"title": "milk"})).status_code == 201
                assert "LiveCollection" in (await http.get("/live/livecollections.js")).text
            await wait_until(lambda: [each["title"] for each in todos] == ["milk"], within=5)
        assert demo.stop() < 4
        assert not [line for line in demo.said() if "Traceback" in line or "Warning" in line]


def test_what_makes_it_fast_is_asked_for_only_where_it_is() -> None:
    asked = {re.split(r"[\[>=; ]", each)[0]: each.partition(";")[2] for each in PROJECT["dependencies"]}
    assert "sys_platform != 'win32'" in asked["uvloop"]
    assert all("implementation_name == 'cpython'" in asked[name] for name in FAST)


def test_the_versions_of_python_are_said() -> None:
    assert PROJECT["requires-python"] == ">=3.11"
    told = {each.rpartition(" ")[2] for each in PROJECT["classifiers"] if "Python :: 3." in each}
    assert told == {"3.11", "3.12", "3.13", "3.14"}
    assert {
        f"Operating System :: {name}" for name in ("POSIX :: Linux", "MacOS", "Microsoft :: Windows")
    } <= {*PROJECT["classifiers"]}
