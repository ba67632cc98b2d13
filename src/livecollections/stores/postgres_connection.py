"""Connections to PostgreSQL: what URLs mean, as hosts hand them out, and the pool.

Two rules. A URL may be written for another driver: what only that one knows is left out, nothing is asked of the user.
Every connection of the pool writes values as text in one way (``SETTINGS``). This module knows no log and no source.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import date
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import asyncpg

from ..errors import ConfigurationError, StoreUnavailable
from .postgres_errors import is_lost, translated, translating
from .postgres_triggers import SETTINGS, literal

CONNECTIONS = 10
"""The most that the pool of one process opens."""
PATIENCE = 10.0
"""Seconds that a connection may take to be opened, or to become free."""

_FOREIGN = frozenset(
    {
        "async_fallback", "channel_binding", "client_encoding", "connection_limit", "fallback_application_name",
        "gssencmode", "keepalives", "keepalives_count", "keepalives_idle", "keepalives_interval", "load_balance_hosts",
        "pgbouncer", "pool_timeout", "prepare_threshold", "prepared_statement_cache_size", "requirepeer",
        "requiressl", "schema", "sslcompression", "sslsni", "tcp_user_timeout",
    }
)  # fmt: skip
"""Of libpq and of other drivers: nothing that this one could do."""


def dsn_of(database: Any) -> str:
    """The URL that the driver takes, of a URL or an engine of SQLAlchemy's. Raises ConfigurationError."""
    url = getattr(database, "url", database)
    text = url.render_as_string(hide_password=False) if hasattr(url, "render_as_string") else str(url)
    _, _, rest = text.partition("://")
    if "@" in "".join(re.split("[/?#]", rest, maxsplit=1)[1:]):
        # A part of a password would stand where errors show what they are given.
        raise ConfigurationError(
            "database: this is no URL of PostgreSQL: a password has %2F, %3F, %23, %40 for / ? # @"
        )
    try:
        parts = urlsplit(text)
        asked = dict(parse_qsl(parts.query, strict_parsing=bool(parts.query)))
    except ValueError as error:
        raise ConfigurationError(f"database: this is no URL of PostgreSQL: {error}") from error
    if parts.scheme.partition("+")[0] not in ("postgres", "postgresql"):
        raise ConfigurationError(f"database: {parts.scheme!r} is not PostgreSQL")
    if "ssl" in asked:  # as SQLAlchemy's URLs for this driver have it
        asked["sslmode"] = asked.pop("ssl")
    kept = {name: value for name, value in asked.items() if name not in _FOREIGN}
    # An empty host has to stay one: urlunsplit would leave the slashes out.
    return f"postgresql://{parts.netloc}{urlunsplit(('', '', parts.path, urlencode(kept), ''))}"


def shown(dsn: str) -> str:
    """A URL without its password and its options, for messages."""
    parts = urlsplit(dsn)
    user, _, host = parts.netloc.rpartition("@")
    user = user.partition(":")[0]
    return f"postgresql://{user + '@' if user else ''}{host}{parts.path}"


def arguments(dsn: str) -> dict[str, Any]:
    """What the driver's ``connect`` takes for a URL."""
    parts = urlsplit(dsn)
    asked = dict(parse_qsl(parts.query))
    patience = float(asked.pop("connect_timeout", 0)) or PATIENCE
    given: dict[str, Any] = {"timeout": patience, "server_settings": _own(asked)}
    if asked.get("sslrootcert") == "system":
        del asked["sslrootcert"]
        asked.pop("sslmode", None)
        given["ssl"] = ssl.create_default_context()
    given["dsn"] = f"postgresql://{parts.netloc}{urlunsplit(('', '', parts.path, urlencode(asked), ''))}"
    return given


def _own(asked: Mapping[str, str]) -> dict[str, str]:
    name = asked.get("application_name")
    return {"application_name": name or "livecollections"}


async def connect(dsn: str, settings: Mapping[str, str]) -> Any:
    """Open a connection. settings: of its session. Raises StoreUnavailable, naming the database."""
    try:
        connection = await asyncpg.connect(**arguments(dsn))
        try:
            await use(connection, settings)
        except BaseException:
            connection.terminate()
            raise
        return connection
    except Exception as error:
        raise _unopened(dsn, error) from error


async def open_pool(dsn: str) -> Any:
    """Open a pool of connections to a primary server. Raises StoreUnavailable, ConfigurationError."""
    try:
        pool = await asyncpg.create_pool(
            **arguments(dsn),
            min_size=1,
            max_size=CONNECTIONS,
            init=prepare,
            reset=_left,
        )
        if await pool.fetchval("SELECT pg_is_in_recovery()"):
            await pool.close()
            raise StoreUnavailable(
                "the database takes no writes", f"{shown(dsn)} is a standby; give the primary"
            )
    except Exception as error:
        raise _unopened(dsn, error) from error
    return pool


async def prepare(connection: Any) -> None:
    """Have values put out in one way, and times bound as they are: the driver takes the first and the last that Python
    has for infinite ones."""
    await use(connection, {**SETTINGS, "jit": "off"})
    for name in ("date", "timestamp", "timestamptz"):
        await connection.set_type_codec(name, schema="pg_catalog", encoder=_stamp, decoder=str, format="text")


async def use(connection: Any, settings: Mapping[str, str]) -> None:
    """Have a session use settings. Poolers take none of them when a connection begins."""
    if settings:
        await connection.execute(
            "; ".join(f"SET {name} = {literal(value)}" for name, value in settings.items())
        )


def _stamp(value: Any) -> str:
    return value.isoformat() if isinstance(value, date) else str(value)


def _unopened(dsn: str, error: Exception) -> Exception:
    if isinstance(error, asyncpg.ClientConfigurationError):
        return ConfigurationError(f"database: {error}")
    found = translated(error, f"the database {shown(dsn)}")
    if isinstance(found, StoreUnavailable):
        return found
    return StoreUnavailable(f"the database {shown(dsn)} can't be opened", str(found))


async def _left(connection: Any) -> None:
    """The driver would ask the server to forget everything, SETTINGS too; all that we leave is a transaction."""


@asynccontextmanager
async def acquired(pool: Any) -> AsyncIterator[Any]:
    """A connection of the pool; errors of the driver become ours. Raises StoreUnavailable."""
    with translating():
        async with pool.acquire(timeout=PATIENCE) as connection:
            yield connection


@contextmanager
def watched(connection: Any, within: float | None = None) -> Iterator[None]:
    """End a connection if a block takes longer. within: seconds; PATIENCE if None."""
    late = asyncio.get_running_loop().call_later(within or PATIENCE, connection.terminate)
    try:
        yield
    finally:
        late.cancel()


@asynccontextmanager
async def answering(pool: Any, within: float | None = None) -> AsyncIterator[Any]:
    """A connection for what a server that is there answers soon. Raises StoreUnavailable.

    within: seconds; PATIENCE if None. Of a machine that has vanished nobody is told for a quarter of an hour: where no
    answer comes in time, the connection is ended, and of those that were opened before none is used again.
    """
    async with acquired(pool) as connection:
        try:
            with watched(connection, within):
                yield connection
        except Exception as error:
            if is_lost(error):
                await pool.expire_connections()
            raise


async def close(pool: Any) -> None:
    """Close a pool; connections that say nothing to that are ended."""
    with suppress(TimeoutError):
        async with asyncio.timeout(PATIENCE):
            await pool.close()


def transaction(connection: Any) -> Any:
    """A transaction, undone if the block raises."""
    return connection.transaction(isolation="read_committed")


def snapshot(connection: Any) -> Any:
    """A transaction that reads, of one snapshot."""
    return connection.transaction(isolation="repeatable_read", readonly=True)
