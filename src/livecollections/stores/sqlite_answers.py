"""Answers on SQLite: the rows that were answered to requests with an Idempotency-Key, as the log keeps them."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from contextlib import suppress

from ..change import Row
from ..errors import Conflict
from ..source import Source
from .sql_log import Undecodable
from .sql_write import SECOND
from .sqlite_log import ChangeLog, Images, layouts


def recalled(
    connection: sqlite3.Connection, log: ChangeLog, images: Images, source: Source, image: str
) -> Row:
    """The row that was answered. Raises Conflict where its image can't be read back."""
    if images.is_new(image):
        images.learn(layouts(connection, log.log))
    try:
        whole = images.row(source.name, image)
    except Undecodable as error:
        raise Conflict("this request was met before, but its answer can't be given again") from error
    return {column.attribute: whole[column.attribute] for column in source.columns}


def made(
    connection: sqlite3.Connection, log: ChangeLog, images: Images, source: Source, keys: Sequence[str]
) -> dict[str, Row]:
    """What requests of one document have made, by key, as far as it can be told."""
    table = log.names.idempotency
    found = connection.execute(
        f"SELECT key, image FROM {table} AS asked WHERE key IN (SELECT value FROM json_each(?)) "
        "AND source = ? AND image IS NOT NULL "
        f"AND NOT EXISTS (SELECT 1 FROM {table} AS other WHERE other.key = asked.key || ?)",
        (json.dumps(keys), source.name, SECOND),
    ).fetchall()
    rows = {}
    for key, image in found:
        with suppress(Conflict):
            rows[key] = recalled(connection, log, images, source, image)
    return rows
