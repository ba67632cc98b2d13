"""Choice: which store serves a database, as its URL or its engine says.

Two rules. No driver is imported before a database asks for it. What can't be served is refused in one line that says
what to do. It knows the stores by their names alone.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from ..errors import ConfigurationError
from .base import Store

T = TypeVar("T")


def open_store(database: Any, **options: Any) -> Store:
    """The store for a database: a URL, an engine, None for ``$DATABASE_URL``, or a store.

    options: as of Live; each store takes those that concern it. Raises ConfigurationError.
    """
    if isinstance(database, Store):
        return database
    database, opens = chosen(database, _STORES)
    return opens(database, options)


def chosen(database: Any, known: Mapping[str, T]) -> tuple[Any, T]:
    """The database (``$DATABASE_URL`` for None), and what is known for its scheme. Raises ConfigurationError."""
    if database is None:
        database = os.environ.get("DATABASE_URL")
        if not database:
            raise ConfigurationError("database: none is given, and DATABASE_URL is not set")
    scheme = scheme_of(database)
    if scheme not in known:
        spoken = ", ".join(sorted(known))
        raise ConfigurationError(f"database: {scheme!r} is not supported; this version speaks {spoken}")
    return database, known[scheme]


def scheme_of(database: Any) -> str:
    """What a URL, or an engine's, begins with, without the name of a driver."""
    if (
        type(database).__module__.partition(".")[0] == "pymongo"
    ):  # any attribute of a database is a collection
        return "mongodb"
    return str(getattr(database, "url", database)).partition(":")[0].partition("+")[0]


def _sqlite(database: Any, options: dict[str, Any]) -> Store:
    from .sqlite import SQLiteStore

    options.pop("notify", None)
    return SQLiteStore(database, **options)


def _mongo(database: Any, options: dict[str, Any]) -> Store:
    try:
        from .mongo import MongoStore
    except ModuleNotFoundError as error:
        raise missing(error, "bson", "MongoDB", "mongo") from error
    options.pop("synchronous", None)
    options.pop("notify", None)
    return MongoStore(database, **options)


def _postgres(database: Any, options: dict[str, Any]) -> Store:
    try:
        from .postgres import PostgresStore
    except ModuleNotFoundError as error:
        raise missing(error, "asyncpg", "PostgreSQL", "postgres") from error
    options.pop("synchronous", None)
    return PostgresStore(database, **options)


def missing(error: ModuleNotFoundError, driver: str, database: str, extra: str) -> Exception:
    """What to do where a driver is not installed, or whatever else was not found."""
    if error.name != driver:
        return error
    return ConfigurationError(f'database: for {database}, run pip install "livecollections[{extra}]"')


_STORES: dict[str, Callable[[Any, dict[str, Any]], Store]] = {
    "mongodb": _mongo,
    "postgres": _postgres,
    "postgresql": _postgres,
    "sqlite": _sqlite,
}
