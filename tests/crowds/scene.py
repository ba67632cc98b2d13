"""What both tests stand on: a server, a crowd, and a stranger who writes into the database."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

from .child import Child

DOCUMENTS = 10
WARM = 5_000
"""Changes before anything is measured: what the server keeps of its log is full then, and grows no more."""


class Writer:
    """A program of its own that writes into the table."""

    def __init__(self, path: Path, text: str) -> None:
        self.path = path
        self._text = text
        self._connection: sqlite3.Connection | None = None
        self._turn = 0

    def open(self) -> None:
        self._connection = sqlite3.connect(self.path, isolation_level=None, timeout=10)
        for _ in range(DOCUMENTS):
            self.ask("insert into crowd_item (title) values (?)", self._title())

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()

    def ask(self, statement: str, *values: Any) -> list[Any]:
        assert self._connection is not None
        with closing(self._connection.execute(statement, values)) as cursor:
            return cursor.fetchall()

    def _title(self) -> str:
        return f"{time.monotonic()} {self._text}"

    def write(self, count: int = 1) -> str:
        """So many changes at once; returns the seq of the last."""
        self.ask("begin immediate")
        for _ in range(count):
            self._turn += 1
            statement = "update crowd_item set title = ? where id = ?"
            self.ask(statement, self._title(), self._turn % DOCUMENTS + 1)
        self.ask("commit")
        return self.top()

    async def write_slowly(self, count: int, rate: float) -> str:
        """So many changes, one after another, so many in a second."""
        loop = asyncio.get_running_loop()
        begun = loop.time()
        for number in range(count):
            self.write()
            await asyncio.sleep(max(0.0, begun + (number + 1) / rate - loop.time()))
        return self.top()

    def top(self) -> str:
        """The log's last seq."""
        epoch = "(select value from live_meta where name = 'epoch')"
        place = "printf('%016x', seq) || check_digits"
        ((seq,),) = self.ask(f"select {epoch} || {place} from live_changes order by seq desc limit 1")
        return str(seq)

    def documents(self) -> dict[int, str]:
        return dict(self.ask("select id, title from crowd_item"))


@asynccontextmanager
async def scene(path: Path, text: str, **options: Any) -> AsyncIterator[tuple[Child, Child, Writer]]:
    """The server, the crowd's process, and who writes.

    Args:
        text: stands in each document.  options: of the Bayeux server.
    """
    writer = Writer(path / "crowd.db", text)
    async with Child("tests.crowds.server", str(writer.path), "0", json.dumps(options)) as server:
        port = await server.ask("begin")
        writer.open()
        try:
            await server.ask("wait", seq=writer.write(WARM))
            async with Child("tests.crowds.load", str(port)) as load:
                yield server, load, writer
        finally:
            writer.close()
