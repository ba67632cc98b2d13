"""Releases of an API: which resource answers, on which channel it is live, and what is wrong at start."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from pydantic import BaseModel
from sqlmodel import Field, SQLModel

from livecollections import ConfigurationError, Live
from tests.databases.database import Database
from tests.models import Person, Todo
from tests.rest.conftest import is_problem
from tests.serving import wait_until

RELEASES = ["1.0.0", "2.1.0", "3.0.1"]


class OldTodo(BaseModel):
    """How the first releases showed a todo."""

    id: int
    title: str


def versioned(database: Database) -> Live:
    live = database.live(releases=RELEASES, allowed_origins=["https://app.example"])
    live.add_resource("/api/todos", Todo, versions="<3", read=OldTodo)
    live.add_resource("/api/todos", Todo, versions=">=3")
    live.add_resource("/api/books", Person, versions="^2")
    live.add_resource("/api/all", Todo)
    return live


@pytest.fixture
async def client(database: Database) -> AsyncIterator[httpx.AsyncClient]:
    live = versioned(database)
    async with live, httpx.AsyncClient(transport=httpx.ASGITransport(live.app), base_url="http://test") as it:
        yield it


async def test_a_client_of_an_old_release_leaves_newer_fields_as_they_are(client: httpx.AsyncClient) -> None:
    """It saves whole documents, as it is shown them; what it names itself is changed."""
    path = (await client.post("/api/todos", json={"title": "milk", "completed": True, "order": 5})).headers[
        "location"
    ]
    old = {"API-Version": "1.0.0"}
    shown = (await client.get(path, headers=old)).json()
    for sent, is_completed in (({}, True), ({"title": "bread"}, True), ({"completed": False}, False)):
        answer = await client.put(path, json={**shown, **sent}, headers=old)
        assert (answer.status_code, answer.json()) == (200, {**shown, "title": sent.get("title", "milk")})
        now = (await client.get(path)).json()
        assert (now["completed"], now["order"]) == (is_completed, 5)
    assert (await client.put(path, json={"title": "bread"})).json()["order"] is None, (
        "who is shown it has left it out"
    )


@pytest.mark.parametrize(
    ("asked", "release", "shown"),
    [
        (None, "3.0.1", {"id", "title", "completed", "order"}),
        ("*", "3.0.1", {"id", "title", "completed", "order"}),
        ("<3", "2.1.0", {"id", "title"}),
        ("1.0.0", "1.0.0", {"id", "title"}),
        ("1 || 2", "2.1.0", {"id", "title"}),
    ],
)
async def test_the_highest_release_in_the_range_answers(
    client: httpx.AsyncClient, asked: str | None, release: str, shown: set[str]
) -> None:
    headers = {} if asked is None else {"API-Version": asked}
    created = await client.post("/api/todos", json={"title": "milk"}, headers=headers)
    listed = await client.get("/api/todos", headers=headers)
    missing = await client.get("/api/todos/99", headers=headers)
    for answer in (created, listed, missing):
        assert answer.headers["api-version"] == release
        assert "API-Version" in answer.headers.get_list("vary")
    assert created.json().keys() == listed.json()[0].keys() == shown
    is_problem(missing, 404)


@pytest.mark.parametrize("asked", [">3.0.1", "abc", "", "4", "9" * 200, "\u00e9"])
@pytest.mark.parametrize("path", ["/api/todos", "/api/todos/1", "/api/books"])
async def test_what_no_release_is_in_is_a_400(client: httpx.AsyncClient, asked: str, path: str) -> None:
    if not asked:
        assert (await client.get("/api/todos", headers={"API-Version": ""})).status_code == 200
        return
    headers = {"API-Version": asked.encode("latin-1"), "Origin": b"https://app.example"}
    answer = await client.post(path, json={"title": "x"}, headers=headers)  # type: ignore[arg-type]
    problem = is_problem(answer, 400)
    assert problem["detail"].startswith("API-Version: ")
    assert "api-version" not in answer.headers
    assert {"API-Version", "Origin"} <= set(answer.headers.get_list("vary"))
    assert answer.headers["access-control-allow-origin"] == "https://app.example"
    assert (await client.get("/api/all")).json() == []


async def test_a_release_has_only_its_own_paths(client: httpx.AsyncClient) -> None:
    assert (await client.get("/api/books", headers={"API-Version": "2"})).status_code == 200
    assert (await client.get("/api/books")).status_code == 404
    assert (await client.get("/api/books", headers={"API-Version": "1"})).status_code == 404
    for asked in ("1", "2", "3"):
        assert (await client.get("/api/all", headers={"API-Version": asked})).status_code == 200
    health = await client.get("/live/health", headers={"API-Version": "abc"})
    assert (health.status_code, "vary" in health.headers) == (200, False)


async def test_each_version_hears_its_own_documents(database: Database) -> None:
    live = versioned(database)
    async with (
        live,
        httpx.AsyncClient(transport=httpx.ASGITransport(live.app), base_url="http://test") as http,
    ):
        channels = {}
        for asked in ("1.0.0", "3"):
            answer = await http.get("/api/todos", headers={"API-Version": asked})
            channels[asked] = answer.headers["live-channel"]
        assert channels == {"1.0.0": "/api/todos/~version/2~2E1~2E0", "3": "/api/todos"}
        bodies: dict[str, Any] = {}
        for asked, channel in channels.items():
            await live.bayeux.local_client().subscribe(
                channel, lambda data, asked=asked: bodies.update({asked: data["body"]})
            )
        await http.post("/api/todos", json={"title": "milk"})
        await wait_until(lambda: len(bodies) == 2)
    assert bodies["1.0.0"] == {"id": 1, "title": "milk"}
    assert bodies["3"] == {"id": 1, "title": "milk", "completed": False, "order": None}


class Owner(SQLModel, table=True):
    """Who has pets."""

    id: int | None = Field(default=None, primary_key=True)
    name: str
    phone: str = "555"


class Pet(SQLModel, table=True):
    """Whom a populated owner is shown in."""

    id: int | None = Field(default=None, primary_key=True)
    owner_id: int | None = Field(default=None, foreign_key="owner.id")


class OldOwner(BaseModel):
    """An owner as the first release showed him."""

    id: int
    name: str


async def test_populate_shows_what_the_release_itself_shows() -> None:
    live = Live("sqlite://", releases=["1.0.0", "2.0.0", "3.0.0"], synchronous="NORMAL")
    live.add_resource("/api/owners", Owner, versions="1", read=OldOwner)
    live.add_resource("/api/owners", Owner, versions="2")
    live.add_resource("/api/pets", Pet)
    async with (
        live,
        httpx.AsyncClient(transport=httpx.ASGITransport(live.app), base_url="http://test") as http,
    ):
        await http.post("/api/owners", json={"name": "Ada"}, headers={"API-Version": "2"})
        await http.post("/api/pets", json={"owner_id": 1})
        for asked in ("1", "2"):
            headers = {"API-Version": asked}
            owner = (await http.get("/api/owners/1", headers=headers)).json()
            for path in ("/api/pets", "/api/pets/1"):
                found = (await http.get(f"{path}?populate=owner_id", headers=headers)).json()
                assert (found[0] if isinstance(found, list) else found)["owner_id"] == owner
        is_problem(await http.get("/api/pets?populate=owner_id", headers={"API-Version": "3"}), 400)


@pytest.mark.parametrize(
    ("releases", "default"),
    [
        (["1.0.0", "2.0.0-beta.1"], "1.0.0"),
        (["1.0.0-a", "1.0.0", "1.1.0", "2.0.0-rc"], "1.1.0"),
        (["1.0.0-a", "1.0.0-b"], "1.0.0-b"),
    ],
)
async def test_a_pre_release_answers_who_asks_for_it(
    database: Database, releases: list[str], default: str
) -> None:
    live = database.live(releases=releases)
    live.add_resource("/api/todos", Todo)
    live.add_resource("/api/books", Person, versions=releases[-1])
    live.add_resource("/api/old", Person, versions=releases[0])
    async with (
        live,
        httpx.AsyncClient(transport=httpx.ASGITransport(live.app), base_url="http://test") as http,
    ):
        answer = await http.get("/api/todos")
        assert (answer.status_code, answer.headers["api-version"]) == (200, default)
        assert answer.headers["live-channel"] == "/api/todos"
        for release in releases:
            answer = await http.get("/api/todos", headers={"API-Version": release})
            assert (answer.status_code, answer.headers["api-version"]) == (200, release)
        described = (await http.get("/openapi.json")).json()["paths"]
        assert ("/api/books" in described) == (default == releases[-1])


async def test_without_releases_nothing_is_said_of_them(database: Database) -> None:
    live = database.live()
    live.add_resource("/api/todos", Todo)
    async with (
        live,
        httpx.AsyncClient(transport=httpx.ASGITransport(live.app), base_url="http://test") as http,
    ):
        answer = await http.get("/api/todos", headers={"API-Version": "7"})
        assert (answer.status_code, "api-version" in answer.headers) == (200, False)
        assert "API-Version" not in answer.headers.get_list("vary")


@pytest.mark.parametrize(
    ("releases", "ranges", "told"),
    [
        (["1.0.0", "abc"], [], "releases: 'abc' is no semantic version"),
        (["1.0.0", "1.0.0"], [], "releases: 1.0.0 is named twice"),
        ("1.0.0", [], "releases: a list"),
        (["1.0.0"], ["abc"], "versions: a range"),
        (["1.0.0"], [7], "versions: "),
        (["1.0.0"], ["2.x"], "versions: /api/x: no release is in '2.x'"),
        (["1.0.0", "2.0.0"], [">0", "<2"], "versions: /api/x: release 1.0.0 is in '>0' and '<2'"),
        (["1.0.0"], ["1.0.0", "1.0.0"], "versions: /api/x: release 1.0.0 is in '1.0.0' and '1.0.0'"),
        (["1.0.0", "2.0.0", "3.0.0"], ["1.x", "3.x"], "versions: /api/x: release 2.0.0 is in none"),
        (["1.0.0", "2.0.0"], ["2.x"], "releases: there is no resource in release 1.0.0"),
        ([], ["1.x"], "versions: /api/x is in '1.x', but the Live has no releases"),
        (["1.0.0"], ["1.x", None], "path: /api/x is declared already"),
    ],
)
async def test_what_does_not_fit_is_an_error_at_start_at_the_latest(
    releases: Any, ranges: list[Any], told: str
) -> None:
    async def start() -> None:
        live = Live("sqlite://", releases=releases)
        for each in ranges:
            live.add_resource("/api/x", Todo, **({} if each is None else {"versions": each}))
        async with live:
            pass

    with pytest.raises(ConfigurationError) as raised:
        await start()
    assert str(raised.value).startswith(told)
