"""livecollections: REST, a durable change log and Bayeux push for collections that stay live.

The public names are below, and those of the Bayeux server in ``livecollections.bayeux``. All are lazy: importing
this package imports neither Starlette nor SQLAlchemy nor a driver.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .version import __version__

if TYPE_CHECKING:
    from .change import Change
    from .collection import DocumentChange, LiveClient, LiveCollection
    from .errors import (
        BayeuxError,
        BulkRefused,
        CaptureMissing,
        ClientClosed,
        ClientError,
        ConfigurationError,
        Conflict,
        ConstraintViolated,
        DocumentNotFound,
        HandshakeRefused,
        InvalidDocument,
        KeyReused,
        LiveError,
        MalformedRequest,
        MessagesMissed,
        NotAcceptable,
        NotLive,
        PreconditionFailed,
        PreconditionRequired,
        RequestError,
        RequestRefused,
        SchemaMismatch,
        SessionEnded,
        StoreError,
        StoreUnavailable,
        TooLarge,
        Unconfirmed,
        Unreachable,
        UnsupportedMediaType,
    )
    from .hooks import Operation
    from .live import Live
    from .router import LiveRouter
    from .stores.base import Log
    from .webhooks import Webhook

_HOMES = {
    ".live": ("Live",),
    ".router": ("LiveRouter",),
    ".stores.base": ("Log",),
    ".change": ("Change",),
    ".hooks": ("Operation",),
    ".webhooks": ("Webhook",),
    ".collection": ("LiveClient", "LiveCollection", "DocumentChange"),
    ".errors": (
        "LiveError",
        "ConfigurationError",
        "StoreError",
        "StoreUnavailable",
        "SchemaMismatch",
        "CaptureMissing",
        "ConstraintViolated",
        "BulkRefused",
        "RequestError",
        "MalformedRequest",
        "DocumentNotFound",
        "Conflict",
        "TooLarge",
        "UnsupportedMediaType",
        "InvalidDocument",
        "NotAcceptable",
        "PreconditionFailed",
        "PreconditionRequired",
        "KeyReused",
        "RequestRefused",
        "BayeuxError",
        "HandshakeRefused",
        "ClientError",
        "ClientClosed",
        "SessionEnded",
        "Unreachable",
        "Unconfirmed",
        "MessagesMissed",
        "NotLive",
    ),
}

__all__ = [
    "BayeuxError",
    "BulkRefused",
    "CaptureMissing",
    "Change",
    "ClientClosed",
    "ClientError",
    "ConfigurationError",
    "Conflict",
    "ConstraintViolated",
    "DocumentChange",
    "DocumentNotFound",
    "HandshakeRefused",
    "InvalidDocument",
    "KeyReused",
    "Live",
    "LiveClient",
    "LiveCollection",
    "LiveError",
    "LiveRouter",
    "Log",
    "MalformedRequest",
    "MessagesMissed",
    "NotAcceptable",
    "NotLive",
    "Operation",
    "PreconditionFailed",
    "PreconditionRequired",
    "RequestError",
    "RequestRefused",
    "SchemaMismatch",
    "SessionEnded",
    "StoreError",
    "StoreUnavailable",
    "TooLarge",
    "Unconfirmed",
    "Unreachable",
    "UnsupportedMediaType",
    "Webhook",
    "__version__",
]


def __getattr__(name: str) -> Any:
    for home, names in _HOMES.items():
        if name in names:
            value = getattr(import_module(home, __name__), name)
            globals()[name] = value
            return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
