"""Relations: what the rows of a mapped class refer to, and what refers to them, as its mapper tells.

Two rules. A relationship is known by its name, a foreign key of one column by that of its attribute. What goes through
a third table is none: that table is no resource, so nobody has said who may see it. Nor is what has a condition beside
the columns that must be equal.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapper, RelationshipProperty
from sqlalchemy.sql import operators

from ..source import Relation


def relations_of(mapper: Mapper[Any], attributes: Mapping[str, str]) -> tuple[Relation, ...]:
    """The relations of a class. attributes: by the names of its columns."""
    found = [_of_relationship(each, attributes) for each in mapper.relationships]
    keys = [_of_key(mapper, column, attributes) for column in mapper.local_table.columns]
    return tuple(relation for relation in (*found, *keys) if relation is not None)


def _of_relationship(
    relationship: RelationshipProperty[Any], attributes: Mapping[str, str]
) -> Relation | None:
    there = _attributes(relationship.mapper)
    pairs = [
        (attributes.get(here.name), there.get(far.name))
        for here, far in relationship.local_remote_pairs or ()
    ]
    whole = [(here, far) for here, far in pairs if here is not None and far is not None]
    if relationship.secondary is not None or not whole or len(whole) < len(pairs):
        return None
    if not _is_equality(relationship.primaryjoin, len(pairs)):
        return None
    return Relation(
        relationship.key,
        relationship.mapper.class_,
        tuple(here for here, _ in whole),
        tuple(far for _, far in whole),
        many=bool(relationship.uselist),
    )


def _is_equality(condition: Any, pairs: int) -> bool:
    """Whether a join says no more than that so many pairs of columns are equal."""
    is_and = isinstance(condition, sa.BooleanClauseList) and condition.operator is operators.and_
    parts = list(condition.clauses) if is_and else [condition]
    return len(parts) == pairs and all(
        isinstance(part, sa.BinaryExpression)
        and part.operator is operators.eq
        and isinstance(part.left, sa.Column)
        and isinstance(part.right, sa.Column)
        for part in parts
    )


def _of_key(mapper: Mapper[Any], column: Any, attributes: Mapping[str, str]) -> Relation | None:
    """What a column refers to, where it is a foreign key by itself, of one class only."""
    if len(column.foreign_keys) != 1 or column.name not in attributes:
        return None
    (key,) = column.foreign_keys
    if len(key.constraint.columns) != 1:
        return None
    try:
        table, far = key.column.table, key.column.name
    except sa.exc.NoReferenceError:
        return None
    referred = [other for other in mapper.registry.mappers if other.local_table is table]
    if len(referred) != 1 or far not in (there := _attributes(referred[0])):
        return None
    name = attributes[column.name]
    return Relation(name, referred[0].class_, (name,), (there[far],), many=False)


def _attributes(mapper: Mapper[Any]) -> dict[str, str]:
    return {
        prop.columns[0].name: prop.key
        for prop in mapper.column_attrs
        if isinstance(prop.columns[0], sa.Column)
    }
