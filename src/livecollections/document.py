"""Document: what GET shows of a row, and everyone hears of it. A function of that row alone.

Plain rows are shown column by column. Where the model has serializers or computed fields of its own, Pydantic
does it, at several times the cost. Whatever a row holds, there is a document of it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

from pydantic import BaseModel, ValidationError

from .change import Row
from .derived import names_read
from .portable import portable, portable_name

logger = logging.getLogger("livecollections.document")


Document = Callable[[Row], dict[str, Any]]
_AS_TEXT = {"type": "to-string"}
"""The serializer of a type of which JSON knows nothing: what ``portable`` makes of it."""


def plain(names: Iterable[tuple[str, str]]) -> Document:
    """Documents of a row's own values. names: each attribute, and its name in documents."""
    pairs = tuple(names)

    def document(row: Row) -> dict[str, Any]:
        shown = {}
        for attribute, name in pairs:
            value = row.get(attribute)
            # The commonest values, without a call.
            if value is None or value is True or value is False or (type(value) is str and value.isascii()):
                shown[name] = value
            else:
                shown[name] = portable(value)
        return shown

    return document


def modelled(read: type[BaseModel], validated: bool, otherwise: Document) -> Document:
    """Documents as a Pydantic class serializes them.

    validated: the class also reads the row; a row that it refuses is shown as it is.  otherwise: shows what the
    class can't.
    """
    serializer = read.__pydantic_serializer__
    names = {name: names_read(read, name)[0] for name in read.model_fields}

    def instance(row: Row) -> BaseModel:
        if validated:
            with suppress(ValidationError):
                known = {names[attribute]: value for attribute, value in row.items() if attribute in names}
                return read.model_validate(known)
        return read.model_construct(**row)

    told = False

    def document(row: Row) -> dict[str, Any]:
        nonlocal told
        try:
            shown = serializer.to_python(instance(row), mode="json", by_alias=True, warnings=False)
        except Exception:
            # A user's own serializer or computed field, on a row that the model would not have accepted.
            level, told = logging.DEBUG if told else logging.WARNING, True
            logger.log(level, "%s can't show a row: its columns are shown", read.__name__, exc_info=True)
            return otherwise(row)
        return {portable_name(name): portable(value) for name, value in shown.items()}

    return document


def is_plain(read: type[BaseModel]) -> bool:
    """Whether a class shows each field as its value stands: no serializer, no computed field of its own."""
    return not read.model_computed_fields and not _has_serializer(read.__pydantic_core_schema__)


def is_bare(read: type[BaseModel], validated: bool) -> bool:
    """Whether a class shows each column as its value stands, whatever it computes beside. validated: as of
    ``modelled``."""
    schema = read.__pydantic_core_schema__
    return not _has_serializer(schema) and not (validated and _has_validator(schema))


def _has_validator(schema: Any) -> bool:
    if isinstance(schema, dict):
        kind = schema.get("type")
        is_one = isinstance(kind, str) and kind.startswith("function-")
        return is_one or any(map(_has_validator, schema.values()))
    return isinstance(schema, list | tuple) and any(map(_has_validator, schema))


def _has_serializer(schema: Any) -> bool:
    if isinstance(schema, dict):
        own = schema.get("serialization", _AS_TEXT)
        return own != _AS_TEXT or any(map(_has_serializer, schema.values()))
    return isinstance(schema, list | tuple) and any(map(_has_serializer, schema))
