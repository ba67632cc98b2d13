"""Resource: what a model offers. Its source, its document, and the models that its input must satisfy.

A document is a function of one row. This module knows no database and no HTTP: a store describes a model
as a ``Source``, and a resource is built from that and from the options of the declaration.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .change import Key, Row


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a source.

    name: in the database.  attribute: on the model and in rows.  type: the annotation of its values.
    generated: the database makes the value (an autoincrement key, a computed column).
    has_default: a write may leave it out.
    """

    name: str
    attribute: str
    type: Any
    nullable: bool
    has_default: bool
    generated: bool


@dataclass(frozen=True, slots=True)
class Source:
    """A table as the layers above see it: ``columns`` that leave the database (excluded ones are not here),
    ``key`` the attributes of its primary key in order, ``model`` the user's class."""

    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    model: type

    def key_of(self, row: Row) -> Key:
        """The key of a row."""
        return tuple(row[attribute] for attribute in self.key)
