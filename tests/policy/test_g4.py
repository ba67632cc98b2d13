"""G4 as a property: what is heard is what GET shows, field by field and row by row, whoever may see what.

Policies, users, partitions and writes are drawn. Each user holds a list as the collections do: read once, at its seq,
and then changed by what he hears; when his rights change he is told to come back. After each step his list is what GET
shows him, and nothing that he was told shows what he may not see.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import Any

from livecollections import Live
from livecollections.cause import Cause
from livecollections.policy import ACTIONS
from livecollections.resource import METHODS
from tests.databases.database import Database
from tests.databases.fixtures import stories
from tests.scale import scaled
from tests.serving import wait_until

from .conftest import Heard, Sheet, Site, User, Users, started

PATH = "/api/sheets"
NESTED = "/api/owners/{owner}/sheets"
FIELDS = ("title", "secret", "grade")
TOKENS = ("ann", "bob", "cem", None)
OWNERS = (1, 2, 3, None)


@dataclass
class Rules:
    """Who sees what, by rank: a user's, which changes; -1 is a stranger's."""

    least: dict[str, int]
    hidden: dict[str, int]

    def may(self, action: str) -> Callable[[Any], bool]:
        return lambda user: rank(user) >= self.least[action]

    def hides(self, name: str) -> Callable[[Any], bool]:
        return lambda user: rank(user) < self.hidden[name]


def rank(user: Any) -> int:
    return -1 if user is None else len(user.rooms)


@dataclass
class Reader:
    """A user with his list. position: up to where he has been told.  changes: of his rights, before his list."""

    token: str | None
    path: str
    hearing: Heard | None = None
    channel: str | None = None
    position: str = ""
    changes: int = 0
    documents: dict[int, dict[str, Any]] = field(default_factory=dict)


class Story:
    """One drawn site, its users, and what happens to them."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        draw = self.random
        self.rules = Rules(
            {action: draw.choice((-1, 0, 1)) for action in ACTIONS},
            {name: draw.choice((0, 1, 2)) for name in FIELDS if draw.random() < 0.6},
        )
        self.kind = draw.choice(("whole", "partition", "nested"))
        # Of its own, so that the rest of a story is the same whatever is served.
        self.methods = methods_of(Random(-1 - seed))
        self.site: Site
        self.readers: list[Reader] = []
        self.number = 0
        self.heard = self.moved = self.done = 0
        self.changes: Counter[str | None] = Counter()

    def declare(self, live: Live) -> None:
        rules = self.rules
        options: dict[str, Any] = {
            "policy": {action: rules.may(action) for action in rules.least},
            "hidden": {name: rules.hides(name) for name in rules.hidden},
            "methods": self.methods,
        }
        if self.kind == "partition":
            options |= {"partition": "owner", "by": lambda user: user.id}
        live.add_resource(NESTED if self.kind == "nested" else PATH, Sheet, **options)

    async def play(self, site: Site, steps: int) -> None:
        self.site = site
        site.users.by_token = {"ann": self.user(1), "bob": self.user(2), "cem": self.user(3)}
        await self.write()
        for token in TOKENS:
            path = NESTED.format(owner=self.random.choice((1, 2))) if self.kind == "nested" else PATH
            self.readers.append(Reader(token, path))
        for _ in range(steps):
            await self.random.choice((self.write, self.write, self.ask, self.ask, self.promote))()
            if self.random.random() < 0.2:
                # What happens meanwhile is told later, from the log.
                await self.cut(self.random.choice(self.readers))
            if self.random.random() < 0.7:
                await self.check()
        await self.check()
        assert site.live.bayeux.statistics().resets.keys() <= {Cause.VIEW_CHANGED}

    # What happens

    def user(self, id_: int) -> User:
        return User(id_, rooms=("x",) * self.random.choice((0, 1, 2)))

    async def promote(self) -> None:
        token = self.random.choice(("ann", "bob", "cem"))
        before = self.site.users.by_token[token]
        self.site.users.by_token[token] = after = self.user(before.id)
        self.changes[token] += rank(before) != rank(after)

    async def write(self) -> None:
        for _ in range(self.random.choice((1, 1, 2, 5))):
            self.number += 1
            name, value = self.random.choice(FIELDS), self.random.choice((self.number, self.number % 2))
            id_, owner = self.random.randrange(1, 5), self.random.choice(OWNERS)
            made = {"id": id_, "title": f"t{self.number}", "secret": self.number, "owner": owner}
            changed = {name: str(value) if name == "title" else value}
            database = self.site.database
            write: Callable[[], None] = self.random.choice(
                (
                    partial(database.insert, Sheet, made),
                    partial(database.update, Sheet, changed, id=id_),
                    partial(database.update, Sheet, changed),
                    partial(database.update, Sheet, {"owner": owner}, id=id_),
                    partial(database.delete, Sheet, id=id_),
                )
            )
            with suppress(*database.refusals):
                write()

    async def ask(self) -> None:
        """Somebody writes by REST: what he may, in his own partition, what he sees; else nothing is changed."""
        reader = self.random.choice(self.readers)
        user = self.site.users.by_token.get(reader.token or "")
        action = self.random.choice(("create", "update", "delete"))
        self.number += 1
        name = self.random.choice(FIELDS)
        sent = {name: f"t{self.number}" if name == "title" else self.number}
        before = self.rows()
        path = reader.path if action == "create" else f"{reader.path}/{self.random.randrange(1, 5)}"
        async with self.site.client(reader.token) as client:
            verb = {"create": "POST", "update": "PATCH", "delete": "DELETE"}[action]
            answer = await client.request(verb, path, json=None if action == "delete" else sent)
        after = self.rows()
        touched = {id_ for id_ in before.keys() | after.keys() if before.get(id_) != after.get(id_)}
        where = f"{self.kind}, {self.rules}, {reader.token}: {verb} {path} {sent}: {answer.status_code} {answer.text}"
        if answer.status_code >= 400:
            assert not touched, where
            return
        self.done += 1
        assert rank(user) >= self.rules.least[action], where
        for row in [rows[id_] for id_ in touched for rows in (before, after) if id_ in rows]:
            assert self.kind == "whole" or row["owner"] == self.owner(reader), where
        if action != "delete":
            assert self.sees(user, name), where
            assert all(
                before[id_][other] == after[id_][other]
                for id_ in touched & before.keys()
                for other in FIELDS
                if other != name
            )

    def rows(self) -> dict[int, dict[str, Any]]:
        """The table as it is."""
        return {row["id"]: row for row in self.site.database.rows(Sheet)}

    def owner(self, reader: Reader) -> int | None:
        user = self.site.users.by_token.get(reader.token or "")
        own = None if user is None else user.id
        return int(reader.path.split("/")[3]) if self.kind == "nested" else own

    def sees(self, user: Any, name: str) -> bool:
        return rank(user) >= self.rules.hidden.get(name, -1)

    async def cut(self, reader: Reader) -> None:
        if reader.hearing is not None:
            await reader.hearing.socket.cut()
            reader.hearing = None

    # What has to be so

    async def check(self) -> None:
        for user in [*self.site.users.by_token.values()]:
            await self.site.live.recheck(user)
        await self.site.settled()
        for reader in self.readers:
            await self.follow(reader)
            shown, channel, _ = await self.get(reader)
            where = f"{self.kind}, {self.rules}, {reader.token} at {reader.path}"
            assert (channel is not None) == (reader.hearing is not None), where
            if channel is None:
                await self.check_deaf(reader, where)
            else:
                assert self.held(reader) == shown, where
                assert reader.channel == channel, where

    def held(self, reader: Reader) -> dict[int, dict[str, Any]]:
        """His list, as far as it has to be what GET shows."""
        return reader.documents

    async def check_deaf(self, reader: Reader, where: str) -> None:
        """Who may not GET hears on no channel that there is."""
        hearing = await self.site.hear(reader.token)
        for views in self.site.live._require_start().views:
            own = views.segments({"owner": self.owner(reader) or 1}) or ()
            base = views.resource.channel.format(*own)
            for channel in (base, *(base + suffix for suffix in views._suffixes.values())):
                assert not (await hearing.subscribe(channel))["successful"], where
        await hearing.socket.cut()

    async def follow(self, reader: Reader) -> None:
        """Hear all that there is, coming back as often as it takes."""
        while True:
            if reader.hearing is not None and reader.hearing.id not in self.site.live.bayeux.sessions:
                reader.hearing = None
            if reader.hearing is None and not await self.come_back(reader):
                return
            assert reader.hearing is not None
            # What was published before this answer has come before it.
            reply = await reader.hearing.ask("/meta/unsubscribe", subscription="/nothing/here")
            if reply["successful"]:
                break
            reader.hearing = None
        for message in reader.hearing.taken():
            await self.apply(reader, message)

    async def come_back(self, reader: Reader) -> bool:
        reader.hearing = await self.site.hear(reader.token)
        for _ in range(3):
            if reader.channel is not None:
                reply = await reader.hearing.subscribe(reader.channel, reader.position)
                if reply["successful"] and "reset" not in reply["ext"]["live"]:
                    return await self.catch_up(reader)
                assert self.changes[reader.token] > reader.changes, (
                    f"{reader.token} reads again, and nothing is the cause"
                )
                self.moved += 1
            reader.changes = self.changes[reader.token]
            shown, channel, seq = await self.get(reader)
            reader.documents, reader.channel, reader.position = shown, channel, seq
            if channel is None:
                await self.cut(reader)
                return False
        raise AssertionError(f"{reader.token} may GET what he can't hear")

    async def catch_up(self, reader: Reader) -> bool:
        """Wait until all is told that the log has for him."""
        assert reader.hearing is not None
        session = self.site.live.bayeux.sessions[reader.hearing.id]
        await wait_until(lambda: session.has_ended or not (session.is_behind or session.queue))
        return True

    async def apply(self, reader: Reader, message: dict[str, Any]) -> None:
        assert message["channel"] == reader.channel
        assert message["seq"] > reader.position
        assert message.get("prev", "") <= reader.position, "there is no gap"
        reader.position = message["seq"]
        self.heard += 1
        await self.take(reader, message["method"], message.get("body", {}))

    async def take(self, reader: Reader, method: str, body: dict[str, Any]) -> None:
        assert method != "RESET"
        self.check_shown(reader, body)
        if method == "DELETE":
            assert body["id"] in reader.documents, "nobody hears of what he did not see"
            del reader.documents[body["id"]]
        else:
            was = reader.documents.get(body["id"])
            assert (was is None) == (method == "POST")
            assert was != body or not self.rules.hidden, "a change of what he does not see is no message"
            reader.documents[body["id"]] = body

    def check_shown(self, reader: Reader, document: dict[str, Any]) -> None:
        user = self.site.users.by_token.get(reader.token or "")
        seen = {name for name in FIELDS if self.sees(user, name)}
        assert document.keys() == {"id", "owner", *seen}
        assert self.kind == "whole" or document["owner"] == self.owner(reader)

    async def get(self, reader: Reader) -> tuple[dict[int, dict[str, Any]], str | None, str]:
        async with self.site.client(reader.token) as client:
            answer = await client.get(reader.path)
        if answer.status_code != 200 or "live-channel" not in answer.headers:
            assert answer.status_code in (200, 401, 403) or "GET" not in self.methods
            return {}, None, ""
        user = self.site.users.by_token.get(reader.token or "")
        for document in answer.json():
            assert not any(
                rank(user) < self.rules.hidden[name] for name in document if name in self.rules.hidden
            )
        documents = {document["id"]: document for document in answer.json()}
        return documents, answer.headers["live-channel"], answer.headers["live-seq"]


def methods_of(draw: Random) -> list[str]:
    """All, or some: now and then GET is not among them."""
    return [verb for verb in METHODS if draw.random() < 0.8] or ["POST"]


async def tell(seed: int, database: Database) -> Story:
    story = Story(seed)
    async with started(database, story.declare, Users()) as site:
        await story.play(site, scaled(15, 40))
    return story


@stories(6, 2, sqlite=scaled(12, 96), postgres=scaled(3, 12), mongo=scaled(3, 6))
async def test_what_is_heard_is_what_get_shows(seeds: range, databases: Callable[[], Database]) -> None:
    told = [await tell(seed, databases()) for seed in seeds]
    # A search in which nobody hears, may write, or sees other things than before, finds nothing.
    assert sum(story.heard for story in told) > 3 * len(seeds)
    assert sum(story.moved for story in told) > len(seeds) // 3
    assert sum(story.done for story in told) > len(seeds) // 3
