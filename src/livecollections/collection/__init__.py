"""Collections that stay equal to what the server says, for Python programs."""

from .changes import Changes
from .client import LiveClient
from .live_collection import LiveCollection
from .state import DocumentChange

__all__ = ["Changes", "DocumentChange", "LiveClient", "LiveCollection"]
