"""Faye's browser client where Faye's users look for it: ``<mount>/client.js``, ``<mount>.js`` and their maps."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from livecollections import Live
from livecollections.bayeux import Server
from livecollections.bayeux.script import FOLDER, Script

from ..serving import served
from .wire import Answer, Headers, request

CLIENT = FOLDER / "faye-browser-min.js"


async def get(path: str, headers: Headers = (), method: str = "GET", root_path: str = "") -> Answer:
    return await request(Server(), method=method, path=path, headers=headers, root_path=root_path)


@pytest.mark.parametrize(
    "path", ["/faye/client.js", "/client.js", "/faye.js", "/faye/faye-browser-min.js", "/a/b/client.js"]
)
async def test_client_js_is_fayes_browser_client(path: str) -> None:
    answer = await get(path)
    assert answer.status == 200
    assert answer.body == CLIENT.read_bytes()
    assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-length"] == str(len(answer.body))
    head = await get(path, method="HEAD")
    assert head.status == 200
    assert head.body == b""


@pytest.mark.parametrize("path", ["/faye/client.js.map", "/faye/faye-browser-min.js.map"])
async def test_its_map_is_served_as_json(path: str) -> None:
    answer = await get(path)
    assert answer.body == (FOLDER / "faye-browser-min.js.map").read_bytes()
    assert answer.headers["content-type"] == "application/json; charset=utf-8"
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_mount_js_is_the_client_wherever_the_mount_is(tmp_path: Path) -> None:
    assert (await get("/bayeux.js", root_path="/push/bayeux")).status == 200
    assert (await get("/bayeux.js")).status == 404
    live = Live(f"sqlite:///{tmp_path}/x.db", faye="/push/live")
    async with served(live.app) as url, httpx.AsyncClient(base_url=url) as client:
        for path in ("/push/live.js", "/push/live/client.js"):
            answer = await client.get(path)
            assert answer.content == CLIENT.read_bytes(), path
        assert (await client.get("/push/other.js")).status_code == 404


async def test_who_has_it_is_told_so_by_etag_or_date() -> None:
    answer = await get("/faye/client.js")
    etag, changed = answer.headers["etag"], answer.headers["last-modified"]
    knows: list[tuple[str, str]] = [
        ("if-none-match", etag), ("if-none-match", f'"x", W/{etag}'), ("if-none-match", "*"),
        ("if-modified-since", changed),
    ]  # fmt: skip
    for header in knows:
        answer = await get("/faye/client.js", [header])
        assert answer.status == 304, header
        assert answer.body == b""
        assert answer.headers["etag"] == etag
    older = "Thu, 01 Jan 1970 00:00:00 GMT"
    for headers in (
        [("if-none-match", '"x"')],
        [("if-modified-since", older)],
        [("if-modified-since", "yesterday")],
        [("if-none-match", '"x"'), ("if-modified-since", changed)],
    ):
        assert (await get("/faye/client.js", headers)).status == 200, headers


@pytest.mark.parametrize(
    "path", ["/faye/x.js", "/faye/../secret.js", "/faye/LICENSE.js", "/faye/.map", "/faye/%2e.js"]
)
async def test_any_other_script_is_404(path: str) -> None:
    answer = await get(path)
    assert answer.status == 404
    assert answer.body == b"There is no such script here; Faye's browser client is client.js"
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"


def test_where_it_is_not_installed_one_sentence_says_so(tmp_path: Path) -> None:
    file = Script(tmp_path).answer("/faye/client.js", "/faye", {})
    assert (file.status, file.body) == (404, b"Faye's browser client is not installed here")


async def test_a_post_is_a_message_whatever_its_path() -> None:
    assert (await request(Server(), b"[]", path="/faye/client.js")).body == b"[]"
