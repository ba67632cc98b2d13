"""Described: what the OpenAPI document says of answers, held against each that a test gets."""

from __future__ import annotations

import re
from typing import Any

import httpx

from livecollections import Live
from livecollections.openapi.operations import paths
from livecollections.openapi.schemas import Schemas
from livecollections.view import Views

PLAIN = {
    "cache-control", "content-length", "content-type", "date", "server", "transfer-encoding", "vary",
    "x-accel-buffering", "x-content-type-options",
}  # fmt: skip
"""Headers that say nothing which is of this API."""
VERBS = {"HEAD": "get"}


class Described:
    """Checks the answers of a Live; ``check`` is a hook of httpx."""

    def __init__(self, live: Live[Any]) -> None:
        self._live = live
        self._known: dict[str, list[tuple[re.Pattern[str], dict[str, Any]]]] = {}

    async def check(self, answer: httpx.Response) -> None:
        """Raise AssertionError for an answer, or a header, that the document does not have."""
        started, request = self._live._started, answer.request
        if started is None or self._live._releases:
            return
        path = request.url.raw_path.partition(b"?")[0].decode("latin-1").rstrip("/")
        for views in started.views:
            if any(views.values_in(each) is not None for each in (path, path.rpartition("/")[0])):
                if not views.resource.hooks:  # what they raise is their own
                    self._check(views, path, request.method, answer)
                return

    def _check(self, views: Views, path: str, method: str, answer: httpx.Response) -> None:
        verb = VERBS.get(method, method.lower())
        known = [operations for pattern, operations in self._operations(views) if pattern.fullmatch(path)]
        if not known:
            return
        operation = next((each[verb] for each in known if verb in each), None)
        if operation is None:  # there is no such method
            assert answer.status_code in (204, 400, 404, 405) or method == "QUERY", (
                method,
                path,
                answer.status_code,
            )
            return
        where = f"{method} {path} -> {answer.status_code}"
        responses = operation["responses"]
        assert str(answer.status_code) in responses, f"{where}: the document has {[*responses]}"
        told = {name.lower() for name in responses[str(answer.status_code)].get("headers", {})}
        said = {name.lower() for name in answer.headers if not name.lower().startswith("access-control-")}
        assert said - told - PLAIN == set(), f"{where}: the document does not tell of {said - told - PLAIN}"

    def _operations(self, views: Views) -> list[tuple[re.Pattern[str], dict[str, Any]]]:
        resource = views.resource
        if resource.path not in self._known:
            described = paths(views.shown, Schemas({}))
            self._known[resource.path] = [
                (re.compile(re.sub(r"\\{[^}]*\\}", "[^/]+", re.escape(path))), operations)
                for path, operations in described.items()
            ]
        return self._known[resource.path]
