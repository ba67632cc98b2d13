"""Formats: what a client would rather have, and that each format says the same."""

from __future__ import annotations

import csv
import io
import re
from typing import Any

import orjson
import pytest

from livecollections.rest import listing
from livecollections.rest.accept import best, quality
from tests.rest.conftest import Api, is_problem

OFFERED = ("application/json", "application/x-ndjson", "text/csv")
CSV = {"Accept": "text/csv"}
NDJSON = {"Accept": "application/x-ndjson"}


def rows(body: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(body.decode(), newline="")))


def read_back(cell: str) -> str:
    """A text of which a cell was made, as the docs tell it."""
    return re.sub(r"(^|[;\t\r\n])'", r"\1", cell)


def shown(value: Any) -> str:
    """A value as a cell shows it."""
    if value is None:
        return ""
    return value if isinstance(value, str) else orjson.dumps(value).decode()


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        ("*/*", "application/json"),
        ("text/csv", "text/csv"),
        ("TEXT/CSV ; q=0.5 , application/*;q=0.4", "text/csv"),
        ("application/*", "application/json"),
        ("text/*", "text/csv"),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "application/json"),
        ("application/json;q=0.1, text/csv;q=0.2, application/x-ndjson;q=0.3", "application/x-ndjson"),
        ("application/json;q=0, */*;q=0.1", "application/x-ndjson"),
        ("*/*;q=0", None),
        ("text/html", None),
        ("application/json;q=0", None),
        ("text/csv;q=nan, text/html", None),
        ("text/csv;q=2", None),
        ("text/csv;q=x, application/json;q=0.001", "application/json"),
        (",, ;, text/csv", "text/csv"),
        ("application/json;charset=utf-8", "application/json"),
    ],
)
def test_which_is_chosen(accept: str, chosen: str | None) -> None:
    assert best(accept, OFFERED) == chosen


def test_the_range_that_says_most_counts() -> None:
    accept = "*/*;q=0.1, text/*;q=0.2, text/csv;q=0.3"
    assert [quality(accept, kind) for kind in ("a/b", "text/x", "text/csv")] == [0.1, 0.2, 0.3]


async def test_a_list_says_the_same_in_each_format(api: Api) -> None:
    await api.client.post(
        "/api/everything",
        json=[
            {"text": 'a "quoted", line\r\nand another 🥛', "number": 2**60, "real": 0.1, "flag": True},
            {"text": "", "words": ["x", "y"], "meta": {"a": [1]}, "price": "1.10", "blob": "__4="},
        ],
    )
    documents = (await api.client.get("/api/everything")).json()
    lines = await api.client.get("/api/everything", headers=NDJSON)
    assert lines.headers["content-type"] == "application/x-ndjson"
    assert [orjson.loads(line) for line in lines.content.splitlines()] == documents
    table = await api.client.get("/api/everything", headers=CSV)
    assert table.headers["content-type"] == "text/csv; charset=utf-8; header=present"
    assert rows(table.content) == [{name: shown(each[name]) for name in each} for each in documents]
    for answer in (lines, table):
        assert {"accept", "origin"} <= {each.strip().lower() for each in answer.headers["vary"].split(",")}
        assert answer.headers["live-channel"] == "/api/everything"
    one = await api.client.get("/api/everything/1", headers=CSV)
    assert rows(one.content) == rows(table.content)[:1]
    assert (await api.client.get("/api/everything/2", headers=NDJSON)).json() == documents[1]


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("=1+1", "'=1+1"),
        ("+cmd|' /C calc'!A0", "'+cmd|' /C calc'!A0"),
        ("-2+3", "'-2+3"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "'\t'=1"),
        ("\r=1", "'\r'=1"),
        ("\n=1", "'\n'=1"),
        ("\tx", "'\tx"),
        ("x;=1+1;y", "x;'=1+1;y"),
        ("x;y; -2;'z';", "x;y;' -2;''z';"),
        ('x;"=1+1&"', 'x;\'"=1+1&"'),
        ("x\t=1\r\n+2\n\n-3\ry", "x\t'=1\r\n'+2\n\n'-3\ry"),
        ("x;\u200b＝1", "x;'\u200b＝1"),
        (" =1", "' =1"),
        ("\x00=1", "'\x00=1"),
        ("\x00 \x0b\xa0@x", "'\x00 \x0b\xa0@x"),
        (";;", ";;"),
        ("a\r\nb; c\td", "a\r\nb; c\td"),
        ("＝1", "'＝1"),
        ("'=1", "''=1"),
        ("'tis", "''tis"),
        ("-", "'-"),
        ("-1.50", "-1.50"),
        ("+49170", "+49170"),
        ("-1e5", "-1e5"),
        ("-٣", "'-٣"),
        ("a=1", "a=1"),
        ("", ""),
    ],
)
async def test_no_cell_is_a_formula_and_each_text_comes_back(api: Api, text: str, cell: str) -> None:
    text, cell = (each.replace("\0", api.database.nul) for each in (text, cell))
    assert (await api.client.post("/api/everything", json={"text": text, "words": ["=1"]})).status_code == 201
    for path in ("/api/everything", "/api/everything/1"):
        [row] = rows((await api.client.get(path, headers=CSV)).content)
        assert (row["text"], row["words"]) == (cell, '["=1"]')
    assert read_back(cell) == text
    assert (await api.client.get("/api/everything/1", headers=NDJSON)).json()["text"] == text


@pytest.mark.parametrize("separator", [",", ";", "\t"])
async def test_no_separator_makes_a_formula_of_a_part(api: Api, separator: str) -> None:
    hostile = [
        "a;=1;b",
        "a\t=1",
        "a\n=1",
        'a;"=1&"',
        "a,=1",
        f"a; {api.database.nul}=1",
        ';"";=1',
        "a\r=1",
        '";=1',
    ]
    await api.client.post("/api/everything", json=[{"text": each, "words": [each, "x"]} for each in hostile])
    table = (await api.client.get("/api/everything", headers=CSV)).content
    assert [orjson.loads(row["words"]) for row in rows(table)] == [[each, "x"] for each in hostile]
    for row in csv.reader(io.StringIO(table.decode(), newline=""), delimiter=separator):
        assert not [cell for cell in row if cell.strip(' \x00"\r\n').startswith("=")]


async def test_texts_are_in_quotes_and_numbers_and_null_are_not(api: Api) -> None:
    await api.client.post("/api/todos", json=[{"title": 'a;"b"', "order": -5}, {"title": "b"}])
    assert (await api.client.get("/api/todos", headers=CSV)).content == (
        b'id,title,completed,order\r\n1,"a;""b""",false,-5\r\n2,"b",false,\r\n'
    )


async def test_an_empty_list_in_each_format(api: Api) -> None:
    assert (await api.client.get("/api/people", headers=NDJSON)).content == b""
    empty = (await api.client.get("/api/people", headers=CSV)).content
    await api.client.post("/api/people", json={"name": "Ada"})
    assert empty == (await api.client.get("/api/people", headers=CSV)).content.splitlines(keepends=True)[0]


async def test_a_long_list_is_written_in_parts(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "TURN", 3)
    await api.client.post("/api/todos", json=[{"title": f"t{number}"} for number in range(20)])
    documents = (await api.client.get("/api/todos")).json()
    assert len(documents) == 20
    assert len(rows((await api.client.get("/api/todos", headers=CSV)).content)) == 20
    lines = (await api.client.get("/api/todos?limit=7", headers=NDJSON)).content.splitlines()
    assert [orjson.loads(line) for line in lines] == documents[:7]


async def test_writes_answer_in_the_format_that_is_wanted(api: Api) -> None:
    created = await api.client.post("/api/todos", json={"title": "a"}, headers=CSV)
    assert rows(created.content) == [{"id": "1", "title": "a", "completed": "false", "order": ""}]
    several = await api.client.post("/api/todos", json=[{"title": "b"}, {"title": "c"}], headers=CSV)
    assert [row["title"] for row in rows(several.content)] == ["b", "c"]
    patched = await api.client.patch("/api/todos/1", json={"title": "d"}, headers=NDJSON)
    assert patched.json()["title"] == "d"


async def test_what_nobody_can_give_is_refused_before_anything_is_done(api: Api) -> None:
    await api.todo()
    before = api.held()
    headers = {"Accept": "text/html, application/pdf;q=0.5"}
    for method, path, body in (
        ("GET", "/api/todos", None),
        ("GET", "/api/todos/1", None),
        ("POST", "/api/todos", {"title": "x"}),
        ("POST", "/api/todos", [{"title": "x"}]),
        ("PUT", "/api/todos/1", {"title": "x"}),
        ("PATCH", "/api/todos/1", {"title": "x"}),
    ):
        problem = is_problem(await api.client.request(method, path, json=body, headers=headers), 406)
        assert "application/x-ndjson" in problem["detail"]
    assert (await api.client.head("/api/todos", headers=headers)).status_code == 406
    assert api.held() == before


async def test_each_format_has_its_tag_and_each_tag_serves_a_writer(api: Api) -> None:
    await api.todo()
    for path in ("/api/todos", "/api/todos/1"):
        tags = {}
        for kind in OFFERED:
            answer = await api.client.get(path, headers={"Accept": kind})
            tags[kind] = answer.headers["etag"]
            again = {"Accept": kind, "If-None-Match": tags[kind]}
            assert (await api.client.get(path, headers=again)).status_code == 304
            if api.database.tells_versions or path.endswith("/1"):
                assert (await api.client.head(path, headers=again)).status_code == 304
        assert len(set(tags.values())) == len(OFFERED)
    for number, kind in enumerate(OFFERED):
        seen = await api.client.get("/api/todos/1", headers={"Accept": kind})
        body, headers = {"order": number}, {"If-Match": seen.headers["etag"]}
        assert (await api.client.patch("/api/todos/1", json=body, headers=headers)).status_code == 200
        is_problem(await api.client.patch("/api/todos/1", json=body, headers=headers), 412)


async def test_a_number_and_values_are_json_and_tagged_as_such(api: Api) -> None:
    await api.todo()
    for query in ("count=true", "distinct=title"):
        plain = await api.client.get(f"/api/todos?{query}")
        answer = await api.client.get(f"/api/todos?{query}", headers=CSV)
        assert answer.headers["content-type"] == "application/json"
        assert (answer.content, answer.headers["etag"]) == (plain.content, plain.headers["etag"])
