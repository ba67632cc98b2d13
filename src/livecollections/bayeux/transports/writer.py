"""Writer: what a server may offer with a WebSocket, so that frames reach its transport without passing ASGI.

One rule. It takes whole frames, as they go over the wire, and only while it says that it is open.

``direct.py`` is the one that there is, for uvicorn; a scope has it under ``extensions``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from ..connection import Scope

EXTENSION = "livecollections.writer"


class Writer(Protocol):
    """Writes to one WebSocket."""

    @property
    def is_open(self) -> bool:
        """Whether it takes frames: it was accepted, does not close, and its transport's buffer is not full."""

    @property
    def is_gone(self) -> bool:
        """Whether it will take none any more."""

    @property
    def put(self) -> Callable[[bytes], None]:
        """Writes whole unmasked text frames, which are not compressed; the same for as long as it lives."""

    def bound(self, size: int) -> None:
        """Take no message of more bytes, and keep none while it comes; called before the socket is accepted."""

    def watch(self, changed: Callable[[], None] | None) -> None:
        """Have somebody told when ``is_open`` may have changed; perhaps within ``put``."""


def writer_of(scope: Scope) -> Writer | None:
    """The one that a server offers, if it does."""
    found: Any = (scope.get("extensions") or {}).get(EXTENSION)
    return found if found is None else _checked(found)


def _checked(found: Any) -> Writer | None:
    writer: Writer = found
    return (
        writer
        if all(hasattr(found, name) for name in ("is_open", "is_gone", "put", "bound", "watch"))
        else None
    )
