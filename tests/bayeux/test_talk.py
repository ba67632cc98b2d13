"""Random talk on a plain channel: each publish is heard once and in order, by those who are there, by nobody else.

Each history drives the real server with requests of which any answer may be lost. Whoever gets none asks again as
Faye's client does, with the same id, or says what has arrived, as CometD's does; and strangers come who know others'
clientIds. No history can tell anything again here: what the server loses is lost.
"""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import pytest

from livecollections.bayeux import Server
from livecollections.bayeux.connection import Connection

from ..scale import scaled
from .seeds import run_seeds
from .wire import VERSION, Headers, Open, cookie, request

CHAT = "/chat"
WORDS = ("yes", "no", "well")
STEPS = ("speak", "speak", "poll", "poll", "poll", "stranger")


class Named(Open):
    """Connections tell their user by a header."""

    async def identify(self, connection: Connection) -> Any:
        return connection.headers.get("x-user")


class Person:
    """One who talks, in a browser that keeps cookies.

    expected: what was said since he is there.  heard: what he was told.
    """

    def __init__(self, server: Server, name: str, chance: random.Random) -> None:
        self.server = server
        self.name = name
        self.expected: list[Any] = []
        self.heard: list[Any] = []
        self.headers: Headers = []
        self.client_id = ""
        self._chance = chance
        self._user = [("x-user", name)] if chance.random() < 0.5 else []
        self._acknowledges = chance.random() < 0.5
        self._batch = 0
        self._count = 0
        self._unanswered: dict[str, Any] | None = None
        self._unsaid: dict[str, Any] | None = None

    async def begin(self) -> None:
        ext = {"ext": {"ack": True}} if self._acknowledges else {}
        hello = {"channel": "/meta/handshake", "id": self._id(), **VERSION, **ext}
        (reply,) = (await request(self.server, [hello], headers=self._user)).messages
        self.client_id = reply["clientId"]
        self.headers = [*self._user, *cookie(self.server, self.client_id)]
        # Faye's ids are known to count up after some of them, and the cookie has been returned.
        for _ in range(3):
            await self.poll(is_lost=False)
        await self._ask(self._message("/meta/subscribe", subscription=CHAT))

    async def speak(self, *, is_lost: bool) -> list[Any]:
        """Say something, or again what nobody confirmed; the answer is what is new."""
        asked = self._unsaid or self._message(CHAT, data=[self.name, self._chance.choice(WORDS)])
        is_new = self._unsaid is None
        self._unsaid = asked if is_lost else None
        await self._ask(asked)
        return [asked["data"]] if is_new else []

    async def poll(self, *, is_lost: bool) -> None:
        """Connect, or again, as what was not answered."""
        asked = self._unanswered or self._message(
            "/meta/connect",
            connectionType="long-polling",
            advice={"timeout": 0},
            **({"ext": {"ack": self._batch}} if self._acknowledges else {}),
        )
        found = await self._ask(asked)
        self._unanswered = asked if is_lost else None
        for message in () if is_lost else found:
            if message["channel"] == CHAT and "data" in message:
                self.heard.append(message["data"])
            elif message["channel"] == "/meta/connect":
                self._batch = message.get("ext", {}).get("ack", self._batch)

    async def _ask(self, message: dict[str, Any]) -> list[Any]:
        found = (await request(self.server, [message], headers=self.headers)).messages
        assert all(one.get("successful", True) for one in found), f"{self.name} is refused: {found}"
        return found

    def _message(self, channel: str, **fields: Any) -> dict[str, Any]:
        return {"channel": channel, "clientId": self.client_id, "id": self._id(), **fields}

    def _id(self) -> str:
        self._count += 1
        return str(self._count)

    async def finish(self) -> None:
        for _ in range(3):
            await self.poll(is_lost=False)
        assert self.heard == self.expected, f"{self.name} heard {self.heard}, but was told {self.expected}"


async def intrude(victim: Person, others: list[Person], chance: random.Random) -> None:
    """Somebody speaks for a session of which he knows the clientId, and nothing else; he may be somebody here."""
    own = chance.choice([*others, None])
    headers = own.headers if own is not None else []
    fields: dict[str, Any] = chance.choice(
        [
            {"channel": "/meta/connect", "connectionType": "long-polling", "advice": {"timeout": 0}},
            {"channel": "/meta/disconnect"},
            {"channel": "/meta/subscribe", "subscription": "/other"},
            {"channel": CHAT, "data": "a lie"},
        ]
    )
    message = {"clientId": victim.client_id, "id": "1", **fields}
    found = (await request(victim.server, [message], headers=headers)).messages
    assert [one.get("successful") for one in found] == [False], (
        f"a stranger speaks for {victim.name}: {found}"
    )


async def run(seed: int, happened: Counter[str]) -> None:
    chance = random.Random(seed)
    server = Server(timeout=2, policy=Named())
    people = [Person(server, name, chance) for name in ("ann", "bob", "cid")[: chance.randint(2, 3)]]
    try:
        for person in people:
            await person.begin()
        for _ in range(chance.randint(20, 50)):
            step, person, is_lost = chance.choice(STEPS), chance.choice(people), chance.random() < 0.3
            happened[f"{step}, and the answer is lost" if is_lost else step] += 1
            if step == "poll":
                await person.poll(is_lost=is_lost)
            elif step == "stranger":
                await intrude(person, [one for one in people if one is not person], chance)
            else:
                said = await person.speak(is_lost=is_lost)
                for one in people:
                    one.expected += said
        for person in people:
            await person.finish()
    finally:
        await server.close()


@pytest.mark.parametrize("part", range(2))
async def test_all_is_heard_once_by_those_who_are_there(part: int) -> None:
    await run_seeds(run, part, scaled(50, 1_000), 30)
