"""What SQL stores share: reading mapped classes, codecs, and defaults.

Two rules. One decoding serves SELECTs and the log's images, so that GET equals push; it never raises: what a
type can't convert is given as stored. Encoding refuses with InvalidDocument what a column can't take, or would alter.
This module knows SQLAlchemy's tables and types, and no connection.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine.interfaces import Dialect
from sqlalchemy.orm import Mapper

from ..change import Key, Row
from ..errors import ConfigurationError
from ..input import refused
from ..portable import Misfit
from ..source import Column, Source
from .relations import relations_of

Codec = Callable[[Any], Any]

LARGEST_INTEGER = 2**63 - 1
DOCUMENT_NAME = "livecollections.name"
"""Where a column's ``info`` bears its name in documents, if its attribute has another."""
INEXACT = "has more digits than this column keeps exactly"
"""Why a number is refused that would come back as another."""


@dataclass(frozen=True, slots=True)
class Field:
    """One mapped column with its codecs; ``decode`` never raises, ``encode`` raises InvalidDocument.

    is_plain: what is stored is the value itself.
    """

    attribute: str
    column: sa.Column[Any]
    decode: Codec
    encode: Codec
    is_plain: bool

    @property
    def name(self) -> str:
        """The column's name in the database."""
        # A reflected one is of a kind of its own, which JSON takes for no text.
        return str(self.column.name)


Coded = Callable[[str, sa.Column[Any], Dialect], Field]
"""Gives a column, whose attribute is this, its codecs."""


@dataclass(frozen=True, slots=True)
class TableSource(Source):
    """A source that is a table. ``fields`` are all that the model maps, excluded ones too, by attribute."""

    table: sa.Table = field(compare=False, repr=False)
    fields: Mapping[str, Field] = field(compare=False, repr=False)

    @property
    def shown(self) -> list[Field]:
        """The fields that leave the database."""
        return [self.fields[column.attribute] for column in self.columns]

    @property
    def key_fields(self) -> list[Field]:
        """The fields of the primary key."""
        return [self.fields[attribute] for attribute in self.key]

    def encode_key(self, key: Key) -> list[Any]:
        """A key as its columns store it. Raises InvalidDocument."""
        return [field.encode(value) for field, value in zip(self.key_fields, key, strict=True)]


def table_source(source: Source) -> TableSource:
    """The source as its SQL store described it."""
    if not isinstance(source, TableSource):
        raise ConfigurationError(f"the source {source.name!r} was not described by this store")
    return source


def describe(
    model: type,
    exclude: Collection[str],
    dialect: Dialect,
    coded: Coded | None = None,
) -> TableSource:
    """Read a SQLModel ``table=True`` class or any class mapped by SQLAlchemy.

    exclude: attributes that never leave the database.  coded: gives a column its codecs. Raises ConfigurationError.
    """
    coding = coded or _field
    mapper = _mapper(model)
    table = mapper.local_table
    name = model.__name__
    if not isinstance(table, sa.Table) or mapper.persist_selectable is not table:
        raise ConfigurationError(f"{name} is mapped to several tables; a live model has one table of its own")
    if table.schema and dialect.name == "sqlite":
        raise ConfigurationError(f"{name}: a schema ({table.schema!r}) is not supported here")
    fields = {
        prop.key: coding(prop.key, prop.columns[0], dialect)
        for prop in mapper.column_attrs
        if isinstance(prop.columns[0], sa.Column) and prop.columns[0].table is table
    }
    attribute_of = {found.name: attribute for attribute, found in fields.items()}
    key = tuple(attribute_of[column.name] for column in table.primary_key.columns)
    if not key:
        raise ConfigurationError(f"{name} has no primary key; a document needs one")
    if unknown := set(exclude) - set(fields):
        raise ConfigurationError(f"exclude names what {name} does not have: {', '.join(sorted(unknown))}")
    if hidden := set(exclude) & set(key):
        raise ConfigurationError(f"exclude names the primary key of {name}: {', '.join(sorted(hidden))}")
    annotations = _annotations(model)
    columns = tuple(
        _column(found, annotations.get(attribute))
        for attribute, found in fields.items()
        if attribute not in exclude
    )

    def between(table: sa.Table, model: type | None, attributes: Mapping[str, str]) -> Source:
        return _between(table, model or object, attributes, dialect, coding)

    relations = relations_of(mapper, attribute_of, between)
    called = str(table.fullname)
    return TableSource(called, columns, key, model, table=table, fields=fields, relations=relations)


def _between(
    table: sa.Table, model: type, attributes: Mapping[str, str], dialect: Dialect, coded: Coded
) -> TableSource:
    """A table that is referred to, or links others. attributes: by the names of its columns, where these count."""
    fields = {
        attributes[column.name]: coded(attributes[column.name], column, dialect)
        for column in table.columns
        if column.name in attributes
    }
    annotations = {} if model is object else _annotations(model)
    columns = tuple(_column(found, annotations.get(attribute)) for attribute, found in fields.items())
    key = tuple(attributes[column.name] for column in table.primary_key.columns if column.name in attributes)
    return TableSource(str(table.fullname), columns, key, model, table=table, fields=fields)


def _mapper(model: type) -> Mapper[Any]:
    mapper: Any = sa.inspect(model, raiseerr=False)
    if not isinstance(mapper, Mapper):
        name = getattr(model, "__name__", repr(model))
        raise ConfigurationError(
            f"{name} has no table: give a SQLModel class with table=True or a class mapped by SQLAlchemy"
        )
    return mapper


def _annotations(model: type) -> dict[str, Any]:
    fields = getattr(model, "model_fields", None)
    if isinstance(fields, dict):
        return {name: info.annotation for name, info in fields.items()}
    try:
        hints = typing.get_type_hints(model)
    except Exception:  # annotations that name what only a type checker imports
        return {}
    return {name: typing.get_args(hint)[0] for name, hint in hints.items() if typing.get_args(hint)}


def _column(found: Field, annotation: Any) -> Column:
    column = found.column
    annotation = _without_none(annotation) if annotation is not None else _python_type(column)
    makes_key = column is column.table.autoincrement_column and column.default is None
    generated = column.computed is not None or column.identity is not None or makes_key
    nullable = bool(column.nullable) and not column.primary_key
    return Column(
        name=found.name,
        attribute=found.attribute,
        type=annotation,
        nullable=nullable,
        has_default=generated or nullable or column.default is not None or column.server_default is not None,
        generated=generated,
        default=None if generated else _known_default(column, nullable),
        length=column.type.length if annotation is str and isinstance(column.type, sa.String) else None,
        unique=_is_unique(column),
        alias=column.info.get(DOCUMENT_NAME),
    )


def _is_unique(column: sa.Column[Any]) -> bool:
    """Whether the table's declaration keeps two rows from having the same value."""
    table = column.table
    constraints = [
        each for each in table.constraints if isinstance(each, sa.UniqueConstraint | sa.PrimaryKeyConstraint)
    ]
    whole = [index for index in table.indexes if index.unique and not any(index.dialect_kwargs.values())]
    return any(list(each.columns) == [column] for each in (*constraints, *whole))


def _known_default(column: sa.Column[Any], nullable: bool) -> Callable[[], Any] | None:
    """What a write that leaves the column out gives it, where Python knows it."""
    default: Any = column.default
    if default is not None and default.is_scalar:
        return lambda: default.arg
    if default is not None and default.is_callable:
        return lambda: default.arg(_DefaultContext({}))
    return (lambda: None) if nullable and default is None and column.server_default is None else None


def _without_none(annotation: Any) -> Any:
    if typing.get_origin(annotation) not in (typing.Union, types.UnionType):
        return annotation
    rest = tuple(part for part in typing.get_args(annotation) if part is not type(None))
    return typing.Union[rest] if rest else Any  # noqa: UP007  (a tuple of types, known only now)


def _python_type(column: sa.Column[Any]) -> Any:
    try:
        python_type = column.type.python_type
    except NotImplementedError:
        return Any
    return Any if isinstance(column.type, sa.JSON) else python_type


def _field(attribute: str, column: sa.Column[Any], dialect: Dialect) -> Field:
    implementation = column.type.dialect_impl(dialect)
    process = implementation.result_processor(dialect, None)
    decode = _decoder(process, _python_type(column) is bytes, isinstance(column.type, sa.JSON))
    encode = encoder(
        attribute, _without_offset(implementation, implementation.bind_processor(dialect), dialect)
    )
    if isinstance(column.type, sa.Numeric) and process is not None:
        encode = _exactly(attribute, encode, decode)
    return Field(attribute, column, decode, encode, process is None)


def _without_offset(implementation: Any, process: Codec | None, dialect: Dialect) -> Codec | None:
    """A time with an offset, for a column that keeps none: as UTC, where the driver would drop the offset."""
    keeps_offset = getattr(implementation, "timezone", False) and dialect.name != "sqlite"
    if not isinstance(implementation, sa.DateTime) or keeps_offset:
        return process

    def encode(value: Any) -> Any:
        if isinstance(value, datetime) and value.tzinfo is not None:
            value = value.astimezone(UTC).replace(tzinfo=None)
        return process(value) if process else value

    return encode


def _exactly(attribute: str, encode: Codec, decode: Codec) -> Codec:
    """A number for a column that keeps a double, and shows so many digits of it: no other one may come back."""

    def exact(value: Any) -> Any:
        stored = encode(value)
        if isinstance(value, Decimal | int) and decode(stored) != value:
            raise refused(attribute, INEXACT)
        return stored

    return exact


def _decoder(process: Codec | None, binary: bool, json: bool) -> Codec:
    def plain(value: Any) -> Any:
        return Misfit(value.decode("utf-8", "replace")) if type(value) is bytes else value

    def as_stored(value: Any) -> Any:
        return value

    stored = as_stored if binary else plain
    if process is None:
        return stored

    def decode(value: Any) -> Any:
        value = stored(value)
        if type(value) is Misfit and not json:
            return value
        try:
            return process(value)
        except Exception:  # any type of the user's, any value of any writer: given as stored
            return value

    return decode


def encoder(attribute: str, process: Codec | None) -> Codec:
    """What makes of a value what is stored; it raises InvalidDocument that names the attribute."""

    def encode(value: Any) -> Any:
        try:
            stored = process(value) if process else value
            if type(stored) is str:
                stored.encode()
        except Exception as error:  # a type of the user's may raise anything
            raise refused(attribute, _unfit(value, process)) from error
        if isinstance(stored, int) and not -LARGEST_INTEGER - 1 <= stored <= LARGEST_INTEGER:
            raise refused(attribute, "is beyond 64 bits")
        return stored

    return encode


def _unfit(value: Any, process: Codec | None) -> str:
    """Why a column's type does not take a value."""
    if process and isinstance(value, datetime) and value.tzinfo is None:
        with suppress(Exception):
            process(value.replace(tzinfo=UTC))
            return "needs an offset, such as Z: this column keeps moments"
    return "is not a value of this column"


# --- defaults -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _DefaultContext:
    """What SQLAlchemy's context-sensitive defaults ask for."""

    current_parameters: dict[str, Any]

    def get_current_parameters(self, isolate_multiinsert_groups: bool = True) -> dict[str, Any]:
        return self.current_parameters


@dataclass(frozen=True, slots=True)
class Expression:
    """SQL that the database is to compute, in place of a value."""

    sql: str


def encode_values(
    source: TableSource, values: Mapping[str, Any], dialect: Dialect, *, insert: bool
) -> dict[str, Any]:
    """Column name → stored value or Expression, with the model's own defaults (insert) or onupdate put in.

    Raises InvalidDocument.
    """
    if unknown := [attribute for attribute in values if attribute not in source.fields]:
        raise refused(unknown[0], "is not a field of this document")
    encoded: dict[str, Any] = {}
    for found in source.fields.values():
        if found.attribute in values:
            value = values[found.attribute]
            made_by_database = insert and value is None and found.column.primary_key
            if not made_by_database:
                encoded[found.name] = found.encode(value)
                continue
        default = found.column.default if insert else found.column.onupdate
        if default is not None:
            value = _default_value(default, values, dialect)
            if value is not None:
                encoded[found.name] = value if isinstance(value, Expression) else found.encode(value)
    return encoded


def _default_value(default: Any, values: Mapping[str, Any], dialect: Dialect) -> Any:
    if default.is_scalar:
        return default.arg
    if default.is_callable:
        return default.arg(_DefaultContext(dict(values)))
    if default.is_clause_element:
        compiled = default.arg.compile(dialect=dialect, compile_kwargs={"literal_binds": True})
        return Expression(f"({compiled})")
    return None


# --- rows ---------------------------------------------------------------------------------------------------


def decode_row(fields: Sequence[Field], stored: Sequence[Any]) -> Row:
    """A row as the model types it, from its stored values in the order of ``fields``."""
    return {found.attribute: found.decode(value) for found, value in zip(fields, stored, strict=True)}


def rows_of(fields: Sequence[Field]) -> Callable[[Sequence[Any]], Row]:
    """What makes a row of its stored values."""
    return lambda stored: decode_row(fields, stored)


def placed(columns: Sequence[int]) -> Callable[[Sequence[Any]], tuple[Any, ...]] | None:
    """What tells where a stored row stands, by the columns that say so; None where there are none."""
    return (lambda stored: tuple(stored[column] for column in columns)) if columns else None


def make_missing(connection: sa.Connection, sources: Collection[TableSource]) -> None:
    """Make the tables that sources need and that are not there; nothing where Alembic has its own."""
    there = sa.inspect(connection)
    if there.has_table("alembic_version"):
        return
    # Where none is missing, SQLAlchemy would still make the types of other tables, and a role may make none.
    tables = [one for one in needed_tables(sources) if not there.has_table(one.name, schema=one.schema)]
    for metadata in dict.fromkeys(table.metadata for table in tables):
        metadata.create_all(connection, [one for one in tables if one.metadata is metadata])


def needed_tables(sources: Collection[TableSource]) -> list[sa.Table]:
    """The tables of sources, those between two of them, and those that foreign keys of these need, each once."""
    found: dict[sa.Table, None] = {}
    names = {source.name for source in sources}
    between = [
        table_source(relation.through.source)
        for source in sources
        for relation in source.relations
        if relation.through is not None and relation.source.name in names
    ]
    waiting = [source.table for source in (*sources, *between)]
    while waiting:
        table = waiting.pop()
        if table in found:
            continue
        found[table] = None
        keys = (key for column in table.columns for key in column.foreign_keys)
        waiting += [key.column.table for key in keys if _is_resolvable(key)]
    return list(found)


def _is_resolvable(key: sa.ForeignKey) -> bool:
    try:
        return key.column is not None
    except sa.exc.NoReferenceError:
        return False
