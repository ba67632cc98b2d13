"""Documents that URLs name by another unique attribute than the key."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import Column, Index, String, UniqueConstraint
from sqlmodel import Field, SQLModel

from livecollections import ConfigurationError
from tests.databases.database import Database
from tests.models import resource_of
from tests.rest.conftest import Api, connected, is_problem


class Article(SQLModel, table=True):
    __tablename__ = "rest_article"
    __table_args__ = (
        UniqueConstraint("code"),
        UniqueConstraint("text", "owner"),
        Index("rest_article_short", "short", unique=True),
        Index("rest_article_some", "some", unique=True, sqlite_where=Column("some") != "x"),
    )
    id: int | None = Field(default=None, primary_key=True)
    slug: str = Field(unique=True)
    text: str = ""
    owner: str = ""
    code: int = 0
    short: str = ""
    some: str = ""
    other: str | None = Field(default=None, sa_column=Column(String, unique=True))


@pytest.fixture
async def api(database: Database) -> AsyncIterator[Api]:
    live = database.live()
    live.add_resource("/api/articles", Article, find_by="slug", operators=["text"])
    async with connected(live, database) as api:
        yield api


def article(number: int, slug: str) -> dict[str, Any]:
    return {"slug": slug, "code": number, "short": f"s{number}", "some": f"s{number}", "text": f"t{number}"}


async def test_a_document_is_where_its_name_says(api: Api) -> None:
    created = await api.client.post("/api/articles", json=article(1, "a b/c"))
    assert created.headers["location"] == "/api/articles/a%20b%2Fc"
    await api.client.post("/api/articles", json=article(2, "1"))
    path = created.headers["location"]
    read = await api.client.get(path)
    assert (read.json(), read.headers["etag"]) == (created.json(), created.headers["etag"])
    assert (await api.client.get("/api/articles/1")).json()["id"] == 2, "1 is a name here, and no key"
    patched = await api.client.patch(path, json={"text": "new"}, headers={"If-Match": read.headers["etag"]})
    assert (patched.status_code, patched.json()["id"]) == (200, 1)
    put = await api.client.put(path, json={**article(1, "a b/c"), "id": 1})
    assert (put.status_code, put.json()["text"]) == (200, "t1")
    assert (await api.client.delete(path)).status_code == 204
    for method in ("GET", "PUT", "PATCH", "DELETE"):
        body = {"json": article(1, "x")} if method.startswith("P") else {}
        for name in (path, "/api/articles/none"):
            answer = await api.client.request(method, name, **body)  # type: ignore[arg-type]
            is_problem(answer, 404)
            assert answer.headers["live-seq"]
        is_problem(await api.client.request(method, "/api/articles/%FF", **body), 400)  # type: ignore[arg-type]


async def test_a_name_may_change_but_to_none_that_no_url_has(api: Api) -> None:
    await api.client.post("/api/articles", json=[article(1, "a"), article(2, "b")])
    held = api.held()
    for name, status in (("b", 409), ("..", 422), ("", 422), (None, 422)):
        problem = is_problem(await api.client.patch("/api/articles/a", json={"slug": name}), status)
        assert problem["errors"][0]["pointer"] == "/slug"
        is_problem(await api.client.post("/api/articles", json={**article(3, "x"), "slug": name}), status)
    assert api.held() == held
    assert (await api.client.patch("/api/articles/a", json={"slug": "c"})).json()["id"] == 1
    assert (await api.client.get("/api/articles/a")).status_code == 404
    assert (await api.client.get("/api/articles/c")).json()["id"] == 1


async def test_who_names_a_document_writes_no_other(api: Api) -> None:
    await api.client.post("/api/articles", json=article(1, "a"))
    for turn in range(10):
        old, new = ("a", "z") if turn % 2 == 0 else ("z", "a")
        answers = await asyncio.gather(
            api.client.patch(f"/api/articles/{old}", json={"slug": new}),
            *(
                api.client.patch(f"/api/articles/{old}", json={"$set": {"text": f"{turn} {n}"}})
                for n in range(5)
            ),
        )
        assert {answer.status_code for answer in answers} <= {200, 404}
        for answer in answers[1:]:
            assert answer.status_code == 404 or answer.json()["slug"] == old


@pytest.mark.parametrize("attribute", ["slug", "code", "short", "id"])
def test_what_names_documents(attribute: str) -> None:
    assert resource_of(Article, find_by=attribute).address == (attribute,)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"find_by": ["slug"]}, "find_by: the name"),
        ({"find_by": "nothing"}, "find_by: Article has no field"),
        ({"find_by": "text"}, "must be unique"),
        ({"find_by": "some"}, "must be unique"),
        ({"find_by": "other"}, "never null"),
        ({"find_by": "slug", "hidden": ["slug"]}, "find_by: Article has no field"),
    ],
)
def test_the_option_is_checked(options: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigurationError, match=says):
        resource_of(Article, **options)


async def test_a_repeated_patch_that_changed_the_name_is_answered_as_before(api: Api) -> None:
    await api.client.post("/api/articles", json=article(1, "old"))
    sent: dict[str, Any] = {"json": {"slug": "new"}, "headers": {"Idempotency-Key": "k", "Live-Origin": "me"}}
    first = await api.client.patch("/api/articles/old", **sent)
    held = api.held()
    again = await api.client.patch("/api/articles/old", **sent)
    assert (again.status_code, again.json()) == (200, first.json())
    assert again.headers["live-seq"] == first.headers["live-seq"]
    sent["headers"]["Idempotency-Key"] = "other"
    is_problem(await api.client.patch("/api/articles/old", **sent), 404)
    assert api.held() == held
