"""Faye's browser client as a file: ``<mount>/client.js``, as pages of Faye's users load it.

Two rules. Only what was copied here at set-up or came with the wheel is served, under names that are written
below; a path is never looked for in a folder. Who has the file hears so (304).

This module knows no Bayeux.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import formatdate, parsedate_to_datetime
from pathlib import Path

from .origins import Headers

FOLDER = Path(__file__).parent.parent / "demo" / "static" / "vendor" / "faye"
"""Where ``hatch_build.py`` puts it, for a checkout and for the wheel."""

_CLIENT = "faye-browser-min.js"
_FILES = (_CLIENT, f"{_CLIENT}.map")
_KINDS = {".js": b"text/javascript; charset=utf-8", ".map": b"application/json; charset=utf-8"}
_MISSING = b"Faye's browser client is not installed here"
_UNKNOWN = b"There is no such script here; Faye's browser client is client.js"
_TEXT: Headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"x-content-type-options", b"nosniff")]


@dataclass(frozen=True, slots=True)
class File:
    """A file's answer: status, headers, body."""

    status: int
    headers: Headers
    body: bytes


def is_script(path: str) -> bool:
    """Whether a path is that of a file, and no message's."""
    return path.endswith((".js", ".map"))


class Script:
    """The client, read when it is first asked for.

    Args:
        folder: where it lies.
    """

    def __init__(self, folder: Path = FOLDER) -> None:
        self._folder = folder
        self._read: dict[str, tuple[bytes, bytes, int]] = {}

    def answer(self, path: str, mount: str, headers: Mapping[bytes, bytes]) -> File:
        """The answer to a GET.

        Args:
            path: the request's.  mount: where the server is; ``<mount>.js`` is the client too.
            headers: the request's.
        """
        name = path.rpartition("/")[2]
        name = _CLIENT if name in ("client.js", f"{mount.rpartition('/')[2] or 'faye'}.js") else name
        name = f"{_CLIENT}.map" if name == "client.js.map" else name
        if name not in _FILES:
            return File(404, _TEXT, _UNKNOWN)
        try:
            content, digest, changed = self._open(name)
        except OSError:
            return File(404, _TEXT, _MISSING)
        told = [(b"etag", digest), (b"last-modified", formatdate(changed, usegmt=True).encode())]
        if _has_it(headers, digest, changed):
            return File(304, told, b"")
        kind = (b"content-type", _KINDS[Path(name).suffix])
        return File(200, [*told, kind, (b"x-content-type-options", b"nosniff")], content)

    def _open(self, name: str) -> tuple[bytes, bytes, int]:
        if name not in self._read:
            path = self._folder / name
            content = path.read_bytes()
            digest = b'"%b"' % hashlib.sha1(content, usedforsecurity=False).hexdigest().encode()
            self._read[name] = content, digest, int(path.stat().st_mtime)
        return self._read[name]


def _has_it(headers: Mapping[bytes, bytes], digest: bytes, changed: int) -> bool:
    if (known := headers.get(b"if-none-match")) is not None:
        return digest in (tag.strip().removeprefix(b"W/") for tag in known.split(b",")) or known == b"*"
    try:
        since = parsedate_to_datetime(headers.get(b"if-modified-since", b"").decode("latin-1"))
        return changed <= since.timestamp()
    except (ValueError, OverflowError):
        return False
