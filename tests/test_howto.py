"""What the page of SQLite shows is run as it stands, one command after the other. Only the ports are others."""

from __future__ import annotations

import asyncio
import re
import shlex
import subprocess
from contextlib import ExitStack
from pathlib import Path

import httpx

from livecollections import LiveClient

from .command import ROOT, command

PAGE = (ROOT / "docs" / "howto" / "sqlite.md").read_text("utf-8")
COMMANDS = [text.strip() for text in re.findall(r"^```sh\n(.*?)^```$", PAGE, re.M | re.S)]


async def test_the_commands_of_the_page_of_sqlite_do_what_it_says(tmp_path: Path) -> None:
    first, second, shell, serve = COMMANDS
    async with httpx.AsyncClient() as http:
        with ExitStack() as programs:

            def address(line: str) -> str:
                _, *words = shlex.split(re.sub(r" --port \d+", "", line))
                return programs.enter_context(command(*words, "--port", "0", cwd=tmp_path)).address()

            one, other = address(first), address(second)
            async with LiveClient(other) as client, client.collection("/api/todos") as todos:
                made = await http.post(f"{one}/api/todos", json={"title": "milk"})
                assert made.status_code == 201
                await todos.wait_until(lambda held: [each["title"] for each in held] == ["milk"], timeout=5)
                await asyncio.to_thread(
                    subprocess.run, shlex.split(shell), cwd=tmp_path, check=True, timeout=10
                )
                await todos.wait_until(lambda held: all(each["completed"] for each in held), timeout=5)
            # All is installed: it asks nothing.
            (found,) = (await http.get(f"{address(serve)}/api/todo")).json()
            assert (found["title"], found["completed"]) == ("milk", True)
