"""Tags and conditions: a reader who has it already is told so, and a writer who has missed something is refused."""

from __future__ import annotations

import asyncio
from collections import Counter
from itertools import product

import httpx
import pytest

from livecollections import ConfigurationError
from tests.databases.fixtures import only
from tests.models import Person, Todo, resource_of
from tests.rest.conftest import Api, is_problem

WRITES = [("PUT", {"title": "x"}), ("PATCH", {"title": "x"}), ("DELETE", None)]


async def tag_of(api: Api, path: str) -> str:
    return str((await api.client.get(path)).headers["etag"])


async def test_a_document_has_the_tag_of_what_is_shown(api: Api) -> None:
    created = await api.client.post("/api/todos", json={"title": "milk"})
    tag = created.headers["etag"]
    assert tag[0] == tag[-1] == '"'
    read = await api.client.get("/api/todos/1")
    head = await api.client.head("/api/todos/1")
    assert read.headers["etag"] == head.headers["etag"] == tag
    put = await api.client.put("/api/todos/1", json={"title": "bread"})
    assert put.headers["content-location"] == "/api/todos/1"
    assert put.headers["etag"] == await tag_of(api, "/api/todos/1") != tag
    again = await api.client.patch("/api/todos/1", json={"title": "milk"})
    assert again.headers["etag"] == tag, "the same document has the same tag"


async def test_what_is_not_shown_does_not_move_a_tag(api: Api) -> None:
    await api.client.post("/api/people", json={"name": "Ada"})
    tag = await tag_of(api, "/api/people/1")
    api.database.update(Person, {"secret": "other"})
    assert await tag_of(api, "/api/people/1") == tag


async def test_a_document_that_is_known_is_not_sent(api: Api) -> None:
    await api.todo()
    tag = await tag_of(api, "/api/todos/1")
    for header in (tag, f"W/{tag}", f'"other" ,\t{tag}', "*", f'"a,b", {tag}'):
        answer = await api.client.get("/api/todos/1", headers={"If-None-Match": header})
        assert (answer.status_code, answer.content) == (304, b""), header
        assert answer.headers["etag"] == tag
        assert answer.headers["live-seq"]
        assert "content-type" not in answer.headers
    assert (await api.client.get("/api/todos/1", headers={"If-None-Match": '"other"'})).status_code == 200
    assert (await api.client.get("/api/todos/1", headers={"If-Match": tag})).status_code == 200
    is_problem(await api.client.get("/api/todos/1", headers={"If-Match": f"W/{tag}"}), 412)


@only("sqlite", "postgres", because="MongoDB's documents have one key, called id")
async def test_a_list_has_another_tag_after_each_change_of_its_table(api: Api) -> None:
    tags = [await tag_of(api, "/api/todos")]
    for change in (
        api.client.post("/api/todos", json={"title": "milk"}),
        api.client.patch("/api/todos/1", json={"order": 1}),
        api.client.delete("/api/todos/1"),
    ):
        await change
        tags.append(await tag_of(api, "/api/todos"))
    api.database.insert(Todo, {"title": "a stranger"})
    tags.append(await tag_of(api, "/api/todos"))
    assert len(set(tags)) == len(tags)
    assert all(tag.startswith('"') for tag in tags)
    await api.client.post("/api/books", json={"isbn": "1", "title": "x"})
    assert await tag_of(api, "/api/todos") == tags[-1], "another table is another matter"
    assert await tag_of(api, "/api/todos?sort=title") != tags[-1]


async def test_a_list_that_is_known_is_not_read(api: Api) -> None:
    for _ in range(3):
        await api.todo()
    for path in ("/api/todos", "/api/todos?title=milk&limit=1", "/api/few"):
        await check_known(api, path)


async def check_known(api: Api, path: str) -> None:
    """Check that a list is not sent again until it is another."""
    first = await api.client.get(path)
    again = await api.client.get(path, headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    for name in ("etag", "vary", "cache-control", "live-seq", "live-channel", "live-signal"):
        assert again.headers.get(name) == first.headers.get(name)
    await api.client.post("/api/tokens", json={})
    later = await api.client.get(path, headers={"If-None-Match": first.headers["etag"]})
    assert later.status_code == 304
    assert later.headers["live-seq"] > first.headers["live-seq"], "it is as it was, up to a later seq"
    order = 1 + (first.json()[0]["order"] or 0)
    await api.client.patch("/api/todos/1", json={"order": order})
    changed = await api.client.get(path, headers={"If-None-Match": first.headers["etag"]})
    assert changed.status_code == 200
    assert changed.json()[0]["order"] == order


@only("sqlite", "postgres", because="strangers speak SQL")
async def test_the_tag_of_a_list_outlives_the_log(api: Api) -> None:
    await api.todo()
    tag = await tag_of(api, "/api/todos")
    await api.client.post("/api/books", json={"isbn": "1", "title": "x"})
    seq = (await api.client.get("/api/todos")).headers["live-seq"]
    api.sql("DELETE FROM live_changes")
    api.sql(f"UPDATE live_meta SET value = '{seq[8:]}' WHERE name = 'trimmed_to'")
    trimmed = await api.client.get("/api/todos", headers={"If-None-Match": tag})
    assert trimmed.status_code == 200, "nobody can say any more that nothing changed"
    tag = trimmed.headers["etag"]
    assert (await api.client.get("/api/todos", headers={"If-None-Match": tag})).status_code == 304
    await api.todo()
    assert (await api.client.get("/api/todos", headers={"If-None-Match": tag})).status_code == 200


@pytest.mark.parametrize(("method", "body"), WRITES)
async def test_a_write_that_has_missed_something_is_refused(
    api: Api, method: str, body: dict[str, str] | None
) -> None:
    await api.todo()
    tag = await tag_of(api, "/api/todos/1")
    api.database.update(Todo, {"title": "a stranger's"})
    before = api.held()
    for headers in (
        {"If-Match": tag},
        {"If-Match": f'"other", {tag}'},
        {"If-None-Match": "*"},
        {"If-None-Match": await tag_of(api, "/api/todos/1")},
    ):
        answer = await api.client.request(method, "/api/todos/1", json=body, headers=headers)
        is_problem(answer, 412)
        assert api.held() == before
    seen = {"If-Match": f'"other", {await tag_of(api, "/api/todos/1")}', "If-None-Match": tag}
    assert (await api.client.request(method, "/api/todos/1", json=body, headers=seen)).is_success


async def test_a_list_is_deleted_only_as_it_was_seen(api: Api) -> None:
    url = "/api/cleared?order=1"
    for order in (1, 1, 2):
        await api.todo(order=order)
    tag, other = await tag_of(api, url), await tag_of(api, "/api/cleared")
    assert (await api.client.get(url, headers={"If-Match": tag})).status_code == 200
    api.database.insert(Todo, {"title": "a stranger's"})
    is_moved = await tag_of(api, url) != tag
    assert is_moved == api.database.tells_versions, "of the table, or else of what is shown"
    api.database.insert(Todo, {"title": "a stranger's", "order": 1})
    before = api.held()
    now = await tag_of(api, url)
    for headers in (
        {"If-Match": tag},
        {"If-Match": other},
        {"If-Match": await tag_of(api, "/api/cleared")},
        {"If-Match": f"W/{now}"},
        {"If-None-Match": now},
        {"If-None-Match": "*"},
    ):
        is_problem(await api.client.delete(url, headers=headers), 412)
        assert api.held() == before
    is_problem(await api.client.get(url, headers={"If-Match": tag}), 412)
    table = await api.client.get(url, headers={"Accept": "text/csv"})
    seen = {"If-Match": f'"x", {table.headers["etag"]}', "If-None-Match": tag}
    assert (await api.client.delete(url, headers=seen)).json() == 3
    is_problem(await api.client.delete(url, headers=seen), 412)


async def test_of_those_who_saw_the_same_list_one_deletes(api: Api) -> None:
    for _ in range(3):
        await api.todo()
    seen = {"If-Match": await tag_of(api, "/api/cleared")}
    answers = await asyncio.gather(*(api.client.delete("/api/cleared", headers=seen) for _ in range(5)))
    assert Counter(answer.status_code for answer in answers) == {200: 1, 412: 4}


async def test_what_is_not_there_is_404_whatever_is_demanded(api: Api) -> None:
    for method, body in (("GET", None), *WRITES):
        for header in ({"If-Match": "*"}, {"If-None-Match": "*"}):
            is_problem(await api.client.request(method, "/api/todos/9", json=body, headers=header), 404)


async def test_what_is_no_tag_is_refused(api: Api) -> None:
    await api.todo()
    before = api.held()
    for header in ("", "x", '"a', '"a" b', "W/", '"a" "b', "*, *", 'w/"a"'):
        for name, (method, path, body) in product(
            ("If-Match", "If-None-Match"),
            (
                ("GET", "/api/todos", None),
                ("GET", "/api/todos/1", None),
                ("PATCH", "/api/todos/1", {"title": "x"}),
                ("DELETE", "/api/todos/1", None),
            ),
        ):
            answer = await api.client.request(method, path, json=body, headers={name: header})
            assert is_problem(answer, 400)["detail"].startswith(name)
    assert api.held() == before


async def test_a_resource_may_demand_to_know_what_a_writer_saw(api: Api) -> None:
    await api.todo()
    before = api.held()
    for method, body in WRITES:
        for headers in ({}, {"If-None-Match": '"x"'}):
            is_problem(await api.client.request(method, "/api/careful/1", json=body, headers=headers), 428)
    assert api.held() == before
    assert (await api.client.post("/api/careful", json={"title": "x"})).status_code == 201
    for method, body in WRITES:
        tag = await tag_of(api, "/api/careful/1")
        answer = await api.client.request(method, "/api/careful/1", json=body, headers={"If-Match": tag})
        assert answer.is_success


async def test_of_those_who_saw_the_same_one_writes(api: Api) -> None:
    await api.todo()
    tag = await tag_of(api, "/api/todos/1")

    def write(order: int) -> asyncio.Future[httpx.Response]:
        return asyncio.ensure_future(
            api.client.patch("/api/todos/1", json={"order": order}, headers={"If-Match": tag})
        )

    answers = await asyncio.gather(*map(write, range(1, 21)))
    assert Counter(answer.status_code for answer in answers) == {200: 1, 412: 19}
    (won,) = [answer for answer in answers if answer.status_code == 200]
    assert (await api.client.get("/api/todos/1")).json() == won.json()


def test_the_option_is_checked() -> None:
    with pytest.raises(ConfigurationError, match="require_if_match: True or False"):
        resource_of(Todo, require_if_match="yes")


@pytest.mark.parametrize("header", ["If-Match", "If-None-Match"])
@pytest.mark.parametrize("tags", ["*", '"other"', "the list's", "nonsense"])
async def test_a_create_depends_on_nothing(api: Api, header: str, tags: str) -> None:
    headers = {header: await tag_of(api, "/api/todos") if tags == "the list's" else tags}
    before = api.held()
    for body in ({"title": "milk"}, [{"title": "milk"}]):
        for beside in ({}, {"Idempotency-Key": "a"}):
            answer = await api.client.post("/api/todos", json=body, headers={**headers, **beside})
            assert header in is_problem(answer, 400)["detail"]
    assert api.held() == before
    found = await api.client.post("/api/todos/search", json={}, headers={"If-Match": "*"})
    assert found.status_code == 200
