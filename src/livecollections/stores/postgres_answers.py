"""Answers on PostgreSQL: the rows that were answered to requests with an Idempotency-Key, as the log keeps them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import orjson

from ..change import Row
from ..errors import Conflict, StoreError
from ..source import Source
from .postgres_connection import answering
from .postgres_log import PostgresLog
from .sql import decode_row, table_source
from .sql_write import SECOND


def recalled(source: Source, layout: str | None, image: Sequence[str | None] | None) -> Row:
    """The row that was answered. Raises Conflict where its image can't be read back, StoreError where there is none."""
    if layout is None or image is None:
        raise StoreError("a repeated request's first answer is not known")
    stored = dict(zip(orjson.loads(layout), image, strict=True))
    fields = table_source(source).shown
    if any(found.name not in stored for found in fields):
        raise Conflict("this request was met before, but its answer can't be given again")
    return decode_row(fields, [stored[found.name] for found in fields])


async def made(pool: Any, log: PostgresLog, source: Source, keys: Sequence[str]) -> dict[str, Row]:
    """What requests of one document have made, by key, as far as it can be told."""
    table = log.names.idempotency
    async with answering(pool) as connection:
        found = await connection.fetch(
            f"SELECT key, layout, image FROM {table} AS asked WHERE key = ANY($1::text[]) "
            "AND source = $2 AND layout IS NOT NULL AND image IS NOT NULL "
            f"AND NOT EXISTS (SELECT FROM {table} AS other WHERE other.key = asked.key || $3::text)",
            keys,
            source.name,
            SECOND,
        )
    rows = {}
    for key, layout, image in found:
        with suppress(Conflict, ValueError):
            rows[key] = recalled(source, layout, image)
    return rows
