"""Form: how a program gets and gives documents: as dictionaries, or as instances of its model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from ..errors import ConfigurationError
from ..portable import portable
from .key import Keys
from .state import Document


class Form:
    """The form of one collection's documents.

    model: a Pydantic or SQLModel class; None for dictionaries.  key: the document's members that are its key; None for
    those of the model's table, or ``id``.
    """

    def __init__(self, model: type[Any] | None, key: str | Sequence[str] | None) -> None:
        if model is not None and not (isinstance(model, type) and issubclass(model, BaseModel)):
            raise ConfigurationError(f"model: a Pydantic or SQLModel class is expected, not {model!r}")
        if key is not None and not isinstance(key, str | Sequence):
            raise ConfigurationError(f"key: the names of the key's members are expected, not {key!r}")
        fields = _table_key(model) if key is None else (key,) if isinstance(key, str) else tuple(key)
        if not fields or not all(isinstance(name, str) and name for name in fields):
            raise ConfigurationError(f"key: the names of the key's members are expected, not {key!r}")
        self.keys = Keys(fields)
        self._model = model

    def present(self, document: Document) -> Any:
        """A document as the program gets it: its own."""
        copy = _copied(document)
        return copy if self._model is None else self._model.model_validate(copy)

    def body(self, document: Any) -> dict[str, Any]:
        """What the program gives, as JSON has it: of a model what has been set. Raises TypeError."""
        if isinstance(document, BaseModel):
            document = document.model_dump(mode="json", by_alias=True, exclude_unset=True)
        if not isinstance(document, Mapping):
            raise TypeError(f"a dictionary or a model is expected, not {document!r}")
        body: dict[str, Any] = portable(dict(document))
        return body

    def key(self, given: Any) -> str:
        """The text of a key, or of a document's."""
        if isinstance(given, Mapping | BaseModel):
            return self.keys.of(self.body(given)) or ""
        return self.keys.text(given)


def _table_key(model: Any) -> tuple[str, ...]:
    """The key of the model's table as documents name it; ``id`` where there is no table."""
    mapper = getattr(model, "__mapper__", None)
    if mapper is None:
        return ("id",)
    names = [mapper.get_property_by_column(column).key for column in mapper.primary_key]
    fields = model.model_fields
    return tuple(fields[name].serialization_alias or name if name in fields else name for name in names)


def _copied(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _copied(each) for name, each in value.items()}
    return [_copied(each) for each in value] if isinstance(value, list) else value
