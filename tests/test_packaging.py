"""The wheel: what is in it, and that it runs the demo in an empty environment without Node."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tarfile
import zipfile
from html.parser import HTMLParser
from pathlib import Path

import httpx
import pytest

from hatch_build import copy_vendor
from livecollections.version import __version__

from .command import ROOT, command

PACKAGE = ROOT / "src" / "livecollections"
VENDORED = [entry["to"] for entry in json.loads((PACKAGE / "demo" / "vendor.json").read_text("utf-8"))]
NODE_FREE = {**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_ROOT_USER_ACTION": "ignore"}


def build(kind: str, source: Path, target: Path) -> Path:
    """Build a wheel or an sdist with what is installed already."""
    arguments = [
        sys.executable,
        "-m",
        "build",
        f"--{kind}",
        "--no-isolation",
        "--outdir",
        str(target),
        str(source),
    ]
    run = subprocess.run(arguments, capture_output=True, text=True, timeout=100, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    [built] = target.iterdir()
    return built


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("wheel", ROOT, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def inside(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_the_wheel_has_every_file_of_the_package(inside: set[str]) -> None:
    tracked = subprocess.run(
        ["git", "ls-files", "src/livecollections"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=10,
        check=True,
    )
    expected = {name.removeprefix("src/") for name in tracked.stdout.split()}
    assert expected <= inside
    assert {f"livecollections/browser/livecollections.{kind}" for kind in ("js", "mjs", "d.ts")} <= inside
    assert "livecollections/py.typed" in inside


def test_the_wheel_has_the_browser_files_and_their_licences(inside: set[str]) -> None:
    assert {f"livecollections/demo/{name}" for name in VENDORED} <= inside
    folders = {Path(name).parent for name in VENDORED}
    assert folders
    for folder in folders:
        assert str(folder / "LICENSE") in VENDORED, f"{folder} has no licence"
    assert f"livecollections-{__version__}.dist-info/licenses/LICENSE" in inside


def test_the_wheel_has_nothing_else(inside: set[str]) -> None:
    assert {name.split("/")[0] for name in inside} == {
        "livecollections",
        f"livecollections-{__version__}.dist-info",
    }
    assert not [name for name in inside if "node_modules" in name or name.endswith((".db", ".pyc"))]


def test_an_sdist_builds_the_same_wheel_without_node(inside: set[str], tmp_path: Path) -> None:
    archive = build("sdist", ROOT, tmp_path / "sdist")
    with tarfile.open(archive) as packed:
        packed.extractall(tmp_path, filter="data")
    again = build("wheel", tmp_path / f"livecollections-{__version__}", tmp_path / "wheel")
    with zipfile.ZipFile(again) as opened:
        assert set(opened.namelist()) == inside


def test_without_npm_ci_the_build_says_what_to_run(tmp_path: Path) -> None:
    demo = tmp_path / "src" / "livecollections" / "demo"
    demo.mkdir(parents=True)
    (demo / "vendor.json").write_bytes((PACKAGE / "demo" / "vendor.json").read_bytes())
    with pytest.raises(FileNotFoundError, match=r"run `npm ci` in .* first"):
        copy_vendor(tmp_path)


class Addresses(HTMLParser):
    """The scripts and styles that a page loads."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        wanted = {"script": "src", "link": "href"}.get(tag)
        self.found += [value for name, value in attrs if name == wanted and value]


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with nothing but the wheel and what it asks for."""
    environment = tmp_path_factory.mktemp("installed") / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(environment)], timeout=60, check=True)
    install(environment, str(wheel))
    return environment


def install(environment: Path, *names: str) -> None:
    """Install with pip, in the versions that all tests have; what is never imported is not compiled either."""
    pip = [sys.executable, "-m", "pip", "--python", str(environment / "bin" / "python")]
    installed = subprocess.run(
        [*pip, "install", "--quiet", "--no-compile", "-c", str(ROOT / "constraints.txt"), *names],
        env=NODE_FREE, cwd=environment, capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    assert installed.returncode == 0, installed.stderr


def test_an_empty_environment_without_node_runs_the_demo(environment: Path, tmp_path: Path) -> None:
    path = {"PATH": str(environment / "bin"), "PYTHONPATH": ""}
    program = environment / "bin" / "livecollections"
    with command("demo", "--port", "0", cwd=tmp_path, env=path, program=program) as demo:
        with httpx.Client(base_url=demo.address()) as client:
            page = client.get("/")
            assert page.status_code == 200
            addresses = Addresses()
            addresses.feed(page.text)
            assert len(addresses.found) >= 5
            for address in addresses.found:
                assert not re.match(r"(https?:)?//", address)
                assert client.get(address).status_code == 200, address
            for name in VENDORED:
                assert client.get("/" + name.removeprefix("static/")).status_code == 200, name
            assert client.post("/api/todos", json={"title": "milk"}).status_code == 201
            assert client.get("/api/todos").json()[0]["title"] == "milk"
            assert client.get("/live/livecollections.js").status_code == 200
        assert demo.stop() < 4
    where = subprocess.run(
        [environment / "bin" / "python", "-c", "import livecollections; print(livecollections.__file__)"],
        env=path, cwd=tmp_path, capture_output=True, text=True, timeout=30, check=True,
    )  # fmt: skip
    assert where.stdout.startswith(str(environment))


USERS_TEST = """
import httpx
import pytest
from livecollections.demo import create_app

@pytest.fixture
def live_app():
    return create_app()

@pytest.mark.asyncio
async def test_mine(live_site, live_client, live_proxy):
    async with live_client.collection("/api/todos") as ours, live_proxy.client() as other:
        async with other.collection("/api/todos") as theirs:
            live_proxy.cut()
            await ours.create({"title": "milk"})
            await live_site.wait_same(ours, theirs)
"""


def test_the_kit_works_without_pytest_and_is_a_plugin_where_pytest_is(
    environment: Path, wheel: Path, tmp_path: Path
) -> None:
    def python(*arguments: str) -> str:
        run = subprocess.run(
            [environment / "bin" / "python", *arguments],
            cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert run.returncode == 0, run.stdout + run.stderr
        return run.stdout

    alone = (
        "import importlib.util, livecollections.demo as demo; from livecollections.testing import Site\n"
        "assert importlib.util.find_spec('pytest') is None\n"
        "with Site(demo.app) as site, site.proxy() as proxy: print(proxy.url)"
    )
    assert python("-c", alone).startswith("http://127.0.0.1:")
    install(environment, f"{wheel}[testing]")
    (tmp_path / "test_mine.py").write_text(USERS_TEST)
    options = ("-W", "error", "-o", "asyncio_default_fixture_loop_scope=function", "-p", "no:cacheprovider")
    said = python("-m", "pytest", *options, str(tmp_path))
    assert "1 passed" in said
    assert f"livecollections-{__version__}" in next(
        line for line in said.splitlines() if line.startswith("plugins:")
    )
