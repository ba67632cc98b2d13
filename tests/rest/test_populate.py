"""Populate: what documents refer to, in how many statements, and what of it a user is not shown."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from sqlalchemy import ForeignKey, ForeignKeyConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from livecollections import Live
from livecollections.rest import populate
from tests.databases.fixtures import only
from tests.databases.tables import Tables
from tests.rest.conftest import is_problem

pytestmark = only("sqlite", "postgres", because="documents refer to others by links")


class Base(DeclarativeBase):
    pass


class Country(Base):
    __tablename__ = "populate_country"
    code: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    writers: Mapped[list[Writer]] = relationship(back_populates="country")


class Writer(Base):
    __tablename__ = "populate_writer"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    income: Mapped[int] = mapped_column(default=0)
    country_code: Mapped[str | None] = mapped_column(ForeignKey("populate_country.code"))
    owner: Mapped[str] = mapped_column(default="ada")
    country: Mapped[Country | None] = relationship(back_populates="writers")
    books: Mapped[list[Volume]] = relationship(back_populates="writer", foreign_keys="Volume.writer_id")


class Volume(Base):
    __tablename__ = "populate_volume"
    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str]
    writer_id: Mapped[int | None] = mapped_column(ForeignKey("populate_writer.id"))
    ghost_id: Mapped[int | None] = mapped_column(ForeignKey("populate_writer.id"))
    writer: Mapped[Writer | None] = relationship(back_populates="books", foreign_keys=[writer_id])


class Shelf(Base):
    __tablename__ = "populate_shelf"
    room: Mapped[str] = mapped_column(primary_key=True)
    place: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    label: Mapped[str]


class Placed(Base):
    __tablename__ = "populate_placed"
    __table_args__ = (
        ForeignKeyConstraint(["room", "place"], ["populate_shelf.room", "populate_shelf.place"]),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    room: Mapped[str | None]
    place: Mapped[int | None]
    shelf: Mapped[Shelf | None] = relationship()


class Team(Base):
    __tablename__ = "populate_team"
    id: Mapped[int] = mapped_column(primary_key=True)
    members: Mapped[list[Member]] = relationship(back_populates="team")
    leaders: Mapped[list[Member]] = relationship(
        primaryjoin="and_(Team.id == Member.team_id, Member.leads)", viewonly=True
    )
    later: Mapped[list[Member]] = relationship(primaryjoin="Team.id < foreign(Member.team_id)", viewonly=True)


class Member(Base):
    __tablename__ = "populate_member"
    id: Mapped[int] = mapped_column(primary_key=True)
    leads: Mapped[bool] = mapped_column(default=False)
    team_id: Mapped[int | None] = mapped_column(ForeignKey("populate_team.id"))
    team: Mapped[Team | None] = relationship(back_populates="members")


class Unoffered(Base):
    __tablename__ = "populate_unoffered"
    id: Mapped[int] = mapped_column(primary_key=True)
    writer_id: Mapped[int | None] = mapped_column(ForeignKey("populate_writer.id"))


ROWS = """
INSERT INTO populate_country VALUES ('gb', 'Britain'), ('fr', 'France');
INSERT INTO populate_writer VALUES (1, 'Ada', 10, 'gb', 'ada'), (2, 'Bea', 20, 'fr', 'bea'), (3, 'Cy', 30, NULL, 'ada');
INSERT INTO populate_volume VALUES (1, 'One', 1, NULL), (2, 'Two', 1, 2), (3, 'Three', 2, NULL), (4, 'Four', NULL, 9);
INSERT INTO populate_shelf VALUES ('hall', 1, 'low'), ('hall', 2, 'high');
INSERT INTO populate_placed VALUES (1, 'hall', 2), (2, 'hall', NULL), (3, 'attic', 1);
"""
ADA = {"id": 1, "name": "Ada", "country_code": "gb", "owner": "ada"}
BEA = {"id": 2, "name": "Bea", "country_code": "fr", "owner": "bea"}
BRITAIN = {"code": "gb", "name": "Britain"}


def library(database: Tables, **of_writers: Any) -> Live:
    live = database.live(
        authenticate=(lambda connection, ext: connection.headers.get("x-user")) if of_writers else None,
    )
    anybody: dict[str, Any] = {"policy": True} if of_writers else {}
    live.add_resource("/api/countries", Country, **anybody)
    live.add_resource("/api/writers", Writer, **{"exclude": ["income"], **anybody, **of_writers})
    live.add_resource("/api/volumes", Volume, **anybody)
    live.add_resource("/api/shelves", Shelf)
    live.add_resource("/api/placed", Placed)
    return live


class Library:
    """A served library, and what it asks of its database."""

    def __init__(self, client: httpx.AsyncClient, database: Tables, statements: list[str]) -> None:
        self.client = client
        self.database = database
        self.statements = statements

    async def get(self, path: str, **parameters: str) -> Any:
        """The JSON of a path."""
        self.statements.clear()
        answer = await self.client.get(f"/api/{path}", params=parameters)
        assert answer.status_code == 200, answer.text
        return answer.json()

    @property
    def reads(self) -> list[str]:
        """The statements that read tables of the library."""
        return [each for each in self.statements if re.search(r'FROM [\w".]*populate_', each)]


@pytest.fixture
async def books(database: Tables, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Library]:
    live = library(database)
    transport = httpx.ASGITransport(live.app, raise_app_exceptions=False)
    async with live, httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        database.script(ROWS)
        yield Library(client, database, database.asked(monkeypatch))


async def test_one_and_many_and_none(books: Library) -> None:
    volumes = await books.get("volumes", populate="writer")
    assert [each["writer"] for each in volumes] == [ADA, ADA, BEA, None]
    assert [each["writer_id"] for each in volumes] == [1, 1, 2, None]
    writers = await books.get("writers", populate="books")
    assert [[each["id"] for each in writer["books"]] for writer in writers] == [[1, 2], [3], []]
    assert (await books.get("volumes/1", populate="writer"))["writer"] == ADA
    assert (await books.get("volumes/4", populate="writer"))["writer"] is None


async def test_a_foreign_key_becomes_what_it_refers_to(books: Library) -> None:
    volumes = await books.get("volumes", populate="ghost_id")
    assert [each["ghost_id"] for each in volumes] == [None, BEA, None, None]
    assert "writer" not in volumes[0]


async def test_a_key_of_two_columns(books: Library) -> None:
    placed = await books.get("placed", populate="shelf")
    assert [each["shelf"] for each in placed] == [{"room": "hall", "place": 2, "label": "high"}, None, None]


@pytest.mark.parametrize(
    "asked",
    [
        {"populate": "writer.country,writer.books,ghost_id"},
        {"populate": "writer.country writer.books ghost_id"},
        {"populate": '[{"path": "writer", "populate": ["country", "books"]}, "ghost_id"]'},
        {"populate": '{"path": "writer", "populate": "country books"}', "populate[path]": "ghost_id"},
    ],
)
async def test_levels_in_a_statement_for_each_relation(books: Library, asked: dict[str, str]) -> None:
    volumes = await books.get("volumes", **asked)
    assert volumes[0]["writer"]["country"] == BRITAIN
    assert [each["id"] for each in volumes[0]["writer"]["books"]] == [1, 2]
    assert volumes[1]["ghost_id"] == BEA
    assert len(books.reads) == 5


async def test_statements_do_not_grow_with_documents(books: Library) -> None:
    await books.get("volumes", populate="writer.country")
    few = len(books.reads)
    more = "\n".join(
        f"INSERT INTO populate_writer VALUES ({n}, 'w', 0, 'gb', 'ada');"
        f"INSERT INTO populate_volume VALUES ({n}, 'v', {n}, NULL);"
        for n in range(10, 310)
    )
    books.database.script(more)
    volumes = await books.get("volumes", populate="writer.country")
    assert [each["writer"]["id"] for each in volumes[4:]] == list(range(10, 310))
    assert len(books.reads) == few == 3


async def test_a_list_is_sent_again_when_what_it_refers_to_has_changed(books: Library) -> None:
    url = "/api/volumes?populate=writer"
    known = {"If-None-Match": (await books.client.get(url)).headers["etag"]}
    again = await books.client.get(url, headers=known)
    assert (again.status_code, again.content) == (304, b"")
    await books.client.patch("/api/writers/1", json={"name": "Eve"})
    answer = await books.client.get(url, headers=known)
    assert (answer.status_code, answer.json()[0]["writer"]["name"]) == (200, "Eve")


@pytest.mark.parametrize("path", ["/api/volumes", "/api/volumes?limit=1", "/api/volumes/1"])
async def test_head_reads_nothing_of_what_is_referred_to(books: Library, path: str) -> None:
    asked = {"populate": "writer.country"}
    whole = await books.client.get(path, params={**httpx.URL(path).params, **asked})
    books.statements.clear()
    head = await books.client.head(path, params={**httpx.URL(path).params, **asked})
    assert (head.status_code, head.content) == (200, b"")
    assert [each for each in books.reads if "populate_volume" not in each] == []
    same = ("live-seq", "live-signal", "link", "content-type", "vary", "cache-control")
    assert {name: head.headers.get(name) for name in same} == {name: whole.headers.get(name) for name in same}
    assert "etag" not in head.headers
    known = {"If-None-Match": whole.headers["etag"]}
    again = await books.client.head(path, params={**httpx.URL(path).params, **asked}, headers=known)
    assert (again.status_code, again.headers["etag"]) == (304, whole.headers["etag"])


async def test_a_list_says_that_it_is_no_whole_and_where_it_goes_on(
    books: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = await books.client.get("/api/volumes?populate=writer&sort=-id&limit=3")
    assert [each["id"] for each in answer.json()] == [4, 3, 2]
    assert answer.headers["live-signal"] == "/api/volumes, /api/writers"
    assert answer.headers["live-seq"]
    assert "live-channel" not in answer.headers
    assert 'rel="next"' in answer.headers["link"]
    assert "populate=writer" in answer.headers["link"]
    monkeypatch.setattr(populate, "AT_ONCE", 2)
    answer = await books.client.get("/api/volumes?populate=writer")
    assert len(answer.json()) == 2
    assert 'rel="next"' in answer.headers["link"]


@pytest.mark.parametrize(
    "query", ["limit=2", "limit=2&after=", "limit=1&after=&sort=-title", "limit=3&skip=0"]
)
async def test_pages_of_it_are_the_list(books: Library, query: str) -> None:
    seen: list[int] = []
    url: httpx.URL | None = httpx.URL(f"http://test/api/volumes?populate=writer&{query}")
    while url is not None:
        answer = await books.client.get(url)
        assert all("writer" in each for each in answer.json()), answer.text
        seen += [each["id"] for each in answer.json()]
        url = url.join(str(answer.links["next"]["url"])) if "next" in answer.links else None
    assert sorted(seen) == [1, 2, 3, 4]


async def test_it_goes_with_a_choice_of_fields_and_with_a_search(books: Library) -> None:
    (first, *_) = await books.get("volumes", populate="writer", select="title")
    assert first == {"id": 1, "title": "One", "writer": ADA}
    body = {"populate": "writer", "conditions": {"id": 3}}
    answer = await books.client.post("/api/volumes/search", json=body)
    assert [each["writer"] for each in answer.json()] == [BEA]
    for other in ("count=true", "distinct=title"):
        is_problem(await books.client.get(f"/api/volumes?populate=writer&{other}"), 400)


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ("nothing", "no relation 'nothing'"),
        ("title", "no relation 'title'"),
        ("writer.income", "no relation 'income'"),
        ("writer.books.writer.books", "at most 3 levels"),
        ('{"path": "writer", "populate": {"path": "books", "populate": "writer.books"}}', "at most 3 levels"),
        ('{"path": "writer", "select": "income"}', "select can't be said"),
        ('{"path": "writer", "match": {"income": 1}}', "match can't be said"),
        ('{"select": "+income"}', "names are needed"),
        ("[7]", "names are needed"),
        ("{", "not JSON"),
        ('{"path": "writer", "populate": [NaN]}', "not JSON"),
        ('["writer", {"path": 7}]', "names are needed"),
        (",".join(f"a{n}" for n in range(11)), "at most 10 relations"),
    ],
)
async def test_what_can_not_be_populated_is_a_400(books: Library, asked: str, told: str) -> None:
    for path in ("/api/volumes", "/api/volumes/1"):
        problem = is_problem(await books.client.get(path, params={"populate": asked}), 400)
        assert told in problem["detail"]
    assert not books.reads


@pytest.mark.parametrize("asked", ["[pathX=writer", "[path]x=writer", "[path]=writer&populate[path]=books"])
async def test_brackets_close_and_say_each_thing_once(books: Library, asked: str) -> None:
    problem = is_problem(await books.client.get(f"/api/volumes?populate{asked}"), 400)
    assert "brackets that close" in problem["detail"]
    assert not books.reads


async def test_no_more_is_read_than_fits(books: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(populate, "REFERRED", 3)
    monkeypatch.setattr(populate.populate, "__defaults__", (3,))
    assert await books.get("writers", populate="books")
    answer = await books.client.get("/api/writers?populate=books,country")
    assert "ask for fewer" in is_problem(answer, 400)["detail"]


async def test_a_model_that_nobody_offers_is_not_shown(database: Tables) -> None:
    live = database.live()
    live.add_resource("/api/unoffered", Unoffered)
    transport = httpx.ASGITransport(live.app)
    async with live, httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        problem = is_problem(await client.get("/api/unoffered?populate=writer_id"), 400)
        assert problem["detail"] == "populate: /api/unoffered has no relation 'writer_id'"


@pytest.mark.parametrize("options", [{"hidden": ["books"]}, {"hidden": {"books": lambda user: True}}])
async def test_a_hidden_relationship_is_no_relation(database: Tables, options: dict[str, Any]) -> None:
    live = database.live()
    live.add_resource("/api/writers", Writer, policy=True, **options)
    live.add_resource("/api/volumes", Volume, policy=True)
    transport = httpx.ASGITransport(live.app)
    async with live, httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        await client.post("/api/writers", json={"id": 1, "name": "Ada"})
        for path in ("writers?populate=books", "writers/1?populate=books", "volumes?populate=writer.books"):
            problem = is_problem(await client.get(f"/api/{path}"), 400)
            assert problem["detail"] == "populate: /api/writers has no relation 'books'"
        told = (await client.get("/openapi.json")).json()["components"]["schemas"]
        is_for_all = not isinstance(options.get("hidden"), dict)
        assert ("books" not in told["Writer"]["properties"]) == is_for_all


async def test_a_hidden_relationship_is_none_by_its_foreign_key_either(database: Tables) -> None:
    live = database.live()
    live.add_resource("/api/writers", Writer, policy=True)
    live.add_resource("/api/volumes", Volume, policy=True, hidden=["writer"])
    transport = httpx.ASGITransport(live.app)
    async with live, httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        await client.post("/api/writers", json={"name": "Ada"})
        await client.post("/api/volumes", json={"title": "One", "writer_id": 1, "ghost_id": 1})
        for name in ("writer", "writer_id"):
            problem = is_problem(await client.get(f"/api/volumes?populate={name}"), 400)
            assert problem["detail"] == f"populate: /api/volumes has no relation {name!r}"
        (volume,) = (await client.get("/api/volumes?populate=ghost_id")).json()
        assert (volume["writer_id"], volume["ghost_id"]["name"]) == (1, "Ada")


async def test_what_is_joined_by_more_than_equal_columns_is_no_relation(database: Tables) -> None:
    live = database.live()
    live.add_resource("/api/teams", Team)
    live.add_resource("/api/members", Member)
    transport = httpx.ASGITransport(live.app)
    async with live, httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        await client.post("/api/teams", json={})
        await client.post("/api/members", json={"team_id": 1})
        (team,) = (await client.get("/api/teams?populate=members")).json()
        assert [each["id"] for each in team["members"]] == [1]
        for name in ("leaders", "later"):
            is_problem(await client.get(f"/api/teams?populate={name}"), 400)


@pytest.mark.parametrize(
    ("options", "user", "shown"),
    [
        ({"policy": {"read": False, "list": True}}, "ada", None),
        ({"policy": {"read": True, "list": True}}, "ada", ["Ada", "Ada", "Bea", None]),
        ({"policy": lambda user: user == "ada"}, None, None),
        ({"hidden": {"name": lambda user: user != "ada"}}, "bea", [None, None, None, None]),
        ({"partition": "owner", "by": lambda user: user}, "ada", ["Ada", "Ada", None, None]),
        ({"partition": "owner", "by": lambda user: user}, "bea", [None, None, "Bea", None]),
    ],
)
async def test_rights_and_hidden_fields_and_partitions_hold(
    database: Tables, options: dict[str, Any], user: str | None, shown: list[Any] | None
) -> None:
    live = library(database, **options)
    transport = httpx.ASGITransport(live.app)
    async with live, httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        database.script(ROWS)
        headers = {} if user is None else {"X-User": user}
        answer = await client.get("/api/volumes?populate=writer", headers=headers)
        if shown is None:
            assert is_problem(answer, 400)["detail"] == "populate: /api/volumes has no relation 'writer'"
        else:
            assert [(each["writer"] or {}).get("name") for each in answer.json()] == shown
        escaped = await client.get("/api/volumes?%70opulate=writer", headers=headers)
        assert (escaped.status_code, escaped.content) == (answer.status_code, answer.content)


def varies(answer: httpx.Response) -> set[str]:
    """What an answer says that it depends on."""
    return {name.strip() for each in answer.headers.get_list("vary") for name in each.split(",")}


async def test_vary_names_whose_an_answer_is_and_its_format(database: Tables) -> None:
    live = library(database, policy=lambda user: user == "ada")
    transport = httpx.ASGITransport(live.app)
    async with live, httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        database.script(ROWS)
        by_user = {"Authorization", "Cookie", "Origin", "Accept"}
        for path in ("/api/volumes", "/api/volumes/1"):
            for headers in ({}, {"X-User": "ada"}):
                assert varies(await client.get(f"{path}?populate=writer", headers=headers)) >= by_user
                asked = {"populate": "writer"}
                assert (
                    varies(await client.post("/api/volumes/search", json=asked, headers=headers)) >= by_user
                )
            assert varies(await client.get(path)) == {"Accept"}
            answer = await client.get(path, headers={"Accept": "image/png"})
            assert (answer.status_code, varies(answer)) == (406, {"Accept"})
        missing = await client.get("/api/volumes/99")
        assert (missing.status_code, varies(missing)) == (404, {"Accept"})
        refused = await client.post("/api/volumes", json={"title": "x"}, headers={"Accept": "image/png"})
        assert (refused.status_code, varies(refused)) == (406, {"Accept"})
        assert varies(await client.get("/api/writers")) >= by_user


async def test_nobody_is_asked_who_he_is_by_a_value_that_is_called_so(database: Tables) -> None:
    live = library(database, policy=True)
    transport = httpx.ASGITransport(live.app)
    async with live, httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        assert "Cookie" in varies(await client.get("/api/volumes?populate%5Bpath%5D=writer"))
        assert varies(await client.get("/api/volumes?title=populate")) == {"Accept"}
