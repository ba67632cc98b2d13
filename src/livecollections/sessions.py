"""Sessions: a database session as a program enters it, and as FastAPI depends on it.

It knows no database.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any


class SessionContext(AbstractAsyncContextManager[Any]):
    """A session as a context manager and, for FastAPI's dependencies, as the async generator behind it."""

    def __init__(self, generator: AsyncGenerator[Any, None]) -> None:
        self._generator = generator
        self._manager = asynccontextmanager(lambda: generator)()

    async def __aenter__(self) -> Any:
        return await self._manager.__aenter__()

    async def __aexit__(self, *error: Any) -> bool | None:
        return await self._manager.__aexit__(*error)

    async def __anext__(self) -> Any:
        return await self._generator.__anext__()

    async def athrow(self, *error: Any) -> Any:
        return await self._generator.athrow(*error)

    async def aclose(self) -> None:
        await self._generator.aclose()
