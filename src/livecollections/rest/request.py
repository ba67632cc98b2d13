"""Request: what a client asks, read from ASGI and checked as far as no model is needed."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Mapping
from math import isfinite
from typing import Any
from urllib.parse import parse_qsl, quote, unquote_to_bytes

from starlette.types import Receive, Scope

from .. import json_text
from ..errors import InvalidDocument, MalformedRequest, RequestRefused, TooLarge, UnsupportedMediaType
from ..stores.base import Idempotency

UPLOAD = 30.0
"""Seconds for which a body may take to come."""
DEEPEST_BODY = 32
"""Levels of nesting that a body may have."""

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"

_ORIGIN = re.compile(r"[A-Za-z0-9._-]{1,64}")
_IDEMPOTENCY_KEY = re.compile(r"[\x20-\x7e]{1,255}")
_CACHE_BUSTER = "_"
_DECIDING = ("update-operator", "if-match", "if-none-match")
"""Headers that make another request of the same body."""


class ClientGone(Exception):
    """The client went before its body had come: nobody waits for an answer."""


def origin_of(headers: Mapping[str, str]) -> str | None:
    """The token of ``Live-Origin``, by which a writer knows its own write again.

    Raises MalformedRequest unless it is 1 to 64 of ``A-Z a-z 0-9 . _ -``.
    """
    token = headers.get("live-origin")
    if token is not None and not _ORIGIN.fullmatch(token):
        raise MalformedRequest("Live-Origin: 1 to 64 of A-Z a-z 0-9 . _ - are needed")
    return token


def is_key(text: str) -> bool:
    """Whether a text can be an ``Idempotency-Key``."""
    return _IDEMPOTENCY_KEY.fullmatch(text) is not None


def kept_as(key: str, path: str, user: str) -> str:
    """An ``Idempotency-Key`` as stores keep it: one space of keys for each user and path.

    user: what he is told apart by.
    """
    space = "\0".join((path, user)).encode("utf-8", "replace")
    return f"{hashlib.sha256(space).hexdigest()} {key}"


class Request:
    """One request. ``headers`` are by lower-case name.  user: whose it is, once somebody has asked."""

    __slots__ = ("_parameters", "_receive", "_scope", "headers", "method", "user")

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self._scope = scope
        self._receive = receive
        self._parameters: list[tuple[str, str]] | None = None
        self.method: str = scope["method"]
        self.user: Any = None
        pairs = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
        self.headers = dict(pairs)
        if len(self.headers) != len(pairs):
            self.headers = {
                name: ", ".join(each for key, each in pairs if key == name) for name in self.headers
            }

    @property
    def scope(self) -> Scope:
        """As ASGI gave it."""
        return self._scope

    @property
    def path(self) -> str:
        """The path as it was asked for, percent-encoded, without a trailing slash."""
        raw: bytes | None = self._scope.get("raw_path")
        path = quote(self._scope["path"]) if raw is None else raw.partition(b"?")[0].decode("latin-1")
        return path.rstrip("/")

    def check_path(self) -> None:
        """Raise MalformedRequest for a path that is no text: servers put U+FFFD where it is none."""
        try:
            unquote_to_bytes(self.path.encode("latin-1")).decode()
        except UnicodeDecodeError:
            raise MalformedRequest("the path is not UTF-8") from None

    @property
    def origin(self) -> str | None:
        """See ``origin_of``."""
        return origin_of(self.headers)

    @property
    def query(self) -> bytes:
        """The query string as it was sent."""
        query: bytes = self._scope["query_string"]
        return query

    def parameters(self) -> list[tuple[str, str]]:
        """The query string, read once. Raises MalformedRequest."""
        if self._parameters is None:
            text = self.query.decode("latin-1")
            try:
                self._parameters = (
                    parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=100)
                    if text
                    else []
                )
            except ValueError:
                raise MalformedRequest(
                    "the query string is not UTF-8, or has more than 100 parameters"
                ) from None
        return self._parameters

    def refuse_parameters(self, but: str = _CACHE_BUSTER) -> None:
        """Raise MalformedRequest for any parameter, or any but one: this request takes no other."""
        for name, _ in self.parameters():
            if name.partition("[")[0] not in (but, _CACHE_BUSTER):
                raise MalformedRequest(f"{name}: {self.method} takes no such parameter here")

    def idempotency(self, body: bytes, channel: str, user: str) -> Idempotency | None:
        """What ``Idempotency-Key`` says.

        channel: of the view, since another one is answered otherwise.  user: what he is told apart by.

        Raises MalformedRequest.
        """
        key = self.headers.get("idempotency-key")
        if key is None:
            return None
        if not is_key(key):
            raise MalformedRequest("Idempotency-Key: 1 to 255 printable ASCII characters are needed")
        named = [f"{name}:{self.headers[name]}" for name in _DECIDING if name in self.headers]
        named += [f"{name}={value}" for name, value in self.parameters() if name != _CACHE_BUSTER]
        asked = "\0".join((self.method, channel, self.media_type, *named)).encode("utf-8", "replace")
        return Idempotency(kept_as(key, self.path, user), hashlib.sha256(asked + b"\0" + body).hexdigest())

    @property
    def media_type(self) -> str:
        """The body's type, without its parameters."""
        kind: str = self.headers.get("content-type", "").partition(";")[0]
        return kind.strip().lower()

    def _check_type(self) -> None:
        if self.headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
            raise UnsupportedMediaType("the body must not be compressed")
        kind = self.media_type
        is_json = kind == "application/json" or (kind.startswith("application/") and kind.endswith("+json"))
        is_patch = kind in ("application/json", MERGE_PATCH, JSON_PATCH)
        if not (is_patch if self.method == "PATCH" else is_json and kind != JSON_PATCH):
            raise UnsupportedMediaType("the body's type must be application/json")
        parameters = self.headers["content-type"].partition(";")[2]
        name, _, charset = parameters.partition(";")[0].strip().lower().partition("=")
        if name == "charset" and charset.split(" ")[0].strip('"') not in ("utf-8", "utf8", "us-ascii"):
            raise UnsupportedMediaType("JSON is UTF-8")

    async def body(self, limit: int) -> bytes:
        """The body, at most ``limit`` bytes. Raises UnsupportedMediaType, TooLarge, RequestRefused, ClientGone."""
        self._check_type()
        try:
            async with asyncio.timeout(UPLOAD):
                return await self._read(limit)
        except TimeoutError:
            raise RequestRefused(f"a body may take {UPLOAD:g} seconds", (), 408, "Request Timeout") from None

    async def _read(self, limit: int) -> bytes:
        length = self.headers.get("content-length", "")
        if length.isdecimal() and int(length) > limit:
            raise TooLarge(f"a body has at most {limit} bytes here")
        parts: list[bytes] = []
        size = 0
        while True:
            event = await self._receive()
            if event["type"] != "http.request":
                raise ClientGone
            part = event.get("body", b"")
            size += len(part)
            if size > limit:
                raise TooLarge(f"a body has at most {limit} bytes here")
            parts.append(part)
            if not event.get("more_body"):
                return b"".join(parts)


def read_json(body: bytes) -> Any:
    """The JSON of a body. Raises MalformedRequest."""
    if not body:
        raise MalformedRequest("the body is empty; JSON is needed")
    try:
        value = json_text.read(body)
    except ValueError as error:
        raise MalformedRequest(f"the body is {error}") from None
    _check_value(value, 1)
    return value


def as_document(value: Any) -> dict[str, Any]:
    """A value that has to be a JSON object. Raises InvalidDocument."""
    if not isinstance(value, dict):
        detail = "a JSON object is needed"
        raise InvalidDocument(detail, [{"pointer": "", "detail": detail}])
    return value


def _check_value(value: Any, depth: int) -> None:
    if isinstance(value, float):
        if not isfinite(value):
            raise MalformedRequest("the body holds a number beyond what a double can hold")
    elif isinstance(value, dict | list):
        if depth > DEEPEST_BODY:
            raise MalformedRequest(f"the body is nested deeper than {DEEPEST_BODY} levels")
        for each in value.values() if isinstance(value, dict) else value:
            _check_value(each, depth + 1)
