"""The public names: each is there, is lazy, and says what it is."""

from __future__ import annotations

import inspect
import subprocess
import sys
from collections.abc import Callable

import pytest

import livecollections
import livecollections.bayeux
from livecollections import errors

PUBLIC = {
    "Live", "LiveRouter", "Log", "Change", "__version__",
    "LiveError", "ConfigurationError", "StoreError", "StoreUnavailable", "SchemaMismatch", "CaptureMissing",
    "ConstraintViolated", "RequestError", "MalformedRequest", "DocumentNotFound", "Conflict", "TooLarge",
    "UnsupportedMediaType", "InvalidDocument", "KeyReused", "BayeuxError", "BulkRefused", "NotAcceptable",
    "PreconditionFailed", "PreconditionRequired",
    "HandshakeRefused", "ClientError", "ClientClosed", "SessionEnded", "Unreachable", "Unconfirmed", "MessagesMissed",
    "LiveClient", "LiveCollection", "DocumentChange", "Operation", "RequestRefused", "NotLive",
    "Webhook",
}  # fmt: skip
LIVE = {
    "resource", "add_resource", "add_table", "include_router", "on", "app", "mount", "wrap", "router", "lifespan",
    "session", "snapshot", "bayeux", "statistics", "webhooks", "disconnect", "recheck",
}  # fmt: skip


def test_the_public_names_are_these() -> None:
    assert set(livecollections.__all__) == PUBLIC


def test_every_error_is_public() -> None:
    defined = {
        name
        for name, value in vars(errors).items()
        if inspect.isclass(value) and value.__module__ == errors.__name__
    }
    assert defined <= PUBLIC


@pytest.mark.parametrize(
    "package", [livecollections, livecollections.bayeux], ids=lambda package: package.__name__
)
def test_all_is_sorted_and_listed(package: object) -> None:
    names = vars(package)["__all__"]
    assert names == sorted(names)
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    ("package", "name"),
    [(package, name) for package in (livecollections, livecollections.bayeux) for name in package.__all__],
    ids=lambda value: value if isinstance(value, str) else value.__name__,
)
def test_each_name_exists_and_says_what_it_is(package: object, name: str) -> None:
    value = getattr(package, name)
    if inspect.isclass(value) or inspect.isfunction(value):
        assert value.__doc__, f"{name} has no docstring"
        assert not value.__doc__.startswith(f"{name}("), (
            f"{name} has only the docstring that a dataclass makes"
        )
        for attribute, member in vars(value).items():
            if not attribute.startswith("_") and inspect.isfunction(member):
                assert member.__doc__, f"{name}.{attribute} has no docstring"


def test_a_wrong_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Alive'"):
        _ = livecollections.Alive


@pytest.mark.parametrize(
    ("made", "promised"),
    [
        (lambda: livecollections.Live("sqlite://"), LIVE),
        (lambda: livecollections.LiveClient("http://x"), {"collection", "bayeux", "close"}),
        (livecollections.LiveRouter, {"resource", "add_resource", "add_table", "include_router", "on"}),
    ],
    ids=["Live", "LiveClient", "LiveRouter"],
)
def test_it_has_what_the_docs_promise_and_nothing_more(
    made: Callable[[], object], promised: set[str]
) -> None:
    assert {name for name in dir(made()) if not name.startswith("_")} == promised


def test_star_import_gives_exactly_the_public_names() -> None:
    code = "before = set(vars()); from livecollections import *; print(*set(vars()) - before - {'before'})"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True)
    assert set(run.stdout.split()) == PUBLIC
