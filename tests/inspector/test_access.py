"""Who may open the inspector: a developer at his own machine, or whom ``Live(inspector=...)`` names."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from livecollections import ConfigurationError, Live
from livecollections.cli.key import kept_key
from livecollections.cli.server import open_inspectors
from livecollections.inspector import Key
from livecollections.inspector.access import CLOSED, LOCKED
from livecollections.inspector.routes import FILES
from livecollections.testing import Site
from tests.command import command

from .conftest import Entry, User, make_live

PATHS = [*(f"/live{path}" for path in FILES), "/live/inspector/events"]
LOCAL = "http://127.0.0.1:8000"
KEY = Key()


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
    open_inspectors("127.0.0.1", live.app, KEY)
    async with asking(live) as client:
        page = await client.get(KEY.link(LOCAL, "/live"), follow_redirects=True)
        assert (page.status_code, str(page.url)) == (200, f"{LOCAL}/live")
        assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
        assert "default-src 'none'" in page.headers["content-security-policy"]
        for path in PATHS[:-1]:
            assert (await client.get(path)).status_code == 200, path
            assert (await client.post(path)).status_code == 405, path


@pytest.mark.parametrize(
    ("host", "status", "says", "shown"),
    [
        ("127.0.0.1", 403, LOCKED, "Open the link that stands below the address in your terminal."),
        ("0.0.0.0", 404, CLOSED, "<code>serve --token</code> to who has the token"),
    ],
    ids=["locked", "closed"],
)
async def test_a_browser_is_told_in_words_and_others_by_a_problem(
    host: str, status: int, says: str, shown: str
) -> None:
    live = plain()
    open_inspectors(host, live.app, KEY)
    browsers = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
    async with asking(live) as client:
        page = await client.get("/live", headers=browsers)
        assert (page.status_code, page.headers["content-type"]) == (status, "text/html; charset=utf-8")
        assert shown in page.text
        assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
        for accept, path in [("*/*", "/live"), ("application/json", "/live"), ("text/html", PATHS[1])]:
            answer = await client.get(path, headers={"Accept": accept})
            assert (answer.status_code, answer.json()["detail"]) == (status, says)
            assert answer.headers["content-type"] == "application/problem+json"
        assert (await client.get("/live")).headers["vary"] == page.headers["vary"] == "Accept"


async def test_a_live_that_the_command_line_does_not_find_is_opened_by_its_own_option() -> None:
    for options, status in ({}, 404), ({"inspector": True}, 200):
        live = plain(**options)
        host = Starlette(routes=[Mount("/shop", live.app)])
        assert open_inspectors("127.0.0.1", host, KEY) is None
        async with live, httpx.AsyncClient(transport=httpx.ASGITransport(host), base_url=LOCAL) as client:
            answer = await client.get("/shop/live")
            assert answer.status_code == status
            assert (
                status == 200 or "mounted in another, `Live(inspector=...)` says" in answer.json()["detail"]
            )


async def test_beyond_loopback_it_is_closed() -> None:
    live = plain()
    open_inspectors("0.0.0.0", live.app, KEY)
    async with asking(live) as client:
        assert (await client.get(KEY.link(LOCAL, "/live"))).status_code == 404


async def test_the_link_is_left_at_once_for_a_cookie_that_no_script_reads() -> None:
    live = plain()
    open_inspectors("localhost", live.app, KEY)
    async with asking(live) as client:
        answer = await client.get(KEY.link(LOCAL, "/live"))
        assert (answer.status_code, answer.headers["location"]) == (303, "/live")
        assert (answer.headers["cache-control"], answer.headers["referrer-policy"]) == (
            "no-store",
            "no-referrer",
        )
        cookie, *told = answer.headers["set-cookie"].split("; ")
        assert cookie == f"livecollections-inspector-8000={KEY.cookie(8000)}"
        assert {"HttpOnly", "Path=/live", "SameSite=lax"} <= set(told)
        assert KEY.text not in cookie, "a browser sends it to every port of this host"
        client.cookies.clear()
        assert (await client.get("/live/inspector/events", params={"key": KEY.text})).status_code == 403


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Cookie": f"livecollections-inspector-8000={KEY.cookie(8000)}x"},
        {"Cookie": f"livecollections-inspector-8001={KEY.cookie(8001)}"},
        {"Cookie": f"livecollections-inspector-8000={KEY.cookie(8001)}"},
        {"Cookie": f"livecollections-inspector-8000={KEY.text}"},
        {"Cookie": "livecollections-inspector-8000="},
        {"Cookie": f"livecollections-inspector-8000={KEY.cookie(8000)}", "Origin": "http://127.0.0.1:3000"},
        {"Cookie": f"livecollections-inspector-8000={KEY.cookie(8000)}", "Sec-Fetch-Site": "same-site"},
        {"Authorization": f"Bearer {KEY.text}"},
    ],
    ids=[
        "no key",
        "another key",
        "another port's",
        "another port's by our name",
        "the key itself",
        "an empty one",
        "a page of others",
        "a script",
        "a token",
    ],
)
async def test_who_has_no_key_is_told_nothing(headers: dict[str, str]) -> None:
    live = plain()
    open_inspectors("127.0.0.1", live.app, KEY)
    async with asking(live, **headers) as client:
        for path in [*PATHS, "/live?key=", "/live?key=guessed"]:
            answer = await client.get(path)
            assert (answer.status_code, answer.headers["content-type"]) == (403, "application/problem+json")
            assert KEY.text not in answer.text


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1:{port}", "127.0.0.1:8000"])
def test_a_stranger_who_comes_by_a_tunnel_by_our_own_name_is_told_nothing(name: str) -> None:
    """The proxy passes bytes on and rewrites nothing, as ``ssh -R`` and ``socat`` do."""
    live = plain()
    open_inspectors("127.0.0.1", live.app, KEY)
    with Site(live) as site, site.proxy() as tunnel:
        headers = {"Host": name.format(port=httpx.URL(site.url).port)}
        with httpx.Client(base_url=tunnel.url, headers=headers) as stranger:
            for path in PATHS:
                assert stranger.get(path).status_code == 403
            assert stranger.get("/api/entries").status_code == 200, "the tunnel leads here"
        with httpx.Client(base_url=site.url) as developer:
            assert developer.get(KEY.link(site.url, "/live"), follow_redirects=True).status_code == 200


def test_the_command_line_tells_the_link_and_keeps_the_key_out_of_its_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    (tmp_path / "app.py").write_text('from livecollections import Live\nlive = Live("sqlite://")\n')
    links = []
    for options in ((), ("--reload",)):
        with command("run", "app:live", "--port", "0", *options, cwd=tmp_path) as running:
            address = running.address()
            link = running.inspector()
            assert link.startswith(f"{address}/live?key=")
            with httpx.Client(transport=httpx.HTTPTransport(retries=5), timeout=20) as client:
                assert client.get(link, follow_redirects=True).status_code == 200
            told = running.wait_line("GET /live?")
            links.append(link.partition("key=")[2])
            assert "GET /live?key=… HTTP" in told
            assert [line for line in running.said() if links[0] in line] == [f"inspector: {link}"]
    assert links[0] == links[1], "a page that is open comes back"
    kept = tmp_path / "config" / "livecollections" / "inspector-key"
    assert (kept.read_text(), kept.stat().st_mode & 0o777) == (links[0], 0o600)


def test_with_reload_it_is_as_the_program_says_by_now(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    program = tmp_path / "app.py"

    def say(option: str) -> None:
        program.write_text(f'from livecollections import Live\nlive = Live("sqlite://"{option})\n')

    say(", inspector=False")
    with (
        command("run", "app:live", "--port", "0", "--reload", cwd=tmp_path) as running,
        httpx.Client(base_url=running.address(), timeout=20, follow_redirects=True) as client,
    ):
        for option, status in (None, 404), ("", 403), (", inspector=False", 404), (", inspector=True", 200):
            if option is not None:
                say(option)
            running.wait_line("Application startup complete")
            assert client.get("/live").status_code == status, option
            told = [line.split() for line in running.lines]
            links = [words[1] for words in told if words[:1] == ["inspector:"]]
            assert len(links) == (0 if option is None else 1), "it is told once it opens something"
            if status == 403:
                assert client.get(links[0]).status_code == 200


@pytest.mark.parametrize(
    ("options", "variables"),
    [
        (("--no-inspector",), {}),
        (("--no-inspector", "--reload"), {}),
        ((), {"LIVECOLLECTIONS_INSPECTOR": "0"}),
    ],
    ids=["option", "reload", "variable"],
)
def test_in_production_the_command_line_neither_opens_it_nor_tells_a_link(
    options: tuple[str, ...], variables: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "app.py").write_text('from livecollections import Live\nlive = Live("sqlite://")\n')
    config = tmp_path / "config"
    env = {"XDG_CONFIG_HOME": str(config), **variables}
    with command("run", "app:live", "--port", "0", *options, cwd=tmp_path, env=env) as running:
        with httpx.Client(transport=httpx.HTTPTransport(retries=5), timeout=20) as client:
            assert client.get(f"{running.address()}/live").status_code == 404
        running.wait_line("GET /live ")
        assert not any(line.startswith("inspector: ") for line in running.said())
    assert not config.exists()


def test_a_key_that_others_could_read_or_that_can_not_be_kept_is_drawn_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    first = kept_key().text
    assert kept_key().text == first
    kept = tmp_path / "livecollections" / "inspector-key"
    kept.chmod(0o644)
    assert kept_key().text != first
    kept.chmod(0o600)
    assert kept_key().text == first
    with monkeypatch.context() as patched:
        patched.setattr(os, "geteuid", lambda: kept.stat().st_uid + 1)
        assert kept_key().text != first, "a file of somebody else"
    kept.write_text("short")
    assert len(kept_key().text) >= 32
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "livecollections" / "inspector-key"))
    assert kept_key().text != kept_key().text


@pytest.mark.parametrize("folder", ["", "relative"])
def test_a_key_is_not_kept_in_a_working_directory(
    folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", folder)
    assert kept_key().text != kept_key().text
    assert list(tmp_path.iterdir()) == []


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
    open_inspectors("127.0.0.1", live.app, KEY)
    cookie = {"Cookie": f"livecollections-inspector-8000={KEY.cookie(8000)}"}
    async with asking(live, address, client, **cookie, **headers) as asked:
        for path in [*PATHS, f"/live?key={KEY.text}"]:
            assert (await asked.get(path)).status_code == 404


@pytest.mark.parametrize("in_development", [False, True])
async def test_a_rule_says_for_whom_and_holds_everywhere(*, in_development: bool) -> None:
    live = make_live({"bob": User(2, is_admin=True), "cid": User(3)}, lambda user: user.is_admin)
    if in_development:
        assert open_inspectors("127.0.0.1", live.app, KEY) is None
    async with asking(live, "http://shop.example", "203.0.113.9") as client:
        for path in [*PATHS, f"/live?key={KEY.text}"]:
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
