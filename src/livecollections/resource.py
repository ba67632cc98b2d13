"""Resource: what a model offers. Its documents, its keys, and the models that input must satisfy.

Three rules. A document is a function of one row. A name that the model does not know, and a field that a client may
not set, is refused. What a client sends back as GET shows it is left as it is stored, so that a save of a whole
document writes only what its user changed.

This module knows no database and no HTTP: a store describes a model as a ``Source``, and a resource is built from
that and from the options of the declaration.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import BaseModel

from .bayeux.channel import escape
from .change import Row
from .derived import derive, excluded
from .document import is_bare, is_plain, modelled, plain
from .editing import Editing
from .errors import ConfigurationError
from .field import Field, allowed, field
from .hooks import Hooks
from .input import Input
from .operators import enabled
from .options import METHODS, attributes_of, check_options
from .partition import Partition, without_values
from .policy import ALL, OF_READERS, Policy, Rule
from .source import Column, Source

MOST_STEPS = 8
"""Fields that a list may be sorted by."""
_PATH = re.compile(r"(/(?!\.\.?(/|$))[^/{}?#\\\x00-\x1f\x7f]+)+")


@dataclass(frozen=True, eq=False)
class Resource(Editing):
    """A path, a source and options. Made by ``Resource.build``.

    channel: the path as a Bayeux channel.  read: the Pydantic class of documents.  creates, updates: of input.
    fields: by their names in documents; what a list may be filtered and sorted by.
    computed: names in documents that are no columns.  is_bare: columns are shown as they are.
    limit: the most documents that one answer holds.  page: how many it holds where the client does not say.
    find_by: the attribute by which URLs name documents; None: the key.  locking: the one that counts their versions.
    last_modified: the one that says when they were changed.  operators: of updates, by the names of fields.
    policy: who may do what.  partition: the columns whose values are part of the channel.
    given, hidden, rights: of a view (``view.py``), the values that all its documents have, by attribute; the attributes
    that it lacks; and what its user may do, which without GET is not to read.
    """

    path: str
    channel: str
    source: Source
    read: type[BaseModel]
    creates: Input
    updates: Input
    fields: Mapping[str, Field]
    computed: frozenset[str]
    is_bare: bool
    read_only: frozenset[str]
    exclude: frozenset[str]
    methods: tuple[str, ...]
    sort: str
    limit: int | None
    page: int | None
    tags: tuple[str, ...]
    find_by: str | None
    locking: str | None
    last_modified: str | None
    links: bool
    operators: Mapping[str, frozenset[str]]
    delete_all: bool
    require_if_match: bool
    versions: str
    hooks: Hooks
    webhooks: tuple[Any, ...]
    document: Callable[[Row], dict[str, Any]]
    """What GET shows of a row: JSON-ready, whatever the row holds."""
    policy: Policy
    partition: Partition | None
    given: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    hidden: frozenset[str] = frozenset()
    rights: frozenset[str] = ALL

    @property
    def create(self) -> type[BaseModel]:
        """The Pydantic class that a POST must satisfy."""
        return self.creates.model

    @property
    def update(self) -> type[BaseModel]:
        """The Pydantic class that a document must satisfy after a PUT or PATCH."""
        return self.updates.model

    @staticmethod
    def build(path: str, source: Source, **options: Any) -> Resource:
        """Offer ``source`` at ``path``, which begins with "/" and does not end with it.

        read, create, update: Pydantic classes; where not given they are derived from the source's model.
        exclude: attributes that never leave the database; ``source`` was described without them.
        read_only: attributes that only the database and its owners set; or each with a rule, which is given the user
        and says for whom.  hidden: attributes that are in no document, in the same two forms; unlike those of
        ``exclude`` they are in the log.
        policy: one rule, or one for each of list, read, create, update, delete, subscribe.
        partition: the attribute, or several, whose values ``by(user)`` gives: each user has the rows with his own.
        methods: some of GET, POST, PUT, PATCH, DELETE; without GET nobody lists, reads or hears.
        sort: how lists are sorted where the client does not say (``"-created,title"``; then by key).
        filters: names of the fields that lists may be filtered by, or their operators by name; all if not given.
        operators: names of the fields that update operators may change, or the operators by name; none if not given.
        limit: the most documents that one answer holds; or how many it holds if not asked, and the most.
        links: whether answers tell by Link where else to go; a list that the resource cuts always tells its next page.
        tags: of its operations in OpenAPI.
        find_by: the attribute, unique and never null, by which URLs name documents in place of the key.
        locking: the attribute, an integer, that counts a document's versions: PUT and merge patches bring the one that
        they saw, or If-Match.
        last_modified: the attribute, a time, that says when a document was changed: it is told as Last-Modified.
        delete_all: DELETE of the list deletes all that it shows.
        require_if_match: PUT, PATCH and DELETE must say by If-Match which state they are based on.
        versions: the releases of the API that have it, as a range of semantic versions (``"<2"``).
        webhooks: where its changes are posted, each a Webhook.
        before_validate, after_validate, before_write, after_write, before_commit, after_commit: functions of an
        Operation, or lists of them.

        Raises ConfigurationError that names a wrong option.
        """
        Resource.check_options(options)
        return _build(path, source, **options)

    @staticmethod
    def check_options(options: Mapping[str, Any]) -> None:
        """Raise ConfigurationError for an option that is wrong whatever the model is."""
        check_options(options)

    @staticmethod
    def excluded(model: type, exclude: Collection[str] = ()) -> frozenset[str]:
        """What a store must leave out of the source: the option's names and the model's ``Field(exclude=True)``."""
        return excluded(model) | frozenset(exclude)

    def documents(self, rows: Iterable[Row]) -> list[dict[str, Any]]:
        """The documents of rows, in their order."""
        return list(map(self.document, rows))

    def name_of(self, attribute: str) -> str:
        """The name in documents of an attribute, or of a computed field."""
        for each in (self.read.model_fields.get(attribute), self.read.model_computed_fields.get(attribute)):
            if each is not None:
                return getattr(each, "serialization_alias", None) or each.alias or attribute
        return attribute


def _build(
    path: str,
    source: Source,
    *,
    read: type[BaseModel] | None = None,
    create: type[BaseModel] | None = None,
    update: type[BaseModel] | None = None,
    exclude: Iterable[str] | None = None,
    read_only: Collection[str] | Mapping[str, Rule] | None = None,
    hidden: Collection[str] | Mapping[str, Rule] | None = None,
    policy: Rule | Mapping[str, Rule] | None = None,
    partition: Any = None,
    by: Callable[[Any], Any] | None = None,
    methods: Iterable[str] | None = None,
    sort: str | Iterable[str] | None = None,
    filters: Iterable[str] | Mapping[str, Iterable[str]] | None = None,
    limit: int | tuple[int, int] | None = None,
    tags: Iterable[str] | None = None,
    find_by: str | None = None,
    locking: str | None = None,
    last_modified: str | None = None,
    links: bool = True,
    operators: Collection[str] | Mapping[str, Collection[str]] | None = None,
    delete_all: bool | None = None,
    require_if_match: bool | None = None,
    versions: str | None = None,
    webhooks: Iterable[Any] | None = None,
    **hooks: Any,
) -> Resource:
    first = path.partition("/")[2].split("/")[0]
    if not _PATH.fullmatch(without_values(path)) or first in ("meta", "service"):
        raise ConfigurationError(f'path: {path!r} is not of the form "/api/todos"')
    left_out = excluded(source.model) | frozenset(exclude or ())
    derived = derive(source, left_out)
    shown = read or derived
    names = {
        attribute: info.serialization_alias or info.alias or attribute
        for attribute, info in shown.model_fields.items()
        if not info.exclude and attribute not in left_out
    }
    columns = {column.attribute: column for column in source.columns}
    shown_columns = {
        names[column.attribute]: field(column, names[column.attribute])
        for column in source.columns
        if column.attribute in names
    }
    fields = allowed(shown_columns, filters)
    computed = {info.alias or name for name, info in shown.model_computed_fields.items()}
    computed |= {name for attribute, name in names.items() if attribute not in columns}
    offered = {verb.upper() for verb in methods or METHODS}
    by_columns = plain((each.attribute, each.name) for each in fields.values())
    cut = _partition(path, source, partition, by)
    resource = Resource(
        path=path,
        channel=escape(path) if cut is None else cut.channel,
        source=source,
        read=shown,
        creates=Input(create or derived, () if create else left_out),
        updates=Input(update or derived, () if update else left_out),
        fields=fields,
        computed=frozenset(computed),
        is_bare=is_bare(shown, read is not None),
        read_only=(frozenset() if isinstance(read_only, Mapping) else frozenset(read_only or ()))
        | ({locking} if locking else set()),
        exclude=left_out,
        methods=tuple(verb for verb in METHODS if verb in offered),
        sort=sort if isinstance(sort, str) else ",".join(sort or ()),
        limit=limit[1] if isinstance(limit, tuple) else limit,
        page=limit[0] if isinstance(limit, tuple) else limit,
        tags=tuple(tags or ()),
        find_by=find_by,
        locking=locking,
        last_modified=last_modified,
        links=links is not False,
        operators=enabled(shown_columns, operators),
        delete_all=bool(delete_all),
        require_if_match=bool(require_if_match),
        versions=versions or "*",
        hooks=Hooks(hooks),
        webhooks=tuple(webhooks or ()),
        document=by_columns
        if read is None and is_plain(shown)
        else modelled(shown, read is not None, by_columns),
        policy=Policy(
            True if policy is None else policy,
            hidden or (),
            read_only if isinstance(read_only, Mapping) else (),
        ),
        partition=cut,
        rights=ALL if "GET" in offered else ALL - OF_READERS,
    )
    _check_names(resource, derived)
    return resource


def _partition(path: str, source: Source, named: Any, by: Callable[[Any], Any] | None) -> Partition | None:
    attributes = () if named is None else attributes_of(named)
    if not attributes and "{" not in path:
        if by is not None:
            raise ConfigurationError("by: it gives the values of `partition`, which is not given")
        return None
    return Partition(path, source, attributes, by)


def _check_names(resource: Resource, derived: type[BaseModel]) -> None:
    """Raise ConfigurationError for an option that names what the model lacks, or needs."""
    source = resource.source
    columns = {column.attribute: column for column in source.columns}
    model = source.model.__name__
    _check_special(resource, columns)
    read, hideable = resource.read, resource.policy.hideable
    options = (("exclude", resource.exclude), ("read_only", resource.read_only), ("hidden", hideable))
    declared = getattr(source.model, "model_fields", {})
    for option, names in options:
        shown = read.model_fields.keys() | read.model_computed_fields.keys() if option == "hidden" else set()
        for name in sorted(names - shown):
            if name not in columns and name not in declared and not hasattr(source.model, name):
                raise ConfigurationError(f"{option}: {model} has no field {name!r}")
    for attribute in source.key:
        for option, names in options[::2]:
            if attribute in names:
                raise ConfigurationError(
                    f"{option}: {attribute!r} is the key of {model}, by which documents are told apart"
                )
        if resource.field_of(attribute) is None:
            raise ConfigurationError(
                f"read: {resource.read.__name__} lacks {attribute!r}, the key of {model}"
            )
    for option, entered in (("create", resource.create), ("update", resource.update)):
        own = set() if entered is derived else entered.model_fields.keys() - columns.keys() - resource.exclude
        for attribute in sorted(own):
            raise ConfigurationError(f"{option}: {model} has no column for the field {attribute!r}")
    sorted_by = [step.removeprefix("-") for step in resource.sort.split(",") if step]
    if len(sorted_by) > MOST_STEPS or len(set(sorted_by)) < len(sorted_by):
        raise ConfigurationError(f"sort: fields are needed, each once and at most {MOST_STEPS}")
    for name in sorted_by:
        if name not in resource.fields:
            accepted = ", ".join(resource.fields)
            raise ConfigurationError(f"sort: {model} has no field {name!r}; it has {accepted}")
    if resource.delete_all and "GET" not in resource.methods:
        raise ConfigurationError("delete_all: it tells what a list holds, so GET must be one of the methods")
    if "POST" in resource.methods:
        _check_create(resource, resource.exclude if resource.create is derived else frozenset())


def _check_special(resource: Resource, columns: Mapping[str, Column]) -> None:
    """Raise ConfigurationError for an attribute that can't be what an option says."""
    model = resource.source.model.__name__
    for option in ("find_by", "last_modified", "locking"):
        attribute = getattr(resource, option)
        if attribute is None:
            continue
        column, shown = columns.get(attribute), resource.field_of(attribute)
        if column is None or shown is None or attribute in resource.policy.hideable:
            raise ConfigurationError(f"{option}: {model} has no field {attribute!r} that all are shown")
        if option == "find_by" and (column.nullable or not column.unique or shown.parse is None):
            raise ConfigurationError(
                f"find_by: {model}.{attribute} must be unique, and never null, to name a document"
            )
        if option == "last_modified" and shown.type is not datetime:
            raise ConfigurationError(f"last_modified: {model}.{attribute} must be a datetime")
        if option == "locking" and (shown.type is not int or attribute in resource.source.key):
            raise ConfigurationError(f"locking: {model}.{attribute} must be an integer, and not the key")


def _check_create(resource: Resource, hidden: frozenset[str]) -> None:
    """Raise ConfigurationError where no POST could succeed. hidden: what it can't name."""
    optional = {column.attribute for column in resource.source.columns if column.has_default}
    declared = getattr(resource.source.model, "model_fields", {}) if hidden else {}
    for option, names in (("read_only", resource.read_only), ("exclude", hidden)):
        for attribute in sorted(names - optional):
            info = declared.get(attribute) or resource.create.model_fields.get(attribute)
            if info is not None and info.is_required():
                raise ConfigurationError(
                    f"{option}: a POST needs {attribute!r}; give it a default, or leave POST out of methods"
                )


__all__ = ["METHODS", "Column", "Resource", "Source"]
