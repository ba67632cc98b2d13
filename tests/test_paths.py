"""Which route serves a path: the same as if all were tried in order, and no dearer with many resources."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.routing import BaseRoute, Match, Route

from livecollections.paths import ROUTE, Paths
from livecollections.rest.route import ResourceRoute

RESOURCES = ("/api/todos", "/api", "/api/todos/old", "/api/x/y", "/weird (1)/[a]")


async def nowhere(scope: Any, receive: Any, send: Any) -> None: ...


def pair(path: str) -> tuple[BaseRoute, BaseRoute]:
    return (
        ResourceRoute(path, nowhere, path, is_list=True),
        ResourceRoute(f"{path}/{{key}}", nowhere, f"{path} key", is_list=False),
    )


def scope(path: str, root: str = "", raw: str | None = None) -> dict[str, Any]:
    raw_path = (raw or path).encode()
    return {"type": "http", "method": "POST", "path": path, "raw_path": raw_path, "root_path": root}


OTHERS = [
    Route("/live", nowhere, name="live"),
    Route("/live/health", nowhere, methods=["GET"], name="health"),
]


@pytest.mark.parametrize(
    "asked",
    [
        *(
            scope(f"{path}{end}")
            for path in RESOURCES
            for end in ("", "/", "//", "/7", "/7/", "/7/8", "/old", "x")
        ),
        *(scope(path) for path in ("/", "", "/live", "/live/health", "/live/", "/nothing", "/api/todos\n")),
        scope("/api/todos/a/b", raw="/api/todos/a%2Fb"),
        scope("/api/todos/old/a/b", raw="/api/todos/old/a%2Fb"),
        scope("/mounted/api/todos", root="/mounted"),
        scope("/mounted/api/todos/7", root="/mounted"),
        scope("/mountedapi/todos", root="/mounted"),
        scope("/mounted", root="/mounted"),
    ],
    ids=lambda asked: f"{asked['root_path']}:{asked['path']!r}",
)
def test_the_route_that_is_looked_up_is_the_first_that_serves_the_path(asked: dict[str, Any]) -> None:
    lists, documents = zip(*(pair(path) for path in RESOURCES), strict=True)
    paths = Paths(
        dict(zip(RESOURCES, lists, strict=True)), dict(zip(RESOURCES, documents, strict=True)), OTHERS
    )
    tried = [(route.matches(asked)[0], route) for route in (*lists, *documents, *OTHERS)]
    wanted = next((route for match, route in tried if match is Match.FULL), None)
    partial = next((route for match, route in tried if match is Match.PARTIAL), None)
    match, child = paths.match(asked)
    assert child.get(ROUTE) is (wanted or partial)
    assert match is (Match.FULL if wanted else Match.PARTIAL if partial else Match.NONE)


ROOM = "/api/r-{room}/lines"
SLASHED = {"room": "a/b", "key": "c/d"}


@pytest.mark.parametrize(
    ("asked", "values"),
    [
        (scope("/api/r-hall/lines/7"), {"room": "hall", "key": "7"}),
        (scope("/api/r-a b/lines/7//", raw="/api/r-a%20b/lines/7//"), {"room": "a b", "key": "7"}),
        (scope("/api/r-a/b/lines/c/d", raw="/api/r-a%2Fb/lines/c%2fd"), SLASHED),
        (scope("/api/r-a/b/lines/c/d", raw="/%61pi/r-a%2Fb/lines/c%2Fd?x=%2F"), SLASHED),
        (scope("/in/api/r-a/b/lines/c/d", "/in", "/in/api/r-a%2Fb/lines/c%2Fd"), SLASHED),
        (scope("/in/api/r-a/b/lines/c/d", "/in", "/api/r-a%2Fb/lines/c%2Fd"), SLASHED),
        (scope("/api/r-x/lines/7", raw="/old/r-a%2Fb/7"), {"room": "x", "key": "7"}),
        (scope("/api/r-\n/lines//", raw="/api/r-%0A/lines/%2F"), {"room": "\n", "key": "/"}),
        (scope("/api/r-/lines/7"), None),
        (scope("/api/r-a/b/lines/7"), None),
        (scope("/api/r-a/lines/c/d"), None),
        (scope("/api/r-a/lines/"), None),
        (scope("/api/r-a/lines//7"), None),
        (scope("/api/r-a/lines/7", raw="/api%2Fr-a/lines/7"), None),
    ],
)
def test_a_slash_that_is_percent_encoded_is_part_of_a_value(
    asked: dict[str, Any], values: dict[str, str] | None
) -> None:
    _, document = pair(ROOM)
    match, child = document.matches(asked)
    assert child.get("path_params") == values
    assert (match is Match.FULL) == (values is not None)


@pytest.mark.parametrize("path", ["/api/r{last}", "/api/r{last}/7", "/live", "/nothing"])
def test_a_hundred_resources_cost_a_request_no_more_than_one(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[BaseRoute] = []
    matches = ResourceRoute.matches

    def counted(self: ResourceRoute, scope: Any) -> Any:
        asked.append(self)
        return matches(self, scope)

    monkeypatch.setattr(ResourceRoute, "matches", counted)
    counts = []
    for number in (1, 100):
        pairs = {f"/api/r{place}": pair(f"/api/r{place}") for place in range(number)}
        lists = {path: routes[0] for path, routes in pairs.items()}
        documents = {path: routes[1] for path, routes in pairs.items()}
        asked.clear()
        Paths(lists, documents, OTHERS).match(scope(path.format(last=number - 1)))
        counts.append(len(asked))
    assert counts[0] == counts[1] <= 1
