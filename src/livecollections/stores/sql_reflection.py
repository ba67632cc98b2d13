"""Reflection: mapped classes of tables that others made, for the stores to describe like anybody's.

Three rules. An attribute has its column's name, unless Python can't have it: then documents show the column's name all
the same. The classes of one reading share a registry, so that foreign keys lead from one to another. What can't be
live is told with its reason, and the rest is not held up by it.

It knows SQLAlchemy's inspector, and no database in particular.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from typing import Any

import sqlalchemy as sa
from pydantic import BaseModel
from sqlalchemy.orm import registry
from sqlalchemy.types import NullType

from ..errors import ConfigurationError
from .administration import Found
from .sql import DOCUMENT_NAME

VIEW = "it is a view: serve the tables behind it"
KEYLESS = "it has no primary key"

UNSHOWN = "livecollections.unshown"
"""Where the ``info`` of a column says that no document can show it."""

Check = Callable[[sa.Table], str]
"""What a database in particular says against a table, or puts right in it; "" is nothing."""


def reflect(
    connection: sa.Connection, names: Collection[str], ours: Callable[[str], bool], check: Check
) -> list[Found]:
    """What there is of tables and views in the usual schema; in others where names say so (``sales.orders``).

    names: these alone, all if none.  ours: whether a table is of our log.
    Raises ConfigurationError for a name that the database lacks.
    """
    inspector = sa.inspect(connection)
    schemas = {name.rpartition(".")[0] for name in names} & set(inspector.get_schema_names())
    there: dict[str, tuple[str | None, str, bool]] = {}
    for schema in (None, *sorted(schemas)):
        for table, is_view in _named(inspector, schema):
            name = f"{schema}.{table}" if schema else table
            if not ours(name):
                there[name] = schema, table, is_view
    if missing := set(names) - there.keys():
        raise ConfigurationError(f"the database has no table {', '.join(sorted(missing))}")
    metadata = sa.MetaData()
    wanted = sorted(set(names) or there)
    for schema in {there[name][0] for name in wanted}:
        tables = [there[name][1] for name in wanted if there[name][0] == schema and not there[name][2]]
        with warnings.catch_warnings():
            # Of types that SQLAlchemy does not know: such columns are shown as they are stored.
            warnings.simplefilter("ignore", sa.exc.SAWarning)
            metadata.reflect(connection, schema=schema, only=tables, resolve_fks=False)
    shared = registry(metadata=metadata)
    return [
        Found(name, None, VIEW) if there[name][2] else _found(shared, name, metadata.tables.get(name), check)
        for name in wanted
    ]


def _named(inspector: sa.Inspector, schema: str | None) -> Iterator[tuple[str, bool]]:
    """The tables and views of a schema; whether each is a view."""
    yield from ((name, False) for name in inspector.get_table_names(schema))
    yield from ((name, True) for name in inspector.get_view_names(schema))
    with suppress(NotImplementedError):
        yield from ((name, True) for name in inspector.get_materialized_view_names(schema))


def _found(shared: registry, name: str, table: sa.Table | None, check: Check) -> Found:
    if table is None:
        return Found(name, None, "it can't be read")
    if reason := check(table) or _fault(table):
        return Found(name, None, reason)
    columns = {
        attribute: table.columns[column] for column, attribute in _attributes(list(table.columns.keys()))
    }
    unshown = {
        attribute: not column.nullable and column.server_default is None
        for attribute, column in columns.items()
        if column.info.get(UNSHOWN)
    }
    return Found(name, _model(shared, table, columns), unshown=unshown)


def _fault(table: sa.Table) -> str:
    """Why a table can't be live."""
    if not table.primary_key.columns:
        return KEYLESS
    untyped = [column.name for column in table.primary_key.columns if isinstance(column.type, NullType)]
    return f"its key, {', '.join(untyped)}, is of no type that a URL could name" if untyped else ""


def _model(shared: registry, table: sa.Table, columns: Mapping[str, sa.Column[Any]]) -> type:
    model = type(re.sub(r"\W", "_", table.fullname), (), {"__doc__": table.comment})
    for attribute, column in columns.items():
        if attribute != column.name:
            column.info[DOCUMENT_NAME] = str(column.name)
    shared.map_imperatively(model, table, properties=columns)
    return model


def _attributes(names: Collection[str]) -> Iterator[tuple[str, str]]:
    """Columns' names, each with that of its attribute: one that a class of Pydantic can have for a field."""
    taken = {name for name in names if _is_attribute(name)}
    for name in map(str, names):
        attribute = name
        if name not in taken:
            attribute = f"column_{re.sub(r'[^a-zA-Z0-9_]', '_', name)}"
            while attribute in taken:
                attribute += "_"
            taken.add(attribute)
        yield name, attribute


def _is_attribute(name: str) -> bool:
    return name.isidentifier() and not name.startswith(("_", "model_")) and not hasattr(BaseModel, name)
