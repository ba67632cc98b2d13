"""Findings of the correctness review that concern MongoDB alone; the number of each is in its name."""

from __future__ import annotations

from typing import Any

import pymongo
from pymongo.monitoring import CommandFailedEvent, CommandListener, CommandStartedEvent, CommandSucceededEvent

from livecollections.stores.base import Write
from livecollections.stores.mongo import MongoStore

from .server import client, database_url
from .test_stream import Todo, opened, told


class Concerns(CommandListener):
    """Notes what is asked of the server with each write of a document, and each commit."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Any]] = []

    def started(self, event: CommandStartedEvent) -> None:
        command = event.command
        concern = command.get("writeConcern")
        in_transaction = "autocommit" in command and event.command_name != "commitTransaction"
        if event.command_name in ("insert", "update", "delete", "commitTransaction") and not in_transaction:
            name = command[event.command_name]
            if name in ("todos", 1):
                self.asked.append((event.command_name, concern and concern.get("w")))

    def succeeded(self, event: CommandSucceededEvent) -> None:
        pass

    def failed(self, event: CommandFailedEvent) -> None:
        pass


async def test_finding_8_no_failover_takes_back_what_was_answered() -> None:
    """With ``w: 1``, whatever the URL says, a client would keep a phantom."""
    concerns, url = Concerns(), database_url()
    options: dict[str, Any] = {
        "event_listeners": [concerns],
        "tz_aware": True,
        "uuidRepresentation": "standard",
    }
    async with pymongo.AsyncMongoClient[dict[str, Any]](url, w=1, **options) as connected:
        store = MongoStore(connected.get_default_database())
        source = store.describe(Todo)
        await store.start([source])
        try:
            concerns.asked.clear()
            for key, change in ((None, {"id": 1, "title": "a"}), ((1,), {"title": "b"}), ((1,), None)):
                await store.write(Write(source, key, lambda row, change=change: change))  # type: ignore[misc]
        finally:
            await store.stop()
    assert concerns.asked == [("insert", "majority"), *[("commitTransaction", "majority")] * 2]


async def test_finding_16_a_place_is_the_same_in_every_process_whatever_it_serves() -> None:
    url = database_url()
    few = MongoStore(url)
    await few.start([few.describe(Todo)])
    try:
        async with opened(url) as many:
            start = await many.head()
            with client(url) as other, other.start_session() as session, session.start_transaction():
                database = other.get_default_database()
                for number in range(3):
                    database["live_tags"].insert_one({"_id": number}, session=session)
                    database["todos"].insert_one({"_id": number, "title": "a"}, session=session)
            seqs = [
                [change.seq for change in await told(store, start) if change.source == "todos"]
                for store in (few, many)
            ]
            assert seqs[0] == seqs[1]
            assert len(set(seqs[0])) == 3
    finally:
        await few.stop()
