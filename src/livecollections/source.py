"""Source: the table behind a resource, as the layers above the store see it.

A store describes a model as a Source. This module knows no database.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .change import Key, Row


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a source.

    name: in the database.  attribute: on the model and in rows.  type: the annotation of its values.
    generated: the database makes the value (an autoincrement key, a computed column).
    has_default: a write may leave it out.  default: makes the value that it then has, where Python knows it.
    length: the most characters that a text may have.  unique: no two rows have the same value.
    alias: its name in documents, where that is not the attribute's.
    """

    name: str
    attribute: str
    type: Any
    nullable: bool
    has_default: bool
    generated: bool
    default: Callable[[], Any] | None = field(default=None, compare=False)
    length: int | None = None
    unique: bool = False
    alias: str | None = None

    @property
    def is_filled(self) -> bool:
        """Whether only the database knows what a write that leaves the column out gives it."""
        return self.generated or (self.has_default and self.default is None)


@dataclass(frozen=True, slots=True)
class Through:
    """A table between two models: its rows whose ``near`` are as the ``here`` of a row lead to those whose ``there``
    are as its ``far``. source: its model is the class that is mapped to it, or object."""

    source: Source
    near: tuple[str, ...]
    far: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Relation:
    """Rows of another model that belong to a row: those whose ``there`` are as its ``here``, attribute by attribute.

    name: by which it is asked for.  source: the other model's, as far as the columns of ``there``.
    many: there may be several.  through: the table between, where there is one.
    """

    name: str
    source: Source
    here: tuple[str, ...]
    there: tuple[str, ...]
    many: bool
    through: Through | None = None

    def leads_as(self, other: Relation) -> bool:
        """Whether the same rows belong to a row by another relation, whatever it is called."""
        return dataclasses.replace(self, name=other.name) == other


@dataclass(frozen=True, slots=True)
class Source:
    """A table as the layers above see it: ``columns`` that leave the database (excluded ones are not here),
    ``key`` the attributes of its primary key in order, ``model`` the user's class, ``relations`` to other models,
    ``annotations`` of attributes that bodies give in another form than the model says."""

    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    model: type
    relations: tuple[Relation, ...] = field(default=(), kw_only=True, compare=False)
    annotations: Mapping[str, Any] = field(default_factory=dict, kw_only=True, compare=False)

    def alike(self, relation: Relation) -> list[str]:
        """The names by which the same is asked for as by a relation: a relationship's, and that of its foreign key."""
        return [each.name for each in self.relations if each.leads_as(relation)]

    def meant(self, source: Source, attributes: Sequence[str]) -> tuple[str, ...] | None:
        """Its own attributes for those of another class that is mapped to the same table.

        None unless it has them all, with values of the same types.
        """
        if source.model is self.model:
            return tuple(attributes)
        own = {column.name: column for column in self.columns}
        named = {column.attribute: column for column in source.columns}
        pairs = [(one, own.get(one.name)) for each in attributes if (one := named.get(each)) is not None]
        found = [other.attribute for one, other in pairs if other is not None and other.type == one.type]
        return tuple(found) if len(found) == len(attributes) else None

    def key_of(self, row: Row) -> Key:
        """The key of a row."""
        return tuple(row[attribute] for attribute in self.key)
