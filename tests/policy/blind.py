"""Histories of one who may change a document and not read it: what he is answered is the same, whatever is stored."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import httpx
from sqlmodel import JSON, BigInteger, Column, Field, SQLModel

from livecollections import Live
from tests.databases.database import Database

from .conftest import Site, Users, started

NOTES = "/api/blind"
PATCH = {"Content-Type": "application/json-patch+json"}


class BlindNote(SQLModel, table=True):
    __tablename__ = "policy_blind"
    id: int | None = Field(default=None, primary_key=True)
    slug: str = Field(default="s", unique=True)
    title: str = ""
    number: int = Field(default=0, sa_type=BigInteger)
    stamp: int = 0
    words: Any = Field(default=None, sa_column=Column(JSON))
    version: int = 0


ROWS: tuple[dict[str, Any], ...] = (
    {"title": "a", "number": 5, "stamp": 7, "words": ["x"], "version": 1},
    {"title": "b", "number": -5, "stamp": 8, "words": {"a": 1}, "version": 2},
    {"title": "c", "number": 2**62, "stamp": 9, "words": None, "version": 3},
)
"""What the same request must be answered alike on."""
POLICY: dict[str, Any] = {
    "list": lambda user: user is not None,
    "read": lambda user: user is not None,
    "update": True,
    "delete": True,
}


FIELDS = ("id", "slug", "title", "number", "stamp", "words", "version")
VALUES: dict[str, list[Any]] = {
    "id": [1, 2],
    "slug": ["s"],
    "words": [["x"], {"a": 1}, {"b": 2}, "x", None],
    **{name: [row[name] for row in ROWS] + ["x"] for name in ("title", "number", "stamp", "version")},
}
OPERATORS = ("$set", "$set", "$unset", "$inc", "$push", "$pull", "$addToSet", "$pop")


def declare(live: Live, **options: Any) -> None:
    """Offer it; only who is known may read."""
    live.add_resource(
        NOTES, BlindNote, policy=POLICY, read_only=["stamp"], operators=list(FIELDS[1:]), **options
    )


def put(site: Site, row: dict[str, Any], key: str = "1") -> None:
    """Have this one, under this key of the URL; where that is its slug, its id is another than the others'."""
    id_ = 1 if key == "1" else row["stamp"] - 6
    site.database.delete(BlindNote)
    site.database.insert(BlindNote, {**row, "id": id_, "slug": "s"})


async def answers(
    site: Site, client: httpx.AsyncClient, verb: str, body: Any, headers: dict[str, str], key: str = "1"
) -> set[tuple[int, str]]:
    """The answers to one request, whatever the row is."""
    found = set()
    for row in ROWS:
        put(site, row, key)
        content = None if body is None else json.dumps(body)
        sent = {"Content-Type": "application/json", **headers}
        answer = await client.request(verb, f"{NOTES}/{key}", content=content, headers=sent)
        found.add((answer.status_code, answer.text))
    return found


# --- drawn --------------------------------------------------------------------------------------------------


def drawn_body(random: Random) -> tuple[str, Any, dict[str, str]]:
    """The method, the body and the headers of a request that may guess at what is stored."""
    names = random.sample(FIELDS, random.choice((1, 1, 2)))
    kind = random.choice(("merge", "operators", "steps", "put", "delete"))
    if kind == "delete":
        return "DELETE", None, {}
    if kind in ("merge", "put"):
        return (
            "PATCH" if kind == "merge" else "PUT",
            {name: random.choice(VALUES[name]) for name in names},
            {},
        )
    if kind == "operators":
        operator, name = random.choice(OPERATORS), names[0] + random.choice(("", "", ".0", ".a"))
        operand = {"$inc": 2**61, "$pop": 1}.get(operator, random.choice(VALUES[names[0]]))
        return "PATCH", {operator: {name: operand}}, {}
    step = {
        "op": random.choice(("add", "replace", "remove", "test", "copy")),
        "path": f"/{names[0]}{random.choice(('', '', '/0', '/a', '/-'))}",
        "from": f"/{names[-1]}",
        "value": random.choice(VALUES[names[0]]),
    }
    return "PATCH", [step], PATCH


async def tell(seed: int, database: Database, steps: int = 25) -> set[int]:
    """Play the history of a seed; the answer is the statuses that were met. Raises AssertionError."""
    random = Random(seed)
    options: dict[str, Any] = ({}, {"find_by": "slug"}, {"locking": "version"})[seed % 3]
    met: set[int] = set()
    async with started(database, lambda live: declare(live, **options), Users()) as site:
        key = "s" if "find_by" in options else "1"
        async with site.client("ann") as ann, site.client() as stranger:
            tags = ["*", '"other"']
            for row in ROWS:
                put(site, row, key)
                tags.append((await ann.get(f"{NOTES}/{key}")).headers["etag"])
            for _ in range(steps):
                verb, body, headers = drawn_body(random)
                if random.random() < 0.3:
                    headers = {
                        **headers,
                        random.choice(("If-Match", "If-None-Match")): random.choice(tags),
                    }
                found = await answers(site, stranger, verb, body, headers, key)
                assert len(found) == 1, f"{verb} {body} {headers} guesses: {sorted(found)}"
                met.add(next(iter(found))[0])
    return met
