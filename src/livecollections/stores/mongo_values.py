"""Values in BSON: what the types of Python are stored as, and what is made of anything that is stored.

It knows no model and no connection.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any, get_origin
from uuid import UUID

import bson
from bson.binary import Binary, UuidRepresentation
from bson.codec_options import CodecOptions, DatetimeConversion
from bson.dbref import DBRef
from bson.decimal128 import Decimal128
from bson.int64 import Int64
from bson.objectid import ObjectId
from bson.raw_bson import RawBSONDocument
from pydantic import BaseModel, TypeAdapter
from pydantic.errors import PydanticSchemaGenerationError

from ..field import is_json
from ..portable import Misfit

LARGEST_INTEGER = 2**63 - 1
CODEC: CodecOptions[dict[str, Any]] = CodecOptions(
    tz_aware=True,
    tzinfo=UTC,
    uuid_representation=UuidRepresentation.STANDARD,
    unicode_decode_error_handler="replace",
    datetime_conversion=DatetimeConversion.DATETIME_AUTO,
)
RAW: CodecOptions[RawBSONDocument] = CODEC.with_options(document_class=RawBSONDocument)
Undefined = object()
"""Stands for what was not given."""


@dataclass(frozen=True, slots=True)
class Codec:
    """decode: of anything that is stored; never raises.  encode: of a value of the type; raises what it likes.

    is_plain: what is stored is the value, so that the database may compare it.
    """

    decode: Callable[[Any], Any]
    encode: Callable[[Any], Any]
    is_plain: bool = True


def native(stored: Any) -> Any:
    """A value as BSON has it, of Python's own types."""
    kind = type(stored)
    if kind in _SAME:
        return stored
    if kind is dict:
        return {name: native(each) for name, each in stored.items()}
    if kind is list:
        return list(map(native, stored))
    if kind is Int64:
        return int(stored)
    if kind is Decimal128:
        value = stored.to_decimal()
        return Decimal("NaN") if value.is_snan() else value
    if kind is Binary:
        return stored  # of a subtype of its own: no equal of bytes
    if kind is DBRef:
        return {"collection": stored.collection, "id": native(stored.id)}
    return Misfit(str(stored))


_SAME = frozenset({str, int, float, bool, type(None), datetime, ObjectId, UUID, bytes})


def storable(value: Any) -> Any:
    """A value within a structure, as it is stored. Raises TypeError, ValueError."""
    if value is None or type(value) in (bool, float):
        return value
    if isinstance(value, Enum):
        return storable(value.value)
    if isinstance(value, BaseModel):
        return storable(value.model_dump(by_alias=True))
    if isinstance(value, Mapping):
        return {_name(name): storable(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [storable(each) for each in value]
    for kind, encode in _ENCODERS.items():
        if isinstance(value, kind):
            return encode(value)
    if isinstance(value, DBRef | Binary | Decimal128):
        return value
    raise TypeError(f"{type(value).__name__} can't be stored")


def _name(name: Any) -> str:
    if not isinstance(name, str) or "\0" in name:
        raise ValueError("the name of a member is a text without NUL")
    return _text(name)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("a text is needed")
    value.encode()
    return str(value)


def _integer(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError("an integer is needed")
    if not -LARGEST_INTEGER - 1 <= value <= LARGEST_INTEGER:
        raise ValueError("this is beyond 64 bits")
    return int(value)


def _number(value: Any) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise TypeError("a number is needed")
    return float(value)


def _is(kind: type) -> Callable[[Any], Any]:
    def encode(value: Any) -> Any:
        if not isinstance(value, kind):
            raise TypeError(f"{kind.__name__} is needed")
        return value

    return encode


def _moment(value: Any) -> datetime:
    """In UTC, to the millisecond."""
    if not isinstance(value, datetime):
        raise TypeError("a time is needed")
    moment = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def _day(value: Any) -> datetime:
    if not isinstance(value, date) or isinstance(value, datetime):
        raise TypeError("a date is needed")
    return datetime(value.year, value.month, value.day, tzinfo=UTC)


def _decimal(value: Any) -> Decimal128:
    if not isinstance(value, Decimal | int) or isinstance(value, bool):
        raise TypeError("a decimal is needed")
    return Decimal128(Decimal(value))


def _object_id(value: Any) -> ObjectId:
    if not isinstance(value, ObjectId):
        raise TypeError("an ObjectId is needed")
    return ObjectId(value.binary)


_PLAIN: dict[Any, Callable[[Any], Any]] = {
    str: _text,
    int: _integer,
    float: _number,
    bool: _is(bool),
    datetime: _moment,
    bytes: _is(bytes),
    ObjectId: _object_id,
    UUID: _is(UUID),
}
_ENCODERS: dict[type, Callable[[Any], Any]] = {
    **_PLAIN,
    date: _day,
    Decimal: _decimal,
    time: lambda value: value.isoformat(),
    timedelta: lambda value: value.total_seconds(),
}


def codec_of(kind: Any) -> Codec:
    """The codec of a type."""
    if kind in _PLAIN:
        return Codec(native, _PLAIN[kind])
    if isinstance(kind, type) and issubclass(kind, Enum):
        return _enumeration(kind)
    if kind is date:
        return Codec(_read_day, _day, is_plain=False)
    if kind is Decimal:
        return Codec(native, _decimal, is_plain=False)
    if is_json(kind):
        is_set = get_origin(kind) in (set, frozenset) or kind in (set, frozenset)
        return Codec(native, (lambda value: storable(list(value))) if is_set else storable)
    return _other(kind)


def _read_day(stored: Any) -> Any:
    is_day = type(stored) is datetime and stored.time() == time()
    return stored.date() if is_day else native(stored)


def _enumeration(kind: type[Enum]) -> Codec:
    members = {_identity(storable(member.value)): member for member in kind}

    def decode(stored: Any) -> Any:
        value = native(stored)
        return members.get(_identity(value), value)

    def encode(value: Any) -> Any:
        return storable(value.value if isinstance(value, kind) else kind(value).value)

    return Codec(decode, encode, is_plain=False)


def _identity(value: Any) -> Any:
    """Numbers of one value are one, true is none of them."""
    try:
        hash(value)
    except TypeError:
        return object()
    return "number" if type(value) in (int, float) else type(value), value


def _other(kind: Any) -> Codec:
    """A type of which BSON knows nothing: by what Pydantic makes of it."""
    try:
        adapter: TypeAdapter[Any] = TypeAdapter(kind)
    except PydanticSchemaGenerationError:
        return Codec(native, storable)

    def decode(stored: Any) -> Any:
        value = native(stored)
        if value is None:
            return None
        try:
            return adapter.validate_python(value)
        except Exception:  # any type of the user's, any value of any writer: given as stored
            return value

    def encode(value: Any) -> Any:
        return storable(adapter.dump_python(adapter.validate_python(value), mode="json"))

    return Codec(decode, encode, is_plain=False)


def decoded(raw: Any) -> dict[str, Any]:
    """A document from its bytes."""
    return bson.decode(raw, CODEC)


def stored_again(document: Mapping[str, Any]) -> dict[str, Any]:
    """A document as it is read back."""
    return decoded(bson.encode(document, codec_options=CODEC))


def identity(value: Any) -> bytes:
    """What is the same of equal keys only."""
    return bson.encode({"": value}, codec_options=CODEC)
