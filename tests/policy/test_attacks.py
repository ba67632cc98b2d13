"""What attackers try that no other test does: each is an attempt on a Live that serves."""

from __future__ import annotations

import json
import logging
import secrets
from typing import Any

import pytest
from sqlmodel import Field, SQLModel
from starlette.requests import HTTPConnection

from livecollections import Live
from livecollections.errors import StoreUnavailable
from livecollections.gate import Token
from livecollections.rest.answer import problem_of
from tests.bayeux.wire import VERSION, Socket
from tests.databases.fixtures import only
from tests.databases.tables import SQLite

from .conftest import Line, Make, Sheet, User

pytestmark = only("sqlite", because="what comes is judged before any database is asked")
SHEETS, TAGS, ROOMS = "/api/sheets", "/api/tags", "/api/rooms/{room}/messages"
BROKEN = "a\r\nSet-Cookie: stolen=1\r\n\r\n<script>"
SECRET = "the-token-of-ann-that-nobody-may-read"


class Tag(SQLModel, table=True):
    """Its key is a text of the client's."""

    __tablename__ = "policy_tag"
    name: str = Field(primary_key=True)


def declared(live: Live) -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError("a fault of the application")

    live.add_resource(SHEETS, Sheet, partition=Sheet.owner, by=lambda user: user.id)
    live.add_resource(TAGS, Tag, policy=True)
    live.add_resource(ROOMS, Line, policy=True, after_commit=fail)


async def test_nothing_that_comes_ends_a_header(make: Make) -> None:
    site = await make(declared)
    async with site.client("ann") as ann:
        made = await ann.post(TAGS, json={"name": BROKEN})
        room = await ann.get(ROOMS.format(room="a%0D%0ASet-Cookie:%20stolen=1"))
        echoed = await ann.get(
            TAGS, headers={"Live-Origin": "a\tb", "Last-Event-ID": "a\tb", "Accept": "text/csv"}
        )
        for answer in (made, room, echoed, await ann.get(made.headers["Location"])):
            assert answer.status_code in (200, 201, 400)
            assert "set-cookie" not in answer.headers
            for name, value in answer.headers.raw:
                assert not {13, 10, 0} & {*name, *value}, answer.headers
        assert made.headers["Location"] == f"{TAGS}/a%0D%0ASet-Cookie%3A%20stolen%3D1%0D%0A%0D%0A%3Cscript%3E"
        assert room.headers["Live-Channel"] == "/api/rooms/a~0D~0ASet-Cookie~3A~20stolen~3D1/messages"


async def test_nothing_that_comes_begins_a_line_of_the_log(
    make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "livecollections")
    site = await make(declared)
    async with site.client("ann") as ann:
        await ann.post(ROOMS.format(room="a%0AERROR%20forged"), json={"text": "x\nERROR forged"})
        await ann.post(TAGS, json={"name": "x\nERROR forged"})
        await ann.get(f"{TAGS}/x%0AERROR%20forged?since=x%0AERROR%20forged")
        await ann.get(TAGS, params={"filter": "x\nERROR forged"})
    heard = await site.hear("x\nERROR forged")
    await heard.subscribe("/x\nERROR forged")
    await heard.publish("/x\nERROR forged", "x\nERROR forged")
    assert caplog.records
    for record in caplog.records:
        told = [record.getMessage(), *(str(getattr(record, name, "")) for name in ("seq", "channel"))]
        assert not any("\n" in each for each in told), told


async def test_no_secret_of_a_client_is_in_the_log_or_in_an_answer(
    make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "livecollections")

    async def failing(connection: HTTPConnection, ext: Any) -> Any:
        raise RuntimeError("the table of users is not there")

    site = await make(declared, authenticate=failing)
    answers: list[str] = []
    async with site.client(SECRET, cookies={"session": SECRET}) as ann:
        for method, path in (
            ("GET", SHEETS),
            ("POST", SHEETS),
            ("DELETE", f"{SHEETS}/1"),
            ("GET", "/nowhere"),
        ):
            headers = {"Idempotency-Key": SECRET, "Origin": "http://site"}
            answer = await ann.request(method, path, json={"title": SECRET}, headers=headers)
            answers.append(answer.text)
    async with Socket(site.live.bayeux, [("cookie", f"session={SECRET}")]) as socket:
        ext = {"token": SECRET, "live": {"version": 1}}
        answers.append(
            json.dumps(await socket.reply({"channel": "/meta/handshake", "id": "h", **VERSION, "ext": ext}))
        )
    assert len(answers) == 5
    assert any(record.levelno >= logging.ERROR for record in caplog.records), "it has failed"
    for text in (caplog.text, *answers):
        assert SECRET not in text


async def test_health_metrics_and_the_list_have_no_secret(make: Make) -> None:
    site = await make(declared, metrics=True)
    assert isinstance(site.database, SQLite)
    path = site.database.path
    site.users.by_token[SECRET] = User(77_777)
    async with site.client(SECRET) as ann, site.client() as stranger:
        assert (await ann.post(SHEETS, json={"title": SECRET})).status_code == 201
        heard = await site.hear(SECRET)
        await heard.subscribe((await ann.get(SHEETS)).headers["Live-Channel"])
        told = [await stranger.get(path) for path in ("/live/health", "/openapi.json")]
        told.append(await ann.get("/live/metrics"))
        assert [answer.status_code for answer in told] == [200] * 3
        told.append(await stranger.get("/live"))
        assert (await stranger.get("/live/metrics")).status_code == 401
    for answer in told:
        for secret in (SECRET, "77777", str(path), path.name, heard.id, "127.0.0.1"):
            assert secret not in answer.text, answer.url


@pytest.mark.parametrize(
    "path",
    [
        "/live/%2e%2e/%2e%2e/etc/passwd",
        "/live/..%2f..%2fversion.py",
        "/live/inspector/..%2f..%2fversion.py",
        "/live/livecollections.js%00.css",
        "/docs/..%2f..%2frequest.py",
        "/docs/%2fetc%2fpasswd",
        "/api//sheets",
        "/api/sheets/..%2ftags",
        "/api/sheets;x",
        "/api/sheets%00",
        "/API/sheets",
        "/\\api\\sheets",
    ],
)
async def test_no_way_of_writing_a_path_leads_elsewhere(make: Make, path: str) -> None:
    site = await make(declared)
    async with site.client("ann") as ann:
        answer = await ann.get(path)
        assert answer.status_code in (400, 404), answer.text
        assert answer.headers["content-type"] == "application/problem+json"


async def test_a_cache_has_nobodys_list_for_another(make: Make) -> None:
    site = await make(declared)
    async with site.client("ann") as ann, site.client("bob") as bob:
        await ann.post(SHEETS, json={"title": "of ann"})
        await bob.post(SHEETS, json={"title": "of bob"})
        hers = await ann.get(SHEETS)
        assert hers.headers["Cache-Control"] == "no-cache"
        assert {"Authorization", "Cookie", "Origin"} <= set(
            ", ".join(hers.headers.get_list("Vary")).split(", ")
        )
        his = await bob.get(SHEETS, headers={"If-None-Match": hers.headers["ETag"]})
        assert (his.status_code, [each["title"] for each in his.json()]) == (200, ["of bob"])


async def test_nobody_chooses_the_id_of_a_session(make: Make) -> None:
    """Else who has given it to a victim's browser would know it."""
    site = await make(declared)
    chosen = (await site.hear("bob")).id
    async with Socket(site.live.bayeux) as socket:
        message = {
            "channel": "/meta/handshake",
            "id": "h",
            **VERSION,
            "clientId": chosen,
            "ext": {"token": "ann"},
        }
        reply = await socket.reply(message)
    assert reply["successful"]
    assert reply["clientId"] != chosen


async def test_no_page_of_others_has_ours_in_a_frame(make: Make) -> None:
    site = await make(declared)
    async with site.client("ann") as ann:
        pages = {path: await ann.get(path) for path in ("/live", "/docs")}
    shown = {path: page for path, page in pages.items() if page.status_code == 200}
    assert "/docs" in shown
    for path, page in shown.items():
        policy = page.headers["Content-Security-Policy"].split("; ")
        assert {"default-src 'self'", "frame-ancestors 'none'", "base-uri 'none'"} <= set(policy), path


def test_what_a_database_says_of_itself_is_for_the_log_alone(caplog: pytest.LogCaptureFixture) -> None:
    words = "connect call failed ('10.0.0.5', 5432): password authentication failed for user \"shop\""
    error = StoreUnavailable("the database postgresql://10.0.0.5/shop is not available", words)
    live = Live("sqlite://")
    declared(live)
    resource = live._describe_all()[0]
    answer = problem_of(error, resource, "GET", set())
    assert answer.status == 503
    assert json.loads(answer.body or b"")["detail"] == "the database is not available; try again"
    assert words in caplog.text
    told = problem_of(StoreUnavailable("this list takes more than 2 s to read"), resource, "GET", set())
    assert json.loads(told.body or b"")["detail"] == "this list takes more than 2 s to read"


def test_a_token_is_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[bytes] = []
    compare = secrets.compare_digest

    def spy(one: bytes, other: bytes) -> bool:
        compared.append(one)
        return compare(one, other)

    monkeypatch.setattr(secrets, "compare_digest", spy)
    token = Token("0123456789abcdef")
    connection = HTTPConnection({"type": "http", "headers": []})
    assert token(connection, {"token": "0123456789abcdex"}) is None
    assert token(connection, {"token": "0123456789abcdef"}) is not None
    assert compared == [b"0123456789abcdex", b"0123456789abcdef"]
