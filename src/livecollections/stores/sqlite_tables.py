"""Tables: makes those in a SQLite file that models declare and that are not there. It knows no log."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import sqlalchemy as sa

from .sql import TableSource, make_missing
from .sqlite_connection import FileConnection, translated


def make_tables(writer: FileConnection, sources: Sequence[TableSource], path: str) -> None:
    """Make what is missing; nothing where Alembic has its table. Raises StoreError, naming the path."""
    engine = sa.create_engine("sqlite://", creator=lambda: writer, poolclass=sa.pool.StaticPool)
    try:
        with engine.connect() as connection:
            writer.begin_immediate()
            make_missing(connection, sources)
            connection.commit()
    except sa.exc.DBAPIError as error:
        raise translated(cast(Exception, error.orig), f"the database {path}") from error
