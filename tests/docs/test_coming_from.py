"""The examples for those who come from elsewhere are served, and do what their pages say."""

from __future__ import annotations

import asyncio
import sqlite3
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest

from examples.coming_from.faye import PASSWORD
from livecollections import BayeuxError, LiveClient
from livecollections.bayeux import Client

from ..command import ROOT, Command, command

EXAMPLES = ROOT / "examples" / "coming_from"
BEARER = {name: {"Authorization": f"Bearer {name}'s token"} for name in ("ann", "bob")}
HANDSHAKE = {
    "channel": "/meta/handshake", "version": "1.0", "supportedConnectionTypes": ["long-polling"],
}  # fmt: skip
STREAM = {"Accept": "text/event-stream"}


@contextmanager
def serving(name: str, folder: Path, env: Mapping[str, str] | None = None) -> Iterator[str]:
    """An example at work; gives its address."""
    target = f"examples.coming_from.{name}:app"
    assert f"livecollections run {target}" in (EXAMPLES / f"{name}.py").read_text("utf-8")
    paths = {"PYTHONPATH": str(ROOT), **(env or {})}
    with command("run", target, "--port", "0", cwd=folder, env=paths) as run:
        yield run.address()


def test_a_chat_of_fayes(tmp_path: Path) -> None:
    async def talk(url: str) -> None:
        async with (
            Client(f"{url}/faye") as ann,
            Client(f"{url}/faye") as bob,
            ann.subscribe("/chat/1") as heard,
        ):
            with pytest.raises(BayeuxError, match="Wrong password"):
                await bob.publish("/chat/1", {"text": "hi"})
            with pytest.raises(BayeuxError):
                await ann.subscribe("/other/1").__aenter__()
            async with httpx.AsyncClient() as client:
                told = {"channel": "/chat/1", "data": {"text": "hello"}, "ext": {"password": PASSWORD}}
                [hello] = (await client.post(f"{url}/faye", json=HANDSHAKE)).json()
                [reply] = (
                    await client.post(f"{url}/faye", json={**told, "clientId": hello["clientId"]})
                ).json()
            assert reply["successful"]
            assert [(await anext(heard)).data for _ in range(2)] == [{"system": "1 here"}, {"text": "hello"}]

    with serving("faye", tmp_path) as url:
        asyncio.run(asyncio.wait_for(talk(url), 20))


def test_tasks_of_meteors(tmp_path: Path) -> None:
    async def tick(url: str) -> None:
        async with (
            LiveClient(url, headers=BEARER["ann"], token="ann's token") as hers,
            hers.collection("/api/tasks", optimistic=True) as tasks,
            httpx.AsyncClient(base_url=url) as client,
        ):
            await tasks.create({"text": "buy milk"})
            assert (await client.get("/api/tasks", headers=BEARER["bob"])).json() == []
            assert (await client.post("/methods/tasks.checkAll")).status_code == 401
            await client.post("/methods/tasks.checkAll", headers=BEARER["ann"])
            await tasks.wait_until(lambda tasks: all(task["checked"] for task in tasks), timeout=10)

    with serving("meteor", tmp_path) as url:
        asyncio.run(asyncio.wait_for(tick(url), 20))


def test_tables_of_supabases(tmp_path: Path) -> None:
    database = sqlite3.connect(tmp_path / "supabase.db")
    database.executescript(
        "create table notes (id integer primary key, user_id text not null, text text not null);"
        "create table countries (id integer primary key, name text not null);"
        "insert into countries (name) values ('Norway');"
    )
    database.close()
    secret = "a secret of thirty-two characters"
    claims: dict[str, Any] = {"sub": "ann", "aud": "authenticated", "exp": time.time() + 3600}
    known = {"Authorization": f"Bearer {jwt.encode(claims, secret, 'HS256')}"}
    forged = {"Authorization": f"Bearer {jwt.encode(claims, secret[::-1], 'HS256')}"}
    env = {"JWT_SECRET": secret, "DATABASE_URL": "sqlite:///supabase.db"}
    with serving("supabase", tmp_path, env) as url, httpx.Client(base_url=url) as client:
        assert client.get("/api/countries").json() == [{"id": 1, "name": "Norway"}]
        assert client.post("/api/countries", json={"name": "x"}).status_code == 401
        assert client.get("/api/notes", headers=forged).status_code == 401
        written = client.post("/api/notes", json={"text": "milk"}, headers=known)
        assert (written.status_code, written.json()["user_id"]) == (201, "ann")


def test_collections_of_pocketbases(tmp_path: Path) -> None:
    with serving("pocketbase", tmp_path) as url, httpx.Client(base_url=url) as client:
        assert client.post("/api/drafts", json={"title": "x"}, headers=BEARER["ann"]).status_code == 201
        assert client.get("/api/drafts", headers=BEARER["bob"]).json() == []
        assert client.get("/api/posts").json() == []
        assert client.post("/api/posts", json={"title": "x"}).status_code == 401
        loud = client.post("/api/posts", json={"title": "HELLO"}, headers=BEARER["ann"])
        assert (loud.status_code, loud.json()["detail"]) == (422, "not so loud")
        with client.stream("GET", "/api/posts", headers=STREAM) as stream:
            lines = stream.iter_lines()
            client.post("/api/posts", json={"title": "hello"}, headers=BEARER["ann"])
            assert '"title":"hello"' in next(line for line in lines if line.startswith("data:"))


def test_a_django_application_without_consumers(tmp_path: Path) -> None:
    database = sqlite3.connect(tmp_path / "django.db")
    database.execute(
        "create table chat_message (id integer primary key autoincrement, room varchar(40) not null,"
        " text varchar(200) not null)"
    )
    database.close()
    script = (
        "from examples.coming_from.channels import SessionStore; session = SessionStore();"
        " session['name'] = 'ann'; session.save(); print('cookie', session.session_key)"
    )
    paths = {"PYTHONPATH": str(ROOT)}
    with python(script, tmp_path, paths) as run:
        cookie = run.wait_line("cookie ").removeprefix("cookie ")
    with serving("channels", tmp_path) as url, httpx.Client(base_url=url) as client:
        assert client.get("/api/rooms/hall/messages").status_code == 401
        ann = {"Cookie": f"sessionid={cookie}", "Sec-Fetch-Site": "same-origin"}
        assert client.get("/api/rooms/hall/messages", headers=ann).json() == []
        with client.stream("GET", "/api/rooms/hall/messages", headers={**STREAM, **ann}) as stream:
            lines = stream.iter_lines()
            said = client.post("/say/", json=[{"room": "hall", "text": "hi"}])
            assert said.status_code == 204
            assert '"text":"hi"' in next(line for line in lines if line.startswith("data:"))


@contextmanager
def python(script: str, folder: Path, env: Mapping[str, str]) -> Iterator[Command]:
    """A Python program of one line."""
    with command("-c", script, cwd=folder, env=env, program=Path(sys.executable)) as run:
        yield run
