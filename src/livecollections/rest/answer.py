"""Answer: a finished response, and the problem (RFC 9457) that each error becomes."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from http.client import responses
from typing import Any

import orjson
from starlette.exceptions import HTTPException
from starlette.types import Receive, Scope, Send

from ..errors import (
    BulkRefused,
    Conflict,
    ConstraintViolated,
    InvalidDocument,
    RequestError,
    SchemaMismatch,
    StoreUnavailable,
)
from ..field import Field
from ..input import pointer
from ..resource import Resource

logger = logging.getLogger("livecollections.rest")

Header = tuple[bytes, bytes]

NO_CACHE: Header = (b"cache-control", b"no-cache")

JSON = b"application/json"
PROBLEM = b"application/problem+json"

_CONSTRAINTS: dict[str, tuple[type[RequestError], str]] = {
    "unique": (Conflict, "another document has this already"),
    "foreign key": (InvalidDocument, "this refers to what does not exist, or is referred to"),
    "check": (InvalidDocument, "the database does not accept this"),
    "not null": (InvalidDocument, "this is needed"),
}


@dataclass(slots=True)
class Answer:
    """A response that is complete: status, body, and headers beside those of its length and type.

    body: None where there would be one, but for HEAD it was not made.
    """

    status: int
    body: bytes | None = b""
    headers: Sequence[Header] = ()
    type: bytes = JSON

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"x-content-type-options", b"nosniff"), *self.headers]
        if self.body is not None and self.status not in (204, 304):
            headers.append((b"content-length", str(len(self.body)).encode()))
        if self.body != b"":
            headers.append((b"content-type", self.type))
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        body = b"" if self.body is None or scope["method"] == "HEAD" else self.body
        await send({"type": "http.response.body", "body": body})


def problem(
    status: int,
    title: str,
    detail: str,
    errors: Sequence[dict[str, Any]] = (),
    headers: Sequence[Header] = (),
) -> Answer:
    """A problem as an ASGI application.

    errors: where it applies: ``{"pointer": "/title", "detail": "…"}``.
    """
    body: dict[str, Any] = {"type": "about:blank", "title": title, "status": status, "detail": detail}
    if errors:
        body["errors"] = list(errors)
    return Answer(status, orjson.dumps(body), [NO_CACHE, *headers], PROBLEM)


def problem_of(error: Exception, resource: Resource, method: str, told: set[str]) -> Answer:
    """The problem that an error is to the client; what is not foreseen is logged, and told by its number only.

    told: what has been logged of tables that are not as declared; that is logged once.
    """
    error = told_of(error, resource, method)
    if isinstance(error, RequestError):
        return problem(error.status, error.title, error.detail, error.errors)
    if isinstance(error, HTTPException):  # a hook's, as FastAPI's users raise them
        headers = [(name.lower().encode(), value.encode()) for name, value in (error.headers or {}).items()]
        title = responses.get(error.status_code, "Refused")
        return problem(error.status_code, title, str(error.detail), headers=headers)
    if isinstance(error, SchemaMismatch):
        return _mismatch(error, resource, told)
    if isinstance(error, StoreUnavailable):
        logger.warning("%s %s: %s", method, resource.path, error, extra={"channel": resource.channel})
        detail = "the database is not available; try again" if error.reason else str(error)
        return problem(503, "Service Unavailable", detail, headers=[(b"retry-after", b"1")])
    number = secrets.token_hex(8)
    logger.error(
        "%s %s failed: %s", method, resource.path, number, exc_info=error, extra={"channel": resource.channel}
    )
    return problem(500, "Internal Server Error", f"this failed here; the server's log knows it as {number}")


def _mismatch(error: SchemaMismatch, resource: Resource, told: set[str]) -> Answer:
    if str(error) not in told:
        told.add(str(error))
        logger.error(
            "%s can't be served: %s. (This is said once.)",
            resource.path,
            error,
            extra={"channel": resource.channel},
        )
    detail = "the database is not as it is declared here; the server's log says more"
    return problem(503, "Service Unavailable", detail, headers=[(b"retry-after", b"10")])


def told_of(error: Exception, resource: Resource, method: str) -> Exception:
    """What a store refuses, in the words of the resource; any other error as it is."""
    if isinstance(error, BulkRefused):
        why = told_of(error.error, resource, method)
        return placed(why, error.place) if isinstance(why, RequestError) and method != "DELETE" else why
    if isinstance(error, InvalidDocument) and error.attribute is not None:
        return _unstorable(error, resource.field_of(error.attribute))
    if not isinstance(error, ConstraintViolated):
        return error
    refused, detail = _CONSTRAINTS.get(error.kind, _CONSTRAINTS["check"])
    if method == "DELETE":
        refused = Conflict
    fields = [field.name if (field := resource.field_of(name)) else name for name in error.fields]
    errors = [{"pointer": pointer((name,)), "detail": detail} for name in fields if name in resource.fields]
    where = f"{', '.join(name for name in fields if name in resource.fields)}: " if errors else ""
    return refused(where + detail, errors)


def _unstorable(error: InvalidDocument, field: Field | None) -> InvalidDocument:
    """What a database can't keep of a field; None: of what the caller is not shown, nor told that it is there."""
    if field is None:
        return InvalidDocument("a value is not one that the database can keep")
    [fault] = error.errors
    told = {**fault, "pointer": pointer((field.name,))}
    return InvalidDocument(f"{field.name} {fault['detail']}", [told])


def placed(error: RequestError, place: int) -> RequestError:
    """An error as it is told of one document among several: by its place."""
    errors = error.errors or [{"pointer": "", "detail": error.detail}]
    errors = [{**fault, "pointer": f"/{place}{fault['pointer']}"} for fault in errors]
    return replace(error, detail=f"/{place}: {error.detail}", errors=errors)
