"""The server itself as the application."""

from .bayeux import server as app

__all__ = ["app"]
