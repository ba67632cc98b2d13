"""Histories of writers: each remembers what he saw, and writes by it, while others and strangers write too.

What must be answered follows from the table as it is and from what the writer remembers: a write that names the state
it was based on is done if and only if that is still so; of several documents all are written or none; what is refused
has changed nothing, in no table.
"""

from __future__ import annotations

import asyncio
from random import Random
from typing import Any

import httpx
from sqlmodel import Field, SQLModel

from tests.databases.database import Database

NOTES, CAREFUL, COUNTED = "/api/notes", "/api/careful", "/api/counted"
ORDERS = (0, 1)


class Note(SQLModel, table=True):
    __tablename__ = "writers_note"
    id: int | None = Field(default=None, primary_key=True)
    title: str = Field(unique=True, min_length=1)
    order: int = 0
    version: int = 0


Rows = dict[int, dict[str, Any]]


class Story:
    """One drawn history. done: how often something was done, and refused, by what it was."""

    def __init__(self, seed: int, client: httpx.AsyncClient, database: Database) -> None:
        self.random = Random(seed)
        self.client = client
        self.database = database
        self.number = 0
        self.seen: dict[int, tuple[str, dict[str, Any]]] = {}
        self.listed: dict[str, tuple[str, Any, int]] = {}
        self.done = {"written": 0, "refused": 0}

    async def tell(self, steps: int) -> None:
        """Play it."""
        await self.bulk()
        drawn = (self.look, self.look, self.look_at_list, self.write, self.write, self.count, self.race, self.bulk,
                 self.sweep, self.stranger)  # fmt: skip
        for _ in range(steps):
            await self.random.choice(drawn)()

    # What there is

    def rows(self) -> Rows:
        """The table as it is."""
        return {row["id"]: row for row in self.database.rows(Note)}

    async def ask(self, verb: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        """Ask, and check that what is refused is not done."""
        before = self.database.held()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = await self.client.request(verb, path, json=body, headers=named)
        where = f"{verb} {path} {body} {named}: {answer.status_code} {answer.text[:200]}"
        assert answer.status_code < 500, where
        self.done["refused" if answer.status_code >= 400 else "written"] += verb != "GET"
        if answer.status_code >= 400:
            assert self.database.held() == before, f"something of it was done: {where}"
        return answer

    def fresh(self) -> int:
        self.number += 1
        return self.number

    # What happens

    async def look(self) -> None:
        """Read a document, unless it is as it was seen."""
        known = {"If_None_Match": self.seen[id_][0]} if (id_ := self.any_id()) in self.seen else {}
        answer = await self.ask("GET", f"{NOTES}/{id_}", **known)
        row = self.rows().get(id_)
        if row is None:
            assert answer.status_code == 404
        elif known and self.seen[id_][1] == row:
            assert answer.status_code == 304, "it is as it was seen"
        else:
            assert answer.status_code == 200, f"it is another than was seen: {answer.status_code}"
            assert answer.json() == row
            self.seen[id_] = answer.headers["etag"], row

    async def look_at_list(self) -> None:
        """Read a list, unless it is as it was seen."""
        url = self.any_list()
        known = {"If_None_Match": self.listed[url][0]} if url in self.listed else {}
        answer = await self.ask("GET", url, **known)
        shown = self.matching(url)
        if answer.status_code == 304:
            assert self.listed[url][1] == shown, "a list that has changed is told as unchanged"
            return
        assert (answer.status_code, answer.json()) == (200, shown)
        self.listed[url] = answer.headers["etag"], shown, self.database.version()

    async def write(self) -> None:
        """Change or delete a document, if it is as it was seen."""
        id_ = self.any_id()
        verb = self.random.choice(("PATCH", "PATCH", "PUT", "DELETE"))
        path = self.random.choice((NOTES, CAREFUL))
        has_seen = id_ in self.seen and self.random.random() < 0.8
        match = {"If_Match": self.seen[id_][0]} if has_seen else {}
        before, number = self.rows().get(id_), self.fresh()
        body = {"title": f"w{number}", "order": number} if verb == "PUT" else {"order": number}
        answer = await self.ask(verb, f"{path}/{id_}", None if verb == "DELETE" else body, **match)
        after = self.rows().get(id_)
        if path == CAREFUL and not match:
            assert answer.status_code == 428
        elif before is None:
            assert answer.status_code == 404
        elif match and self.seen[id_][1] != before:
            assert answer.status_code == 412, f"it was another when it was written: {answer.status_code}"
        else:
            assert answer.is_success, answer.text
            wanted = (
                None
                if verb == "DELETE"
                else {**before, **body, "version": 0 if verb == "PUT" else before["version"]}
            )
            assert after == wanted
            if after is not None:
                assert answer.json() == after
                self.seen[id_] = answer.headers["etag"], after

    async def count(self) -> None:
        """Change a document by the version that was seen."""
        id_, number = self.any_id(), self.fresh()
        before = self.rows().get(id_)
        version = self.seen[id_][1]["version"] if id_ in self.seen else 0
        answer = await self.ask("PATCH", f"{COUNTED}/{id_}", {"order": number, "version": version})
        if before is None:
            assert answer.status_code == 404
        elif before["version"] != version:
            assert answer.status_code == 409, "another version was seen"
        else:
            assert answer.status_code == 200
            assert self.rows()[id_] == {**before, "order": number, "version": version + 1}

    async def race(self) -> None:
        """Several who saw the same change it at once."""
        id_ = self.any_id()
        if id_ not in self.seen:
            return
        tag, row = self.seen[id_]
        is_as_seen = self.rows().get(id_) == row
        orders = [self.fresh() for _ in range(3)]
        answers = await asyncio.gather(
            *(
                self.client.patch(f"{NOTES}/{id_}", json={"order": order}, headers={"If-Match": tag})
                for order in orders
            )
        )
        won = [order for order, answer in zip(orders, answers, strict=True) if answer.is_success]
        assert len(won) == is_as_seen, f"{len(won)} of three who saw the same have written"
        if won:
            assert self.rows()[id_]["order"] == won[0]

    async def bulk(self) -> None:
        """Create several, of which some may be wrong, and perhaps ask the same again."""
        drawn, before = self.random, self.rows()
        bodies: list[Any] = [self.note(before) for _ in range(drawn.randrange(1, 5))]
        wrong = {
            place
            for place, body in enumerate(bodies)
            if not isinstance(body.get("title"), str) or "x" in body
        }
        titles = [body.get("title") for body in bodies]
        taken = {row["title"] for row in before.values()}
        key = {"Idempotency_Key": f"k{self.fresh()}"} if drawn.random() < 0.5 else {}
        answer = await self.ask("POST", NOTES, bodies, **key)
        if wrong:
            assert answer.status_code == 422
            told = {int(fault["pointer"].split("/")[1]) for fault in answer.json()["errors"]}
            assert told == wrong, f"what is wrong is told of {told}, and not of {wrong}"
            return
        if len({*titles}) < len(titles) or taken & {*titles}:
            assert answer.status_code == 409
            return
        assert answer.status_code == 201, answer.text
        created = {id_: row for id_, row in self.rows().items() if id_ not in before}
        assert [row["title"] for row in created.values()] == titles, "they are created in their order"
        assert answer.json() == [*created.values()]
        if key:
            held = self.database.held()
            again = await self.ask("POST", NOTES, bodies, **key)
            assert (again.status_code, again.json()) == (201, answer.json())
            assert self.database.held() == held, "a repeated request is done once"

    async def sweep(self) -> None:
        """Delete what a list shows, if that is as it was seen."""
        url = self.any_list()
        known = self.listed.get(url) if self.random.random() < 0.8 else None
        if known is None and self.random.random() < 0.5:
            return
        before, shown, version = self.rows(), self.matching(url), self.database.version()
        answer = await self.ask("DELETE", url, **({"If_Match": known[0]} if known else {}))
        if known and (known[2] != version if self.database.tells_versions else known[1] != shown):
            assert answer.status_code == 412, f"the list was another: {answer.status_code}"
            return
        assert (answer.status_code, answer.json()) == (200, len(shown))
        gone = {row["id"] for row in shown}
        assert self.rows() == {id_: row for id_, row in before.items() if id_ not in gone}

    async def stranger(self) -> None:
        """Somebody writes to the database itself."""
        id_, number = self.any_id(), self.fresh()
        counted = {"version": self.rows().get(id_, {"version": 0})["version"] + 1}
        change = self.random.choice(({"order": number}, {"order": self.random.choice(ORDERS)}, counted, None))
        if change is None:
            self.database.delete(Note, id=id_)
        else:
            self.database.update(Note, change, id=id_)

    # Draws

    def any_id(self) -> int:
        known = [*self.rows()]
        return self.random.choice(known[-4:]) if known and self.random.random() < 0.9 else 1

    def any_list(self) -> str:
        return self.random.choice((NOTES, *(f"{NOTES}?order={order}" for order in ORDERS)))

    def matching(self, url: str) -> list[dict[str, Any]]:
        order = url.partition("=")[2]
        return [row for row in self.rows().values() if not order or row["order"] == int(order)]

    def note(self, rows: Rows) -> dict[str, Any]:
        """A document, which may be wrong."""
        drawn = self.random.random()
        note: dict[str, Any] = {"title": f"n{self.fresh()}", "order": self.random.choice(ORDERS)}
        if drawn < 0.06:
            del note["title"]
        elif drawn < 0.1:
            note["x"] = 1
        elif drawn < 0.16 and rows:
            note["title"] = self.random.choice([*rows.values()])["title"]
        return note


async def tell(seed: int, database: Database, steps: int = 30) -> Story:
    """Play the history of a seed. Raises AssertionError."""
    live = database.live()
    live.add_resource(NOTES, Note, delete_all=True)
    live.add_resource(CAREFUL, Note, require_if_match=True)
    live.add_resource(COUNTED, Note, locking="version")
    transport = httpx.ASGITransport(live.app, raise_app_exceptions=False)
    async with live, httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        story = Story(seed, client, database)
        await story.tell(steps)
    return story
