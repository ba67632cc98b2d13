"""A Bayeux server and a client for Python, usable alone: ``from livecollections.bayeux import Server, Client``.

Names are loaded when they are used. Nothing here imports a web framework or a database.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .asgi import Server
    from .client import Client
    from .delivery import Delivery, Reset
    from .extension import Context
    from .hearing import Hearing
    from .history import History, Page
    from .interest import Listener
    from .lifecycle import State
    from .local import LocalClient, LocalSubscription, Stream
    from .memory import MemoryHistory
    from .message import Limits, Message
    from .policy import Policy
    from .session import Session
    from .statistics import Statistics
    from .subscription import Subscription

__all__ = [
    "Client",
    "Context",
    "Delivery",
    "Hearing",
    "History",
    "Limits",
    "Listener",
    "LocalClient",
    "LocalSubscription",
    "MemoryHistory",
    "Message",
    "Page",
    "Policy",
    "Reset",
    "Server",
    "Session",
    "State",
    "Statistics",
    "Stream",
    "Subscription",
]

_HOMES = {
    "Client": "client",
    "Context": "extension",
    "Delivery": "delivery",
    "Hearing": "hearing",
    "History": "history",
    "Limits": "message",
    "Listener": "interest",
    "LocalClient": "local",
    "LocalSubscription": "local",
    "MemoryHistory": "memory",
    "Message": "message",
    "Page": "history",
    "Policy": "policy",
    "Reset": "delivery",
    "Server": "asgi",
    "Session": "session",
    "State": "lifecycle",
    "Statistics": "statistics",
    "Stream": "local",
    "Subscription": "subscription",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)
