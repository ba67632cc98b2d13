"""Sessions of SQLAlchemy on a store's database, whose commits carry an origin and are heard at once.

This module knows no dialect: what a commit takes, each store says.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from .base import Logged, tell_committed

try:
    from sqlmodel.ext.asyncio.session import AsyncSession as Session
except ImportError:  # SQLModel is not there: SQLAlchemy's own
    Session = AsyncSession  # type: ignore[misc,assignment]


@dataclass(slots=True)
class Ticket:
    """What one session's transactions carry: the origin to stamp, and where its transaction began and ended.

    logged: what it has made, where that is told.
    """

    origin: str | None
    start: int = 0
    head: str | None = None
    logged: Sequence[Logged] = ()


def ticket_of(connection: sa.Connection) -> Ticket | None:
    """What the session of a connection carries; None: it is of no session."""
    ticket = connection.get_execution_options().get("livecollections")
    return ticket if isinstance(ticket, Ticket) else None


class Sessions(ABC):
    """Makes sessions. committed: called after each commit of any of them that wrote."""

    def __init__(self, committed: Callable[[], None]) -> None:
        self._committed = committed
        self._engine: AsyncEngine | None = None

    @abstractmethod
    def _open(self) -> AsyncEngine:
        """Make the engine, and have it tell in ``Ticket.head`` what each commit reached."""

    def session(
        self, origin: str | None, committed: Callable[[str], None] | None
    ) -> AbstractAsyncContextManager[AsyncSession]:
        """A session; ``committed`` hears the seq that each of its commits reached."""
        return self._session(origin, committed)

    @asynccontextmanager
    async def _session(
        self, origin: str | None, committed: Callable[[str], None] | None
    ) -> AsyncIterator[AsyncSession]:
        ticket = Ticket(origin)
        if self._engine is None:
            self._engine = self._open()
        engine = self._engine.execution_options(livecollections=ticket)

        def after_commit(_: object) -> None:
            if ticket.head is None:
                return
            self._committed()
            tell_committed(ticket.logged, by="session")
            if committed is not None:
                committed(ticket.head)

        async with Session(engine, expire_on_commit=False) as session:
            sa.event.listen(session.sync_session, "after_commit", after_commit)
            yield session

    async def close(self) -> None:
        """Close the connections."""
        if self._engine is not None:
            await self._engine.dispose()
            self._engine = None
