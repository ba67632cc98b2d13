"""A Live with users and an inspector for one of them, served; and what its stream tells somebody who looks."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from sqlmodel import Field, SQLModel
from starlette.requests import HTTPConnection

from livecollections import Live
from livecollections.bayeux import Policy, Server
from livecollections.testing import Site


class Note(SQLModel, table=True):
    """A row of its owner, with a field that only admins see."""

    __tablename__ = "inspector_note"
    id: int | None = Field(default=None, primary_key=True)
    owner: int
    text: str = Field(default="", max_length=20)
    grade: int = 0


class Entry(SQLModel, table=True):
    """A row that all who are known see."""

    __tablename__ = "inspector_entry"
    id: int | None = Field(default=None, primary_key=True)
    text: str = Field(default="", max_length=20)
    secret: int = 0


@dataclass
class User:
    """Equal to whoever has the same id, whatever his rights are."""

    id: int
    is_admin: bool = field(default=False, compare=False)


@dataclass
class House:
    """A site, and its users by token, whom a test may change."""

    site: Site
    users: dict[str, User]

    def client(self, token: str = "") -> httpx.Client:
        """Somebody's."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return httpx.Client(base_url=self.site.url, headers=headers, timeout=15)

    @contextmanager
    def watching(self, token: str) -> Iterator[Iterator[tuple[str, Any]]]:
        """What the stream tells somebody: names and data, in order; it ends when the stream does."""
        with (
            self.client(token) as client,
            client.stream("GET", "/live/inspector/events") as answer,
        ):
            assert answer.status_code == 200
            yield events(answer.iter_lines())


def events(lines: Iterator[str]) -> Iterator[tuple[str, Any]]:
    """Those of a stream of lines."""
    name = ""
    for line in lines:
        kind, _, text = line.partition(": ")
        if kind == "event":
            name = text
        elif kind == "data":
            yield name, json.loads(text)


def first(
    told: Iterator[tuple[str, Any]], name: str, holds: Callable[[Any], bool] = lambda data: True
) -> Any:
    """The next event of a name of which something holds; something is told each second."""
    passed = []
    deadline = time.monotonic() + 20
    for each, data in told:
        if each == name and holds(data):
            return data
        passed.append((each, data))
        assert time.monotonic() < deadline, passed
    raise AssertionError(f"it ended: {passed}")


def make_live(users: Mapping[str, User], inspector: Any) -> Live:
    """A Live whose users bring a token."""

    async def authenticate(connection: HTTPConnection, ext: Mapping[str, Any]) -> User | None:
        bearer = connection.headers.get("authorization", "").removeprefix("Bearer ")
        return users.get(ext.get("token") or bearer)

    server = Server(policy=Policy(subscribe=["/open/**"]))
    live = Live("sqlite://", authenticate=authenticate, inspector=inspector, bayeux=server)
    live.add_resource("/api/notes", Note, partition="owner", by=lambda user: user.id)
    live.add_resource(
        "/api/entries",
        Entry,
        policy={"list": lambda user: user is not None, "create": True, "update": lambda user: user.is_admin},
        hidden={"secret": lambda user: not user.is_admin},
    )
    return live


@pytest.fixture
def house() -> Iterator[House]:
    """Ann and Bob may look; Bob is an admin of entries. Cid may not."""
    users = {"ann": User(1), "bob": User(2, is_admin=True), "cid": User(3)}
    live = make_live(users, lambda user: user is not None and user.id != 3)
    with Site(live) as site:
        yield House(site, users)
