"""Administrations: which one a database has, as its URL or its engine says.

No driver is imported before a database asks for it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .administration import Administration
from .base import Log
from .choice import chosen, missing


def administration_of(database: Any, log: Log | None = None) -> Administration:
    """What administers a database: a URL, an engine, or None for ``$DATABASE_URL``. Raises ConfigurationError."""
    database, administers = chosen(database, _ADMINISTRATIONS)
    return administers(database, log)


def _sqlite(database: Any, log: Log | None) -> Administration:
    from .sqlite_administration import SQLiteAdministration

    return SQLiteAdministration(database, log)


def _mongo(database: Any, log: Log | None) -> Administration:
    try:
        from .mongo_administration import MongoAdministration
    except ModuleNotFoundError as error:
        raise missing(error, "bson", "MongoDB", "mongo") from error
    return MongoAdministration(database, log)


def _postgres(database: Any, log: Log | None) -> Administration:
    try:
        from .postgres_administration import PostgresAdministration
    except ModuleNotFoundError as error:
        raise missing(error, "asyncpg", "PostgreSQL", "postgres") from error
    return PostgresAdministration(database, log)


_ADMINISTRATIONS: dict[str, Callable[[Any, Log | None], Administration]] = {
    "mongodb": _mongo,
    "postgres": _postgres,
    "postgresql": _postgres,
    "sqlite": _sqlite,
}
