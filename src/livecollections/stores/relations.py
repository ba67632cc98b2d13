"""Relations: what the rows of a mapped class refer to, and what refers to them, as its mapper tells.

Two rules. A relationship is known by its name, a foreign key of one column by that of its attribute. What has a
condition beside the columns that must be equal, or goes through more than one table, is none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapper, RelationshipProperty
from sqlalchemy.sql import operators

from ..source import Relation, Source, Through

Described = Callable[[sa.Table, type | None, Mapping[str, str]], Source]
"""Describes a table as far as some columns, given the class that is mapped to it and their attributes by name."""


def relations_of(
    mapper: Mapper[Any], attributes: Mapping[str, str], described: Described
) -> tuple[Relation, ...]:
    """The relations of a class. attributes: by the names of its columns.  described: for the other tables."""
    found = [
        _of_relationship(each, attributes, described)
        if each.secondary is None
        else _of_link(each, attributes, described)
        for each in mapper.relationships
    ]
    keys = [_of_key(mapper, column, attributes, described) for column in mapper.local_table.columns]
    return tuple(relation for relation in (*found, *keys) if relation is not None)


def _of_relationship(
    relationship: RelationshipProperty[Any], attributes: Mapping[str, str], described: Described
) -> Relation | None:
    pairs = relationship.local_remote_pairs or ()
    joined = _joined(relationship.primaryjoin, pairs, attributes, _attributes(relationship.mapper))
    if joined is None:
        return None
    source = _there(relationship.mapper, joined[1], described)
    if source is None:
        return None
    return Relation(relationship.key, source, *joined, many=bool(relationship.uselist))


def _of_link(
    relationship: RelationshipProperty[Any], attributes: Mapping[str, str], described: Described
) -> Relation | None:
    """What a table between leads to."""
    table = relationship.secondary
    if not isinstance(table, sa.Table) or table.schema:
        return None
    mapped = [other for other in relationship.mapper.registry.mappers if other.local_table is table]
    between = _attributes(mapped[0]) if mapped else {column.name: column.name for column in table.columns}
    near = _joined(relationship.primaryjoin, relationship.synchronize_pairs, attributes, between)
    pairs, there = relationship.secondary_synchronize_pairs or (), _attributes(relationship.mapper)
    far = _joined(relationship.secondaryjoin, pairs, there, between)
    if near is None or far is None or (other := _there(relationship.mapper, far[0], described)) is None:
        return None
    source = described(table, mapped[0].class_ if mapped else None, between)
    through = Through(source, near[1], far[1])
    return Relation(
        relationship.key, other, near[0], far[0], many=bool(relationship.uselist), through=through
    )


def _there(mapper: Mapper[Any], attributes: Sequence[str], described: Described) -> Source | None:
    """What is known of the other table; None for what is none."""
    table = mapper.local_table
    named = {name: each for name, each in _attributes(mapper).items() if each in attributes}
    return described(table, mapper.class_, named) if isinstance(table, sa.Table) else None


def _joined(
    condition: Any, pairs: Iterable[tuple[Any, Any]], here: Mapping[str, str], there: Mapping[str, str]
) -> tuple[tuple[str, ...], tuple[str, ...]] | None:
    """The attributes on both sides of a join; None unless it says that these are equal, and no more."""
    named = [(here.get(one.name), there.get(other.name)) for one, other in pairs]
    whole = [(one, other) for one, other in named if one is not None and other is not None]
    if not whole or len(whole) < len(named) or not _is_equality(condition, len(named)):
        return None
    return tuple(one for one, _ in whole), tuple(other for _, other in whole)


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


def _of_key(
    mapper: Mapper[Any], column: Any, attributes: Mapping[str, str], described: Described
) -> Relation | None:
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
    name, source = attributes[column.name], _there(referred[0], (there[far],), described)
    return None if source is None else Relation(name, source, (name,), (there[far],), many=False)


def _attributes(mapper: Mapper[Any]) -> dict[str, str]:
    return {
        prop.columns[0].name: prop.key
        for prop in mapper.column_attrs
        if isinstance(prop.columns[0], sa.Column)
    }
