"""Paths: which of our routes serves a path. Looked up, so that a hundred resources cost a request no more than one.

Two rules. A list goes before another resource's document, and what was declared first before what was later. A route
that is found is still asked whether it serves the path. An API with releases has the paths of each. It knows no
database.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from starlette.routing import BaseRoute, Match, NoMatchFound
from starlette.types import Receive, Scope, Send

from .bayeux import Server
from .bayeux.connection import MOUNT
from .errors import MalformedRequest
from .resource import Resource
from .rest import RELEASE, Peers
from .versions import Releases
from .view import Views

ROUTE = "live.route"
"""Where a scope that matched bears its route."""


class BayeuxRoute(BaseRoute):
    """The Bayeux endpoint and what lies under it (``/faye/handshake``, ``/faye.js``), for HTTP and WebSockets."""

    def __init__(self, path: str, server: Server) -> None:
        self._path = path
        self._server = server

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        path = route_path(scope)
        ours = path == self._path or path.startswith((f"{self._path}/", f"{self._path}."))
        return (Match.FULL, {MOUNT: self._path}) if ours else (Match.NONE, {})

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._server(scope, receive, send)

    def url_path_for(self, name: str, /, **path_params: Any) -> Any:
        raise NoMatchFound(name, path_params)


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


class ReleasedPaths:
    """The paths of each release. A scope that matched bears its release, or the problem with what was asked."""

    def __init__(self, releases: Releases, by_release: Mapping[str, Paths], others: Paths) -> None:
        self._releases = releases
        self._by_release = by_release
        self._others = others

    def match(self, scope: Scope) -> tuple[Match, Scope]:
        """Which route of the release that is asked for serves a scope."""
        asked = dict(scope.get("headers", ())).get(b"api-version")
        try:
            release = self._releases.choose(None if asked is None else asked.decode("latin-1"))
        except MalformedRequest as problem:
            return self._refuse(scope, problem)
        match, child = self._by_release[release].match(scope)
        return self._others.match(scope) if match is Match.NONE else (match, {**child, RELEASE: release})

    def _refuse(self, scope: Scope, problem: MalformedRequest) -> tuple[Match, Scope]:
        """The newest route of this path, which will tell the problem."""
        for paths in reversed([*self._by_release.values()]):
            match, child = paths.match(scope)
            if match is not Match.NONE:
                return match, {**child, RELEASE: problem}
        return self._others.match(scope)


def paths_of(
    releases: Releases, served: Sequence[tuple[Resource, Sequence[BaseRoute]]], others: Sequence[BaseRoute]
) -> Paths | ReleasedPaths:
    """The paths of resources, each with the routes of its list and its documents, and of others in every release."""

    def paths(own: Sequence[tuple[Resource, Sequence[BaseRoute]]], others: Sequence[BaseRoute]) -> Paths:
        known = {resource.path: routes for resource, routes in own if "{" not in resource.path}
        nested = [route for resource, routes in own if "{" in resource.path for route in routes]
        lists = {path: routes[0] for path, routes in known.items()}
        return Paths(lists, {path: routes[1] for path, routes in known.items()}, [*nested, *others])

    if not releases:
        return paths(served, others)
    by_release = {
        name: paths([one for one in served if name in releases.having(one[0])], ()) for name in releases.names
    }
    return ReleasedPaths(releases, by_release, Paths({}, {}, others))


def peers_of(releases: Releases, views: Sequence[Views]) -> dict[str | None, Peers]:
    """What each release may populate documents from; None: what an API without releases may.

    Of several the first counts that can be read.
    """
    known = [
        one for has in (False, True) for one in reversed(views) if ("GET" in one.resource.methods) is has
    ]
    return {None: Peers(known, known)} | {
        name: Peers([one for one in known if name in releases.having(one.resource)], known)
        for name in releases.names
    }


def route_path(scope: Scope) -> str:
    """The path below the place where the application is mounted."""
    path: str = scope["path"]
    below = path.removeprefix(scope.get("root_path", ""))
    return below if below.startswith("/") or not below else path
