"""REST: a resource's routes for any Starlette or FastAPI application.

Three rules. Everything about a request is checked before anything is written. Errors are RFC 9457 problems, never
with a stack or a database's own words. A ``Live-Seq`` never says more than the body holds (design, section 5).

The folder knows the port of the stores and a stream of messages, with the session that it ends by; it knows no SQL.
"""

from .answer import problem
from .pages import pages
from .populate import Peers
from .portion import portion
from .request import origin_of
from .routes import RELEASE, routes

__all__ = ["RELEASE", "Peers", "origin_of", "pages", "portion", "problem", "routes"]
