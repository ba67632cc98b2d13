"""Preconditions: the state that a request says it has seen, and what follows if there is another (RFC 9110, 13).

Three rules. A document's tag is a digest of what its caller is shown, so what he may not see does not move it. A list's
is drawn from the last change of its table and from what is shown of a row, so that nobody reads a list to say that it
is as it was. What a write depends on is compared within its transaction.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from email.utils import format_datetime
from hashlib import blake2b

import orjson

from ..change import Row
from ..errors import MalformedRequest, PreconditionFailed, PreconditionRequired
from ..resource import Resource
from ..version import __version__
from .answer import Header
from .formats import FORMATS, JSON, Format

_TAG = re.compile(r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"')
_WIDTH = 12
"""Bytes of a digest: enough that no two states of a document are taken for one."""


class Preconditions:
    """What ``If-Match`` and ``If-None-Match`` say; false if nothing. Raises MalformedRequest.

    headers: by lower-case name.
    """

    __slots__ = ("_match", "_none_match")

    def __init__(self, headers: Mapping[str, str]) -> None:
        self._match = _tags("If-Match", headers.get("if-match"))
        self._none_match = _tags("If-None-Match", headers.get("if-none-match"))

    def __bool__(self) -> bool:
        return self._match is not None or self._none_match is not None

    def are_unchanged(self, *tags: bytes) -> bool:
        """Whether the caller of a read has this state already. tags: of the state. Raises PreconditionFailed."""
        shown = {tag.decode() for tag in tags}
        if self._match is not None and not _is_among(self._match, shown):
            raise PreconditionFailed("this is not, or no longer, as If-Match says")
        # Weakly: for a reader, one that says the same will do.
        return self._none_match is not None and _is_among(_weakly(self._none_match), _weakly(shown))

    def check(self, resource: Resource, row: Row) -> None:
        """Compare what a write depends on with the row that it has met. Raises PreconditionFailed."""
        if not self:
            return
        body = orjson.dumps(resource.document(row))
        # Whatever the format was in which it was seen.
        if self.are_unchanged(*(document_tag(body, form) for form in FORMATS.values())):
            raise PreconditionFailed("the document is as If-None-Match forbids")

    def check_list(self, tags: Iterable[bytes]) -> None:
        """The same for a write of a list. tags: of the list, in each format. Raises PreconditionFailed."""
        if self and self.are_unchanged(*tags):
            raise PreconditionFailed("the list is as If-None-Match forbids")

    @property
    def names_states(self) -> bool:
        """Whether they name states, rather than any that there is."""
        return bool({*(self._match or ()), *(self._none_match or ())} - {"*"})

    def refuse(self) -> None:
        """Raise MalformedRequest if they say anything: for a write of what is not there yet."""
        if self:
            raise MalformedRequest(
                "POST takes no If-Match and no If-None-Match: there is no state to compare"
            )

    def require_match(self) -> None:
        """Raise PreconditionRequired where a write does not say which state it is based on."""
        if self._match is None:
            raise PreconditionRequired(
                "this is changed only by those who say which state they saw: send its ETag as If-Match"
            )


def document_tag(body: bytes, form: Format = JSON) -> bytes:
    """The entity tag of a document in a format. body: its JSON."""
    return b'"%s%s"' % (blake2b(body, digest_size=_WIDTH).hexdigest().encode(), form.suffix)


def last_modified(resource: Resource, row: Row) -> list[Header]:
    """When a row was changed, where it says so: told, and never compared, since two writes may share a second."""
    changed = row.get(resource.last_modified or "")
    if not isinstance(changed, datetime):
        return []
    now = datetime.now(UTC)
    try:
        told = min(now, changed.replace(tzinfo=changed.tzinfo or UTC).astimezone(UTC))
    except OverflowError:  # within hours of the first or the last day that there is
        return []
    return [(b"last-modified", format_datetime(told, usegmt=True).encode())]


def list_tag(resource: Resource, version: str, query: bytes, form: Format) -> bytes:
    """The entity tag of a list. version: of its source.  query: what it was asked for, as the URL says it."""
    shown = (__version__, resource.read.__qualname__, *resource.fields, *sorted(resource.computed))
    what = "\0".join((version, resource.channel, *shown)).encode()
    digest = blake2b(what + b"\0\0" + query, digest_size=_WIDTH).hexdigest().encode()
    return b'"%s%s"' % (digest, form.suffix)


def _tags(name: str, header: str | None) -> set[str] | None:
    """The entity tags that a header lists; ``*`` is that alone."""
    if header is None:
        return None
    if header.strip() == "*":
        return {"*"}
    tags = _TAG.findall(header)
    if not tags or _TAG.sub("", header).strip(", \t"):
        raise MalformedRequest(f'{name}: entity tags in quotes, such as "5f2a", or * are needed')
    return set(tags)


def _is_among(tags: set[str], shown: set[str]) -> bool:
    """Whether a state is one of those named; a weak tag names none strongly."""
    return "*" in tags or any(not tag.startswith("W/") for tag in tags & shown)


def _weakly(tags: set[str]) -> set[str]:
    return {tag.removeprefix("W/") for tag in tags}
