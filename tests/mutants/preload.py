"""What hunters import that is not ours, before they are forked. A name that is missing costs time, and nothing else."""

from __future__ import annotations

import gc
from importlib import import_module

IMPORTED = (
    "aiosqlite", "asyncpg", "beanie", "fastapi", "h2", "httpx", "orjson", "pytest", "rich.progress", "rich.traceback",
    "sqlalchemy.dialects.postgresql.asyncpg", "sqlalchemy.dialects.sqlite.aiosqlite", "sqlalchemy.ext.asyncio",
    "sqlmodel", "standardwebhooks", "starlette.applications", "typer", "uvicorn.protocols.http.httptools_impl",
    "uvicorn.protocols.websockets.websockets_sansio_impl", "websockets.asyncio.client",
)  # fmt: skip

for name in IMPORTED:
    import_module(name)
gc.collect()
gc.freeze()
