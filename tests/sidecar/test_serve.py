"""`livecollections serve`: a database that others made, served by a process of its own."""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from livecollections import LiveClient
from livecollections.cli import main
from livecollections.stores.sqlite import SQLiteStore
from livecollections.stores.sqlite_administration import SQLiteAdministration
from livecollections.survey import Survey, Wishes
from tests.command import Command, command, finished

from . import shop
from .in_process import serving as serving_in_process

TOKEN = "a token of some length"


@pytest.fixture
def here(tmp_path: Path) -> Path:
    shop.make(tmp_path / "shop.db")
    return tmp_path


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Command, httpx.Client]]:
    """All tables, to be written too."""
    here = tmp_path_factory.mktemp("whole")
    shop.make(here / "shop.db")
    with (
        command("serve", URL, "--all-tables", "--write", "--yes", "--port", "0", cwd=here) as serving,
        httpx.Client(base_url=serving.address()) as client,
    ):
        client.get(serving.inspector())
        yield serving, client


URL = "sqlite:///shop.db"


def test_named_tables_are_served_to_be_read(here: Path) -> None:
    with command(
        "serve", URL, "--table", "purchase", "--table", "customer", "--yes", "--port", "0", cwd=here
    ) as serving:
        with httpx.Client(base_url=serving.address()) as client:
            purchase = client.get("/api/purchase/1,1", params={"populate": "customer_id"}).json()
            assert purchase == {
                "shop": 1,
                "number": 1,
                "customer_id": {"id": 1, "name": "Ann", "email": "ann@example.org"},
                "total": "3.50",
                "placed": "2024-01-01T10:00:00",
            }
            assert client.get("/api/country").status_code == 404
            for method in ("POST", "PUT", "PATCH", "DELETE"):
                assert client.request(method, "/api/customer/1", json={}).status_code == 405
            assert client.get("/", follow_redirects=True).url.path == "/docs"
            assert client.get(serving.inspector(), follow_redirects=True).status_code == 200
        assert serving.stop() < 4
    assert [line for line in serving.said() if "Traceback" in line] == []


def test_it_says_what_it_serves_and_what_not_and_what_it_installs(
    whole: tuple[Command, httpx.Client],
) -> None:
    serving, _ = whole
    said = [re.sub(r"  +", "  ", line) for line in serving.lines]
    assert said[0].endswith("shop.db, to be read and written:")
    for line in (
        "  /api/customer  id, name, email; without password_hash, apiKey",
        "  /api/account  id, name; without secret; no POST, which would need them",
        "  access_tokens  it is named like a secret: name it with --table",
        "  session  session.session_key is its key, and named like a secret: name it with --include",
        "  plain  it has no primary key",
        "  untyped  its key, id, is of no type that a URL could name",
        "  cheap  it is a view: serve the tables behind it",
        "  found  it is a virtual table",
        "  found_data  it belongs to a virtual table",
        "  a/b  its name can't be part of a path",
        "  odd\ufffd[31m  its name can't be part of a path",
        "  triggers on purchase",
    ):
        assert line in said
    assert not [line for line in said if "triggers on plain" in line or "triggers on session" in line]


def test_documents_are_written_as_the_tables_take_them(whole: tuple[Command, httpx.Client]) -> None:
    _, client = whole
    made = client.post("/api/purchase", json={"shop": 2, "number": 1, "total": "4.10", "customer_id": 2})
    assert (made.status_code, made.headers["location"]) == (201, "/api/purchase/2,1")
    assert client.post("/api/purchase", json={"shop": 2, "number": 1, "total": "1"}).status_code == 409
    assert client.post("/api/purchase", json={"shop": 2, "total": "1"}).status_code == 422
    assert client.post("/api/customer", json={"name": "Cid"}).json() == {
        "id": 3,
        "name": "Cid",
        "email": None,
    }
    for unknown in ("password_hash", "secret"):
        assert client.post("/api/customer", json={"name": "Cid", unknown: "z"}).status_code == 422
        assert client.get("/api/customer", params={unknown: "x"}).status_code == 400
    assert client.put("/api/account/1", json={"name": "x"}).status_code == 404
    assert client.post("/api/account", json={"name": "x"}).status_code == 405
    odd = {"id": "7f", "two words": "a", "_hidden": 3, "json": '{"b": 1}', "model_name": "m", "copy": "c"}
    answer = client.post("/api/odd", json={**odd, "anything": 1.5})
    assert answer.json() == {**odd, "anything": 1.5, "double": 6}
    assert client.patch("/api/odd/7f", json={"_hidden": 4}).json()["double"] == 8
    assert client.get("/api/odd", params={"two words": "a", "_hidden": 4}).json()[0]["id"] == "7f"
    assert client.post("/api/country", json={"code": "se", "name": "Sweden"}).status_code == 201
    assert client.delete("/api/customer/2").status_code == 204
    assert [each["shop"] for each in client.get("/api/purchase").json()] == [1]


def test_the_documentation_tells_of_it_and_loads_nothing_from_elsewhere(
    whole: tuple[Command, httpx.Client],
) -> None:
    _, client = whole
    paths = client.get("/openapi.json").json()["paths"]
    assert {"/api/customer", "/api/purchase/{key}", "/api/account"} <= set(paths)
    assert set(paths["/api/account"]) == {"get"}
    assert "password_hash" not in client.get("/openapi.json").text
    for path in (
        "/docs",
        "/docs/docs.js",
        "/live",
        "/live/inspector/inspector.js",
        "/live/inspector/inspector.css",
    ):
        answer = client.get(path)
        assert answer.status_code == 200
        assert not re.search(r"""(src|href)=["']?(https?:)?//""", answer.text)


@pytest.mark.parametrize("answer", ["n\n", ""])
def test_nothing_is_installed_without_a_yes(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], answer: str
) -> None:
    before = shop.schema(here / "shop.db")
    monkeypatch.setattr(sys, "stdin", io.StringIO(answer))
    assert said(monkeypatch, here, "--table", "customer") == 1
    told = capsys.readouterr()
    assert "Install that?" in told.out
    assert told.err.endswith("livecollections: nothing was installed: --yes says that it may be\n")
    assert shop.schema(here / "shop.db") == before


def test_a_yes_may_be_typed(here: Path) -> None:
    with command("serve", URL, "--table", "customer", "--port", "0", cwd=here, answer="y\n") as serving:
        assert httpx.get(f"{serving.address()}/api/customer").status_code == 200


def said(monkeypatch: pytest.MonkeyPatch, here: Path, *arguments: str) -> object:
    """The status with which the command leaves, where it serves nothing."""
    monkeypatch.chdir(here)
    monkeypatch.setattr(sys, "argv", ["livecollections", "serve", URL, *arguments])
    with pytest.raises(SystemExit) as left:
        main()
    return left.value.code


def test_uninstall_leaves_the_database_as_it_was(here: Path) -> None:
    before = shop.schema(here / "shop.db")
    with command("serve", URL, "--all-tables", "--yes", "--port", "0", cwd=here) as serving:
        serving.address()
        assert shop.schema(here / "shop.db") != before
        serving.stop()
    assert finished("uninstall", URL, "--yes", cwd=here).returncode == 0
    assert shop.schema(here / "shop.db") == before


async def test_what_a_dba_has_installed_is_all_that_is_needed(here: Path) -> None:
    url = f"sqlite:///{here / 'shop.db'}"
    administration = SQLiteAdministration(url)
    printed = await administration.plan(["customer"], ["customer.password_hash", "customer.apiKey"])
    shop.run(here / "shop.db", printed.script.replace("BEGIN IMMEDIATE;", "").replace("COMMIT;", ""))
    shop.rows(here / "shop.db", "pragma journal_mode = wal")
    choice = await Survey(administration, SQLiteStore(url)).choose(Wishes(("customer",)))
    assert choice.plan.additions == ()


async def test_where_none_is_named_all_tables_that_can_be_are_captured(here: Path) -> None:
    plan = await SQLiteAdministration(f"sqlite:///{here / 'shop.db'}").plan()
    captured = {line.removeprefix("triggers on ") for line in plan.additions if "triggers on" in line}
    assert {"customer", "session", "access_tokens", "untyped"} <= captured
    assert not [name for name in captured if name.startswith(("found", "plain", "cheap"))]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "--table"),
        (("--all-tables", "--table", "customer"), "--all-tables"),
        (("--table", "nothing"), "no table nothing"),
        (("--table", "plain"), "plain can't be served: it has no primary key"),
        (("--table", "cheap"), "it is a view"),
        (("--table", "session"), "--include"),
        (("--table", "customer", "--include", "customer.nothing"), "customer.nothing"),
        (("--table", "customer", "--exclude", "country.name"), "country.name"),
        (("--table", "customer", "--exclude", "customer.id"), "customer.id is its key"),
        (("--table", "customer", "--token", "short"), "16 characters"),
        (("--table", "customer", "--host", "0.0.0.0"), "--token or by --public"),
        (("--table", "customer", "--host", "shop.example"), "--token or by --public"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_is_wrong_is_one_line_and_status_2(
    here: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    says: str,
) -> None:
    before = shop.schema(here / "shop.db")
    assert said(monkeypatch, here, *arguments, "--yes") == 2
    told = capsys.readouterr()
    assert (told.out, told.err.count("\n")) == ("", 1)
    assert says in told.err
    assert shop.schema(here / "shop.db") == before


def test_a_database_with_nothing_to_serve_is_told_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shop.run(tmp_path / "shop.db", "create table plain (line text)")
    assert said(monkeypatch, tmp_path, "--all-tables") == 2
    assert "plain: it has no primary key" in capsys.readouterr().err


async def test_secrets_are_shown_where_they_are_named(here: Path) -> None:
    wishes = Wishes(
        ("customer", "session", "access_tokens"),
        include=("customer.password_hash", "session.session_key"),
        exclude=("customer.email",),
    )
    async with serving_in_process(here / "shop.db", wishes) as client:
        customer = (await client.get("/api/customer/1")).json()
        assert customer == {"id": 1, "name": "Ann", "password_hash": "x"}
        for path in ("/api/session", "/api/access_tokens"):
            assert (await client.get(path)).json() == []
    kept = shop.rows(here / "shop.db", "select value from live_meta where name = 'source:customer'")
    assert "email" not in str(kept)
    assert "password_hash" in str(kept)


@pytest.fixture(scope="module")
def behind(tmp_path_factory: pytest.TempPathFactory) -> Path:
    here = tmp_path_factory.mktemp("guarded")
    shop.make(here / "shop.db")
    return here


@pytest.fixture(scope="module")
def guarded(behind: Path) -> Iterator[httpx.Client]:
    arguments = (
        "serve",
        URL,
        "--table",
        "customer",
        "--write",
        "--yes",
        "--metrics",
        "--host",
        "0.0.0.0",
        "--port",
        "0",
    )
    with (
        command(*arguments, cwd=behind, env={"LIVECOLLECTIONS_TOKEN": TOKEN}) as serving,
        httpx.Client(base_url=serving.address()) as client,
    ):
        yield client
    assert not [line for line in serving.said() if "without authentication" in line]


def handshake(client: httpx.Client, **more: Any) -> dict[str, Any]:
    hello = {
        "channel": "/meta/handshake",
        "version": "1.0",
        "supportedConnectionTypes": ["long-polling"],
        **more,
    }
    answer: dict[str, Any] = client.post("/faye", json=[hello]).json()[0]
    return answer


def hears(client: httpx.Client, **more: Any) -> bool:
    """Whether who comes like this may subscribe."""
    name = handshake(client, **more)["clientId"]
    asked = {"channel": "/meta/subscribe", "clientId": name, "subscription": "/api/customer"}
    return bool(client.post("/faye", json=[asked]).json()[0]["successful"])


def test_with_a_token_nobody_comes_in_without_it(guarded: httpx.Client) -> None:
    for path in (
        "/api/customer",
        "/api/customer/1",
        "/live",
        "/live/inspector/events",
        "/live/metrics",
        "/docs",
        "/openapi.json",
        "/",
        "/nowhere",
    ):
        refused = guarded.get(path)
        assert (refused.status_code, refused.headers["content-type"]) == (401, "application/problem+json")
        assert refused.headers["www-authenticate"].startswith("Basic ")
    assert guarded.post("/api/customer", json={"name": "x"}).status_code == 401
    assert not hears(guarded)
    assert not hears(guarded, ext={"token": TOKEN + "x"})
    assert not hears(guarded, ext={"token": 7})
    for credentials in ("Bearer nothing", "Basic !", "Basic eDp5", "Digest x", "Bearer"):
        assert guarded.get("/api/customer", headers={"Authorization": credentials}).status_code == 401
    assert guarded.get("/api/customer", params={"token": TOKEN}).status_code == 401
    assert guarded.get("/live/health").status_code == 200


def test_with_the_token_everything_is_open(guarded: httpx.Client) -> None:
    assert hears(guarded, ext={"token": TOKEN})
    assert guarded.get("/live", auth=("anybody", TOKEN)).status_code == 200
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    assert guarded.get("/api/customer", headers=bearer).status_code == 200
    assert "livecollections_healthy 1.0" in guarded.get("/live/metrics", headers=bearer).text
    assert guarded.post("/api/customer", headers=bearer, json={"name": "x"}).status_code == 201
    # A browser sends what it remembers with any page's form: so a write by it must say where it comes from.
    remembered = guarded.post("/api/customer", auth=("anybody", TOKEN), json={"name": "x"})
    assert remembered.status_code == 403


async def test_a_client_with_the_token_hears_what_other_programs_write(
    behind: Path, guarded: httpx.Client
) -> None:
    async with (
        LiveClient(
            str(guarded.base_url), token=TOKEN, headers={"Authorization": f"Bearer {TOKEN}"}
        ) as client,
        client.collection("/api/customer") as customers,
    ):
        script = "update customer set email = 'all'; delete from customer where id = 1"
        shop.run(behind / "shop.db", script)
        await customers.wait_until(lambda held: {each["email"] for each in held} == {"all"}, timeout=10)
        assert "1" not in customers
