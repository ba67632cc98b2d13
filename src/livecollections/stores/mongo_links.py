"""Links: the fields of Beanie documents that lead to other documents.

Two rules. A link to one document is shown as that one's key, as Mongoose shows a reference, and stored as Beanie stores
it, so that ``populate`` can put the document in its place. Links of any other form have none in documents.

It knows Beanie by its names only, and imports nothing of it.
"""

from __future__ import annotations

import typing
from collections.abc import Iterator
from typing import Any

from bson.dbref import DBRef
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from ..errors import ConfigurationError
from ..field import bare
from .mongo_values import Codec, native


def is_beanie(kind: Any) -> bool:
    """Whether a class is one of Beanie's own."""
    return str(getattr(kind, "__module__", "")).partition(".")[0] == "beanie"


def linked_document(attribute: str, info: FieldInfo) -> type[BaseModel] | None:
    """The document that a field leads to; None: it is no link. Raises ConfigurationError for links of another form."""
    kind = bare(info.annotation)
    named = {_name(part) for part in _parts(kind)}
    if not named & {"Link", "BackLink"}:
        return None
    (other,) = typing.get_args(kind) if _name(kind) == "Link" else (None,)
    if not (isinstance(other, type) and issubclass(other, BaseModel)):
        raise ConfigurationError(
            f"{attribute}: of Beanie's links only Link[…] to one document has a form in documents: exclude it"
        )
    return other


def _parts(kind: Any) -> Iterator[Any]:
    yield kind
    for part in typing.get_args(kind):
        yield from _parts(part)


def _name(kind: Any) -> str:
    origin = typing.get_origin(kind) or kind
    return str(getattr(origin, "__name__", "")) if is_beanie(origin) else ""


def link(collection: str, key: Codec) -> Codec:
    """The codec of a link to a document of a collection. key: of that document's key."""

    def decode(stored: Any) -> Any:
        if not isinstance(stored, DBRef):
            return key.decode(stored)  # as Mongoose stores a reference
        return key.decode(stored.id) if stored.collection == collection else native(stored)

    return Codec(decode, lambda value: DBRef(collection, key.encode(value)), is_plain=False)
