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
from decimal import Decimal
from functools import cached_property
from typing import Any
from urllib.parse import quote, unquote

from pydantic import BaseModel

from .bayeux.channel import escape
from .change import Key, Row
from .derived import derive, excluded
from .document import is_plain, modelled, plain
from .errors import ConfigurationError, DocumentNotFound, InvalidDocument
from .field import Field, allowed, field
from .hooks import Hooks
from .input import Input, pointer
from .options import METHODS, attributes_of, check_options
from .partition import Partition, without_values
from .policy import ALL, Policy, Rule
from .portable import DEEPEST, is_deeper, portable, same
from .source import Column, Source

UNREACHABLE = ("", ".", "..")
"""Last segments that a client's URL loses on its way (RFC 3986, section 5.2.4)."""

_PATH = re.compile(r"(/(?!\.\.?(/|$))[^/{}?#\\\x00-\x1f\x7f]+)+")


@dataclass(frozen=True, eq=False)
class Resource:
    """A path, a source and options. Made by ``Resource.build``.

    channel: the path as a Bayeux channel.  read: the Pydantic class of documents.  creates, updates: of input.
    fields: by their names in documents; what a list may be filtered and sorted by.
    computed: names in documents that are no columns.
    policy: who may do what.  partition: the columns whose values are part of the channel.
    given, hidden, rights: of a view (``view.py``), the values that all its documents have, by attribute; the attributes
    that it lacks; and what its user may do.
    """

    path: str
    channel: str
    source: Source
    read: type[BaseModel]
    creates: Input
    updates: Input
    fields: Mapping[str, Field]
    computed: frozenset[str]
    read_only: frozenset[str]
    exclude: frozenset[str]
    methods: tuple[str, ...]
    sort: str
    limit: int | None
    tags: tuple[str, ...]
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
        methods: some of GET, POST, PUT, PATCH, DELETE.
        sort: how lists are sorted where the client does not say (``"-created,title"``; then by key).
        filters: names of the fields that lists may be filtered by, or their operators by name; all if not given.
        limit: the most documents that one answer holds.  tags: of its operations in OpenAPI.
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

    def field_of(self, attribute: str) -> Field | None:
        """The field that shows an attribute."""
        return next((field for field in self.fields.values() if field.attribute == attribute), None)

    def name_of(self, attribute: str) -> str:
        """The name in documents of an attribute, or of a computed field."""
        for each in (self.read.model_fields.get(attribute), self.read.model_computed_fields.get(attribute)):
            if each is not None:
                return getattr(each, "serialization_alias", None) or each.alias or attribute
        return attribute

    def holds(self, row: Row) -> bool:
        """Whether a row is in the partition that this is a view of."""
        if not self.given:
            return True
        assert self.partition is not None, "only a partition gives values"
        return self.partition.segments(row) == self._segments

    @cached_property
    def _segments(self) -> tuple[str, ...] | None:
        return None if self.partition is None else self.partition.segments(self.given)

    def check_holds(self, row: Row) -> None:
        """Raise DocumentNotFound for a row of another partition: for who has this view it is not there."""
        if not self.holds(row):
            raise DocumentNotFound(f"{self.path} has no document with this key")

    # Keys

    def format_key(self, key: Key) -> str:
        """A key as the last segment of a URL: its parts, percent-encoded, with commas between."""
        return ",".join(quote(str(portable(part)), safe="") for part in key)

    def parse_key(self, text: str) -> Key:
        """The key that a URL's last segment, still percent-encoded, names.

        Raises DocumentNotFound: what is no key is the key of no document.
        """
        parts = text.split(",") if len(self.source.key) > 1 else [text]
        if len(parts) == len(self.source.key):
            try:
                return tuple(
                    self._key_part(attribute, part)
                    for attribute, part in zip(self.source.key, parts, strict=True)
                )
            except ValueError:
                pass
        raise DocumentNotFound(f"{self.path} has no document with this key")

    def _key_part(self, attribute: str, text: str) -> Any:
        field = self.field_of(attribute)
        if field is None or field.parse is None:
            raise ValueError("values of this field have no text form")
        return field.parse(unquote(text, errors="strict"))

    # Input

    def create_values(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """The attributes that a POST sets. Raises InvalidDocument."""
        generated = self._generated
        sent: dict[str, Any] = {}
        faults = []
        for name, value in body.items():
            attribute = self.creates.attribute(name)
            if attribute is None:
                faults.append(self._unknown(name))
            elif attribute in self.given:
                if not same(value, portable(self.given[attribute])):
                    faults.append(_fault(name, "this is given by where the document is: leave it out"))
            elif attribute in generated:
                if value is not None:
                    faults.append(_fault(name, "the database makes this value: leave it out"))
            elif attribute in self.read_only:
                faults.append(_fault(name, "this is read-only"))
            else:
                sent[attribute] = value
        values = {**self.creates.validate(sent, faults, self.given), **self.given}
        self._check_reachable(values)
        # A default of None may stand for one that only the database knows: so it is left out.
        return {
            attribute: value for attribute, value in values.items() if attribute in sent or value is not None
        }

    def _check_reachable(self, values: Mapping[str, Any]) -> None:
        """Raise InvalidDocument for a key that no URL can name: it would be another path's."""
        key = tuple(values.get(attribute) for attribute in self.source.key)
        if None in key or self.format_key(key) not in UNREACHABLE:
            return
        if (field := self.field_of(self.source.key[0])) is not None:
            detail = "this can't be part of a URL, as a key must"
            raise InvalidDocument(detail, [_fault(field.name, detail)])

    def replace_values(self, row: Row, body: Mapping[str, Any]) -> dict[str, Any]:
        """The attributes that a PUT changes in a row: what the body lacks gets its default.

        Fields that a client may not set are passed over, since a client that saves a whole document sends them too,
        perhaps as they were. Raises InvalidDocument.
        """
        self.check_holds(row)
        sent, unchanged, faults = self._sent(row, body, whole=True)
        kept = {
            column.attribute: row[column.attribute]
            for column in self.source.columns
            if column.attribute in unchanged | self._untouchable
            or (column.is_filled and self.updates.leaves_out(column.attribute))
        }
        return self._changed(row, kept, sent, faults)

    def patch_values(self, row: Row, body: Mapping[str, Any]) -> dict[str, Any]:
        """The attributes that a merge-patch (RFC 7396) changes in a row. Raises InvalidDocument."""
        return self._patched(row, body, _merged)

    def set_values(self, row: Row, values: Mapping[str, Any]) -> dict[str, Any]:
        """The same, for values that take the place of the stored ones as a whole."""
        return self._patched(row, values, lambda stored, value: value)

    def _patched(
        self, row: Row, body: Mapping[str, Any], combine: Callable[[Any, Any], Any]
    ) -> dict[str, Any]:
        self.check_holds(row)
        sent, _, faults = self._sent(row, body, whole=False)
        kept = {attribute: value for attribute, value in row.items() if attribute not in sent}
        nullable = {column.attribute for column in self.source.columns if column.nullable}
        patched = {
            attribute: combine(row.get(attribute), value)
            for attribute, value in sent.items()
            if value is not None or attribute in nullable
        }
        return self._changed(row, kept, patched, faults)

    def structured(self, row: Row) -> dict[str, Any]:
        """The document with its arrays and objects as they are stored, to be changed in part."""
        shown = dict(self.document(row))
        for name, known in self.fields.items():
            stored = row.get(known.attribute)
            if isinstance(stored, dict | list) and not is_deeper(stored, DEEPEST) and name in shown:
                shown[name] = stored
        return shown

    def numbers(self, row: Row) -> dict[str, Any]:
        """The numbers of a row as they are stored, by the fields that show them."""
        stored = {name: row.get(field.attribute) for name, field in self.fields.items()}
        return {name: value for name, value in stored.items() if isinstance(value, int | float | Decimal)}

    def _sent(
        self, row: Row, body: Mapping[str, Any], whole: bool
    ) -> tuple[dict[str, Any], set[str], list[dict[str, Any]]]:
        """What a body sets, by attribute; the attributes that it shows as GET does; its faults."""
        shown = self.document(row)
        sent: dict[str, Any] = {}
        unchanged: set[str] = set()
        faults = []
        for name, value in body.items():
            attribute = self.updates.attribute(name)
            field = self.fields.get(name)
            is_unchanged = name in shown and same(value, shown[name])
            if field and field.attribute in self.source.key:
                if not is_unchanged and not field.equals(value, row[field.attribute]):
                    faults.append(_fault(name, "this is not the key in the URL, and a key can't be changed"))
            elif attribute in self._untouchable or (attribute is None and name in shown):
                if not is_unchanged and not whole:
                    faults.append(_fault(name, "this is read-only"))
            elif attribute is None:
                faults.append(self._unknown(name))
            elif is_unchanged and attribute in row:
                unchanged.add(attribute)
            else:
                sent[attribute] = value
        return sent, unchanged, faults

    def _changed(
        self, row: Row, kept: dict[str, Any], sent: dict[str, Any], faults: list[dict[str, Any]]
    ) -> dict[str, Any]:
        """What differs from the row once the model has seen the whole."""
        changed = {}
        for attribute, value in self.updates.validate(sent, faults, kept).items():
            if attribute in self._untouchable:
                continue
            if attribute not in row:
                is_changed = attribute in sent
            elif attribute in kept and not _is_like(value, row[attribute]):
                is_changed = False
            else:
                is_changed = not same(value, row[attribute])
            if is_changed:
                changed[attribute] = value
        return changed

    @cached_property
    def _untouchable(self) -> frozenset[str]:
        return frozenset({*self.source.key, *self.read_only, *self._generated})

    @cached_property
    def _generated(self) -> frozenset[str]:
        return frozenset(column.attribute for column in self.source.columns if column.generated)

    def _unknown(self, name: str) -> dict[str, Any]:
        known = name in self.computed
        return _fault(name, "this is computed" if known else f"{self.path} knows no such field")


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
    limit: int | None = None,
    tags: Iterable[str] | None = None,
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
        read_only=frozenset() if isinstance(read_only, Mapping) else frozenset(read_only or ()),
        exclude=left_out,
        methods=tuple(verb for verb in METHODS if verb in offered),
        sort=sort if isinstance(sort, str) else ",".join(sort or ()),
        limit=limit,
        tags=tuple(tags or ()),
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
    read, hideable = resource.read, resource.policy.hideable
    options = (("exclude", resource.exclude), ("read_only", resource.read_only), ("hidden", hideable))
    for option, names in options:
        shown = read.model_fields.keys() | read.model_computed_fields.keys() if option == "hidden" else set()
        for name in sorted(names - shown):
            if name not in columns and not hasattr(source.model, name):
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
    for step in filter(None, resource.sort.split(",")):
        if step.removeprefix("-") not in resource.fields:
            accepted = ", ".join(resource.fields)
            raise ConfigurationError(
                f"sort: {model} has no field {step.removeprefix('-')!r}; it has {accepted}"
            )
    if "POST" in resource.methods:
        _check_create(resource, resource.exclude if resource.create is derived else frozenset())


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


def _fault(name: str, detail: str) -> dict[str, Any]:
    return {"pointer": pointer((name,)), "detail": detail}


def _is_like(value: Any, stored: Any) -> bool:
    """Whether a stored value may be replaced by what a validator makes of it: one of another type is of a stranger's
    making, and none of this request's business."""
    return value is None or stored is None or type(value) is type(stored)


def _merged(target: Any, patch: Any) -> Any:
    """RFC 7396, for the value of one field."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = _merged(merged.get(name), value)
    return merged


__all__ = ["METHODS", "Column", "Resource", "Source"]
