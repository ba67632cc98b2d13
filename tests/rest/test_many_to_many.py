"""Populate through a table between: in how many statements, in which order, and whose links count."""

import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import Column, ForeignKey, Table, select
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship
from sqlmodel import Field, Relationship, SQLModel

from livecollections import Live
from livecollections.rest import populate
from tests.databases.fixtures import only
from tests.databases.tables import Tables
from tests.rest.conftest import is_problem

pytestmark = only("sqlite", "postgres", because="documents refer to others by links")


class Base(DeclarativeBase):
    pass


follows = Table(
    "linked_follow",
    Base.metadata,
    Column("from_id", ForeignKey("linked_person.id")),
    Column("to_id", ForeignKey("linked_person.id")),
)
chosen = select(follows).where(follows.c.to_id > 1).subquery()


class Person(Base):
    __tablename__ = "linked_person"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    followed: Mapped[list["Person"]] = relationship(
        secondary=follows,
        primaryjoin="Person.id == linked_follow.c.from_id",
        secondaryjoin="Person.id == linked_follow.c.to_id",
    )
    later: Mapped[list["Person"]] = relationship(
        secondary=follows,
        primaryjoin="Person.id == linked_follow.c.from_id",
        secondaryjoin="and_(Person.id == linked_follow.c.to_id, Person.id > 1)",
        viewonly=True,
    )
    further: Mapped[list["Person"]] = relationship(
        secondary=chosen,
        primaryjoin=lambda: Person.id == chosen.c.from_id,
        secondaryjoin=lambda: Person.id == chosen.c.to_id,
        viewonly=True,
    )


class Tagged(SQLModel, table=True):
    __tablename__ = "linked_tagged"
    recipe_id: int = Field(foreign_key="linked_recipe.id", primary_key=True)
    tag_name: str = Field(foreign_key="linked_tag.name", primary_key=True)
    by: str = "ada"


class Tag(SQLModel, table=True):
    __tablename__ = "linked_tag"
    name: str = Field(primary_key=True)
    rank: int = 0
    recipes: list["Recipe"] = Relationship(back_populates="tags", link_model=Tagged)


class Recipe(SQLModel, table=True):
    __tablename__ = "linked_recipe"
    id: int | None = Field(default=None, primary_key=True)
    title: str
    tags: list[Tag] = Relationship(back_populates="recipes", link_model=Tagged)


class Shelf(Base):
    __tablename__ = "linked_shelf"
    place: Mapped[int] = mapped_column("number", primary_key=True)
    made: Mapped[UUID | None] = mapped_column(unique=True)


class Cup(Base):
    __tablename__ = "linked_cup"
    id: Mapped[int] = mapped_column(primary_key=True)
    shelf: Mapped[int | None] = mapped_column(ForeignKey("linked_shelf.number"))
    made: Mapped[UUID | None] = mapped_column(ForeignKey("linked_shelf.made"))
    place: Mapped[Shelf | None] = relationship(foreign_keys=[shelf])


ROWS = """
INSERT INTO linked_recipe VALUES (1, 'soup'), (2, 'salad'), (3, 'bread');
INSERT INTO linked_tag VALUES ('warm', 1), ('green', 2), ('new', 3);
INSERT INTO linked_tagged VALUES (1, 'warm', 'bea'), (1, 'green', 'ada'), (2, 'green', 'bea');
"""


def cook(**options: Any) -> Callable[[Live], None]:
    """Declares recipes and tags; options: of the table between, which is a resource where there are some."""

    def declare(live: Live) -> None:
        live.add_resource("/api/recipes", Recipe, policy=True)
        live.add_resource("/api/tags", Tag, policy=True)
        if options:
            live.add_resource("/api/tagged", Tagged, **options)

    return declare


@asynccontextmanager
async def served(
    database: Tables, declare: Callable[[Live], None], rows: str = ROWS
) -> AsyncIterator[httpx.AsyncClient]:
    live = database.live(authenticate=lambda connection, ext: connection.headers.get("x-user"))
    declare(live)
    transport = httpx.ASGITransport(live.app, raise_app_exceptions=False)
    async with live, httpx.AsyncClient(transport=transport, base_url="http://test/api") as client:
        database.script(rows)
        yield client


async def tags_of(client: httpx.AsyncClient, user: str = "") -> list[list[str]]:
    """The tags of all recipes."""
    answer = await client.get("/recipes?populate=tags", headers={"X-User": user} if user else {})
    assert answer.status_code == 200, answer.text
    return [[tag["name"] for tag in recipe["tags"]] for recipe in answer.json()]


async def test_a_link_model_leads_both_ways_in_the_order_of_the_keys(database: Tables) -> None:
    async with served(database, cook()) as client:
        assert await tags_of(client) == [["green", "warm"], ["green"], []]
        assert (await client.get("/recipes/2?populate=tags")).json() == {
            "id": 2, "title": "salad", "tags": [{"name": "green", "rank": 2}],
        }  # fmt: skip
        tags = (await client.get("/tags?populate=recipes.tags&sort=rank")).json()
        assert [[recipe["title"] for recipe in tag["recipes"]] for tag in tags] == [
            ["soup"], ["soup", "salad"], [],
        ]  # fmt: skip
        assert [tag["name"] for tag in tags[0]["recipes"][0]["tags"]] == ["green", "warm"]


async def test_a_table_that_no_class_is_mapped_to_leads_to_others_of_the_same_model(database: Tables) -> None:
    def declare(live: Live) -> None:
        live.add_resource("/api/people", Person, policy=True)

    rows = """
    INSERT INTO linked_person VALUES (1, 'ada'), (2, 'bea'), (3, 'cy');
    INSERT INTO linked_follow VALUES (1, 3), (1, 2), (1, 3), (2, 1), (NULL, 1), (2, NULL), (3, 9);
    """
    async with served(database, declare, rows) as client:
        people = (await client.get("/people?populate=followed.followed")).json()
        assert [[one["name"] for one in person["followed"]] for person in people] == [
            ["bea", "cy"], ["ada"], [],
        ]  # fmt: skip
        assert people[1]["followed"][0]["followed"] == [{"id": 2, "name": "bea"}, {"id": 3, "name": "cy"}]
        for name in ("later", "further"):
            is_problem(await client.get(f"/people?populate={name}"), 400)


async def test_each_takes_two_statements_however_many_there_are(
    database: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = "".join(
        f"INSERT INTO linked_recipe VALUES ({n}, 'r'); INSERT INTO linked_tagged VALUES ({n}, 'new', 'ada');"
        for n in range(10, 300)
    )
    async with served(database, cook(), ROWS + many) as client:
        statements = database.asked(monkeypatch)
        found = (await client.get("/recipes?populate=tags.recipes")).json()
        assert len(found) == 293
        assert [len(tag["recipes"]) for tag in found[-1]["tags"]] == [290]
        assert len([each for each in statements if re.search(r'FROM [\w".]*linked_', each)]) == 5


async def test_what_is_referred_to_is_bounded_and_so_are_the_links(
    database: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with served(database, cook()) as client:
        for most, status in ((3, 200), (2, 400)):  # three links lead to two tags
            monkeypatch.setattr(populate.populate, "__defaults__", (most,))
            assert (await client.get("/recipes?populate=tags")).status_code == status


async def test_the_table_between_is_made_and_openapi_tells_the_relation(database: Tables) -> None:
    async with served(database, cook(), "") as client:
        assert await tags_of(client) == []
        told = (await client.get("http://test/openapi.json")).json()
        assert told["components"]["schemas"]["Recipe"]["properties"]["tags"]["type"] == "array"
        parameters = told["paths"]["/api/recipes"]["get"]["parameters"]
        (asked,) = (each for each in parameters if each["name"] == "populate")
        assert "tags" in asked["schema"]["pattern"]


@pytest.mark.parametrize(
    ("options", "user", "shown"),
    [
        ({"policy": True}, "", [["green", "warm"], ["green"], []]),
        ({"policy": lambda user: user == "ada"}, "ada", [["green", "warm"], ["green"], []]),
        ({"policy": lambda user: user == "ada"}, "bea", None),
        ({"policy": True, "methods": ["POST"]}, "ada", None),
        ({"policy": True, "partition": "by", "by": lambda user: user}, "bea", [["warm"], ["green"], []]),
        ({"policy": True, "partition": "by", "by": lambda user: user}, "ada", [["green"], [], []]),
        ({"policy": True, "filters": []}, "ada", [["green", "warm"], ["green"], []]),
    ],
)
async def test_links_count_as_their_own_resource_shows_them(
    database: Tables, options: dict[str, Any], user: str, shown: list[list[str]] | None
) -> None:
    async with served(database, cook(**options)) as client:
        if shown is not None:
            assert await tags_of(client, user) == shown
        else:
            headers = {"X-User": user}
            problem = is_problem(await client.get("/recipes?populate=tags", headers=headers), 400)
            assert problem["detail"] == "populate: /api/recipes has no relation 'tags'"


ADA = {"list": lambda user: user == "ada", "read": lambda user: user == "ada"}


def by_its_name(name: str) -> Callable[[Live], None]:
    """Declares recipes and tags, and the table between by its name."""

    def declare(live: Live) -> None:
        cook()(live)
        live.add_table("/api/tagged", name, policy=ADA)

    return declare


def make_tagged(database: Tables, name: str) -> None:
    database.script(f"""
    CREATE TABLE {name} (
        recipe_id INTEGER NOT NULL, tag_name VARCHAR NOT NULL, "by" VARCHAR NOT NULL,
        PRIMARY KEY (recipe_id, tag_name)
    )
    """)


async def is_refused(client: httpx.AsyncClient) -> None:
    for path in ("/recipes?populate=tags", "/recipes/1?populate=tags", "/tags?populate=recipes"):
        is_problem(await client.get(path, headers={"X-User": "bea"}), 400)


async def test_a_table_between_that_is_offered_by_its_name_counts_as_its_resource_shows_it(
    database: Tables,
) -> None:
    make_tagged(database, "linked_tagged")
    async with served(database, by_its_name("linked_tagged")) as client:
        assert await tags_of(client, "ada") == [["green", "warm"], ["green"], []]
        await is_refused(client)


@only("sqlite", because="its names are the same in capitals")
async def test_a_table_between_that_is_offered_by_its_name_in_capitals_is_the_same(database: Tables) -> None:
    make_tagged(database, "LINKED_TAGGED")
    async with served(database, by_its_name("LINKED_TAGGED")) as client:
        await is_refused(client)


async def test_a_table_that_is_offered_in_another_release_alone_leads_nowhere_in_this(
    database: Tables,
) -> None:
    live = database.live(releases=["1.0.0", "2.0.0"])
    cook(versions="<2", policy=True)(live)
    transport = httpx.ASGITransport(live.app, raise_app_exceptions=False)
    async with live, httpx.AsyncClient(transport=transport, base_url="http://test/api") as client:
        for release, status in (("1", 200), ("2", 400)):
            answer = await client.get("/recipes?populate=tags", headers={"API-Version": release})
            assert answer.status_code == status, answer.text


@only("sqlite", because="a foreign key may be of another type there")
async def test_what_is_referred_to_may_be_offered_by_its_name(database: Tables) -> None:
    def declare(live: Live) -> None:
        live.add_resource("/api/cups", Cup, policy=True)
        live.add_table("/api/shelves", "linked_shelf", policy=ADA, exclude=["note"])

    made = """
    CREATE TABLE linked_shelf (number INTEGER PRIMARY KEY, name VARCHAR, note VARCHAR, made CHAR(32));
    INSERT INTO linked_shelf VALUES (7, 'top', 'secret', NULL);
    """
    database.script(made)
    rows = "INSERT INTO linked_cup (id, shelf, made) VALUES (1, 7, NULL)"
    async with served(database, declare, rows) as client:
        (cup,) = (await client.get("/cups?populate=place", headers={"X-User": "ada"})).json()
        assert cup["place"] == {"number": 7, "name": "top", "made": None}
        is_problem(await client.get("/cups?populate=place", headers={"X-User": "bea"}), 400)
        # Its values are others there than they are here.
        is_problem(await client.get("/cups?populate=made", headers={"X-User": "ada"}), 400)
        told = (await client.get("http://test/openapi.json")).json()
        assert "place" in told["components"]["schemas"]["Cup"]["properties"]
