"""Requests: what a client has asked for on one connection, as a proxy in between reads it from the bytes."""

from __future__ import annotations

import re
from dataclasses import dataclass

_HEAD = re.compile(rb"([A-Z]+) (\S+) HTTP/1\.1\r\n")
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_UPGRADE = re.compile(rb"\r\nupgrade: *websocket", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Request:
    """A whole request, and its bytes."""

    method: str
    path: str
    raw: bytes


class Requests:
    """Reads the requests of one connection.  last: the latest whole one.  is_socket: a WebSocket was asked for."""

    def __init__(self) -> None:
        self.last: Request | None = None
        self.is_socket = False
        self._raw = b""

    def feed(self, data: bytes) -> Request | None:
        """More bytes of the client's; a request that they complete."""
        if self.is_socket:
            return None
        self._raw += data
        end = self._raw.find(b"\r\n\r\n")
        if end < 0:
            return None
        head = self._raw[: end + 2]
        length = _LENGTH.search(head)
        whole = end + 4 + (int(length[1]) if length else 0)
        start = _HEAD.match(head)
        if start is None or len(self._raw) < whole:
            return None
        self.is_socket = _UPGRADE.search(head) is not None
        raw, self._raw = self._raw[:whole], self._raw[whole:]
        self.last = Request(start[1].decode(), start[2].decode(), raw)
        return self.last
