"""Who may open the inspector: a developer at his own machine, or whom ``Live(inspector=...)`` names."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from livecollections import ConfigurationError, Live
from livecollections.cli.server import open_inspectors
from livecollections.inspector.routes import FILES

from .conftest import Entry, User, make_live

PATHS = [*(f"/live{path}" for path in FILES), "/live/inspector/events"]
LOCAL = "http://127.0.0.1:8000"


@asynccontextmanager
async def asking(
    live: Live, address: str = LOCAL, client: str = "127.0.0.1", **headers: str
) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a Live that is started."""
    async with live:
        transport = httpx.ASGITransport(live.app, client=(client, 5000))
        async with httpx.AsyncClient(transport=transport, base_url=address, headers=headers) as asked:
            yield asked


def plain(**options: Any) -> Live:
    live = Live("sqlite://", **options)
    live.add_resource("/api/entries", Entry)
    return live


@pytest.mark.parametrize("options", [{}, {"inspector": False}], ids=["unsaid", "False"])
async def test_it_is_closed_unless_it_is_said_to_be_open(options: dict[str, Any]) -> None:
    async with asking(plain(**options)) as client:
        for path in PATHS:
            answer = await client.get(path)
            assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")
        assert (await client.get("/live/health")).status_code == 200
        assert (await client.get("/live/livecollections.js")).status_code == 200


async def test_a_developer_looks_at_what_the_command_line_serves_on_loopback() -> None:
    live = plain()
    open_inspectors("127.0.0.1", live.app)
    async with asking(live) as client:
        page = await client.get("/live")
        assert page.status_code == 200
        assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
        assert "default-src 'none'" in page.headers["content-security-policy"]
        for path in PATHS[:-1]:
            assert (await client.get(path)).status_code == 200, path
            assert (await client.post(path)).status_code == 405, path


async def test_beyond_loopback_it_is_closed() -> None:
    live = plain()
    open_inspectors("0.0.0.0", live.app)
    async with asking(live) as client:
        assert (await client.get("/live")).status_code == 404


@pytest.mark.parametrize(
    ("address", "client", "headers"),
    [
        ("http://shop.example", "127.0.0.1", {}),
        ("http://127.0.0.1.shop.example", "127.0.0.1", {}),
        (LOCAL, "192.168.1.7", {}),
        (LOCAL, "127.0.0.1", {"X-Forwarded-For": "127.0.0.1"}),
        (LOCAL, "127.0.0.1", {"Forwarded": "for=127.0.0.1"}),
        (LOCAL, "127.0.0.1", {"Via": "1.1 proxy"}),
        (LOCAL, "127.0.0.1", {"Host": ""}),
    ],
    ids=["another name", "a longer name", "another machine", "proxied", "forwarded", "via", "no name"],
)
async def test_in_development_others_are_told_nothing(
    address: str, client: str, headers: dict[str, str]
) -> None:
    live = plain()
    open_inspectors("127.0.0.1", live.app)
    async with asking(live, address, client, **headers) as asked:
        for path in PATHS:
            assert (await asked.get(path)).status_code == 404


@pytest.mark.parametrize("in_development", [False, True])
async def test_a_rule_says_for_whom_and_holds_everywhere(*, in_development: bool) -> None:
    live = make_live({"bob": User(2, is_admin=True), "cid": User(3)}, lambda user: user.is_admin)
    if in_development:
        open_inspectors("127.0.0.1", live.app)
    async with asking(live, "http://shop.example", "203.0.113.9") as client:
        for path in PATHS:
            assert (await client.get(path)).status_code == 401
            assert (await client.get(path, headers={"Authorization": "Bearer cid"})).status_code == 403
        assert (await client.get("/live", headers={"Authorization": "Bearer bob"})).status_code == 200


async def test_it_can_be_open_to_all() -> None:
    async with asking(plain(inspector=True), "http://shop.example", "203.0.113.9") as client:
        assert (await client.get("/live")).status_code == 200


async def never(user: Any) -> bool:
    return True


@pytest.mark.parametrize("wrong", ["yes", 1, {"list": True}, never], ids=["text", "number", "rules", "async"])
def test_what_is_no_rule_is_named(wrong: Any) -> None:
    with pytest.raises(ConfigurationError, match="inspector"):
        Live("sqlite://", inspector=wrong)
