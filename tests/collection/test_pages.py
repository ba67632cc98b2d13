"""A list that the server cuts: a collection holds the whole of it, whatever is written between two pages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ..serving import wait_until
from .conftest import Site

FEW = "/api/few"
ROWS = "INSERT INTO rest_todo (id, title, completed) VALUES " + ", ".join(
    f"({number}, '{number}', 0)" for number in range(1, 8)
)
BETWEEN = {
    "a row comes to a page that was read": "UPDATE rest_todo SET title = '0' WHERE id = 5",
    "a row goes to a page that was not": "UPDATE rest_todo SET title = '9' WHERE id = 1",
    "a row that was read is deleted": "DELETE FROM rest_todo WHERE id = 1",
    "the row at which the page ended is deleted": "DELETE FROM rest_todo WHERE id = 2",
    "a row that was not read is deleted": "DELETE FROM rest_todo WHERE id = 3",
    "a row is inserted before": "INSERT INTO rest_todo (id, title, completed) VALUES (8, '0', 0)",
    "a row is inserted after": "INSERT INTO rest_todo (id, title, completed) VALUES (8, '5', 0)",
    "all rows turn round": "UPDATE rest_todo SET title = 9 - title",
}


def between(site: Site, act: Callable[[], Any]) -> list[str]:
    """Do something before each page but the first; the answer has the queries of those."""
    asked: list[str] = []
    serve = site.app

    async def app(scope: Any, receive: Any, send: Any) -> None:
        query = scope.get("query_string", b"").decode()
        if scope.get("path") == FEW and "after=" in query:
            asked.append(query)
            act()
        await serve(scope, receive, send)

    site.app = app
    return asked


async def test_it_holds_the_whole_and_is_told_of_changes(site: Site) -> None:
    site.sql(ROWS)
    asked = between(site, lambda: None)
    async with site.client() as client, client.collection(FEW) as few:
        assert few.keys() == ["1", "2", "3", "4", "5", "6", "7"]
        pages = len(asked)
        assert pages == 3
        site.sql("DELETE FROM rest_todo WHERE id = 4")
        site.sql("INSERT INTO rest_todo (id, title, completed) VALUES (8, '8', 0)")
        await few.wait_until(lambda it: it.keys() == ["1", "2", "3", "5", "6", "7", "8"], 10)
        assert len(asked) == pages, "what is told need not be read"
        assert (await few.create({"title": "9"}))["id"] == 9


@pytest.mark.parametrize("statement", BETWEEN.values(), ids=BETWEEN)
async def test_what_changes_between_two_pages_is_neither_lost_nor_doubled(site: Site, statement: str) -> None:
    site.sql(ROWS)
    waiting = [statement]
    between(site, lambda: waiting and site.sql(waiting.pop()))
    async with site.client() as client, client.collection(FEW) as few:
        await site.wait_equal(few)
        assert not waiting
        assert len(set(few.keys())) == len(few)


async def test_it_may_change_at_every_page(site: Site) -> None:
    site.sql(ROWS)
    turns = iter(range(100))
    between(
        site,
        lambda: site.sql("UPDATE rest_todo SET title = ? WHERE id = ?", next(turns), 1 + next(turns) % 7),
    )
    async with site.client() as client, client.collection(FEW) as few:
        for _ in range(3):
            await few.read()
        await site.wait_equal(few)


async def test_a_list_with_a_filter_is_whole_too_and_one_with_a_limit_is_what_it_asks_for(site: Site) -> None:
    site.sql(ROWS)
    async with (
        site.client() as client,
        client.collection(FEW, query={"completed": False}) as open_ones,
        client.collection(FEW, query={"limit": 1}) as first,
    ):
        assert open_ones.keys() == ["1", "2", "3", "4", "5", "6", "7"]
        assert first.keys() == ["1"]
        site.sql("UPDATE rest_todo SET completed = 1 WHERE id IN (1, 6)")
        await wait_until(lambda: open_ones.keys() == ["2", "3", "4", "5", "7"])
        assert first.keys() == ["1"]
