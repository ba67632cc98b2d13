"""Paths: which of our routes serves a path. Looked up, so that a hundred resources cost a request no more than one.

Two rules. A list goes before another resource's document, and what was declared first before what was later. A route
that is found is still asked whether it serves the path. It knows no resource and no database.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from starlette.routing import BaseRoute, Match
from starlette.types import Scope

ROUTE = "live.route"
"""Where a scope that matched bears its route."""


class Paths:
    """Routes by path. lists, documents: by the path of the resource.  others: tried one by one, after these."""

    def __init__(
        self, lists: Mapping[str, BaseRoute], documents: Mapping[str, BaseRoute], others: Sequence[BaseRoute]
    ) -> None:
        self._lists = lists
        self._documents = {path: (place, route) for place, (path, route) in enumerate(documents.items())}
        self._others = others

    def match(self, scope: Scope) -> tuple[Match, Scope]:
        """Which of them serves a scope: the first that does so fully, else the first that does in part."""
        partial: tuple[Match, Scope] = (Match.NONE, {})
        for route in self._candidates(route_path(scope)):
            match, child = route.matches(scope)
            if match is Match.FULL:
                return match, {**child, ROUTE: route}
            if match is Match.PARTIAL and partial[0] is Match.NONE:
                partial = match, {**child, ROUTE: route}
        return partial

    def _candidates(self, path: str) -> Iterator[BaseRoute]:
        found = self._lists.get(path.removesuffix("/"))
        if found is not None:
            yield found
        # A key may have a slash in it.
        ends = [place for place, character in enumerate(path) if character == "/"]
        above = [entry for end in ends if (entry := self._documents.get(path[:end]))]
        for _, route in sorted(above, key=lambda entry: entry[0]):
            yield route
        yield from self._others


def route_path(scope: Scope) -> str:
    """The path below the place where the application is mounted."""
    path: str = scope["path"]
    below = path.removeprefix(scope.get("root_path", ""))
    return below if below.startswith("/") or not below else path
