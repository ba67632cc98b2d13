"""A real `livecollections demo` process that can be killed and started again.

Waiting is for a condition, with a deadline, and never for a time.
"""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx

from livecollections.testing.waiting import wait_until_sync as wait_until
from tests.ports import free_port

LIVECOLLECTIONS = Path(sys.executable).with_name("livecollections")


def accepts(port: int) -> bool:
    """Whether somebody accepts connections on a port of loopback."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


class DemoServer:
    """The demo on a database file: started by its command line, on the same port each time.

    database: the file, made where it is missing; what the server prints goes into one beside it.
    port: on loopback; a free one where none is given.
    """

    def __init__(self, database: Path, port: int | None = None) -> None:
        self.database = database
        self.port = port or free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        self.http = httpx.Client(base_url=self.address)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> float:
        """Start it; when it serves, gives the time (of ``time.monotonic``) of its first accept."""
        options = ["--port", str(self.port), "--database", f"sqlite:///{self.database}"]
        with self.database.with_suffix(".log").open("ab") as log:
            self._process = subprocess.Popen([str(LIVECOLLECTIONS), "demo", *options], stdout=log, stderr=log)
        wait_until(self._accepts, within=20)
        accepted = time.monotonic()
        wait_until(self._serves, within=20)
        return accepted

    def _accepts(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.database.with_suffix(".log").read_text()
        return accepts(self.port)

    def _serves(self) -> bool:
        # The port is taken before the application has started.
        try:
            return self.http.get("/live/health").status_code == 200
        except httpx.TransportError:
            return False

    @property
    def runs(self) -> bool:
        """Whether it was started and not ended since."""
        return self._process is not None

    def kill(self) -> None:
        """End it as a power cut does: SIGKILL."""
        self._end(signal.SIGKILL)

    def end(self) -> None:
        """End it politely, as a deploy does: SIGTERM."""
        self._end(signal.SIGTERM)

    def stop(self) -> None:
        """End it, for good."""
        self.end()
        self.http.close()

    def _end(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(10)
            self._process = None

    def shell(self, sql: str) -> str:
        """Run SQL as a person would: in the `sqlite3` shell."""
        command = ["sqlite3", "-cmd", ".timeout 5000", str(self.database), sql]
        answer = subprocess.run(command, capture_output=True, text=True)
        assert answer.returncode == 0, answer.stderr
        return answer.stdout

    def add(self, title: str, completed: bool = False, order: int | None = None) -> int:
        """Create a todo over REST; gives its id."""
        answer = self.http.post("/api/todos", json={"title": title, "completed": completed, "order": order})
        assert answer.status_code == 201, answer.text
        key: int = answer.json()["id"]
        return key

    def change(self, key: int, **attributes: Any) -> None:
        """Change a todo over REST."""
        answer = self.http.patch(f"/api/todos/{key}", json=attributes)
        assert answer.status_code == 200, answer.text

    def delete(self, key: int) -> None:
        """Delete a todo over REST."""
        assert self.http.delete(f"/api/todos/{key}").status_code == 204

    def todos(self) -> list[dict[str, Any]]:
        """The truth: what GET says, in the page's order."""
        rows: list[dict[str, Any]] = json.loads(self.http.get("/api/todos").text)
        last = float("inf")
        return sorted(rows, key=lambda row: (last if row["order"] is None else row["order"], row["id"]))

    def clear(self) -> None:
        """Delete every todo."""
        self.shell("delete from todo")
