"""Options: what a declaration of a resource may say, checked as far as no model is needed.

They stand here once, for type checkers and for the check at run time. This module knows no model: whether a name is one
of a field is asked where the resource is built.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypedDict

from pydantic import BaseModel

from .errors import ConfigurationError
from .hooks import STAGES, Hook, check_hooks
from .policy import Named, Rule, check_allowed, check_named, check_plain

if TYPE_CHECKING:
    from .webhooks import Webhook

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
Hooked = Hook | Sequence[Hook] | None


class ResourceOptions(TypedDict, total=False):
    """The options of a resource, in the words of ``Resource.build``; None is as if it were not given."""

    by: Callable[[Any], Any] | None
    create: type[BaseModel] | None
    delete_all: bool | None
    exclude: Collection[str] | None
    filters: Collection[str] | Mapping[str, Collection[str]] | None
    find_by: str | None
    hidden: Named | None
    last_modified: str | None
    limit: int | tuple[int, int] | None
    links: bool
    locking: str | None
    methods: Collection[str] | None
    operators: Collection[str] | Mapping[str, Collection[str]] | None
    partition: Any
    policy: Rule | Mapping[str, Rule] | None
    read: type[BaseModel] | None
    read_only: Named | None
    require_if_match: bool | None
    sort: str | Collection[str] | None
    tags: Collection[str] | None
    update: type[BaseModel] | None
    versions: str | None
    webhooks: Iterable[Webhook] | None
    before_validate: Hooked
    after_validate: Hooked
    before_write: Hooked
    after_write: Hooked
    before_commit: Hooked
    after_commit: Hooked


OPTIONS = tuple(ResourceOptions.__annotations__)
FLAGS = ("delete_all", "links", "require_if_match")


def check_options(options: Mapping[str, Any]) -> None:
    """Raise ConfigurationError for an option that is wrong whatever the model is."""
    for option, value in options.items():
        if option not in OPTIONS:
            raise ConfigurationError(f"{option}: unknown option; accepted are {', '.join(OPTIONS)}")
        if value is not None:
            _check_option(option, value)


def _check_option(option: str, value: Any) -> None:
    if option in ("read", "create", "update"):
        if not (isinstance(value, type) and issubclass(value, BaseModel)):
            raise ConfigurationError(f"{option}: a Pydantic class is needed, not {value!r}")
    elif option in STAGES:
        check_hooks(option, value)
    elif option == "limit":
        sizes = value if isinstance(value, tuple) and len(value) == 2 else (value, value)
        if any(type(size) is not int or size < 1 for size in sizes) or sizes[0] > sizes[1]:
            raise ConfigurationError(f"limit: a positive integer is needed, or (usual, most), not {value!r}")
    elif option in FLAGS:
        if not isinstance(value, bool):
            raise ConfigurationError(f"{option}: True or False is needed, not {value!r}")
    elif option in ("find_by", "last_modified", "locking"):
        if not isinstance(value, str):
            raise ConfigurationError(f"{option}: the name of an attribute is needed, not {value!r}")
    elif option == "webhooks" or (option in ("sort", "versions") and isinstance(value, str)):
        return
    elif option == "policy":
        check_allowed(option, value)
    elif option in ("hidden", "read_only"):
        check_named(option, value)
    elif option == "by":
        if not callable(value):
            raise ConfigurationError(f"by: a function of the user is needed, not {value!r}")
        check_plain(option, value)
    elif option == "partition":
        attributes_of(value)
    elif (
        isinstance(value, str)
        or not isinstance(value, Collection)
        or not all(isinstance(x, str) for x in value)
    ):
        raise ConfigurationError(f"{option}: a list of names is needed, not {value!r}")
    elif option == "methods":
        for verb in value:
            if verb.upper() not in METHODS:
                raise ConfigurationError(f"methods: {verb!r} is none of {', '.join(METHODS)}")
        if not value:
            raise ConfigurationError("methods: at least one is needed")


def attributes_of(named: Any) -> tuple[str, ...]:
    """The attributes that the option ``partition`` names. Raises ConfigurationError."""
    several = named if isinstance(named, list | tuple) else (named,)
    found = tuple(each if isinstance(each, str) else getattr(each, "key", None) for each in several)
    if not found or not all(isinstance(each, str) for each in found):
        raise ConfigurationError(f"partition: attributes such as Todo.owner_id are needed, not {named!r}")
    return tuple(map(str, found))
