"""Who may do what by REST: rights, fields that are hidden or read-only, partitions, nested resources."""

from __future__ import annotations

import json
from enum import Enum
from pathlib import PurePath
from threading import Lock
from typing import Any
from uuid import UUID

import pytest
from pydantic import BaseModel, model_validator

from livecollections import ConfigurationError, Live
from livecollections.errors import RequestRefused
from livecollections.rest.caller import told_apart
from tests.databases.fixtures import only
from tests.databases.tables import Tables

from .conftest import Line, Make, Sheet, Site, User

SHEETS = "/api/sheets"


def is_known(user: Any) -> bool:
    return user is not None


def is_not_boss(user: Any) -> bool:
    return not user.is_boss


def secretive(live: Live) -> None:
    live.add_resource(
        SHEETS,
        Sheet,
        policy={
            "list": True,
            "read": True,
            "create": is_known,
            "update": is_known,
            "delete": lambda u: u.is_boss,
        },
        hidden={"secret": is_not_boss},
        read_only={"grade": is_not_boss},
    )


def partitioned(live: Live) -> None:
    live.add_resource(SHEETS, Sheet, partition=Sheet.owner, by=lambda user: user.id)


def nested(live: Live) -> None:
    live.add_resource("/api/rooms/{room}/lines", Line, by=lambda user: user.rooms)


@pytest.fixture
async def site(make: Make) -> Site:
    site = await make(secretive)
    site.database.insert(Sheet, {"title": "plan", "secret": 7, "grade": 3, "owner": 1})
    return site


async def test_a_hidden_field_can_t_be_read_filtered_sorted_or_set(site: Site) -> None:
    async with site.client("ann") as ann, site.client("boss") as boss:
        assert (await ann.get(SHEETS)).json() == [{"id": 1, "title": "plan", "grade": 3, "owner": 1}]
        assert (await boss.get(SHEETS)).json()[0]["secret"] == 7
        queries = (
            "secret=7",
            "sort=secret",
            "sort=-secret",
            "select=secret",
            'conditions={"secret":{"$gt":1}}',
            'conditions={"$or":[{"title":"x"},{"secret":7}]}',
            "conditions[secret][$lt]=9",
        )
        for query in queries:
            answer = await ann.get(f"{SHEETS}?{query}")
            assert answer.status_code == 400
            unknown = await ann.get(f"{SHEETS}?{query.replace('secret', 'absent')}")
            assert answer.text.replace("secret", "absent") == unknown.text
        for verb, path in (("POST", SHEETS), ("PATCH", f"{SHEETS}/1"), ("PUT", f"{SHEETS}/1")):
            answer = await ann.request(verb, path, json={"title": "x", "secret": 1})
            assert answer.status_code == 422
            assert "knows no such field" in answer.text
    assert site.rows(Sheet, "title", "secret") == [("plan", 7)]


async def test_what_is_hidden_can_t_be_guessed_by_sending_it(site: Site) -> None:
    patch = {"Content-Type": "application/json-patch+json"}
    async with site.client("ann") as ann:
        for verb, body, headers in (
            ("PATCH", {"secret": "?"}, {}),
            ("PUT", {"title": "plan", "secret": "?"}, {}),
            ("PATCH", {"$set": {"secret": "?"}}, {}),
            ("PATCH", [{"op": "replace", "path": "/secret", "value": "?"}], patch),
            ("PATCH", [{"op": "test", "path": "/secret", "value": "?"}], patch),
        ):
            answers = set()
            for guess in ("7", "8", '"7"'):
                content = json.dumps(body).replace('"?"', guess)
                sent = {"Content-Type": "application/json", **headers}
                answer = await ann.request(verb, f"{SHEETS}/1", content=content, headers=sent)
                answers.add((answer.status_code, answer.text))
            [(status, _)] = answers
            assert status >= 400
    assert site.rows(Sheet, "title", "secret") == [("plan", 7)]


async def test_a_save_leaves_what_is_hidden_or_read_only_as_it_is(site: Site) -> None:
    async with site.client("ann") as ann, site.client("boss") as boss:
        answer = await ann.put(f"{SHEETS}/1", json={"id": 1, "title": "new", "grade": 3})
        assert answer.json() == {"id": 1, "title": "new", "grade": 3, "owner": 1}
        assert (await ann.patch(f"{SHEETS}/1", json={"grade": 1})).status_code == 422
        assert (await boss.patch(f"{SHEETS}/1", json={"grade": 1, "secret": 8})).status_code == 200
    assert site.rows(Sheet, "title", "secret", "grade") == [("new", 8, 1)]


async def test_no_error_or_tag_tells_of_a_hidden_field(site: Site) -> None:
    site.database.insert(Sheet, {"title": "other", "secret": 0})
    async with site.client("ann") as ann:
        answer = await ann.post(SHEETS, json={"title": "other"})
        assert answer.status_code == 409
        assert "secret" not in answer.text
        before = (await ann.get(f"{SHEETS}/1")).headers["etag"]
        site.database.update(Sheet, {"secret": 12}, id=1)
        assert (await ann.get(f"{SHEETS}/1")).headers["etag"] == before
        # What is stored would not be accepted from a client; whose message says so would tell.
        site.database.update(Sheet, {"secret": -5}, id=1)
        answer = await ann.patch(f"{SHEETS}/1", json={"title": "more"})
        assert "secret" not in answer.text
        assert "-5" not in answer.text


class Raise(BaseModel):
    """A sheet whose grade stays below its secret."""

    title: str = ""
    secret: int = 0
    grade: int = 0
    owner: int | None = 1

    @model_validator(mode="after")
    def stay_below(self) -> Raise:
        if self.grade >= self.secret:
            raise ValueError(f"the grade must be below {self.secret}")
        return self


async def test_a_validator_of_the_whole_tells_of_it_to_those_who_see_it(make: Make) -> None:
    def declare(live: Live) -> None:
        live.add_resource(SHEETS, Sheet, update=Raise, hidden={"secret": is_not_boss})

    site = await make(declare)
    site.database.insert(Sheet, {"title": "plan", "secret": 4711})
    async with site.client("ann") as ann, site.client("boss") as boss:
        answer = await ann.patch(f"{SHEETS}/1", json={"grade": 9999})
        assert answer.status_code == 422
        assert answer.json()["errors"] == [{"pointer": "", "detail": "this is not accepted"}]
        assert "4711" not in answer.text
        answer = await boss.patch(f"{SHEETS}/1", json={"grade": 9999})
        assert answer.json()["errors"] == [{"pointer": "", "detail": "the grade must be below 4711"}]


async def test_what_is_read_only_for_all_by_a_rule_is_so_for_all(make: Make) -> None:
    site = await make(lambda live: live.add_resource(SHEETS, Sheet, policy=True, read_only={"grade": True}))
    site.database.insert(Sheet, {"id": 1, "title": "a"})
    async with site.client() as stranger:
        assert (await stranger.patch(f"{SHEETS}/1", json={"grade": 1})).status_code == 422
        assert (await stranger.patch(f"{SHEETS}/1", json={"title": "b"})).status_code == 200


async def test_401_to_strangers_and_403_to_others(site: Site) -> None:
    async with site.client() as stranger, site.client("ann") as ann, site.client("boss") as boss:
        assert (await stranger.get(SHEETS)).status_code == 200
        refused = await stranger.post(SHEETS, json={"title": "x"})
        assert refused.status_code == 401
        assert refused.headers["www-authenticate"] == "Bearer"
        assert refused.headers["content-type"] == "application/problem+json"
        forbidden = await ann.delete(f"{SHEETS}/1")
        assert (forbidden.status_code, forbidden.json()["title"]) == (403, "Forbidden")
        assert (await ann.options(SHEETS)).status_code == 204
        assert (await ann.request("TRACE", SHEETS)).status_code == 405
        assert (await boss.delete(f"{SHEETS}/1")).status_code == 204


async def test_who_may_change_but_not_read_is_told_nothing(make: Make) -> None:
    rights = {"create": True, "update": True}
    site = await make(lambda live: live.add_resource(SHEETS, Sheet, policy=rights))
    site.database.insert(Sheet, {"title": "plan", "secret": 7})
    async with site.client() as stranger:
        assert (await stranger.get(f"{SHEETS}/1")).status_code == 401
        changed = await stranger.patch(f"{SHEETS}/1", json={"title": "new"})
        assert (changed.status_code, changed.content, "etag" in changed.headers) == (204, b"", False)
        assert (await stranger.post(SHEETS, json={"title": "own"})).json()["title"] == "own"
        for step in (
            {"op": "test", "path": "/secret", "value": 7},
            {"op": "test", "path": "/secret", "value": 8},
            {"op": "copy", "from": "/secret", "path": "/grade"},
            {"op": "move", "from": "/secret", "path": "/grade"},
        ):
            kind = {"Content-Type": "application/json-patch+json"}
            refused = await stranger.patch(f"{SHEETS}/1", content=json.dumps([step]), headers=kind)
            assert refused.status_code == 403
    assert site.rows(Sheet, "secret", "grade")[0] == (7, 0)


async def test_bulk_writes_stay_in_ones_own_partition(make: Make) -> None:
    def declare(live: Live) -> None:
        live.add_resource(SHEETS, Sheet, partition="owner", by=lambda user: user.id, delete_all=True)

    site = await make(declare)
    site.database.insert(Sheet, {"title": "his", "owner": 2})
    async with site.client("ann") as ann:
        made = await ann.post(SHEETS, json=[{"title": "a"}, {"title": "b", "owner": 1}])
        assert [one["owner"] for one in made.json()] == [1, 1]
        assert (await ann.post(SHEETS, json=[{"title": "c", "owner": 2}])).status_code == 422
        assert (await ann.delete(SHEETS)).json() == 2
    assert site.rows(Sheet, "title", "owner") == [("his", 2)]


async def test_to_delete_a_list_one_must_be_allowed_to_see_it(make: Make) -> None:
    site = await make(lambda live: live.add_resource(SHEETS, Sheet, policy={"delete": True}, delete_all=True))
    site.database.insert(Sheet, {"title": "a"})
    async with site.client("ann") as ann:
        assert (await ann.delete(f"{SHEETS}?title=a")).status_code == 403
        assert (await ann.delete(f"{SHEETS}/1")).status_code == 204


async def test_a_hook_is_told_who_asks(make: Make) -> None:
    asked: list[Any] = []
    site = await make(
        lambda live: live.add_resource(
            SHEETS, Sheet, policy=True, before_write=lambda o: asked.append(o.user)
        )
    )
    async with site.client("ann") as ann, site.client() as stranger:
        await ann.post(SHEETS, json={"title": "a"})
        await stranger.post(SHEETS, json=[{"title": "b"}])
    assert asked == [User(1), None]


async def test_openapi_tells_of_no_field_that_nobody_sees_and_of_the_values_in_a_path(make: Make) -> None:
    def declare(live: Live) -> None:
        nested(live)
        live.add_resource(SHEETS, Sheet, hidden={"secret": True, "grade": is_not_boss})

    site = await make(declare)
    async with site.client() as stranger:
        described = (await stranger.get("/openapi.json")).json()
    schema = described["components"]["schemas"]["Sheet"]
    assert "secret" not in schema["properties"]
    assert "grade" in schema["properties"]
    assert "grade" not in schema["required"]
    for body in ("LineCreate", "LineUpdate"):
        assert not {"room", "id"} & {*described["components"]["schemas"][body].get("required", [])}
    path = described["paths"]["/api/rooms/{room}/lines/{id}"]
    assert [parameter["name"] for parameter in path["parameters"]] == ["room", "id"]
    assert {"401", "403"} <= path["get"]["responses"].keys()


async def test_a_resource_without_a_policy_is_for_those_who_are_known(make: Make) -> None:
    site = await make(lambda live: live.add_resource(SHEETS, Sheet))
    async with site.client() as stranger, site.client("ann") as ann:
        assert (await stranger.get(SHEETS)).status_code == 401
        assert (await ann.get(SHEETS)).status_code == 200


async def test_who_is_in_one_partition_sees_and_writes_no_other(make: Make) -> None:
    site = await make(partitioned)
    async with site.client("ann") as ann, site.client("bob") as bob, site.client() as stranger:
        hers = (await ann.post(SHEETS, json={"title": "hers", "secret": 1})).json()
        his = (await bob.post(SHEETS, json={"title": "his", "owner": 2})).json()
        assert (hers["owner"], his["owner"]) == (1, 2)
        listed = await ann.get(SHEETS)
        assert listed.json() == [hers]
        assert listed.headers["live-channel"] == "/api/sheets/~owner/1"
        assert (await bob.get(SHEETS)).headers["live-channel"] == "/api/sheets/~owner/2"
        path = f"{SHEETS}/{his['id']}"
        absent = await ann.get(f"{SHEETS}/77")
        for verb in ("GET", "PUT", "PATCH", "DELETE"):
            answer = await ann.request(
                verb, path, json={"title": "x"}, headers={"If-Match": '"other"'} if verb != "GET" else {}
            )
            assert answer.status_code == 404
            assert answer.json() == absent.json() or verb != "GET"
        assert (await ann.post(SHEETS, json={"title": "x", "owner": 2})).status_code == 422
        assert (await ann.patch(f"{SHEETS}/{hers['id']}", json={"owner": 2})).status_code == 422
        assert (await stranger.get(SHEETS)).status_code == 401
    assert site.rows(Sheet, "title", "owner") == [("hers", 1), ("his", 2)]


async def test_an_idempotency_key_of_another_is_ones_own(make: Make) -> None:
    def rooms(live: Live) -> None:
        live.add_resource("/api/lines", Line, partition=Line.room, by=lambda user: str(user.id))

    site = await make(rooms)
    async with site.client("ann") as ann, site.client("bob") as bob:
        sent: dict[str, Any] = {"json": {"text": "same"}, "headers": {"Idempotency-Key": "k"}}
        answers = [(await one.post("/api/lines", **sent)).json() for one in (ann, bob, bob)]
        assert [answer["room"] for answer in answers] == ["1", "2", "2"]
    assert site.rows(Line, "room") == [("1",), ("2",)]


async def test_users_of_one_list_have_their_keys_apart(make: Make) -> None:
    site = await make(lambda live: live.add_resource("/api/lines", Line, policy=True))
    async with site.client("ann") as ann, site.client("bob") as bob:
        sent: dict[str, Any] = {"json": {"room": "a"}, "headers": {"Idempotency-Key": "k"}}
        assert [(await one.post("/api/lines", **sent)).json()["id"] for one in (ann, bob, ann)] == [1, 2, 1]
        site.users.by_token["ann"] = User(1, rooms=("hall",), expires_at=1e10)
        assert (await ann.post("/api/lines", **sent)).json()["id"] == 1, "it is she, with another credential"


class Named(str):
    __slots__ = ()


class Level(Enum):
    ONE = 1
    TWO = 2


class Thing:
    def __init__(self, name: str, expires_at: int) -> None:
        self.name, self.expires_at = name, expires_at


class Slotted:
    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name


class Private(Slotted):
    __slots__ = ("__key", "expires_at", "unset")

    def __init__(self, name: str, key: int, expires_at: int = 0) -> None:
        super().__init__(name)
        self.__key, self.expires_at = key, expires_at


class Masked(str):
    __slots__ = ()

    def __repr__(self) -> str:
        return "***"


class Plain:
    pass


def test_what_users_are_told_apart_by() -> None:
    others: list[Any] = [
        None, "1", 1, Named("1"), Level.ONE, Level.TWO, ("1",), {"id": 1}, {"id": 2}, {"sub": "a"}, {"sub": "b"},
        {"sub": "a", "iss": "x"}, frozenset("ab"), Thing("a", 1), Thing("b", 1), User(1), User(2),
        Slotted("a"), Slotted("b"), Private("a", 1), Private("a", 2), Private("b", 1), Masked("a"), Masked("b"),
        {1: 0}, {"1": 0}, UUID(int=1), UUID(int=2), PurePath("a"), PurePath("b"), Plain, Thing, {}, [], (),
    ]  # fmt: skip
    assert len({told_apart(each) for each in others}) == len(others)
    assert told_apart(Private("a", 1, 1)) == told_apart(Private("a", 1, 2))
    assert told_apart(home := PurePath("a/b")) == told_apart(PurePath("a/b")), "before and after it is hashed"
    assert hash(home)
    assert told_apart(home) == told_apart(PurePath("a/b"))
    assert told_apart({"sub": "a", "exp": 1, "iat": 1}) == told_apart({"sub": "a", "exp": 2, "iat": 2})
    assert told_apart(Thing("a", 1)) == told_apart(Thing("a", 2))
    assert told_apart(User(1, is_boss=True, expires_at=1.0)) == told_apart(User(1))


@pytest.mark.parametrize(
    "user",
    [Plain(), object(), Lock(), lambda: None, [Plain()], {"id": 1, "at": Plain()}, {Plain(): 1}, {"exp": 1}],
    ids=["plain", "object", "C", "function", "list", "value", "name", "expiry"],
)
def test_nobody_is_told_apart_by_an_address(user: Any, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(RequestRefused, match="Idempotency-Key") as refused:
        told_apart(user)
    assert refused.value.status == 400
    [record] = caplog.records
    assert f"authenticate gives a {type(user).__qualname__}, but" in record.getMessage()


@only("sqlite", "postgres", because="MongoDB draws no keys: a number that was not needed is lost")
async def test_users_with_slots_have_their_keys_apart(make: Make) -> None:
    site = await make(
        lambda live: live.add_resource("/api/lines", Line, policy=True),
        authenticate=lambda connection, ext: Slotted(connection.headers["authorization"]),
    )
    async with site.client("ann") as ann, site.client("bob") as bob:
        sent: dict[str, Any] = {"json": {"room": "a"}, "headers": {"Idempotency-Key": "k"}}
        created = [(await one.post("/api/lines", **sent)).json()["id"] for one in (ann, ann, bob, ann)]
        assert created == [1, 1, 2, 1]


async def test_a_key_of_users_whom_nothing_tells_apart_is_refused(make: Make) -> None:
    site = await make(
        lambda live: live.add_resource("/api/lines", Line, policy=True),
        authenticate=lambda connection, ext: Plain(),
    )
    async with site.client("ann") as ann:
        for sent in ({"room": "a"}, [{"room": "a"}]):
            answer = await ann.post("/api/lines", json=sent, headers={"Idempotency-Key": "k"})
            assert (answer.status_code, "Idempotency-Key" in answer.json()["detail"]) == (400, True)
        assert not site.rows(Line)
        assert (await ann.post("/api/lines", json={"room": "a"})).status_code == 201


async def test_a_nested_resource_is_cut_by_its_url(make: Make) -> None:
    site = await make(nested)
    site.users.by_token["ann"].rooms = ("hall", "a b")
    async with site.client("ann") as ann, site.client("bob") as bob:
        made = await ann.post("/api/rooms/hall/lines", json={"text": "hi"})
        assert made.json() == {"id": 1, "room": "hall", "text": "hi"}
        assert made.headers["location"] == "/api/rooms/hall/lines/1"
        listed = await ann.get("/api/rooms/hall/lines")
        assert (listed.json(), listed.headers["live-channel"]) == ([made.json()], "/api/rooms/hall/lines")
        other = await ann.get("/api/rooms/a%20b/lines")
        assert (other.json(), other.headers["live-channel"]) == ([], "/api/rooms/a~20b/lines")
        assert (await ann.get("/api/rooms/a%20b/lines/1")).status_code == 404
        site.users.by_token["ann"].rooms = ("hall", "a b", "\ufffd")
        for path in ("/api/rooms/%FF/lines", "/api/rooms/%FF/lines/1", "/api/rooms/%F0%9F/lines?populate=x"):
            assert (await ann.get(path)).status_code == 400, "no text is none that stands for it"
        assert (await ann.post("/api/rooms/%ff/lines", json={"text": "lost"})).status_code == 400
        assert len(site.rows(Line)) == 1
        assert (await ann.get("/api/rooms/%EF%BF%BD/lines")).status_code == 200
        assert (await ann.patch("/api/rooms/hall/lines/1", json={"text": "ho"})).status_code == 200
        assert (await ann.post("/api/rooms/hall/lines", json={"room": "a b"})).status_code == 422
        assert (await bob.get("/api/rooms/hall/lines")).status_code == 403
        assert (await ann.get("/api/rooms/cellar/lines")).status_code == 403


async def test_a_nested_value_may_have_a_slash_in_it(make: Make) -> None:
    site = await make(nested)
    site.users.by_token["ann"].rooms = ("a/b", "a")
    async with site.client("ann") as ann:
        url = "/api/rooms/a%2Fb/lines"
        made = await ann.post(url, json={"text": "hi"})
        assert made.json() == {"id": 1, "room": "a/b", "text": "hi"}
        assert made.headers["location"] == f"{url}/1"
        listed = await ann.get(f"{url}?limit=1")
        assert listed.json() == [made.json()]
        assert listed.links["search"]["url"] == url
        assert listed.headers["live-signal"] == "/api/rooms/a~2Fb/lines"
        assert (await ann.get(url)).headers["live-channel"] == "/api/rooms/a~2Fb/lines"
        one = await ann.get(f"{url}/1")
        assert (one.json(), one.links["collection"]["url"], one.links["self"]["url"]) == (
            made.json(), url, f"{url}/1"
        )  # fmt: skip
        put = await ann.put(f"{url}/1", json={"text": "ho"})
        assert put.headers["content-location"] == f"{url}/1"
        assert (await ann.get("/api/rooms/a/b/lines")).status_code == 404
        assert (await ann.get("/api/rooms/a/lines")).json() == []
        assert (await ann.delete(f"{url}/1")).status_code == 204
        hers = await site.hear("ann")
        await site.settled()
        assert (await hers.subscribe("/api/rooms/a~2Fb/lines"))["successful"]
        site.database.insert(Line, {"room": "a/b", "text": "by a shell"})
        assert (await hers.next())["body"]["text"] == "by a shell"


async def test_a_cookies_user_writes_from_pages_of_ours_only(make: Make) -> None:
    site = await make(partitioned, allowed_origins=["https://app.example"])
    async with site.client(cookies={"user": "ann"}) as ann:
        assert (await ann.get(SHEETS)).status_code == 200
        assert (await ann.post(SHEETS, json={"title": "x"})).status_code == 403
        for told, status in (
            ({"Origin": "https://app.example"}, 201),
            ({"Origin": "http://site"}, 201),
            ({"Sec-Fetch-Site": "same-origin"}, 201),
            ({"Sec-Fetch-Site": "cross-site"}, 403),
            ({"Sec-Fetch-Site": "same-site"}, 403),
            # Of a foreign page its browser's cookie is not seen.
            ({"Origin": "https://evil.example"}, 401),
        ):
            assert (await ann.post(SHEETS, headers=told, json={"title": str(told)})).status_code == status, (
                told
            )
        assert (await ann.get(SHEETS, headers={"Origin": "https://evil.example"})).status_code == 401
        form = {"Origin": "http://site", "Content-Type": "text/plain"}
        assert (await ann.post(SHEETS, content="{}", headers=form)).status_code == 415
        unknown = {"Origin": "https://evil.example", "Authorization": "Bearer nobody"}
        assert (await ann.post(SHEETS, json={"title": "x"}, headers=unknown)).status_code == 401
        token = {"Origin": "https://evil.example", "Authorization": "Bearer bob"}
        assert (await ann.post(SHEETS, json={"title": "by token"}, headers=token)).status_code == 201


@only("sqlite", because="whose a request is, no database is asked")
@pytest.mark.parametrize(
    ("site_", "mode", "destination", "status"),
    [
        ("cross-site", "no-cors", "image", 401),
        ("same-site", "no-cors", "script", 401),
        ("cross-site", "navigate", "iframe", 401),
        ("cross-site", "navigate", "document", 200),
        ("same-site", "navigate", "document", 200),
        ("same-origin", "cors", "empty", 200),
        ("same-origin", "no-cors", "image", 200),
        ("none", "navigate", "document", 200),
    ],
)
async def test_a_cookies_user_reads_by_no_foreign_page(
    make: Make, site_: str, mode: str, destination: str, status: int
) -> None:
    site = await make(partitioned, allowed_origins=["https://app.example"])
    told = {"Sec-Fetch-Site": site_, "Sec-Fetch-Mode": mode, "Sec-Fetch-Dest": destination}
    async with site.client(cookies={"user": "ann"}) as ann:
        assert (await ann.get(SHEETS, headers=told)).status_code == status
        allowed = {**told, "Origin": "https://app.example"}
        assert (await ann.get(SHEETS, headers=allowed)).status_code == 200
        token = {**told, "Authorization": "Bearer bob"}
        assert (await ann.get(SHEETS, headers=token)).status_code == 200


async def test_who_is_false_is_nobody(make: Make) -> None:
    def known(live: Live) -> None:
        live.add_resource(SHEETS, Sheet, policy=is_known)

    site = await make(known, authenticate=lambda connection, ext: False)
    async with site.client("ann") as ann:
        assert (await ann.get(SHEETS)).status_code == 401


@only("sqlite", "postgres", because="MongoDB has no triggers")
@pytest.mark.parametrize("preference", [{}, {"Prefer": "return=minimal"}])
async def test_what_a_trigger_hands_to_another_is_not_shown(make: Make, preference: dict[str, str]) -> None:
    site = await make(partitioned)
    assert isinstance(site.database, Tables)
    for event in ("INSERT", "UPDATE"):
        hand = "UPDATE policy_sheet SET owner = 2, title = 'bob''s ' || id WHERE id = NEW.id"
        site.database.trigger(event, "policy_sheet", f"{hand} AND grade = 666 AND owner = 1")
    given = {"title": "given", "grade": 666}
    async with site.client("ann") as ann, site.client("bob") as bob:
        await ann.post(SHEETS, json=[{"title": "one"}, {"title": "two"}])
        ann.headers.update(preference)
        for method, path, sent in (
            ("PATCH", f"{SHEETS}/1", given),
            ("PUT", f"{SHEETS}/2", given),
            ("POST", SHEETS, given),
            ("POST", SHEETS, [{"title": "hers"}, given]),
        ):
            answer = await ann.request(method, path, json=sent)
            assert (answer.status_code, answer.content) == (204, b""), answer.text
            assert answer.headers["live-seq"]
            assert not {"etag", "location", "content-location"} & answer.headers.keys()
        assert [each["title"] for each in (await ann.get(SHEETS)).json()] == ["hers"]
        assert [each["id"] for each in (await bob.get(SHEETS)).json()] == [1, 2, 3, 5]


async def test_a_snapshot_is_a_users_own(make: Make) -> None:
    site = await make(partitioned)
    async with site.client("ann") as ann:
        await ann.post(SHEETS, json={"title": "hers"})
    documents, _ = await site.live.snapshot(site.database.taken(Sheet), user=site.users.by_token["bob"])
    assert documents == []
    documents, _ = await site.live.snapshot(site.database.taken(Sheet), user=site.users.by_token["ann"])
    assert [document["title"] for document in documents] == ["hers"]


@pytest.mark.parametrize("path", ["/api/{room}", "/api/rooms/{room}/{text}", "/{room}/rooms/hall/lines"])
async def test_paths_that_could_mean_the_same_channel_are_an_error_at_start(make: Make, path: str) -> None:
    def declare(live: Live) -> None:
        live.add_resource("/api/rooms", Sheet, policy=True)
        nested(live)
        live.add_resource(path, Line)

    with pytest.raises(ConfigurationError, match="could mean the same channel"):
        await make(declare)


async def test_a_resource_may_have_others_below_its_documents(make: Make) -> None:
    def declare(live: Live) -> None:
        live.add_resource("/api/rooms", Sheet, hidden={"secret": is_not_boss})
        live.add_resource("/api/rooms/{room}/lines", Line)

    site = await make(declare)
    site.database.insert(Sheet, {"id": 1, "title": "a"})
    site.database.insert(Line, {"room": "1", "text": "b"})
    async with site.client("ann") as ann:
        assert (await ann.get("/api/rooms/1")).json()["title"] == "a"
        assert (await ann.get("/api/rooms/1/lines")).json()[0]["text"] == "b"


async def test_whatever_a_list_is_asked_for_it_is_of_ones_own(make: Make) -> None:
    def declare(live: Live) -> None:
        options: dict[str, Any] = {"partition": "owner", "by": lambda user: user.id}
        live.add_resource(SHEETS, Sheet, hidden={"secret": is_not_boss}, limit=2, **options)

    site = await make(declare)
    for title, secret, owner in (("a", 5, 1), ("b", 6, 2), ("c", 7, 1), ("d", 8, 1)):
        site.database.insert(Sheet, {"title": title, "secret": secret, "owner": owner})
    async with site.client("ann") as ann, site.client() as stranger:

        async def get(query: str) -> Any:
            answer = await ann.get(f"{SHEETS}?{query}")
            assert answer.status_code == 200, answer.text
            return answer.json()

        assert await get("count=true") == 3
        assert await get("distinct=title") == ["a", "c", "d"]
        assert await get("select=title&skip=1") == [{"id": 3, "title": "c"}, {"id": 4, "title": "d"}]
        first = await ann.get(f"{SHEETS}?sort=-title&select=title")
        assert [row["title"] for row in first.json()] == ["d", "c"]
        following = first.links["next"]["url"]
        assert [row["title"] for row in (await ann.get(f"{SHEETS}{following}")).json()] == ["a"]
        wanted = {"conditions": {"title": {"$in": ["a", "b"]}}}
        for asked in (("QUERY", SHEETS), ("POST", f"{SHEETS}/search")):
            assert [row["id"] for row in (await ann.request(*asked, json=wanted)).json()] == [1]
            assert (await stranger.request(*asked, json=wanted)).status_code == 401
        for name in ("distinct", "select"):
            hidden, absent = (
                await ann.get(f"{SHEETS}?{name}=secret"),
                await ann.get(f"{SHEETS}?{name}=absent"),
            )
            assert hidden.status_code == 400
            assert hidden.text.replace("secret", "absent") == absent.text
        csv = await ann.get(SHEETS, headers={"Accept": "text/csv"})
        assert csv.text.splitlines()[0] == "id,title,grade,owner"
