"""Reflection of collections: the model of one that others made, from what some of its documents hold.

Three rules. A field that holds values of one kind has that type, and any otherwise; all but the key may be missing. Its
attribute is its name where that can be one. What a name can't be in a document of ours (dots, dollars) is not shown.

It knows documents, and no connection.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from keyword import iskeyword
from typing import Any
from uuid import UUID

from bson.objectid import ObjectId
from pydantic import BaseModel, ConfigDict, Field, create_model

from ..errors import ConfigurationError
from .mongo_models import KEY
from .mongo_values import native

SAMPLE = 200
"""Documents that are looked at, the newest."""
_TYPES = (str, int, float, bool, datetime, ObjectId, UUID, bytes, Decimal)
_KEYS = (str, int, ObjectId, UUID)


def model_of(collection: str, documents: Iterable[Mapping[str, Any]]) -> type[BaseModel]:
    """The model of a collection. Raises ConfigurationError where its keys have no one form."""
    kinds: dict[str, set[type]] = {}
    for document in documents:
        for name, value in document.items():
            kinds.setdefault(name, set()).add(type(native(value)))
    keys = kinds.pop(KEY, {ObjectId})
    if len(keys) > 1 or not keys <= set(_KEYS):
        raise ConfigurationError("its keys are not all texts, integers, UUIDs or ObjectIds")
    fields: dict[str, Any] = {}
    (key,) = keys
    fields["key_"] = (key | None, Field(None, alias=KEY)) if key is ObjectId else (key, Field(alias=KEY))
    for number, (name, found) in enumerate(sorted(kinds.items())):
        if name and not set(name) & set(".$\0"):
            fields[_attribute(name, number)] = (_type(found) | None, Field(None, alias=name))
    model: type[BaseModel] = create_model(
        _class_name(collection), __config__=ConfigDict(arbitrary_types_allowed=True), **fields
    )
    within = {"__module__": model.__module__, "__qualname__": f"{model.__qualname__}.Settings"}
    model.Settings = type("Settings", (), {"name": collection, **within})  # type: ignore[attr-defined]
    return model


def _type(kinds: set[type]) -> Any:
    found = kinds - {type(None)}
    if found == {int, float}:
        return float
    return next(iter(found)) if len(found) == 1 and found <= set(_TYPES) else Any


def _attribute(name: str, number: int) -> str:
    is_usable = name.isidentifier() and not name.startswith(("_", "model_")) and not iskeyword(name)
    return name if is_usable and not hasattr(BaseModel, name) and name != "key_" else f"field_{number}"


def _class_name(collection: str) -> str:
    return "".join(part.capitalize() for part in collection.split("_")) or "Collection"
