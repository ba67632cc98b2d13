"""Models of MongoDB: Pydantic classes and Beanie documents, read as sources, and the codecs of their fields.

Three rules. A model names its collection as Beanie's do (``class Settings: name = "todos"``), and its fields are
stored by their aliases; the key is what is stored as ``_id``. What is stored in a field's own form is decoded to its
type, anything else is given as it is, so that the database and Python mean the same by a condition. Decoding never
raises; encoding refuses with InvalidDocument what a field can't take.

It knows BSON, and no connection.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from bson.objectid import ObjectId
from pydantic import BaseModel, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.fields import FieldInfo
from pydantic_core import CoreSchema, core_schema

from ..change import Key, Row
from ..errors import ConfigurationError
from ..field import bare, is_json
from ..input import refused
from ..source import Column, Relation, Source
from .mongo_links import is_beanie, link, linked_document
from .mongo_values import Codec, Undefined, codec_of

KEY = "_id"


class ObjectKey(ObjectId):
    """The annotation of fields that hold an ObjectId: documents and URLs have its 24 hex digits."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            _object_id, serialization=core_schema.to_string_ser_schema()
        )

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {"type": "string", "pattern": "^[0-9a-f]{24}$", "examples": ["507f1f77bcf86cd799439011"]}


def _object_id(value: Any) -> ObjectId:
    if type(value) is str and len(value) == 24 and ObjectId.is_valid(value):
        return ObjectId(value)
    if isinstance(value, ObjectId):
        return ObjectId(value.binary)
    raise ValueError("24 hex digits are needed")


@dataclass(frozen=True, slots=True)
class Field:
    """One field with its codec. name: by which it is stored.  is_needed: it is never null."""

    attribute: str
    name: str
    kind: Any
    codec: Codec
    is_needed: bool
    default: Callable[[], Any] | None

    def encode(self, value: Any) -> Any:
        """The value as it is stored. Raises InvalidDocument."""
        try:
            return None if value is None else self.codec.encode(value)
        except (TypeError, ValueError, ArithmeticError) as error:
            raise refused(self.attribute, "is not a value of this field") from error


@dataclass(frozen=True, slots=True)
class DocumentSource(Source):
    """A source that is a collection. ``fields`` are all that the model has, excluded ones too, by attribute."""

    fields: Mapping[str, Field] = field(compare=False, repr=False)

    @property
    def shown(self) -> list[Field]:
        """The fields that leave the database."""
        return [self.fields[column.attribute] for column in self.columns]

    @property
    def key_field(self) -> Field:
        """The field that is stored as ``_id``."""
        return self.fields[self.key[0]]

    def encode_key(self, key: Key) -> Any:
        """A key as it is stored. Raises InvalidDocument."""
        return self.key_field.encode(key[0])

    def row(self, stored: Mapping[str, Any]) -> Row:
        """A stored document as the model types it; None for what it lacks."""
        return {found.attribute: found.codec.decode(stored.get(found.name)) for found in self.shown}

    def new(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The document to be stored for an insert, with the model's own defaults. Raises InvalidDocument."""
        self.check_names(values)
        stored: dict[str, Any] = {KEY: None}
        for found in self.fields.values():
            value = values.get(found.attribute, Undefined)
            if value is Undefined or (value is None and found.name == KEY):
                value = found.default() if found.default is not None else None
            stored[found.name] = found.encode(value)
        if stored[KEY] is None and self.key_field.kind is ObjectId:
            stored[KEY] = ObjectId()
        return stored

    def check_names(self, values: Iterable[str]) -> None:
        """Raise InvalidDocument for what is no field."""
        for attribute in values:
            if attribute not in self.fields:
                raise refused(attribute, "is not a field of this document")


def document_source(source: Source) -> DocumentSource:
    """The source as MongoDB's store described it."""
    if not isinstance(source, DocumentSource):
        raise ConfigurationError(f"the source {source.name!r} was not described by this store")
    return source


def describe(model: type, exclude: Collection[str]) -> DocumentSource:
    """Read a model. exclude: attributes that never leave the database. Raises ConfigurationError."""
    name = getattr(model, "__name__", repr(model))
    if not isinstance(model, type) or not issubclass(model, BaseModel) or model.model_config.get("table"):
        raise ConfigurationError(
            f"{name} has no table or collection here: MongoDB takes Pydantic models and Beanie documents"
        )
    collection = _collection(model)
    key = _key_attribute(model)
    linked = {
        attribute: other
        for attribute, info in model.model_fields.items()
        if attribute not in exclude and (other := linked_document(attribute, info)) is not None
    }
    links = {attribute: _end(other) for attribute, other in linked.items()}
    fields = {
        attribute: _field(attribute, info, attribute == key, links.get(attribute))
        for attribute, info in model.model_fields.items()
    }
    if unknown := set(exclude) - set(fields):
        raise ConfigurationError(f"exclude names what {name} does not have: {', '.join(sorted(unknown))}")
    if key in exclude:
        raise ConfigurationError(f"exclude names the primary key of {name}: {key}")
    shown = [attribute for attribute in fields if attribute not in exclude]
    columns = tuple(_column(fields[attribute], model.model_fields[attribute]) for attribute in shown)
    annotations = {
        found.attribute: taken | None
        if _takes_none(model.model_fields[found.attribute].annotation)
        else taken
        for found in fields.values()
        if (taken := ObjectKey if found.kind is ObjectId else links.get(found.attribute) and found.kind)
    }
    relations = tuple(
        Relation(attribute, end, (attribute,), end.key, many=False) for attribute, end in links.items()
    )
    return DocumentSource(
        collection, columns, (key,), model, fields=fields, annotations=annotations, relations=relations
    )


def _end(model: type[BaseModel]) -> DocumentSource:
    """The other end of a link: a document, as far as its key. Raises ConfigurationError."""
    key = _key_attribute(model)
    found = _field(key, model.model_fields[key], True)
    column = _column(found, model.model_fields[key])
    return DocumentSource(_collection(model), (column,), (key,), model, fields={key: found})


def _collection(model: type[BaseModel]) -> str:
    settings = getattr(model, "Settings", None)
    name = getattr(settings, "name", None)
    if isinstance(name, str) and name:
        return name
    if any(map(is_beanie, model.__mro__)):
        return model.__name__
    raise ConfigurationError(
        f'{model.__name__} names no collection: write `class Settings: name = "{model.__name__.lower()}s"` in it'
    )


def _key_attribute(model: type[BaseModel]) -> str:
    attribute = _key_named(model)
    if is_json(bare(model.model_fields[attribute].annotation)):
        raise ConfigurationError(
            f"{model.__name__}.{attribute}: a key of several fields, or of any form, has no place in URLs: on MongoDB "
            f"a key is an ObjectId, a text, an integer or a UUID"
        )
    return attribute


def _key_named(model: type[BaseModel]) -> str:
    for attribute, info in model.model_fields.items():
        if _stored_name(attribute, info) == KEY:
            return attribute
    if "id" in model.model_fields and _stored_name("id", model.model_fields["id"]) == "id":
        return "id"
    raise ConfigurationError(
        f'{model.__name__} has no primary key; a document needs one: a field `id`, or one with the alias "{KEY}"'
    )


def _stored_name(attribute: str, info: FieldInfo) -> str:
    return info.serialization_alias or info.alias or attribute


def _field(attribute: str, info: FieldInfo, is_key: bool, end: DocumentSource | None = None) -> Field:
    """end: of the link that the field is."""
    kind = bare(info.annotation) if end is None else end.key_field.kind
    if isinstance(kind, type) and issubclass(kind, ObjectId):
        kind = ObjectId
    default: Callable[[], Any] | None = None
    if not info.is_required():
        default = lambda: info.get_default(call_default_factory=True, validated_data={})  # noqa: E731
    return Field(
        attribute,
        KEY if is_key else _stored_name(attribute, info),
        kind,
        codec_of(kind) if end is None else link(end.name, end.key_field.codec),
        is_key or not _takes_none(info.annotation),
        default,
    )


def _takes_none(annotation: Any) -> bool:
    if annotation is Any or annotation is None or annotation is types.NoneType:
        return True
    if typing.get_origin(annotation) is typing.Annotated:
        return _takes_none(typing.get_args(annotation)[0])
    is_union = typing.get_origin(annotation) in (typing.Union, types.UnionType)
    return is_union and any(map(_takes_none, typing.get_args(annotation)))


def _is_unique(metadata: Any) -> bool:
    """Whether it is Beanie's word for a unique index."""
    indexed: Any = getattr(metadata, "_indexed", None)
    return indexed is not None and bool(indexed[1].get("unique"))


def _column(found: Field, info: FieldInfo) -> Column:
    is_key = found.name == KEY
    generated = is_key and found.kind is ObjectId
    is_useless = (
        is_key and found.default is not None and info.default is None and info.default_factory is None
    )
    return Column(
        name=found.name,
        attribute=found.attribute,
        type=ObjectKey if found.kind is ObjectId else found.kind,
        nullable=not found.is_needed,
        has_default=generated or not found.is_needed or (found.default is not None and not is_useless),
        generated=generated,
        default=None if generated or is_useless else found.default,
        unique=is_key or any(map(_is_unique, info.metadata)),
    )
