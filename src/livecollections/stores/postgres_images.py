"""Reads the images of PostgreSQL's log back to rows, by the codecs that serve SELECTs. It knows no connection."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..change import Key, Row
from .sql import Codec, Field, decode_row
from .sql_images import SqlImages
from .sql_log import Undecodable

Image = Sequence[str | None]
"""The texts of a row's columns."""


class PostgresImages(SqlImages):
    """Reads images back to rows."""

    def __init__(self, sources: Mapping[str, Mapping[str, Sequence[Field]]]) -> None:
        super().__init__(sources)
        self._plans: dict[tuple[str, str], list[tuple[int, str, Codec]]] = {}

    def is_new(self, layout: str | None) -> bool:
        """Whether a layout was not learnt."""
        return layout is not None and layout not in self._layouts

    def row(self, source: str, layout: str | None, image: Image) -> Row:
        """The row. Raises Undecodable."""
        if layout is None or len(self._layouts.get(layout, ())) != len(image):
            raise Undecodable(f"the layout {layout!r} is not known")
        plan = self._plans.get((source, layout))
        if plan is None:
            shown = self._sources[source]
            plan = self._plans[source, layout] = [
                (place, found.attribute, found.decode)
                for place, column in enumerate(self._layouts[layout])
                for found in shown.get(column, ())
            ]
        row: dict[str, Any] = dict(self._absent[source])
        for place, attribute, decode in plan:
            row[attribute] = decode(image[place])
        return row

    @staticmethod
    def key(source: str, fields: Sequence[Field], key: Image) -> Key:
        """The key that an entry bears. Raises Undecodable."""
        if len(key) != len(fields):
            raise Undecodable(f"the key {key!r} is not of {source}")
        return tuple(decode_row(fields, key).values())
