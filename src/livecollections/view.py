"""View: a resource as one user has it. It is a resource like any other, with fewer fields and rows.

Three rules. Users whose rights, fields and partition are the same have the same view, and so hear one encoding of each
message. What a view lacks it does not know: no error, filter or sort of it can name that. A view has a channel of its
own where it shows other fields than others do, so that a channel says one thing to all who hear it.

It knows no request and no session.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from .cause import Cause
from .change import Change, Row
from .errors import ConfigurationError, RequestRefused
from .input import Input
from .partition import VALUE, Segments
from .policy import ALL, Policy, decided
from .resource import Resource

REMEMBERED = 4_096
"""Views of single partitions that are kept for the next request."""

Shape = tuple[str | None, ...]
"""The segments of a channel, None where a value stands."""
_NOTHING = "you have nothing here"
_SUFFIX = re.compile(r"/~view/([0-9a-f]{12})")


class Views:
    """Those of one resource.

    policy: its rules.  is_open: everybody has the resource itself.
    """

    def __init__(self, resource: Resource, policy: Policy) -> None:
        self.resource = resource
        self.policy = policy
        self.partition = resource.partition
        self._channels = re.compile(re.escape(resource.channel).replace(re.escape(VALUE), "([^/]+)"))
        self.is_open = policy.is_open and self.partition is None and resource.rights is ALL
        self._narrowed: dict[tuple[frozenset[str], frozenset[str], frozenset[str]], Resource] = {}
        self._hidden: dict[str, frozenset[str]] = {}
        self._suffixes: dict[frozenset[str], str] = {policy.always_hidden: ""}
        self._cut: dict[tuple[int, Segments], Resource] = {}

    @property
    def shown(self) -> Resource:
        """The resource without the fields that nobody sees."""
        hidden = self.policy.always_hidden
        return self._narrow(hidden, frozenset(), self.resource.rights) if hidden else self.resource

    @property
    def told(self) -> Resource:
        """The resource without the fields that anybody does not see: for who is no user."""
        hidden = self.policy.hideable
        return self._narrow(hidden, frozenset(), frozenset()) if hidden else self.resource

    def values_in(self, path: str) -> Mapping[str, str] | None:
        """The values that stand in a list's path; None: it is another's."""
        nested = () if self.partition is None else self.partition.nested
        pattern = re.escape(self.resource.path)
        for name in nested:
            pattern = pattern.replace(re.escape(f"{{{name}}}"), f"(?P<{name}>[^/{{}}]+)")
        found = re.fullmatch(pattern, path)
        return None if found is None else found.groupdict()

    # Of a user

    def of(self, user: Any, texts: Mapping[str, str]) -> Resource:
        """What a user has.

        texts: the values in the URL.
        Raises DocumentNotFound, and RequestRefused for one who has no partition.
        """
        whole = self.anywhere(user)
        if self.partition is None:
            return whole
        return self._in(whole, self._values(user, self.partition.parse(texts)), user)

    def heard(self, user: Any, channel: str) -> Resource | None:
        """The view that a user has of what a channel is of; None: there is none."""
        segments, _ = self._located(channel)
        if segments is None:
            return None
        whole = self.anywhere(user)
        if self.partition is None:
            return whole
        named = self.partition.values(segments)
        if named is None:
            return None
        try:
            nested = {name: named[name] for name in self.partition.nested}
            return self._in(whole, self._values(user, nested), user)
        except RequestRefused:
            return None

    def anywhere(self, user: Any) -> Resource:
        """What a user has of it in any partition, before his values are put in."""
        if self.policy.is_open:
            return self.resource
        hidden, read_only = self.policy.hidden(user), self.policy.read_only(user)
        rights = self.policy.rights(user)
        found = self._narrowed.get((hidden, read_only, rights))
        if found is None:
            found = self._narrowed[hidden, read_only, rights] = self._narrow(hidden, read_only, rights)
        return found

    def _values(self, user: Any, nested: Mapping[str, Any]) -> dict[str, Any]:
        """The values of the user's partition. Raises RequestRefused."""
        partition = self.partition
        assert partition is not None, "only views of a partitioned resource have values"
        if partition.by is None:
            return dict(nested)
        try:
            told = decided(partition.by(user))
        except Exception as error:
            if user is not None:
                raise
            raise refused(user, _NOTHING) from error
        if not partition.named and partition.may_name(told, nested):
            return dict(nested)
        own = partition.of_user(told) if partition.named else None
        if own is None:
            raise refused(user, _NOTHING)
        return {**nested, **own}

    # By channel

    def at(self, channel: str) -> Resource | None:
        """The view whose channel this is, without the rights of any user; None: it is no view's."""
        segments, digest = self._located(channel)
        hidden = self.policy.always_hidden if digest is None else self._hidden.get(digest)
        if segments is None or hidden is None:
            return None
        whole = self.resource
        if hidden:
            rights: frozenset[str] = frozenset()
            key = (hidden, frozenset[str](), rights)
            whole = self._narrowed.get(key) or self._narrowed.setdefault(key, self._narrow(*key))
        if self.partition is None:
            return whole
        values = self.partition.values(segments)
        return None if values is None else self._cut_out(whole, segments, values)

    def has(self, channel: str) -> bool:
        """Whether a channel is one of this resource's."""
        return self._located(channel)[0] is not None

    @property
    def shapes(self) -> list[Shape]:
        """Those of its channels, without and with a view's own name."""
        segments = self.resource.channel.split("/")[1:]
        shape = tuple(None if segment == VALUE else segment for segment in segments)
        return [shape, (*shape, "~view", None)]

    def segments(self, row: Row) -> Segments | None:
        """Where a row is; None: in no partition."""
        return () if self.partition is None else self.partition.segments(row)

    def _located(self, channel: str) -> tuple[Segments | None, str | None]:
        """The partition and the digest that a channel names."""
        base, digest = channel, None
        if (found := _SUFFIX.search(channel)) is not None and found.end() == len(channel):
            base, digest = channel[: found.start()], found[1]
        located = self._channels.fullmatch(base)
        return (None if located is None else located.groups()), digest

    # Making them

    def _in(self, whole: Resource, values: Mapping[str, Any], user: Any) -> Resource:
        assert self.partition is not None
        segments = self.partition.segments(values)
        if segments is None:
            raise refused(user, _NOTHING)
        return self._cut_out(whole, segments, values)

    def _cut_out(self, whole: Resource, segments: Segments, values: Mapping[str, Any]) -> Resource:
        """The part of a view that a partition is."""
        found = self._cut.get((id(whole), segments))
        if found is None:
            assert self.partition is not None
            if len(self._cut) >= REMEMBERED:
                self._cut.clear()
            found = self._cut[id(whole), segments] = replace(
                whole,
                path=self.partition.url(values),
                channel=self.resource.channel.format(*segments) + self._suffix(whole.hidden),
                given=dict(values),
                read_only=whole.read_only | values.keys(),
            )
        return found

    def _suffix(self, hidden: frozenset[str]) -> str:
        """What a channel ends with that shows less than others."""
        found = self._suffixes.get(hidden)
        if found is None:
            digest = hashlib.sha256("\0".join(sorted(hidden)).encode()).hexdigest()[:12]
            self._hidden[digest] = hidden
            found = self._suffixes[hidden] = f"/~view/{digest}"
        return found

    def _narrow(self, hidden: frozenset[str], read_only: frozenset[str], rights: frozenset[str]) -> Resource:
        resource = self.resource
        names = {resource.name_of(attribute) for attribute in hidden}
        fields = {name: field for name, field in resource.fields.items() if name not in names}
        if _is_needed(resource, hidden | read_only):
            rights -= {"create"}
        return replace(
            resource,
            channel=resource.channel + self._suffix(hidden),
            fields=fields,
            computed=resource.computed - names,
            creates=Input(resource.create, resource.creates.hidden | hidden, is_partial=bool(hidden)),
            updates=Input(resource.update, resource.updates.hidden | hidden, is_partial=bool(hidden)),
            read_only=resource.read_only | read_only | hidden,
            sort=",".join(step for step in resource.sort.split(",") if step.removeprefix("-") in fields),
            document=_without(resource, names) if names else resource.document,
            hidden=hidden,
            rights=rights & resource.rights,
        )


def showing(several: Iterable[Views], model: type, path: str | None) -> tuple[Views, Mapping[str, str]]:
    """The views that show a model at a path, and the values in that.

    path: of the list, with its values; None where only one shows it, and has none. Raises ConfigurationError.
    """
    name = model.__name__
    known = [one for one in several if one.resource.source.model is model and "GET" in one.resource.methods]
    if not known:
        raise ConfigurationError(f"no resource offers {name}")
    wanted = known[0].resource.path if path is None and len(known) == 1 else path
    for one in known:
        if wanted is not None and (values := one.values_in(wanted)) is not None:
            return one, values
    paths = ", ".join(one.resource.path for one in known)
    raise ConfigurationError(f"path: {name} is offered at {paths}: say at which, not {path!r}")


def check_apart(several: Iterable[Views]) -> None:
    """Raise ConfigurationError for two resources that could have a channel of one name."""
    known: list[tuple[str, Shape]] = []
    for views in several:
        for path, shape in known:
            if any(_is_alike(shape, own) for own in views.shapes):
                raise ConfigurationError(
                    f"path: {views.resource.path} and {path} could mean the same channel"
                )
        known += [(views.resource.path, shape) for shape in views.shapes]


def _is_alike(one: Shape, other: Shape) -> bool:
    return len(one) == len(other) and all(map(_may_be, one, other))


def _may_be(one: str | None, other: str | None) -> bool:
    """Whether two segments can be the same; what begins with a tilde is a name of ours, and never a value."""
    if one is None or other is None:
        return not (one or other or "").startswith("~")
    return one == other


def seen(view: Resource, change: Change) -> Change | None:
    """What a change is to those who have a view; None: it is none."""
    if change.method == "RESET":
        return change
    if change.before is not None and not view.given.keys() <= change.before.keys():
        return untold(change)
    before = change.before if change.before is not None and view.holds(change.before) else None
    after = change.after if change.after is not None and view.holds(change.after) else None
    if before is None and after is None:
        return None
    if before is not change.before or after is not change.after:
        return replace(change, before=before, after=after, method="DELETE" if after is None else "POST")
    is_same = before is not None and after is not None and view.document(before) == view.document(after)
    return None if is_same and view.hidden else change


def untold(change: Change) -> Change:
    """What a change is to a partition where nobody knows which partition it is of."""
    return replace(
        change, method="RESET", key=(), before=None, after=None, origin=None, cause=Cause.UNDECODABLE
    )


def refused(user: Any, detail: str, *, knows_users: bool = True) -> RequestRefused:
    """401 to one whom nobody knows, if anybody can be known; 403 to others."""
    if user is None and knows_users:
        return RequestRefused(f"{detail} without saying who you are", (), 401, "Unauthorized")
    return RequestRefused(detail, (), 403, "Forbidden")


def _without(resource: Resource, names: Iterable[str]) -> Any:
    """Documents of the names that are left, and of no other."""
    whole, gone = resource.document, frozenset(names)
    shown = tuple(name for name in (*resource.fields, *sorted(resource.computed)) if name not in gone)

    def document(row: Row) -> dict[str, Any]:
        found = whole(row)
        return {name: found[name] for name in shown if name in found}

    return document


def _is_needed(resource: Resource, attributes: Iterable[str]) -> bool:
    """Whether a document can't be created without one of these."""
    needed = {name for name, info in resource.create.model_fields.items() if info.is_required()}
    given = () if resource.partition is None else resource.partition.attributes
    return not needed.isdisjoint(frozenset(attributes).difference(given))
