"""A Bayeux server for Python, usable alone: ``from livecollections.bayeux import Server``.

Names are loaded when they are used. Nothing here imports a web framework or a database.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .asgi import Server
    from .extension import Context
    from .history import History, Page
    from .local import LocalClient, LocalSubscription, Stream
    from .memory import MemoryHistory
    from .message import Limits, Message
    from .policy import Policy
    from .session import Session

__all__ = [
    "Context",
    "History",
    "Limits",
    "LocalClient",
    "LocalSubscription",
    "MemoryHistory",
    "Message",
    "Page",
    "Policy",
    "Server",
    "Session",
    "Stream",
]

_HOMES = {
    "Context": "extension",
    "History": "history",
    "Limits": "message",
    "LocalClient": "local",
    "LocalSubscription": "local",
    "MemoryHistory": "memory",
    "Message": "message",
    "Page": "history",
    "Policy": "policy",
    "Server": "asgi",
    "Session": "session",
    "Stream": "local",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)
