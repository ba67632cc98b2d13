"""Spool: stored rows put aside, so that a list may be read slowly and holds neither the database nor much memory.

Two rules. Rows come back in order and as they were, each pile once. What is more than a little lies in a file that has
no name and ends with the spool. It blocks; it knows no database and no thread.
"""

from __future__ import annotations

import marshal
from collections.abc import Sequence
from tempfile import SpooledTemporaryFile
from typing import Any, cast

IN_MEMORY = 256 * 1024
"""Bytes beyond which a spool becomes a file."""
_WIDTH = 8
"""Bytes that tell how long a pile is."""

Rows = Sequence[tuple[Any, ...]]


class Spool:
    """First filled, then read: ``put`` and ``get`` are not mixed. size: in bytes.  count: of rows."""

    def __init__(self) -> None:
        self._file = SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115  (``close`` closes it)
        self._is_read = False
        self.size = 0
        self.count = 0

    def put(self, rows: Rows) -> None:
        """Add a pile of rows."""
        pile = marshal.dumps(list(rows))
        self._file.write(len(pile).to_bytes(_WIDTH, "little"))
        self._file.write(pile)
        self.size += _WIDTH + len(pile)
        self.count += len(rows)

    def get(self, least: int) -> list[tuple[Any, ...]]:
        """The next piles, until they are ``least`` bytes together; none at the end."""
        if not self._is_read:
            self._is_read = True
            self._file.seek(0)
        rows: list[tuple[Any, ...]] = []
        got = 0
        while got < least and (width := self._file.read(_WIDTH)):
            pile = self._file.read(int.from_bytes(width, "little"))
            rows += cast(list[tuple[Any, ...]], marshal.loads(pile))
            got += len(pile)
        return rows

    def clear(self) -> None:
        """Take everything out again."""
        self._file.seek(0)
        self._file.truncate()
        self.size = self.count = 0

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()
