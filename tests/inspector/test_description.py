"""What the page is told of a resource: no field can be set that nobody may set."""

from __future__ import annotations

import pytest

from livecollections import Live
from livecollections.inspector.description import describe

from .conftest import Entry


@pytest.mark.parametrize(
    ("methods", "creatable", "updatable"),
    [
        (["GET"], set(), set()),
        (["GET", "POST"], {"text", "secret"}, set()),
        (["GET", "PATCH"], set(), {"text", "secret"}),
    ],
)
async def test_a_field_can_be_set_where_the_resource_can(
    methods: list[str], creatable: set[str], updatable: set[str]
) -> None:
    live = Live("sqlite://")
    live.add_resource("/api/entries", Entry, methods=methods)
    async with live:
        assert live._started is not None
        fields = describe(live._started.feed._resources["/api/entries"])["fields"]
    assert {one["name"] for one in fields if one["create"]} == creatable
    assert {one["name"] for one in fields if one["update"]} == updatable
