"""The Pydantic class of a mapped class: what its documents must satisfy.

A SQLModel ``table=True`` class validates nothing itself, so the class is built once more without its table: the
same fields, constraints, validators, serializers, methods. A plain mapped class gives types, lengths, defaults.
A field that the database can fill may be left out. This module knows no SQL: it reads what Pydantic keeps.
"""

from __future__ import annotations

import types
from collections.abc import Collection, Iterator
from copy import copy
from dataclasses import replace
from functools import lru_cache
from typing import Any, ClassVar

from pydantic import AliasChoices, AliasPath, BaseModel, ConfigDict, Field, create_model
from pydantic._internal._decorators import Decorator, PydanticDescriptorProxy
from pydantic.fields import FieldInfo

from .errors import ConfigurationError
from .source import Column, Source

CONFIG = ConfigDict(
    extra="forbid", arbitrary_types_allowed=True, ser_json_bytes="base64", val_json_bytes="base64"
)
Given = frozenset[tuple[str, Any]]
"""The annotations of attributes, where they are not the model's."""
OF_TABLES = {"table", "registry", "read_from_attributes", "read_with_orm_mode"}
"""What SQLModel keeps in ``model_config`` for its own use."""


def is_table(model: type) -> bool:
    """Whether a class is a SQLModel class with a table."""
    return issubclass(model, BaseModel) and bool(model.model_config.get("table"))


def _is_stored(model: type) -> bool:
    """Whether a class is bound to its database: a table, or a Beanie document."""
    return is_table(model) or any(base.__module__.partition(".")[0] == "beanie" for base in model.__mro__)


def _base(model: type, optional: frozenset[str], exclude: frozenset[str], given: Given) -> type:
    if not _is_stored(model):
        return model
    of_a_library = model.__module__.partition(".")[0] == "beanie"
    return BaseModel if of_a_library else _untabled(model, optional, exclude, given)


def excluded(model: type) -> frozenset[str]:
    """The attributes that a model itself keeps out of its documents: ``Field(exclude=True)``."""
    if not issubclass(model, BaseModel):
        return frozenset()
    return frozenset(name for name, field in model.model_fields.items() if field.exclude)


def derive(source: Source, exclude: Collection[str]) -> type[BaseModel]:
    """Build the class. exclude: attributes that no document shows and no body may name."""
    if issubclass(source.model, BaseModel):
        optional = {column.attribute for column in source.columns if column.is_filled}
        return _untabled(
            source.model,
            frozenset(optional | set(exclude)),
            frozenset(exclude),
            frozenset(source.annotations.items()),
        )
    return create_model(
        source.model.__name__,
        __config__=CONFIG,
        __doc__=source.model.__doc__,
        __module__=source.model.__module__,
        **{column.attribute: _field(column) for column in source.columns if column.attribute not in exclude},
    )


def _field(column: Column) -> Any:
    annotation = column.type | None if column.nullable else column.type
    more: Any = {} if column.length is None else {"max_length": column.length}
    if column.alias is not None:
        more["alias"] = column.alias
    if column.default is not None:
        return annotation, Field(default_factory=column.default, **more)
    if column.nullable or column.is_filled:
        return annotation, Field(default=None, **more)
    return annotation, Field(**more)


@lru_cache(maxsize=256)
def _untabled(
    model: type[BaseModel], optional: frozenset[str], exclude: frozenset[str], given: Given
) -> type[BaseModel]:
    # Pydantic takes milliseconds for each, and a table is often offered at several paths.
    annotations = dict(given)
    bases = tuple(_base(base, optional, exclude, given) for base in model.__bases__)
    body: dict[str, Any] = {
        "__module__": model.__module__,
        "__qualname__": model.__qualname__,
        "__doc__": model.__doc__,
        "__init__": BaseModel.__init__,
        "__annotations__": {},
        "model_config": _config(model),
    }
    itself = types.CellType()
    for name, value in _own_attributes(model):
        body[name] = _rebound(value, itself)
        if not callable(value) and not hasattr(value, "__get__"):
            body["__annotations__"][name] = ClassVar[Any]
    body.update(model.__private_attributes__)
    for name, field in model.model_fields.items():
        body[name] = _relaxed(field, name in optional, name in exclude)
        body[name].annotation = body["__annotations__"][name] = annotations.get(name, field.annotation)
    for name, decorator in _own_decorators(model):
        own = _rebound(vars(model)[name], itself)
        body[name] = PydanticDescriptorProxy(own, decorator.info, decorator.shim)
    made = types.new_class(model.__name__, bases, {}, lambda namespace: namespace.update(body))
    itself.cell_contents = made
    return made


def _rebound(value: Any, itself: types.CellType) -> Any:
    """A method whose ``super()`` starts from the class that is being made."""
    if isinstance(value, classmethod):
        return classmethod(_rebound(value.__func__, itself))
    if isinstance(value, staticmethod):
        return staticmethod(_rebound(value.__func__, itself))
    if isinstance(value, property):
        get, put, remove = (_rebound(each, itself) for each in (value.fget, value.fset, value.fdel))
        return property(get, put, remove, value.__doc__)
    if not isinstance(value, types.FunctionType) or "__class__" not in value.__code__.co_freevars:
        return value
    cells = zip(value.__code__.co_freevars, value.__closure__ or (), strict=True)
    closure = tuple(itself if name == "__class__" else cell for name, cell in cells)
    made = types.FunctionType(value.__code__, value.__globals__, value.__name__, value.__defaults__, closure)
    made.__kwdefaults__, made.__annotations__ = value.__kwdefaults__, value.__annotations__
    made.__doc__, made.__qualname__, made.__module__ = value.__doc__, value.__qualname__, value.__module__
    return made


def _config(model: type[BaseModel]) -> ConfigDict:
    own = {name: value for name, value in model.model_config.items() if name not in OF_TABLES}
    return ConfigDict(**{**CONFIG, **own, "extra": "forbid"})  # type: ignore[typeddict-item]


def _relaxed(field: FieldInfo, optional: bool, exclude: bool) -> FieldInfo:
    relaxed = copy(field)
    if exclude:
        relaxed.exclude = True
    if optional and field.is_required():
        relaxed.default = None
    return relaxed


def _own_attributes(model: type[BaseModel]) -> Iterator[tuple[str, Any]]:
    """The methods, properties and constants that a class adds, for its validators and computed fields to use."""
    known = {*model.model_fields, *getattr(model, "__sqlmodel_relationships__", ())}
    for name, value in vars(model).items():
        if name.startswith(("__", "_sa_", "_abc_", "model_config", "model_fields", "model_computed_fields")):
            continue
        if name in known or type(value).__module__.startswith("sqlalchemy.orm"):
            continue
        yield name, value


def _own_decorators(model: type[BaseModel]) -> Iterator[tuple[str, Decorator[Any]]]:
    """The validators, serializers and computed fields that a class adds."""
    kept = model.__pydantic_decorators__
    for group in (
        kept.validators,
        kept.field_validators,
        kept.root_validators,
        kept.field_serializers,
        kept.model_serializers,
        kept.model_validators,
        kept.computed_fields,
    ):
        for name, decorator in group.items():
            if name in vars(model):
                yield name, _any_field(decorator)


def _any_field(decorator: Decorator[Any]) -> Decorator[Any]:
    """The same decorator, not asking whether the fields that it names were declared in the class itself."""
    if hasattr(decorator.info, "check_fields"):
        return replace(decorator, info=replace(decorator.info, check_fields=False))
    return decorator


def names_read(model: type[BaseModel], attribute: str) -> list[str]:
    """The names that a class reads an attribute by, the usual one first."""
    info = model.model_fields[attribute]
    alias = info.validation_alias if info.validation_alias is not None else info.alias
    choices = alias.choices if isinstance(alias, AliasChoices) else [] if alias is None else [alias]
    names = []
    for choice in choices:
        if isinstance(choice, AliasPath):
            raise ConfigurationError(f"{model.__name__}.{attribute}: an AliasPath can't be read from a body")
        names.append(choice)
    config = model.model_config
    if not names or config.get("populate_by_name") or config.get("validate_by_name"):
        names.append(attribute)
    return names
