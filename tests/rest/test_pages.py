"""The OpenAPI document and the docs page, as they are served."""

from __future__ import annotations

import re

import pytest

from tests.rest.conftest import Api


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
