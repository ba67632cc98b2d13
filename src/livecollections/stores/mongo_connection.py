"""Connecting to MongoDB, and its errors as ours.

A server that is no member of a replica set has no change streams: that is said at start, with what to do. It knows no
collection.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pymongo.errors
from pymongo import AsyncMongoClient
from pymongo.asynchronous.database import AsyncDatabase

from ..errors import (
    ConfigurationError,
    ConstraintViolated,
    InvalidDocument,
    LiveError,
    StoreError,
    StoreUnavailable,
)
from .mongo_values import CODEC

Database = AsyncDatabase[dict[str, Any]]

PATIENCE = 10.0
"""Seconds that a write or a list may take."""
SELECTION = 5_000
"""Milliseconds in which a server must be found, where the URL does not say."""
HISTORY_LOST = frozenset({10334, 280, 286})
"""What a change stream ends with that can't be followed any further."""
STANDALONE = (
    "the MongoDB server is a standalone, which has no change streams: start it as a replica set of one "
    "(mongod --replSet rs0), and then, once, run rs.initiate() in mongosh"
)


class Connection:
    """A database by its URL, or an AsyncDatabase of the user's (which stays open)."""

    def __init__(self, database: Any) -> None:
        self._given = database
        self._client: AsyncMongoClient[dict[str, Any]] | None = None
        if isinstance(database, str):
            _check_database(database)
        elif not isinstance(database, AsyncDatabase):
            raise ConfigurationError(
                f"database: a URL or an AsyncDatabase of PyMongo is needed, not {database!r}"
            )

    async def open(self) -> Database:
        """The database. Raises StoreUnavailable, ConfigurationError."""
        if isinstance(self._given, AsyncDatabase):
            database = self._given.with_options(codec_options=CODEC)
        else:
            says = "serverselectiontimeoutms=" in self._given.lower()
            options: dict[str, Any] = {} if says else {"serverSelectionTimeoutMS": SELECTION}
            with translated():
                self._client = AsyncMongoClient(self._given, appname="livecollections", **options)
            database = self._client.get_default_database(codec_options=CODEC)
        try:
            with translated():
                hello = await database.client.admin.command("hello")
            if "setName" not in hello and hello.get("msg") != "isdbgrid":
                raise ConfigurationError(STANDALONE)
        except BaseException:
            await self.close()
            raise
        return database

    async def close(self) -> None:
        """Close what was opened here."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()


def _check_database(url: str) -> None:
    if re.fullmatch(r"mongodb(?:\+srv)?://[^/?]+/[^/?]+(?:\?.*)?", url) is None:
        raise ConfigurationError("database: the URL names no database: mongodb://localhost:27017/shop does")


@contextmanager
def translated() -> Iterator[None]:
    """Errors of PyMongo are raised as ours."""
    try:
        yield
    except LiveError:
        raise
    except Exception as error:
        raise translation(error) from error


def translation(error: Exception) -> Exception:
    """An error of PyMongo as one of ours; any other as it is."""
    if isinstance(error, pymongo.errors.BulkWriteError):
        told = (error.details or {}).get("writeErrors") or [{}]
        if told[0].get("code") == 11000:
            return ConstraintViolated("unique", [*(told[0].get("keyPattern") or {})])
        if told[0].get("code") == 121:
            return ConstraintViolated("check")
    if isinstance(error, pymongo.errors.DuplicateKeyError):
        return ConstraintViolated("unique", [*((error.details or {}).get("keyPattern") or {})])
    if isinstance(error, pymongo.errors.WriteError) and error.code == 121:
        return ConstraintViolated("check")
    if isinstance(error, pymongo.errors.ConfigurationError | pymongo.errors.InvalidURI):
        return ConfigurationError(f"database: {error}")
    if isinstance(error, pymongo.errors.DocumentTooLarge):
        return InvalidDocument("the document is larger than MongoDB takes")
    if isinstance(error, pymongo.errors.OperationFailure) and error.code == 50:
        return StoreUnavailable("MongoDB takes too long for this: ask for a part of it, with limit and skip")
    if isinstance(error, pymongo.errors.OperationFailure):
        return StoreError(
            f"MongoDB refuses: {(error.details and error.details.get('codeName')) or error.code}"
        )
    if isinstance(error, pymongo.errors.PyMongoError):
        return StoreUnavailable(f"MongoDB can't be reached: {type(error).__name__}")
    return error
