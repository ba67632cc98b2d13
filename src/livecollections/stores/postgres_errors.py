"""What PostgreSQL's errors, and its driver's, mean here.

A refusal names the columns only where the server does so apart from its text, which is in the server's own language.
This module knows no connection.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import asyncpg

from ..errors import (
    ConstraintViolated,
    InvalidDocument,
    LiveError,
    SchemaMismatch,
    StoreError,
    StoreUnavailable,
)
from .sql_write import Theirs

_KINDS = {
    "23505": "unique",
    "23P01": "unique",
    "23503": "foreign key",
    "23001": "foreign key",
    "23502": "not null",
    "23514": "check",
    "23000": "check",
    "44000": "check",
    "P0001": "check",
}
"""What each of these refusals is of; a trigger's own (P0001) is a check as well."""
_MISSING = {"42P01": "table", "42703": "column", "3F000": "schema", "42704": "object"}
_NAMED = re.compile(r'\w+ (?:"([^"]+)"|(?:\w+\.)?(.+?)) (?:of relation .+ )?does not exist')
"""What names it: each statement has its own words for the same column."""
_UNFIT = ("22", "54", "42804", "0A000", "42846")
"""Of a value; of its size; of its type."""
_BUSY = ("55P03", "40P01", "40001")
"""Somebody else's lock, or a quarrel with him: the same may succeed a moment later."""
_UNAVAILABLE = ("08", "53", "57", "58", "28", "3D", "25006", *_BUSY)


def translated(error: BaseException, where: str = "the database") -> Exception:
    """A driver's error as ours; anything else as it is."""
    if isinstance(error, Theirs):
        return error.error
    if isinstance(error, LiveError):
        return error
    if not isinstance(error, Exception):
        return StoreUnavailable(f"{where} is not available", repr(error))
    if isinstance(error, asyncpg.CharacterNotInRepertoireError) and "0x00" not in str(error):
        # Of what we send, NUL alone is refused so.
        return StoreError(f"{where} holds a text that is not UTF-8, as its encoding SQL_ASCII lets it")
    if isinstance(error, asyncpg.DataError | UnicodeError | OverflowError):
        return InvalidDocument("a value is not one that the database can store")
    if isinstance(error, asyncpg.InvalidCachedStatementError):
        return SchemaMismatch("a table has changed meanwhile")
    if isinstance(error, asyncpg.PostgresError):
        return _told(error, error.sqlstate or "", where)
    if is_lost(error) or isinstance(error, asyncpg.InterfaceError | OSError | TimeoutError):
        return StoreUnavailable(f"{where} is not available", str(error) or repr(error))
    return error


def _told(error: asyncpg.PostgresError, state: str, where: str) -> Exception:
    if kind := _KINDS.get(state):
        named = getattr(error, "column_name", None)
        return ConstraintViolated(kind, [named] if named else [])
    if missing := _MISSING.get(state):
        found = _NAMED.match(str(error))
        if found is None:  # it speaks another language
            return SchemaMismatch(f"the database lacks a {missing} that was declared: {error}")
        return SchemaMismatch(f"there is no {missing} {found[1] or found[2]} in the database")
    if state.startswith(_UNAVAILABLE):
        return StoreUnavailable(f"{where} is not available", str(error) or repr(error))
    if state.startswith(_UNFIT):
        return InvalidDocument("a value is not one that the database can store")
    return StoreError(f"{where} refused: {error}")


@contextmanager
def translating(where: str = "the database") -> Iterator[None]:
    """What a block raises, as an error of ours."""
    try:
        yield
    except Exception as error:
        if (found := translated(error, where)) is error:
            raise
        raise found from error


def is_busy(error: BaseException) -> bool:
    """Whether the same may succeed a moment later, or with more patience."""
    return isinstance(error, asyncpg.PostgresError) and error.sqlstate in _BUSY


def is_lost(error: BaseException) -> bool:
    """Whether the connection is gone, or was told to go, which the driver takes for an operation that goes on."""
    if isinstance(error, asyncpg.InterfaceError):
        return "closed" in str(error)
    return isinstance(
        error,
        asyncpg.PostgresConnectionError
        | asyncpg.ConnectionDoesNotExistError
        | asyncpg.AdminShutdownError
        | asyncpg.CrashShutdownError
        | asyncpg.CannotConnectNowError
        | asyncpg.InternalClientError
        | ConnectionError,
    )


def constraint_fields(
    error: BaseException, columns: Mapping[str, Sequence[str]], attributes: Mapping[str, str]
) -> Sequence[str]:
    """The attributes that a violated constraint concerns.

    columns: of each unique constraint and index, by its name.  attributes: by the names of columns.
    """
    column, constraint = getattr(error, "column_name", None), getattr(error, "constraint_name", None)
    named = [column] if column else columns.get(constraint or "", ())
    return [attributes[name] for name in named if name in attributes]
