"""The demo's page on MongoDB, in browsers: as it is, and with the original demo's ``idAttribute``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from bson.objectid import ObjectId
from playwright.sync_api import Browser
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Mount, Route

from livecollections import Live
from livecollections.demo import STATIC, Page, create_app
from livecollections.testing import Site
from tests.demo.window import Window, chromium

from .server import client, database_url
from .test_live import Todo

ORIGINAL = "Backbone.Model.prototype.idAttribute = '_id';"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


def original(url: str) -> Any:
    """The page on Beanie's documents, which bear ``_id``."""

    async def page(request: Request) -> Response:
        own = '<script src="/original.js"></script>\n  <script src="/app.js">'
        return HTMLResponse((STATIC / "index.html").read_text().replace('<script src="/app.js">', own))

    async def script(request: Request) -> Response:
        return Response(ORIGINAL, media_type="text/javascript")

    live = Live(url)
    live.add_resource("/api/todos", Todo)
    app = live.app
    app.router.routes += [
        Route("/", page),
        Route("/original.js", script),
        Mount("/", Page(directory=STATIC, html=True)),
    ]
    return app


@pytest.mark.parametrize("make", [create_app, original])
def test_windows_follow_one_another_and_the_database(browser: Browser, make: Any) -> None:
    url = database_url()
    with Site(make(url), database=None) as site, client(url) as connected:
        todos = connected.get_default_database()["todos"]
        one, other = Window(browser, site.url), Window(browser, site.url)
        for window in (one, other):
            window.expect_light("live")
        one.add("milk", "eggs")
        other.expect_rows("milk", "eggs")
        one.toggle("milk")
        other.expect_rows("[x] milk", "eggs")
        todos.update_many({"title": "eggs"}, {"$set": {"title": "bread"}, "$inc": {"order": 5}})
        todos.insert_one({"title": "tea", "order": 99})
        for window in (one, other):
            window.expect_rows("[x] milk", "bread", "tea")
        other.delete("milk")
        one.expect_rows("bread", "tea")
        assert {type(stored["_id"]) for stored in todos.find()} == {ObjectId}
        assert [stored["title"] for stored in todos.find().sort("order")] == ["bread", "tea"]
        for window in (one, other):
            assert window.faults == []
            window.close()
