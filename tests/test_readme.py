"""What the README shows is run as it stands: the Python lines are served, curl listens, the page has the one line.

Only the port is another.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import sync_playwright

from livecollections.testing import wait_until_sync as wait_until
from tests.demo.serving import LIVECOLLECTIONS
from tests.demo.window import CHROMIUM, SWITCHES
from tests.ports import free_port

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")
BLOCKS: list[tuple[str, str]] = re.findall(r"^```(\w+)\n(.*?)^```$", README, re.M | re.S)
VENDOR = ROOT / "src/livecollections/demo/static/vendor"
SCRIPTS = (
    "jquery/jquery.min.js", "underscore/underscore-umd-min.js", "backbone/backbone-min.js", "faye/faye-browser-min.js",
)  # fmt: skip


def block(language: str, word: str) -> str:
    """The one code block in a language that holds a word."""
    found = [text for name, text in BLOCKS if name == language and word in text]
    assert len(found) == 1, f"{len(found)} {language} blocks hold {word!r}"
    return found[0]


@dataclass
class Served:
    """The README's application, served as the README says, in its own folder."""

    folder: Path
    port: int

    def here(self, command: str) -> list[str]:
        """A command of the README, with this server's port."""
        assert "127.0.0.1:8000" in command or "sqlite3" in command
        return shlex.split(command.replace("127.0.0.1:8000", f"127.0.0.1:{self.port}"))

    def run(self, word: str) -> str:
        """Run the README's line that begins with a word, in the folder."""
        lines = block("sh", "buy milk").splitlines()
        command = self.here(next(line for line in lines if line.startswith(word)))
        return subprocess.run(
            command, cwd=self.folder, check=True, capture_output=True, text=True, timeout=10
        ).stdout


def serves(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/live/health").status_code == 200
    except httpx.TransportError:
        return False


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    (tmp_path / "todos.py").write_text(block("python", "live.resource"))
    (command,) = re.findall(r"`livecollections (run todos:app)`", README)
    port = free_port()
    options = [*shlex.split(command), "--port", str(port)]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen([str(LIVECOLLECTIONS), *options], cwd=tmp_path, stdout=log, stderr=log)
    try:
        wait_until(lambda: process.poll() is not None or serves(port), within=20)
        assert process.poll() is None, (tmp_path / "log").read_text()
        yield Served(tmp_path, port)
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture
def heard(served: Served) -> Iterator[Callable[[], str]]:
    """What the README's `curl -N` has printed so far."""
    curl = subprocess.Popen(
        [*served.here(block("sh", "curl -N").strip()), "--silent", "--include"],
        cwd=served.folder,
        stdout=subprocess.PIPE,
    )
    printed: list[bytes] = []
    out = curl.stdout
    assert out is not None
    reader = threading.Thread(target=lambda: printed.extend(iter(out.readline, b"")))
    reader.start()
    wait_until(lambda: b"\r\n" in printed)
    yield lambda: b"".join(printed).decode()
    curl.terminate()
    curl.wait(5)
    reader.join(5)
    out.close()


def test_curl_hears_what_curl_and_the_shell_write(served: Served, heard: Callable[[], str]) -> None:
    assert '"title":"buy milk"' in served.run("curl").replace(": ", ":")
    wait_until(lambda: '"buy milk"' in heard())
    served.run("sqlite3")
    wait_until(lambda: '"buy oat milk"' in heard())
    methods = re.findall(r'"method": ?"(\w+)"', heard())
    assert methods == ["POST", "PUT"]


def test_one_line_of_backbone_is_live(served: Served) -> None:
    page_at = f"http://127.0.0.1:{served.port}/page"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=SWITCHES)
        page = browser.new_page()
        page.route(page_at, lambda route: route.fulfill(content_type="text/html", body="<!doctype html>"))
        page.goto(page_at)
        for script in SCRIPTS:
            page.add_script_tag(path=VENDOR / script)
        page.add_script_tag(url="/live/livecollections.js")
        page.add_script_tag(content="var Todo = Backbone.Model;")
        page.add_script_tag(content=block("js", "LiveCollection.extend"))
        page.add_script_tag(content="var todos = new Todos();")
        page.wait_for_function("todos.live === 'live'", timeout=10_000)
        served.run("curl")
        page.wait_for_function(
            "todos.length === 1 && todos.at(0).get('title') === 'buy milk'", timeout=15_000
        )
        served.run("sqlite3")
        page.wait_for_function("todos.at(0).get('title') === 'buy oat milk'", timeout=15_000)
        browser.close()


def test_the_lines_are_ten() -> None:
    lines = [line for line in block("python", "live.resource").splitlines() if line.strip()]
    assert len(lines) == 10


def test_make_has_the_targets_that_are_named() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    named = {word for _, text in BLOCKS for word in re.findall(r"^make (\w+)$", text, re.M)}
    assert named == {"demo", "test"}
    for target in named:
        assert re.search(rf"^{target}:", makefile, re.M)


def test_every_file_that_it_names_exists() -> None:
    for path in re.findall(r"\]\((?!https?:)([^)]+)\)", README):
        assert (ROOT / path).is_file(), path
