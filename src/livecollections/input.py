"""Input: a Pydantic class that bodies must satisfy, by the names that bodies use.

Errors are told as JSON pointers into the body (RFC 6901), never with the values themselves. This module knows no
row and no HTTP.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from math import isfinite
from typing import Any
from uuid import UUID

from pydantic import BaseModel, Strict, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import to_jsonable_python

from .derived import names_read
from .errors import InvalidDocument
from .field import LARGEST_INTEGER, bare, base64_bytes, is_json, parser
from .portable import SAFE_INTEGER, is_beyond_models

Fault = dict[str, Any]
WRITTEN_AS_TEXT = (date, datetime, time, timedelta, Decimal, UUID, Enum)
"""What a strict model takes from JSON's strings, though not from Python's."""


_BIG = re.compile(r"-?[0-9]{16,40}")


class Input:
    """A Pydantic class seen from the wire.

    model: the class.  hidden: attributes that it has, but that no body may name.
    is_partial: some of these have values that whoever sends the body does not see.
    """

    def __init__(
        self, model: type[BaseModel], hidden: Collection[str] = (), *, is_partial: bool = False
    ) -> None:
        self.model = model
        self.hidden = frozenset(hidden)
        self._is_partial = is_partial
        self._validator = model.__pydantic_validator__
        self._names = {attribute: names_read(model, attribute) for attribute in model.model_fields}
        self._attributes = {
            name: attribute
            for attribute, names in self._names.items()
            if attribute not in hidden
            for name in names
        }
        self._readers = {
            attribute: reader
            for attribute, info in model.model_fields.items()
            if (reader := _reader(info, bool(model.model_config.get("strict"))))
        }
        self._structures = {
            name for name, info in model.model_fields.items() if is_json(bare(info.annotation))
        }

    @property
    def names(self) -> dict[str, str]:
        """The attributes that a body may name, by the names it may use."""
        return dict(self._attributes)

    def attribute(self, name: str) -> str | None:
        """The attribute that a name in a body means."""
        return self._attributes.get(name)

    def leaves_out(self, attribute: str) -> bool:
        """Whether the class has no value of its own for an attribute that a body leaves out."""
        info = self.model.model_fields.get(attribute)
        return info is None or (info.default is None and info.default_factory is None)

    def validate(
        self,
        sent: Mapping[str, Any],
        faults: list[Fault],
        kept: Mapping[str, Any] | None = None,
        *,
        is_blind: bool = False,
        is_stored: bool = False,
    ) -> dict[str, Any]:
        """The validated attributes.

        sent: values of JSON, by attribute.  faults: those already found.  kept: values of the row beside them.
        is_blind: whoever sends the body sees nothing of these.
        is_stored: they are in the database, and stay there, also where no class would take them.
        Raises InvalidDocument with all faults.
        """
        stored = kept if is_stored and kept else {}
        beyond = {attribute for attribute, value in stored.items() if is_beyond_models(value)}
        body = {
            self._names[attribute][0]: value
            for attribute, value in (kept or {}).items()
            if attribute in self._names
        }
        for attribute, value in sent.items():
            name = self._names[attribute][0]
            try:
                body[name] = self._read(attribute, value)
            except ValueError as error:
                body[name] = b""  # so that the class has no more to say of it
                faults = [*faults, {"pointer": pointer((name,)), "detail": str(error)}]
        try:
            validated = dict(vars(self._validated(body, beyond, sent)))
        except ValidationError as error:
            unseen = self.hidden.union(kept or ()) if is_blind else self.hidden
            is_partial = self._is_partial or is_blind
            faults = faults + [
                self._fault(each, body, unseen, is_partial=is_partial)
                for each in error.errors(include_url=False)
                if self._at(each) not in beyond
            ]
        else:
            faults = faults + [
                {
                    "pointer": pointer((self._names[attribute][0],)),
                    "detail": "this is beyond what can be stored",
                }
                for attribute, value in validated.items()
                if attribute not in beyond and not _is_storable(value)
            ]
        if faults:
            raise InvalidDocument(sentence(faults), faults)
        for attribute in self._structures & validated.keys():
            validated[attribute] = to_jsonable_python(
                validated[attribute], by_alias=True, bytes_mode="base64"
            )
        return validated

    def _validated(
        self, body: Mapping[str, Any], beyond: Collection[str], sent: Collection[str]
    ) -> BaseModel:
        """The class's instance of a body. Where it takes all but what is beyond it, what was sent is judged alone."""
        try:
            return self._validator.validate_python(body)  # type: ignore[no-any-return]
        except ValidationError as error:
            if any(self._at(each) not in beyond for each in error.errors(include_url=False)):
                raise
        values = {attribute: body[names[0]] for attribute, names in self._names.items() if names[0] in body}
        found = self.model.model_construct(**values)
        for attribute in sent:
            self._validator.validate_assignment(found, attribute, values[attribute])
        return found

    def _at(self, error: Any) -> str | None:
        """The attribute that something was found at."""
        at = error["loc"][0] if error["loc"] else None
        return next(
            (attribute for attribute, names in self._names.items() if at == attribute or at in names), None
        )

    def _fault(
        self, error: Any, body: Mapping[str, Any], unseen: Collection[str], *, is_partial: bool
    ) -> Fault:
        """What Pydantic found; of an attribute that whoever sends the body does not see it says nothing but that.

        What is said of a whole document may be said of what is hidden in it.
        """
        at = error["loc"][0] if error["loc"] else None
        if (at is None and is_partial) or any(
            at == attribute or at in self._names.get(attribute, ()) for attribute in unseen
        ):
            return {"pointer": "", "detail": "this is not accepted"}
        return _fault(error, body)

    def _read(self, attribute: str, value: Any) -> Any:
        return self._readers[attribute](value) if attribute in self._readers else value


def pointer(path: Iterable[Any]) -> str:
    """A JSON pointer."""
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in path)


def refused(attribute: str, reason: str) -> InvalidDocument:
    """The refusal of one attribute's value."""
    fault = {"pointer": pointer((attribute,)), "detail": reason}
    return InvalidDocument(f"{attribute} {reason}", [fault], attribute)


def _reader(info: FieldInfo, strict: bool) -> Callable[[Any], Any] | None:
    """What makes of a value of JSON the one that a class expects of Python."""
    kind = bare(info.annotation)
    if kind is bytes:
        return _bytes
    for mark in info.metadata:
        if isinstance(mark, Strict):
            strict = mark.strict
    if strict and kind is int:
        return _big_integer
    if strict and isinstance(kind, type) and issubclass(kind, WRITTEN_AS_TEXT):
        return _strictly(parser(kind))
    return None


def _bytes(value: Any) -> Any:
    return base64_bytes(value) if isinstance(value, str) else value


def _big_integer(value: Any) -> Any:
    """Integers that JSON readers would round travel as strings."""
    if isinstance(value, str) and _BIG.fullmatch(value) and abs(int(value)) > SAFE_INTEGER:
        return int(value)
    return value


def _strictly(parse: Callable[[str], Any] | None) -> Callable[[Any], Any] | None:
    """What a strict class would have made of JSON's strings itself; what it can't read, it refuses itself."""

    def read(value: Any) -> Any:
        if isinstance(value, str) and parse is not None:
            with suppress(ValueError):
                return parse(value)
        return value

    return read


def _is_storable(value: Any) -> bool:
    if type(value) is int:
        return -LARGEST_INTEGER - 1 <= value <= LARGEST_INTEGER
    return type(value) is not float or isfinite(value)


def _fault(error: Any, body: Mapping[str, Any]) -> Fault:
    detail = error["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")
    return {"pointer": pointer(_path(error, body)), "detail": detail or "this is not accepted"}


def _path(error: Any, body: Any) -> list[Any]:
    """The steps of Pydantic's location that are steps in the body; others name branches of a union."""
    path = []
    for step in error["loc"]:
        if isinstance(body, Mapping | list) and _has(body, step):
            path.append(step)
            body = body[step]
    return [*path, error["loc"][-1]] if error["type"] == "missing" else path


def _has(body: Any, step: Any) -> bool:
    return step in body if isinstance(body, Mapping) else isinstance(step, int) and step < len(body)


def sentence(faults: list[Fault]) -> str:
    """What is wrong, in words: the first fault, and how many there are besides."""
    first = faults[0]
    where = f"{first['pointer']}: " if first["pointer"] else ""
    more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
    return f"{where}{first['detail']}{more}"
