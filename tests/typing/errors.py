"""The types of the errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, assert_type

from livecollections import (
    BayeuxError,
    BulkRefused,
    CaptureMissing,
    ClientClosed,
    ClientError,
    ConfigurationError,
    Conflict,
    ConstraintViolated,
    DocumentNotFound,
    HandshakeRefused,
    InvalidDocument,
    KeyReused,
    LiveError,
    MalformedRequest,
    MessagesMissed,
    NotAcceptable,
    NotLive,
    PreconditionFailed,
    PreconditionRequired,
    RequestError,
    RequestRefused,
    SchemaMismatch,
    SessionEnded,
    StoreError,
    StoreUnavailable,
    TooLarge,
    Unconfirmed,
    Unreachable,
    UnsupportedMediaType,
)


def of_stores(capture: CaptureMissing, constraint: ConstraintViolated, bulk: BulkRefused) -> None:
    assert_type(capture.sources, Mapping[str, str])
    assert_type(constraint.kind, str)
    assert_type(constraint.fields, Sequence[str])
    assert_type(bulk.place, int)
    assert_type(bulk.error, Exception)
    roots: list[LiveError] = [ConfigurationError("a"), StoreError("a"), capture, constraint, bulk]
    values: list[ValueError] = [ConfigurationError("a")]
    stores: list[StoreError] = [StoreUnavailable("a"), SchemaMismatch("a")]
    assert_type((roots, values, stores), tuple[list[LiveError], list[ValueError], list[StoreError]])


def of_requests(error: RequestError, refused: RequestRefused) -> None:
    assert_type(error.detail, str)
    assert_type(error.errors, Sequence[dict[str, Any]])
    assert_type(error.status, int)
    assert_type(error.title, str)
    assert_type(refused.status, int)
    assert_type(refused.title, str)
    conflict: Conflict = KeyReused("a")
    assert_type(conflict.detail, str)
    assert_type(MalformedRequest("a"), MalformedRequest)
    assert_type(DocumentNotFound("a"), DocumentNotFound)
    assert_type(NotAcceptable("a"), NotAcceptable)
    assert_type(PreconditionFailed("a"), PreconditionFailed)
    assert_type(TooLarge("a"), TooLarge)
    assert_type(UnsupportedMediaType("a"), UnsupportedMediaType)
    assert_type(InvalidDocument("a", [{"pointer": "/title"}]), InvalidDocument)
    assert_type(PreconditionRequired("a"), PreconditionRequired)


def of_bayeux(error: BayeuxError, unreachable: Unreachable, ended: SessionEnded) -> None:
    assert_type(error.code, int)
    assert_type(error.arguments, Sequence[str])
    assert_type(error.text, str)
    assert_type(error.advice, Mapping[str, Any] | None)
    refused: BayeuxError = HandshakeRefused(403, [], "no")
    assert_type(refused.text, str)
    assert_type(unreachable.reasons, Mapping[str, str])
    assert_type(unreachable.url, str)
    assert_type(ended.reason, str)
    late: list[TimeoutError] = [Unconfirmed("what", "why")]
    clients: list[ClientError] = [ClientClosed("a"), NotLive("/a", "why"), MessagesMissed("/a", "why")]
    assert_type((late, clients), tuple[list[TimeoutError], list[ClientError]])
