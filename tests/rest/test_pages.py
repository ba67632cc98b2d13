"""The OpenAPI document and the docs page, as they are served."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import async_playwright, expect
from starlette.types import Message, Receive, Scope, Send

from tests.demo.window import CHROMIUM, SWITCHES
from tests.rest.conftest import Api
from tests.serving import served


async def test_openapi_is_served(api: Api) -> None:
    answer = await api.client.get("/openapi.json")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["openapi"].startswith("3.1")
    assert "/api/todos/{id}" in answer.json()["paths"]


async def test_the_docs_page_loads_nothing_from_elsewhere(api: Api) -> None:
    page = await api.client.get("/docs")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "<script>" not in page.text
    assert "style=" not in page.text
    found = set(re.findall(r'(?:src|href)="([^"]+)"', page.text))
    assert found == {"docs/docs.js", "docs/docs.css", "openapi.json"}
    for path in found:
        answer = await api.client.get(f"/{path}")
        assert answer.status_code == 200
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "//" not in re.sub(r"(?m)^\s*//.*$", "", answer.text) or path == "openapi.json"


@pytest.mark.parametrize("path", ["/docs", "/openapi.json"])
async def test_pages_are_only_read(api: Api, path: str) -> None:
    assert (await api.client.head(path)).content == b""
    answer = await api.client.post(path)
    assert answer.status_code == 405
    assert answer.headers["allow"] == "GET, HEAD"


async def test_the_docs_page_works_under_a_strict_policy(api: Api) -> None:
    await api.todo()
    inner = api.live.app.router

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [
                    *message["headers"],
                    (b"content-security-policy", b"default-src 'self'"),
                ]
            await send(message)

        await inner.app(scope, receive, guarded)

    async with served(app, lifespan="off") as address, async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=SWITCHES)
        page = await browser.new_page()
        faults: list[str] = []
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda line: faults.append(line.text) if "Content Security" in line.text else None)
        elsewhere: list[str] = []
        page.on("request", lambda request: elsewhere.append(request.url))
        await page.goto(f"{address}/docs")
        operation = page.locator("h2", has_text=re.compile(r"^/api/todos$")).locator("+ details")
        await operation.locator("summary").first.click()
        await operation.get_by_label("title").fill("milk")
        await operation.get_by_role("button", name="GET").click()
        await expect(operation.locator("form pre")).to_contain_text("live-signal: /api/todos")
        await expect(operation.locator("form pre")).to_contain_text('"title": "milk"')
        await browser.close()
    assert not faults
    assert all(url.startswith(address) for url in elsewhere)
