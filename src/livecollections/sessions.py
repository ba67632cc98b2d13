"""Sessions: a database session as a program enters it, and as FastAPI depends on it.

What it gives is of SQLAlchemy, or of PyMongo, as the database is: ``SessionT`` says which. It knows no database.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sqlmodel.ext.asyncio.session import AsyncSession
    from typing_extensions import TypeVar

    SessionT = TypeVar("SessionT", default=AsyncSession, covariant=True)
else:
    from typing import TypeVar

    SessionT = TypeVar("SessionT")


class SessionContext(AbstractAsyncContextManager[SessionT]):
    """A session as a context manager and, for FastAPI's dependencies, as the async generator behind it."""

    def __init__(self, generator: AsyncGenerator[SessionT, None]) -> None:
        self._generator = generator
        self._manager = asynccontextmanager(lambda: generator)()

    async def __aenter__(self) -> SessionT:
        return await self._manager.__aenter__()

    async def __aexit__(self, *error: Any) -> bool | None:
        return await self._manager.__aexit__(*error)

    async def __anext__(self) -> SessionT:
        return await self._generator.__anext__()

    async def athrow(self, *error: Any) -> SessionT:
        return await self._generator.athrow(*error)

    async def aclose(self) -> None:
        await self._generator.aclose()
