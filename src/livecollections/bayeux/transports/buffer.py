"""Buffer: what waits below a link, in the transport of the ASGI server, for a peer that takes nothing.

Two rules. It is bounded where the server lets us reach its transport, as uvicorn does: asyncio's own bound is eight
times as high. Elsewhere it is the server's affair, and counts as nothing here.

It knows no session, and nothing of what is written.
"""

from __future__ import annotations

from typing import Any

from ..connection import Receive, Send

HIGH_WATER = 8_192
"""Bytes from which on the server makes a writer wait: one more frame is all that can come on top."""


class Buffer:
    """Bounds it, for as long as the connection lives.

    Args:
        receive, send: as the server gave them; whichever is its own method leads to the transport.
    """

    __slots__ = ("_transport",)

    def __init__(self, receive: Receive, send: Send) -> None:
        found = (_transport(receive), _transport(send))
        self._transport = next((one for one in found if one is not None), None)
        if self._transport is not None:
            self._transport.set_write_buffer_limits(high=HIGH_WATER)

    @property
    def size(self) -> int:
        """Bytes that wait, as far as can be seen."""
        return int(self._transport.get_write_buffer_size()) if self._transport is not None else 0


def _transport(method: Any) -> Any:
    transport = getattr(getattr(method, "__self__", None), "transport", None)
    return transport if hasattr(transport, "set_write_buffer_limits") else None
