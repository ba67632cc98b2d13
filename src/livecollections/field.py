"""Field: a column as those outside see it, by its name in documents. Reads its values from text.

Text comes from URLs: keys and filters. What a document shows of a value is what a URL may name it by.
"""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, time
from decimal import Decimal
from functools import lru_cache
from math import isfinite
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, TypeAdapter
from pydantic.errors import PydanticSchemaGenerationError

from .errors import ConfigurationError
from .portable import same
from .query import Comparison
from .source import Column

LARGEST_INTEGER = 2**63 - 1
"""What a database's integer holds."""

EQUALITY = ("$eq", "$ne", "$in", "$nin", "$exists")
ORDER: dict[str, Comparison] = {"$gt": ">", "$gte": ">=", "$lt": "<", "$lte": "<="}
FILTERS = (*EQUALITY, *ORDER, "$regex", "$not", "$all", "$size", "$elemMatch")
"""Operators of filters, as MongoDB writes them; ``$and``, ``$or`` and ``$nor`` join filters."""

_INTEGER = re.compile(r"-?(0|[1-9][0-9]{0,19})")
_BOOLEANS = {"true": True, "false": False, "1": True, "0": False}


@dataclass(frozen=True, slots=True)
class Field:
    """A column under its name in documents.

    type: of its values, None apart.  parse: reads a value from text, or raises ValueError; None where values have no
    text form (JSON).  filters: the operators by which lists may be filtered by it.
    """

    name: str
    column: Column
    type: Any
    parse: Callable[[str], Any] | None
    filters: frozenset[str] = frozenset()

    @property
    def attribute(self) -> str:
        """Its name on the model and in rows."""
        return self.column.attribute

    def equals(self, value: Any, stored: Any) -> bool:
        """Whether a value of a body means the stored one: big integers and UUIDs come as strings."""
        if same(value, stored):
            return True
        try:
            return isinstance(value, str) and self.parse is not None and same(self.parse(value), stored)
        except ValueError:
            return False


def field(column: Column, name: str) -> Field:
    """A column seen by its name in documents."""
    kind = bare(column.type)
    read = parser(kind)
    return Field(name, column, kind, read, filters_of(kind, read is not None))


def allowed(fields: Mapping[str, Field], filters: Any) -> dict[str, Field]:
    """Fields that may be filtered by as an option says: names, or operators by name; None: as their types allow.

    Raises ConfigurationError that names what is wrong.
    """
    if filters is None:
        return dict(fields)
    for name in filters:
        if name not in fields:
            raise ConfigurationError(f"filters: there is no field {name!r}; there are {', '.join(fields)}")
    asked = filters if isinstance(filters, Mapping) else {name: fields[name].filters for name in filters}
    for name, operators in asked.items():
        if isinstance(operators, str) or set(operators) - fields[name].filters:
            known = " ".join(each for each in FILTERS if each in fields[name].filters) or "no operators"
            raise ConfigurationError(f"filters: {name!r} can be given a list of {known}, not {operators!r}")
    return {name: replace(field, filters=frozenset(asked.get(name, ()))) for name, field in fields.items()}


def filters_of(kind: Any, is_text: bool) -> frozenset[str]:
    """The operators that fields of a type have. is_text: whether values have a text form."""
    if is_json(kind):
        return frozenset(FILTERS)
    more = ORDER if kind in (int, float, Decimal, str, datetime, date, time) else ()
    texts = ("$regex",) if kind is str else ()
    return frozenset((*EQUALITY, *more, *texts, "$not")) if is_text else frozenset()


def bare(annotation: Any) -> Any:
    """An annotation without ``Annotated`` and ``| None``."""
    if get_origin(annotation) is Annotated:
        return bare(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        others = [each for each in get_args(annotation) if each is not NoneType]
        if len(others) == 1:
            return bare(others[0])
    return annotation


def is_json(kind: Any) -> bool:
    """Whether values of this type are structures, which a column keeps as JSON."""
    kind = get_origin(kind) or kind
    return kind in (Any, object, Union, UnionType) or (
        isinstance(kind, type) and issubclass(kind, dict | list | tuple | set | frozenset | BaseModel)
    )


def parser(kind: Any) -> Callable[[str], Any] | None:
    """How values of a type are read from text."""
    if is_json(kind):
        return None
    own: dict[Any, Callable[[str], Any]] = {
        str: str,
        int: _integer,
        bool: _boolean,
        float: _number,
        bytes: base64_bytes,
    }
    return own[kind] if kind in own else _validating(kind)


@lru_cache(maxsize=256)
def _validating(kind: Any) -> Callable[[str], Any] | None:
    # Pydantic takes a millisecond for each, and many columns have the same type.
    try:
        return TypeAdapter(kind).validate_strings
    except PydanticSchemaGenerationError:
        return None


def base64_bytes(text: str) -> bytes:
    """Bytes from base64 of either alphabet. Raises ValueError."""
    try:
        return b64decode(text.translate({ord("-"): "+", ord("_"): "/"}), validate=True)
    except ValueError:
        raise ValueError("base64 is needed") from None


def _integer(text: str) -> int:
    if not _INTEGER.fullmatch(text) or not -LARGEST_INTEGER - 1 <= int(text) <= LARGEST_INTEGER:
        raise ValueError("an integer of 64 bits is needed")
    return int(text)


def _boolean(text: str) -> bool:
    if text not in _BOOLEANS:
        raise ValueError("true or false is needed")
    return _BOOLEANS[text]


def _number(text: str) -> float:
    if not isfinite(float(text)):
        raise ValueError("a finite number is needed")
    return float(text)
