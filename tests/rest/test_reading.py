"""Lists as they are asked for: fields, numbers, values, pages and their links, and searches in a body."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
import pytest_asyncio

from livecollections.place import encode
from livecollections.query import Order
from livecollections.rest import reading
from tests.databases.database import Database
from tests.databases.fixtures import only
from tests.models import Book, Everything, Person, Todo
from tests.rest.conftest import ORIGIN, Api, connected, is_problem

TITLES = ["a", "b", "b", "c", "d", "e", "e"]


pytestmark = pytest.mark.asyncio(loop_scope="module")


@asynccontextmanager
async def opened(database: Database) -> AsyncIterator[Api]:
    """Seven todos, and nothing at the other paths."""
    live = database.live(allowed_origins=[ORIGIN])
    live.add_resource("/api/todos", Todo)
    live.add_resource("/api/paged", Todo, limit=(2, 5), sort="-title", methods=["get"])
    live.add_resource("/api/people", Person, limit=2)
    live.add_resource("/api/everything", Everything)
    if database.kind != "mongo":  # whose keys are called id
        live.add_resource("/api/books", Book)
    async with connected(live, database) as api:
        for number, title in enumerate(TITLES):
            await api.todo(title=title, completed=number % 2 == 0, order=None if number > 4 else number % 3)
        yield api


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(module_database: Database) -> AsyncIterator[Api]:
    async with opened(module_database) as api:
        yield api


@pytest.fixture
def todos(shared: Api) -> Iterator[Api]:
    """For all tests that write nothing."""
    before = shared.held()
    yield shared
    assert shared.held() == before


@pytest_asyncio.fixture(loop_scope="module")
async def own(database: Database) -> AsyncIterator[Api]:
    """For a test that writes."""
    async with opened(database) as api:
        yield api


async def get(api: Api, url: str, **options: Any) -> Any:
    answer = await api.client.get(url, **options)
    assert answer.status_code == 200, answer.text
    return answer.json()


def links(answer: httpx.Response) -> dict[str, str]:
    return {name: str(link["url"]) for name, link in answer.links.items() if name is not None}


# --- select -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("title", ["id", "title"]),
        ("title order", ["id", "title", "order"]),
        ("order,title", ["id", "title", "order"]),
        ("-title", ["id", "completed", "order"]),
        ("-id,-order", ["title", "completed"]),
        ("title,-id", ["title"]),
        ("", ["id", "title", "completed", "order"]),
    ],
)
async def test_fields_are_chosen(todos: Api, text: str, names: list[str]) -> None:
    for url in ("/api/todos", "/api/todos/1"):
        answer = await todos.client.get(url, params={"select": text})
        document = answer.json() if url.endswith("1") else answer.json()[0]
        assert list(document) == names
    lines = (
        await todos.client.get("/api/todos", params={"select": text}, headers={"Accept": "text/csv"})
    ).text
    assert lines.splitlines()[0] == ",".join(names)


@pytest.mark.parametrize(
    "text", ["wrong", "+title", "-wrong", "title,-order", "secret", "title.a", "a" * 5000]
)
async def test_no_other_fields_can_be_chosen(todos: Api, text: str) -> None:
    for url in ("/api/todos", "/api/todos/1", "/api/people"):
        told = is_problem(await todos.client.get(url, params={"select": text}), 400)
        assert told["errors"][0]["parameter"] == "select"
    is_problem(await todos.client.get("/api/todos/1?select=title&select=order"), 400)
    is_problem(await todos.client.get("/api/todos/1?sort=title"), 400)


async def test_a_choice_of_nothing_is_a_list_all_the_same(todos: Api) -> None:
    everything = "-id,-title,-completed,-order"
    assert await get(todos, f"/api/todos?select={everything}") == [{}] * len(TITLES)


async def test_a_chosen_list_is_filtered_and_sorted_by_all_fields(todos: Api) -> None:
    found = await get(todos, "/api/todos?select=title&sort=-order&completed=true")
    assert [each["title"] for each in found] == ["b", "d", "a", "e"]
    assert found[0].keys() == {"id", "title"}


async def test_a_chosen_list_bears_a_signal_and_a_tag_of_its_own(todos: Api) -> None:
    whole, chosen = [await todos.client.get(f"/api/todos{query}") for query in ("", "?select=title")]
    assert "live-channel" in whole.headers
    assert chosen.headers["live-signal"] == "/api/todos"
    assert whole.headers["etag"] != chosen.headers["etag"]


async def test_computed_fields_can_be_chosen_and_hidden_ones_not(own: Api) -> None:
    await own.client.post("/api/people", json={"name": "ann"})
    assert await get(own, "/api/people?select=initial") == [{"id": 1, "initial": "A"}]


# --- count and distinct --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "number"),
    [
        ("count=true", 7),
        ("count=true&completed=true", 4),
        ('count=true&conditions={"title": {"$gte": "c"}}', 4),
        ("count=true&skip=2", 5),
        ("count=true&limit=3&sort=-title", 3),
        ("count=true&title=nobody", 0),
    ],
)
async def test_documents_are_counted(todos: Api, query: str, number: int) -> None:
    answer = await todos.client.get(f"/api/todos?{query}")
    assert answer.json() == number
    assert answer.headers["live-seq"] == (await todos.client.get("/api/todos")).headers["live-seq"]
    assert answer.headers["live-signal"] == "/api/todos"
    assert (await todos.client.head(f"/api/todos?{query}")).content == b""


async def test_a_count_is_of_all_pages(todos: Api) -> None:
    assert await get(todos, "/api/paged?count=true") == 7
    assert len(await get(todos, "/api/todos?count=false")) == 7


@pytest.mark.parametrize(
    ("query", "values"),
    [
        ("distinct=title", ["a", "b", "c", "d", "e"]),
        ("distinct=order", [None, 0, 1, 2]),
        ("distinct=completed&title=b", [False, True]),
        ("distinct=title&sort=-title&limit=2", ["e"]),
        ("distinct=title&title=x", []),
    ],
)
async def test_values_are_told_once(todos: Api, query: str, values: list[Any]) -> None:
    answer = await todos.client.get(f"/api/todos?{query}")
    assert sorted(answer.json(), key=repr) == sorted(values, key=repr)
    assert answer.headers["live-signal"] == "/api/todos"
    assert "live-seq" in answer.headers


@only("sqlite", "postgres", because="strangers speak SQL")
async def test_values_are_those_that_documents_show(own: Api) -> None:
    for body in (
        {"words": ["a", "b"]},
        {"words": ["b"]},
        {"words": None},
        {"moment": "2020-01-02T03:04:05Z"},
    ):
        assert (await own.client.post("/api/everything", json=body)).status_code == 201
    for meta in ({"a": {"b": 1}}, {"a": [{"b": 2}, {"b": [1, 3]}, {}]}, {"a": 5}):
        assert (await own.client.post("/api/everything", json={"meta": meta})).status_code == 201
    assert sorted(await get(own, "/api/everything?distinct=meta.a.b")) == [1, 2, 3]
    own.sql("UPDATE rest_everything SET moment = '2020-01-02T03:04:05Z' WHERE id = 1")
    assert sorted(await get(own, "/api/everything?distinct=words"), key=repr) == ["a", "b", None]
    assert sorted(await get(own, "/api/everything?distinct=moment"), key=repr) == [
        "2020-01-02T03:04:05Z",
        None,
    ]


async def test_what_is_shown_masked_is_told_masked(own: Api) -> None:
    for hour in (1, 2):
        body = {"name": "ann", "seen": f"2020-01-02T0{hour}:00:00Z"}
        assert (await own.client.post("/api/people", json=body)).status_code == 201
    assert await get(own, "/api/people?distinct=seen") == ["2020-01-02"]
    answer = await own.client.get("/api/people?sort=seen&limit=1&after=")
    assert "after=" not in links(answer)["next"], "a place would tell what is not shown"
    assert "after=" in links(await own.client.get("/api/people?limit=1&after="))["next"]


async def test_a_place_of_ones_own_making_is_no_filter(own: Api) -> None:
    assert (await own.client.post("/api/people", json={"name": "ann"})).status_code == 201
    forged = {"sort": "seen", "after": encode((Order("seen"), Order("id")), ("2020", 0))}
    told = is_problem(await own.client.get("/api/people", params=forged), 400)
    assert told["errors"][0]["parameter"] == "after", "what a serializer masks is compared with nothing"
    live = own.database.live()
    live.add_resource("/api/todos", Todo, filters={"title": ["$eq"], "completed": ["$eq"]}, sort="completed")
    async with connected(live, own.database) as allowed:
        for title in "ab":
            assert (await allowed.client.post("/api/todos", json={"title": title})).status_code == 201
        for sort in ("title", "order", "-completed,order"):
            steps = tuple(Order(name.removeprefix("-"), name[0] == "-") for name in f"{sort},id".split(","))
            forged = {"sort": sort, "after": encode(steps, [0] * len(steps))}
            told = is_problem(await allowed.client.get("/api/todos", params=forged), 400)
            assert told["errors"][0]["parameter"] == "after"
            answer = await allowed.client.get(f"/api/todos?sort={sort}&limit=1&after=")
            assert "after=" not in links(answer)["next"]
        for query in ("", "&sort=id", "&sort=-completed"):
            answer = await allowed.client.get(f"/api/todos?limit=1&after={query}")
            assert "after=" in links(answer)["next"], "by the key, and in the resource's own order"
            assert len((await allowed.client.get(f"/api/todos{links(answer)['next']}")).json()) == 1


async def test_too_many_values_are_refused(todos: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MOST_VALUES", 4)
    is_problem(await todos.client.get("/api/todos?distinct=title"), 400)
    assert len(await get(todos, "/api/todos?distinct=title&completed=false")) == 3


@pytest.mark.parametrize(
    "query",
    [
        "count=1", "count=", "count=true&count=true", "count=true&distinct=title", "distinct=wrong", "distinct=",
        "distinct=secret", "distinct=title.a", "distinct=title&select=title",
        "distinct=title&distinct=id", "count=true&wrong=1",
        "count=true&limit=x",
    ],
)  # fmt: skip
async def test_wrong_summaries_are_refused(todos: Api, query: str) -> None:
    for path in ("/api/todos", "/api/people"):
        is_problem(await todos.client.get(f"{path}?{query}"), 400)
    before = todos.held()
    for method in ("DELETE", "PUT", "PATCH", "POST"):
        assert (await todos.client.request(method, f"/api/todos/1?{query}")).status_code in (400, 405)
    assert todos.held() == before


# --- pages and links -----------------------------------------------------------------------------------------


async def test_what_is_around_a_list_and_a_document(todos: Api) -> None:
    assert links(await todos.client.get("/api/todos?sort=title")) == {
        "search": "/api/todos",
        "self": "/api/todos?sort=title",
    }
    assert links(await todos.client.get("/api/todos/3")) == {
        "collection": "/api/todos",
        "search": "/api/todos",
        "edit": "/api/todos/3",
        "self": "/api/todos/3",
    }
    assert "link" not in (await todos.client.get("/api/todos?limit=x")).headers


async def test_pages_by_number_have_all_their_links(todos: Api) -> None:
    page = await todos.client.get("/api/todos?limit=3&sort=title")
    found = links(page)
    assert found["first"] == "?limit=3&sort=title&skip=0"
    assert found["last"] == "?limit=3&sort=title&skip=4"
    assert found["next"] == "?limit=3&sort=title&skip=3"
    assert "previous" not in found
    second = links(await todos.client.get(f"/api/todos{found['next']}"))
    assert second["previous"] == "?limit=3&sort=title&skip=0"
    last = links(await todos.client.get(f"/api/todos{second['next']}"))
    assert "next" not in last
    assert last["previous"] == "?limit=3&sort=title&skip=3"
    head = await todos.client.head("/api/todos?limit=3&sort=title")
    assert head.headers["link"] == page.headers["link"]


async def test_links_keep_a_filter_in_brackets(todos: Api) -> None:
    page = await todos.client.get("/api/todos?conditions[title][$gte]=b&limit=2")
    assert [each["title"] for each in page.json()] == ["b", "b"]
    found = links(page)
    assert [each["title"] for each in (await todos.client.get(f"/api/todos{found['next']}")).json()] == [
        "c",
        "d",
    ]
    assert [each["title"] for each in (await todos.client.get(f"/api/todos{found['last']}")).json()] == [
        "e",
        "e",
    ]


async def pages(api: Api, url: str, between: Any = None) -> list[int]:
    """The ids of all pages, from the first on, by next."""
    path, found = url.partition("?")[0], []
    following: str | None = url
    while following:
        answer = await api.client.get(following)
        assert answer.status_code == 200, answer.text
        head = await api.client.head(following)
        assert head.headers["link"] == answer.headers["link"]
        found += [each["id"] for each in answer.json()]
        target = links(answer).get("next")
        following = None if target is None else path + target
        if between is not None:
            await between()
    return found


@pytest.mark.parametrize(
    "sort", ["", "title", "-title", "order", "-order", "order,-title", "-order,title", "-completed,order"]
)
async def test_pages_by_place_are_the_list(todos: Api, sort: str) -> None:
    whole = [each["id"] for each in await get(todos, f"/api/todos?sort={sort}")]
    for limit in (1, 2, 3, 7, 100):
        assert await pages(todos, f"/api/todos?limit={limit}&sort={sort}&after=") == whole


async def test_pages_of_a_resource_that_shows_no_more(todos: Api) -> None:
    whole = [each["id"] for each in await get(todos, "/api/todos?sort=-title")]
    first = await todos.client.get("/api/paged")
    assert len(first.json()) == 2
    assert first.headers["live-channel"] == "/api/paged"
    assert await pages(todos, "/api/paged") == whole
    assert len(await get(todos, "/api/paged?limit=5")) == 5
    is_problem(await todos.client.get("/api/paged?limit=6"), 400)


@only("sqlite", "postgres", because="strangers speak SQL")
async def test_pages_by_place_stand_while_others_write(own: Api) -> None:
    """Nothing that was there before and after is missed or told twice; by number it would be."""

    async def write() -> None:
        await own.todo(title="A")
        own.sql("DELETE FROM rest_todo WHERE id = (SELECT min(id) FROM rest_todo WHERE title < 'b')")

    kept = [
        each["id"] for each in await get(own, '/api/todos?sort=title&conditions={"title": {"$gte": "b"}}')
    ]
    found = await pages(own, "/api/todos?sort=title&limit=1&after=", write)
    assert [each for each in found if each in kept] == kept


@pytest.mark.parametrize(
    "after",
    [
        "x",
        "é",
        "bm9uZQ",
        "W10",
        "W1tdLFtdXQ",
        "WyJ0aXRsZSxpZCIsW11d",
        "WyJ0aXRsZSxpZCIsW3t9LDFdXQ",
        "a" * 9000,
    ],
)
async def test_what_is_no_place_is_refused(todos: Api, after: str) -> None:
    told = is_problem(await todos.client.get("/api/todos", params={"sort": "title", "after": after}), 400)
    assert told["errors"][0]["parameter"] == "after"


async def test_a_place_is_of_one_sort(todos: Api) -> None:
    following = links(await todos.client.get("/api/todos?sort=title&limit=1&after="))["next"]
    assert (await todos.client.get(f"/api/todos{following}")).status_code == 200
    is_problem(await todos.client.get(f"/api/todos{following.replace('sort=title', 'sort=-title')}"), 400)


@only("sqlite", because="its columns take any value")
async def test_places_in_what_strangers_stored(own: Api) -> None:
    """Any value in any column: pages follow the order that the database has."""
    values = [
        "NULL",
        "5",
        "5.5",
        "'a'",
        "'A'",
        "''",
        "x'61'",
        "x''",
        "1e999",
        "-1e999",
        "9007199254740993",
        "'T00'",
    ]
    for number, value in enumerate(values * 2):
        row = f"'', {number}, 0, 0, {value}, {value}"
        own.sql(f"INSERT INTO rest_everything (text, number, real, flag, price, moment) VALUES ({row})")
    for sort in ("price", "-price", "moment", "-moment", "price,-moment"):
        whole = [each["id"] for each in await get(own, f"/api/everything?sort={sort}")]
        assert len(whole) == 2 * len(values)
        for limit in (1, 5):
            assert await pages(own, f"/api/everything?sort={sort}&limit={limit}&after=") == whole, sort


# --- QUERY and search ----------------------------------------------------------------------------------------

SEARCHES: list[tuple[dict[str, Any], str]] = [
    ({}, ""),
    ({"conditions": {"title": {"$in": ["a", "e"]}}, "sort": "-title", "limit": 2}, ""),
    ({"select": "title", "skip": 3}, ""),
    ({"conditions": {"completed": True}}, "title=a"),
    ({"sort": "title", "skip": 1, "limit": 1}, "skip=5"),
]


@pytest.mark.parametrize(("body", "query"), SEARCHES, ids=str)
async def test_a_search_is_a_list(todos: Api, body: dict[str, Any], query: str) -> None:
    asked = {name: json.dumps(value) if name == "conditions" else value for name, value in body.items()}
    listed = await todos.client.get("/api/todos", params={**asked, **dict(httpx.QueryParams(query))})
    for method, path in (("QUERY", "/api/todos"), ("POST", "/api/todos/search")):
        answer = await todos.client.request(method, f"{path}?{query}", json=body)
        assert answer.status_code == 200, answer.text
        assert answer.json() == listed.json()
        for name in ("live-seq", "live-channel", "live-signal"):
            assert answer.headers.get(name) == listed.headers.get(name)


async def test_summaries_and_pages_of_a_search(todos: Api) -> None:
    url, filtered = "/api/todos/search", {"conditions": {"title": {"$gte": "b"}}}
    assert (await todos.client.post(url, json={**filtered, "count": True})).json() == 6
    values = await todos.client.post(url, json={**filtered, "distinct": "title"})
    assert sorted(values.json()) == ["b", "c", "d", "e"]
    found, following = [], ""
    while following is not None:
        body = {**filtered, "limit": 4, "sort": "title", "after": ""}
        answer = await todos.client.post(url + following, json=body)
        found += [each["title"] for each in answer.json()]
        following = links(answer).get("next") if "link" in answer.headers else None  # type: ignore[assignment]
    assert found == TITLES[1:]


async def test_a_search_has_a_tag_of_its_body(todos: Api) -> None:
    one, other = [
        await todos.client.request("QUERY", "/api/todos", json={"conditions": {"title": title}})
        for title in "ab"
    ]
    assert one.headers["etag"] != other.headers["etag"]
    again = await todos.client.request(
        "QUERY",
        "/api/todos",
        json={"conditions": {"title": "a"}},
        headers={"If-None-Match": one.headers["etag"]},
    )
    assert again.status_code == 304
    url, sent = "/api/todos/search", {"conditions": {"title": "a"}}
    tag = (await todos.client.post(url, json=sent)).headers["etag"]
    is_problem(await todos.client.post(url, json=sent, headers={"If-None-Match": tag}), 412)
    assert (await todos.client.post(url, json=sent, headers={"If-None-Match": '"x"'})).status_code == 200


@pytest.mark.parametrize(
    ("body", "parameter"),
    [
        ({"wrong": 1}, "wrong"),
        ({"title": "a"}, "title"),
        ({"limit": -1}, "limit"),
        ({"limit": True}, "limit"),
        ({"skip": 1.5}, "skip"),
        ({"sort": 5}, "sort"),
        ({"select": ["title"]}, "select"),
        ({"count": 1}, "count"),
        ({"distinct": 5}, "distinct"),
        ({"after": 5}, "after"),
        ({"after": None}, "after"),
        ({"conditions": None}, "conditions"),
        ({"conditions": [1]}, "conditions"),
        ({"conditions": {"title": {"$gt": 5}}}, "conditions"),
    ],
    ids=str,
)
async def test_a_wrong_search_is_refused(todos: Api, body: Any, parameter: str) -> None:
    before = todos.held()
    for method, path in (("QUERY", "/api/todos"), ("POST", "/api/todos/search")):
        told = is_problem(await todos.client.request(method, path, json=body), 400)
        assert told["errors"][0]["parameter"] == parameter
    assert todos.held() == before


async def test_a_search_is_told_and_let_in(todos: Api) -> None:
    assert "QUERY" in (await todos.client.options("/api/todos")).headers["allow"]
    assert "POST" not in (await todos.client.options("/api/paged")).headers["allow"]
    asked = {"Origin": ORIGIN, "Access-Control-Request-Method": "POST"}
    preflight = await todos.client.options("/api/paged/search", headers=asked)
    assert preflight.headers["access-control-allow-methods"] == "POST, OPTIONS"
    assert preflight.headers["access-control-allow-origin"] == ORIGIN
    assert len((await todos.client.post("/api/paged/search", json={})).json()) == 2
    is_problem(
        await todos.client.request(
            "QUERY", "/api/todos", content=b"{}", headers={"Content-Type": "text/plain"}
        ),
        415,
    )
    is_problem(await todos.client.request("QUERY", "/api/todos", json=[]), 422)


@only("sqlite", "postgres", because="MongoDB's documents have one key, called id")
async def test_a_document_may_be_called_search(own: Api) -> None:
    book = {"isbn": "search", "title": "x"}
    assert (await own.client.post("/api/books", json=book)).status_code == 201
    assert (await get(own, "/api/books/search"))["title"] == "x"
    assert (await own.client.patch("/api/books/search", json={"title": "y"})).json()["title"] == "y"
    assert len((await own.client.post("/api/books/search", json={})).json()) == 1
