"""ConnectionLink: what the links of all connections have, whatever travels on them (see ``session.Link``)."""

from __future__ import annotations

from ..connection import Claim, Connection
from ..server import Engine
from ..session import Put, Session


class ConnectionLink:
    """A link on a connection.

    Args:
        is_taking: whether it takes messages from the first.
        headers: what its answer will carry besides its own; None: nothing can be added.
    """

    __slots__ = (
        "__weakref__", "_engine", "claim", "connection", "headers", "is_fresh", "is_taking", "put", "session",
    )  # fmt: skip
    is_socket = False

    def __init__(
        self,
        engine: Engine,
        connection: Connection,
        *,
        is_taking: bool = True,
        headers: list[tuple[bytes, bytes]] | None = None,
    ) -> None:
        self.session: Session | None = None
        self.connection: Connection | None = connection
        self.claim: Claim | None = None
        self.headers = headers
        self.put: Put | None = None
        self.is_fresh = True
        self.is_taking = is_taking
        self._engine = engine
