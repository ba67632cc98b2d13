"""Acknowledgements: CometD's extension ``ext.ack``, on the client's side.

The server numbers what it sends in batches and keeps each until a connect bears its number. What came before a cut
and was not acknowledged is sent again, first and in its order; so it is known again, and not told twice.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any

REMEMBERED = 4096
"""Messages that are remembered until their batch is acknowledged."""


class Acknowledgements:
    """What was received, and is still to be acknowledged.

    batch: the last one that was received whole; None where the server does not offer it.
    """

    def __init__(self) -> None:
        self.batch: int | None = None
        self._received: deque[Any] = deque(maxlen=REMEMBERED)
        self._expected: deque[Any] = deque()

    def begin(self, reply: Mapping[str, Any]) -> None:
        """A new session; the reply to its handshake says whether the server keeps batches."""
        said = _said(reply)
        self._received.clear()
        self._expected.clear()
        self.batch = None
        if isinstance(said, dict) and said.get("enabled") is True:
            self.batch = _number(said.get("batch"), 0)
        elif said is True:
            self.batch = 0

    def cut(self) -> None:
        """The way is lost: what is not acknowledged will be sent again."""
        self._expected = deque([*self._received, *self._expected])
        self._received.clear()

    def is_repeated(self, message: Mapping[str, Any]) -> bool:
        """Whether a message was received before the cut."""
        if self.batch is None:
            return False
        told = message["channel"], message["data"]
        self._received.append(told)
        if self._expected and self._expected[0] == told:
            self._expected.popleft()
            return True
        self._expected.clear()
        return False

    def connected(self, reply: Mapping[str, Any]) -> None:
        """A connect was answered. Call it after all that came with the reply: servers differ in which is first."""
        if self.batch is not None:
            self.batch = _number(_said(reply), self.batch)
            self._received.clear()


def _said(reply: Mapping[str, Any]) -> Any:
    ext = reply.get("ext")
    return ext.get("ack") if isinstance(ext, dict) else None


def _number(value: Any, otherwise: int) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else otherwise
