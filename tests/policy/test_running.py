"""The examples of the page on security, served by the command line: with cookies, with tokens, behind a proxy."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import httpx
import pytest
from websockets.asyncio.client import connect as open_socket
from websockets.exceptions import InvalidStatus

from livecollections import LiveClient
from livecollections.errors import LiveError
from livecollections.testing.waiting import wait_until
from tests.command import ROOT, Command, command

NOTES = "/api/notes"
ANN = {"name": "ann", "password": "a good password"}


@contextmanager
def running(name: str, folder: Path, **env: str) -> Iterator[tuple[str, Command]]:
    target = f"examples.security.{name}:app"
    assert f"livecollections run {target}" in (ROOT / "examples" / "security" / f"{name}.py").read_text(
        "utf-8"
    )
    told = {"PYTHONPATH": str(ROOT), **env}
    with command("run", target, "--port", "0", cwd=folder, env=told) as process:
        yield process.address(), process


@pytest.fixture(scope="module")
def cookies(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running("cookies", tmp_path_factory.mktemp("cookies")) as (url, _):
        yield url


@asynccontextmanager
async def page(url: str, origin: str | None = None) -> AsyncIterator[httpx.AsyncClient]:
    """A browser's page; as shipped one of the site's own."""
    async with httpx.AsyncClient(base_url=url, headers={"Origin": origin or url}, timeout=20) as http:
        yield http


async def test_a_login_gives_a_cookie_by_which_one_has_ones_own(cookies: str) -> None:
    async with page(cookies) as ann, page(cookies) as bob:
        assert (await ann.get(NOTES)).status_code == 401
        for wrong in ({**ANN, "password": ""}, {"name": "nobody", "password": ""}, {**ANN, "password": "é"}):
            assert (await ann.post("/login", json=wrong)).status_code == 401
        answer = await ann.post("/login", json=ANN)
        assert {"HttpOnly", "SameSite=lax"} <= set(answer.headers["Set-Cookie"].split("; "))
        assert (await bob.post("/login", json={"name": "bob", "password": "another one"})).status_code == 204
        made = await ann.post(NOTES, json={"text": "mine"})
        assert (made.status_code, made.json()["owner"]) == (201, "ann")
        assert made.json() in (await ann.get(NOTES)).json()
        assert (await bob.get(NOTES)).json() == []


async def test_a_login_changes_the_secret_and_a_logout_ends_what_is_open(cookies: str) -> None:
    async with page(cookies) as ann:
        await ann.post("/login", json=ANN)
        first = ann.cookies["session"]
        await ann.post("/login", json=ANN)
        assert ann.cookies["session"] != first
        old = {"Cookie": f"session={first}"}
        async with page(cookies) as other:
            assert (await other.get(NOTES, headers=old)).status_code == 401
        headers = {"Cookie": f"session={ann.cookies['session']}", "Origin": cookies}
        async with LiveClient(cookies, headers=headers) as client, client.collection(NOTES) as notes:
            await ann.post(NOTES, json={"text": "heard"})
            await notes.wait_until(lambda found: any(note["text"] == "heard" for note in found), timeout=10)
            assert (await ann.post("/logout")).status_code == 204
            with pytest.raises(LiveError):
                await notes.create({"text": "late"})
        assert (await ann.get(NOTES)).status_code == 401


async def test_pages_of_others_get_nothing_by_the_cookie(cookies: str) -> None:
    async with page(cookies) as ann, page(cookies, "https://evil.example") as evil:
        await ann.post("/login", json=ANN)
        evil.cookies.update(ann.cookies)
        assert (await evil.get(NOTES)).status_code == 401
        assert (await evil.post(NOTES, json={"text": "forged"})).status_code == 401
        form = {"Content-Type": "text/plain"}
        assert (await evil.post("/login", content="{}", headers=form)).status_code == 415
        with pytest.raises(InvalidStatus) as refused:
            async with open_socket(
                cookies.replace("http", "ws", 1) + "/faye",
                origin="https://evil.example",  # type: ignore[arg-type]
                additional_headers={"Cookie": f"session={ann.cookies['session']}"},
                proxy=None,
            ):
                raise AssertionError("a foreign page has a socket")
        assert refused.value.response.status_code == 403


async def test_what_the_proxy_says_is_believed_of_the_proxy_alone(tmp_path: Path, cookies: str) -> None:
    """The cookie is for https alone where the proxy says that its client came by that."""
    forwarded = {"X-Forwarded-Proto": "https"}
    async with page(cookies) as ann:
        answer = await ann.post("/login", json=ANN, headers=forwarded)
        assert "Secure" in answer.headers["Set-Cookie"].split("; ")
    with running("cookies", tmp_path, FORWARDED_ALLOW_IPS="192.0.2.1") as (url, _):
        async with page(url) as ann:
            answer = await ann.post("/login", json=ANN, headers=forwarded)
            assert "Secure" not in answer.headers["Set-Cookie"].split("; ")


async def test_a_token_counts_from_pages_that_are_allowed_until_it_ends(tmp_path: Path) -> None:
    with running("tokens", tmp_path, SECONDS="8") as (url, process):
        said = next(line for line in process.said() if line.startswith("ann's token: "))
        token = said.removeprefix("ann's token: ")
        assert re.fullmatch(r"[\w-]{43}", token)
        bearer = {"Authorization": f"Bearer {token}"}
        async with page(url, "https://app.example") as app:
            asked = {
                "Access-Control-Request-Method": "POST",
                "Access-Control-Request-Headers": "authorization",
            }
            preflight = await app.options(NOTES, headers=asked)
            assert preflight.headers["Access-Control-Allow-Origin"] == "https://app.example"
            made = await app.post(NOTES, json={"text": "mine"}, headers=bearer)
            assert (made.status_code, made.json()["owner"]) == (201, "ann")
            assert (await app.get(NOTES)).status_code == 401
            assert (await app.get(NOTES, headers={"Authorization": "Bearer wrong"})).status_code == 401
        async with page(url, "https://evil.example") as evil:
            answer = await evil.options(NOTES, headers={"Access-Control-Request-Method": "POST"})
            assert "Access-Control-Allow-Origin" not in answer.headers
        async with LiveClient(url, headers=bearer, token=token, timeout=2) as client:
            notes = client.collection(NOTES)
            async with notes:
                assert [note["text"] for note in notes] == ["mine"]
                await wait_until(lambda: notes.live == "refused", 20)
