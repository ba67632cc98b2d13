"""Values as PostgreSQL writes them, as text, and as its driver takes them.

Two rules. Rows and the log's images are both read as the text that PostgreSQL puts out, so one decoding serves both,
and a type that nobody here has heard of is shown as its text. Codecing never raises: what can't be read (an infinite
date, one before our era) is given as stored, and is no text to a condition. This module knows SQLAlchemy's types, and
no connection.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql.base import PGDialect
from sqlalchemy.dialects.postgresql.ranges import AbstractRange
from sqlalchemy.engine.interfaces import Dialect

from ..errors import ConfigurationError
from ..portable import Misfit
from .sql import Codec, Field, TableSource, describe, encoder

_INTERVAL = re.compile(r"(-?\d+(?:\.\d+)?)([YMWDHS])")
_DATE_UNITS = {"Y": 365, "M": 30, "W": 7, "D": 1}
"""Days, as the driver counts them as well."""
_TIME_UNITS = {"H": 3600, "M": 60, "S": 1}
_ELEMENT = re.compile(r'"((?:[^"\\]|\\.)*)"|([^{},"]+)|([{}])')


def dialect() -> PGDialect:
    """SQLAlchemy's types as the server has them; what they make of a value is what the driver takes."""
    made = PGDialect(paramstyle="numeric_dollar")  # type: ignore[no-untyped-call]
    made.supports_native_decimal = True
    return made


def described(model: type, exclude: Collection[str], to: PGDialect) -> TableSource:
    """Read a mapped class. Raises ConfigurationError, also for a range, which has no form in documents."""
    source = describe(model, exclude, to, coded)
    for found in source.shown:
        if isinstance(underlying(found.column.type, to), AbstractRange):
            named = f"{model.__name__}.{found.attribute}"
            raise ConfigurationError(f"{named} is a range, which documents can't show: exclude it")
    return source


def coded(attribute: str, column: sa.Column[Any], to: Dialect) -> Field:
    """A column with its codecs: from the text that the server puts out, and to what the driver takes."""
    own = column.type.dialect_impl(to)
    read, process, bind = reader(column.type, to), own.result_processor(to, None), own.bind_processor(to)
    kept = underlying(column.type, to)

    def decode(text: Any) -> Any:
        value = read(text)
        if process is None:
            return value
        try:
            return process(value)
        except Exception:  # any type of the user's, any value of any writer: given as stored
            return value

    def stored(value: Any) -> Any:
        if isinstance(kept, sa.ARRAY) and isinstance(value, str):
            raise TypeError("a text is no array of its letters")
        value = bind(value) if bind else value
        if value is not None and isinstance(kept, sa.DateTime | sa.Date) and not isinstance(value, date):
            raise TypeError("the server would read a text in its own ways, such as 'tomorrow'")
        return _moment(value, kept) if isinstance(value, datetime) else value

    is_float = isinstance(column.type, sa.Float) and not column.type.asdecimal
    return Field(attribute, column, decode, encoder(attribute, stored), process is None or is_float)


def _moment(value: datetime, kept: Any) -> datetime:
    """A time as its column keeps it: with an offset or in UTC; without one it is in UTC."""
    if getattr(kept, "timezone", False):
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value
    return value if value.tzinfo is None else value.astimezone(UTC).replace(tzinfo=None)


def reader(column_type: Any, to: Dialect) -> Codec:
    """What makes of a text the value that SQLAlchemy's own type expects of a driver."""
    kept = underlying(column_type, to)
    read = _array(kept, to) if isinstance(kept, sa.ARRAY) else _of(kept)

    def value(text: Any) -> Any:
        if text is None:
            return None
        try:
            return read(text)
        except (ValueError, ArithmeticError, LookupError):
            return Misfit(text)

    return value


def underlying(column_type: Any, to: Dialect) -> Any:
    """The type that the database is to have, without what a decorator puts round it."""
    own = column_type.dialect_impl(to)
    return underlying(own.load_dialect_impl(to), to) if isinstance(own, sa.types.TypeDecorator) else own


def _of(kept: Any) -> Codec:
    for known, read in _READERS.items():
        if isinstance(kept, known):
            return read
    return str


def _array(kept: Any, to: Dialect) -> Codec:
    read = reader(kept.item_type, to)
    return lambda text: _nested(elements(text), read)


def _nested(parts: Any, read: Codec) -> Any:
    return [_nested(part, read) for part in parts] if isinstance(parts, list) else read(parts)


def elements(text: str) -> list[Any]:
    """An array's elements as texts (None for NULL), in lists of lists where it has several dimensions.

    Raises ValueError.
    """
    _, _, text = text.rpartition("]=") if text.startswith("[") else ("", "", text)
    tokens = _ELEMENT.finditer(text)
    if text[:1] != "{":
        raise ValueError("an array begins with a brace")
    next(tokens)
    return _elements(tokens)


def _elements(tokens: Iterator[re.Match[str]]) -> list[Any]:
    found: list[Any] = []
    for token in tokens:
        quoted, bare, brace = token.groups()
        if brace == "}":
            break
        if brace == "{":
            found.append(_elements(tokens))
        elif quoted is not None:
            found.append(re.sub(r"\\(.)", r"\1", quoted, flags=re.DOTALL))
        else:
            found.append(None if bare == "NULL" else bare)
    return found


def _boolean(text: str) -> bool:
    return {"t": True, "f": False}[text] if text in ("t", "f") else bool(int(text))


def _bytes(text: str) -> bytes:
    if not text.startswith("\\x"):
        raise ValueError("bytes are told in hexadecimal")
    return bytes.fromhex(text[2:])


def _interval(text: str) -> timedelta:
    days, _, seconds = text.removeprefix("P").partition("T")
    if not text.startswith("P"):
        raise ValueError("an interval begins with P")
    return timedelta(
        sum(float(number) * _DATE_UNITS[unit] for number, unit in _INTERVAL.findall(days)),
        microseconds=sum(
            int(Decimal(number) * _TIME_UNITS[unit] * 1_000_000)
            for number, unit in _INTERVAL.findall(seconds)
        ),
    )


_READERS: dict[Any, Codec] = {
    sa.Enum: str,
    sa.Boolean: _boolean,
    sa.Integer: int,
    sa.Float: float,
    sa.Numeric: Decimal,
    sa.DateTime: datetime.fromisoformat,
    sa.Date: date.fromisoformat,
    sa.Time: time.fromisoformat,
    postgresql.INTERVAL: _interval,
    sa.LargeBinary: _bytes,
    sa.Uuid: UUID,
}
"""In this order: an Enum is a String, a Float is a Numeric."""
