"""Editing: what a body makes of a document: the values that a POST sets, and those that PUT and PATCH change in a row.

Four rules. A name that the model does not know, and a field that a client may not set, is refused. What a client sends
back as GET shows it is left as it is stored. The model judges the document as it would be, whatever of it was sent. Who
may not read is answered alike whatever is stored.

It is the part of a resource that reads input, and knows no database and no HTTP.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import cached_property
from typing import Any

from .address import UNREACHABLE, Addressed
from .change import Row
from .errors import Conflict, InvalidDocument, RequestRefused
from .input import Input, pointer
from .portable import DEEPEST, is_deeper, portable, same


class Editing(Addressed):
    """What ``Resource`` says of input; its fields are those of a resource."""

    creates: Input
    updates: Input
    computed: frozenset[str]
    read_only: frozenset[str]
    document: Callable[[Row], dict[str, Any]]
    locking: str | None
    rights: frozenset[str]

    @property
    def is_blind(self) -> bool:
        """Whether who has this view may not read what he changes."""
        return "read" not in self.rights

    def refuse_blind(self, what: str) -> None:
        """Raise RequestRefused, where this is blind, for what only a reader may do. what: such as "$inc does"."""
        if self.is_blind:
            raise RequestRefused(f"you may not read here, as {what}", (), 403, "Forbidden")

    # What a body may name

    @property
    def creatable(self) -> list[str]:
        """The names that a POST may set."""
        fixed = {*self.given, *self.read_only, *self._generated}
        return [name for name, attribute in self.creates.names.items() if attribute not in fixed]

    @property
    def updatable(self) -> list[str]:
        """The names that a PUT or PATCH may change."""
        return [name for name, attribute in self.updates.names.items() if attribute not in self._untouchable]

    # Creating and changing

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
        """Raise InvalidDocument for what is to name the document in URLs, and can't: it would be another path's."""
        given = [values.get(attribute) for attribute in self.address]
        if None in given or self.format_address(values) not in UNREACHABLE:
            return
        if (field := self.field_of(self.address[0])) is not None:
            detail = "this can't be part of a URL, as a key must"
            raise InvalidDocument(detail, [_fault(field.name, detail)])

    def replace_values(self, row: Row, body: Mapping[str, Any]) -> dict[str, Any]:
        """The attributes that a PUT changes in a row: what the body lacks gets its default, but for what is not shown.

        Fields that a client may not set are passed over, since a client that saves a whole document sends them too,
        perhaps as they were. Raises InvalidDocument.
        """
        self.check_holds(row)
        sent, unchanged, faults = self._sent(row, body, whole=True)
        kept = {
            column.attribute: row[column.attribute]
            for column in self.source.columns
            if column.attribute in unchanged | self._untouchable
            or column.attribute not in self._shown | sent.keys()
            or (column.is_filled and self.updates.leaves_out(column.attribute))
        }
        return self._changed(row, kept, sent, faults)

    def patch_values(self, row: Row, body: Mapping[str, Any]) -> dict[str, Any]:
        """The attributes that a merge-patch (RFC 7396) changes in a row. Raises InvalidDocument."""
        return self._patched(row, body, _merged)

    def set_values(self, row: Row, values: Mapping[str, Any]) -> dict[str, Any]:
        """The same, for values of ``structured``, changed: what these do not show stays as it is stored."""
        seen = self.structured(row)
        whole = {
            name: _carried(row.get(self.fields[name].attribute), seen.get(name), value)
            if name in self.fields and isinstance(value, dict) and not same(value, seen.get(name))
            else value
            for name, value in values.items()
        }
        return self._patched(row, whole, lambda stored, value: value)

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
        """The document to be changed in part: arrays and objects that it shows whole are as they are stored."""
        shown = dict(self.document(row))
        for name, known in self.fields.items():
            stored = row.get(known.attribute)
            is_whole = name in shown and same(shown[name], portable(stored))
            if is_whole and isinstance(stored, dict | list) and not is_deeper(stored, DEEPEST):
                shown[name] = stored
        return shown

    def numbers(self, row: Row) -> dict[str, Any]:
        """The numbers of a row as they are stored, by the fields that show them."""
        shown = self.document(row)
        stored = {name: row.get(field.attribute) for name, field in self.fields.items() if name in shown}
        return {
            name: value
            for name, value in stored.items()
            if isinstance(value, int | float | Decimal)
            and self.fields[name].equals(shown[name], portable(value))
        }

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
            is_unchanged = not self.is_blind and name in shown and same(value, shown[name])
            if field and field.attribute in self.source.key:
                is_known = self.find_by is None or not self.is_blind
                if not is_unchanged and not (is_known and field.equals(value, row[field.attribute])):
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
        validated = self.updates.validate(sent, faults, kept, is_blind=self.is_blind, is_stored=True)
        for attribute, value in validated.items():
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
        self._check_reachable(changed)
        if changed and self.locking is not None:
            changed[self.locking] = self._version(row) + 1
        return changed

    # Versions

    def unlocked(self, row: Row, body: Mapping[str, Any], *, needed: bool) -> Mapping[str, Any]:
        """A body without the version that its sender saw, which is the row's.

        needed: it has to be there. Raises Conflict if it is another, InvalidDocument if it is not there, RequestRefused
        where it can't have been seen.
        """
        if self.locking is None:
            return body
        self.check_holds(row)
        name = next(name for name, field in self.fields.items() if field.attribute == self.locking)
        if name not in body:
            if needed:
                detail = "the version that was seen is needed, or If-Match"
                raise InvalidDocument(f"/{name}: {detail}", [_fault(name, detail)])
            return body
        self.refuse_blind("a version tells")
        if not same(body[name], portable(self._version(row))):
            detail = "this is not, or no longer, the version of the document"
            raise Conflict(f"/{name}: {detail}", [_fault(name, detail)])
        return {each: value for each, value in body.items() if each != name}

    def _version(self, row: Row) -> int:
        stored = row[self.locking or ""]
        return stored if type(stored) is int else 0

    @cached_property
    def _untouchable(self) -> frozenset[str]:
        return frozenset({*self.source.key, *self.read_only, *self._generated})

    @cached_property
    def _shown(self) -> frozenset[str]:
        return frozenset(field.attribute for field in self.fields.values())

    @cached_property
    def _generated(self) -> frozenset[str]:
        return frozenset(column.attribute for column in self.source.columns if column.generated)

    def _unknown(self, name: str) -> dict[str, Any]:
        known = name in self.computed
        return _fault(name, "this is computed" if known else f"{self.path} knows no such field")


def _fault(name: str, detail: str) -> dict[str, Any]:
    return {"pointer": pointer((name,)), "detail": detail}


def _is_like(value: Any, stored: Any) -> bool:
    """Whether a stored value may be replaced by what a validator makes of it: one of another type is of a stranger's
    making, and none of this request's business."""
    return value is None or stored is None or type(value) is type(stored)


def _carried(stored: Any, seen: Any, value: Any) -> Any:
    """A value that was made of what was seen, with what is stored and was not seen."""
    if not isinstance(stored, dict) or not isinstance(seen, dict) or not isinstance(value, dict):
        return stored if seen is not None and same(seen, value) else value
    unseen = {name: each for name, each in stored.items() if name not in seen}
    return {
        **unseen,
        **{name: _carried(stored.get(name), seen.get(name), each) for name, each in value.items()},
    }


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
