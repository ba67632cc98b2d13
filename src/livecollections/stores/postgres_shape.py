"""Shape: the statements for one source, whose columns are read as text and whose keys are bound as values.

This module knows the table as the catalogue tells it, and no connection.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine.interfaces import Dialect

from ..change import Row
from ..input import refused
from .postgres_conditions import PostgresConditions
from .postgres_fit import misfit
from .postgres_table import Table
from .postgres_triggers import quote, text_of
from .sql import TableSource, decode_row, encode_values


@dataclass(frozen=True, slots=True)
class Found:
    """A row: its key as the log writes it, what it shows as text, and as the model has it."""

    key: list[str]
    image: list[str | None]
    row: Row


class Shape:
    """The statements for one source."""

    def __init__(self, source: TableSource, table: Table, dialect: Dialect) -> None:
        self.source = source
        self.described = table
        self.columns = [found.name for found in source.shown]
        self._dialect = dialect
        self._shown = source.shown
        self._key = len(source.key_fields)
        self.table = quoted(source.table)
        keyed = [quote(found.name) for found in source.key_fields]
        self.key, self.key_of_t = ", ".join(keyed), ", ".join(f"t.{name}" for name in keyed)
        self.match = " AND ".join(f"t.{name} = ${place}" for place, name in enumerate(keyed, 1))
        names = [found.name for found in (*source.key_fields, *source.shown)]
        shown = ", ".join(text_of(f"t.{quote(name)}") for name in names)
        self.select = f"SELECT {shown} FROM {self.table} t WHERE {self.match}"
        self.lock = f"{self.select} FOR NO KEY UPDATE OF t"
        self.delete = f"DELETE FROM {self.table} t WHERE {self.match}"

    def conditions(self) -> PostgresConditions:
        """What compiles the conditions of one statement."""
        return PostgresConditions(self.source, self.described.columns, self._dialect)

    def encoded(self, values: Mapping[str, Any], *, insert: bool) -> dict[str, Any]:
        """Column name → value for the driver, or Expression. Raises InvalidDocument, also for what no column keeps."""
        encoded = encode_values(self.source, values, self._dialect, insert=insert)
        for found in self.source.fields.values():
            kind = self.described.columns.get(found.name)
            if kind and (reason := misfit(kind, encoded.get(found.name))):
                raise refused(found.attribute, reason)
        return encoded

    def found(self, stored: Sequence[Any] | None) -> Found | None:
        """What ``select`` gave."""
        if stored is None:
            return None
        texts = list(stored)
        image = texts[self._key :]
        return Found(texts[: self._key], image, decode_row(self._shown, image))


def quoted(table: sa.Table) -> str:
    """A table's name as SQL has it."""
    return f"{quote(table.schema)}.{quote(table.name)}" if table.schema else quote(table.name)
