"""The gate: who may come in, and by which name this machine must be asked."""

from __future__ import annotations

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from livecollections.cli.server import warn_if_open
from livecollections.gate import Gate, Token


async def hello(request: Request) -> PlainTextResponse:
    return PlainTextResponse("hello")


APPLICATION = Starlette(routes=[Route("/", hello)])


async def status(gate: Gate, host: str) -> int:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(gate), base_url="http://x") as client:
        return (await client.get("/", headers={"Host": host})).status_code


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:99", "[::1]:8000", "LOCALHOST", "127.1.2.3"])
async def test_this_machine_may_be_named(host: str) -> None:
    assert await status(Gate(APPLICATION, None, is_local=True), host) == 200


@pytest.mark.parametrize("host", ["shop.example", "127.0.0.1.shop.example", "192.168.0.1", "0.0.0.0"])
async def test_on_loopback_nobody_else_may(host: str) -> None:
    assert await status(Gate(APPLICATION, None, is_local=True), host) == 421
    assert await status(Gate(APPLICATION, None, is_local=False), host) == 200
    assert await status(Gate(APPLICATION, Token("a token of some length"), is_local=False), host) == 401


def test_public_lets_others_in_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    warn_if_open("0.0.0.0", Gate(APPLICATION, None, is_local=False))
    assert "without authentication" in caplog.text
