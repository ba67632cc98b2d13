"""The collection's rules as data (tests/vectors/collection), run on the pure part of the Python collection."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from livecollections.collection.reading import Page, Reading
from livecollections.collection.state import DocumentState
from livecollections.collection.write import Write

from .mutants import LIBRARY
from .seqs import shorten, spell

FOLDER = Path(__file__).parent.parent / "vectors" / "collection"
CHANNEL = "/api/todos"
VECTORS = [
    (path.stem, vector) for path in sorted(FOLDER.glob("*.json")) for vector in json.loads(path.read_text())
]


class Run:
    """One vector: each kind of step is a method. library: as ``World`` takes it."""

    def __init__(self, vector: dict[str, Any], library: SimpleNamespace = LIBRARY) -> None:
        options = vector.get("options", {})
        self.query = options.get("query", {})
        seq = options.get("seq")
        self.replica = library.Replica(
            CHANNEL,
            library.Keys(),
            is_signal=bool(self.query),
            rows=options.get("rows", ()),
            seq=spell(seq) if seq else None,
        )
        self.writes = library.Writes(self.replica)
        self.log: list[str] = []
        self.readings: list[Reading] = []
        self.subscriptions: list[str | None] = []
        self.named: dict[str, Write] = {}
        self.origins: dict[str, str] = {}
        self.confirmed = False
        self.subscribe()
        self.replica.start()
        self.drain()

        for step in vector["steps"]:
            self.step(step)

    def step(self, step: dict[str, Any]) -> None:
        kind = next(iter(step))
        getattr(self, "do_" + kind)(step[kind], step)
        self.drain()

    def drain(self) -> None:
        asks = self.replica.take_asks()
        if asks.resume and not self.subscriptions:
            self.subscribe()
        for reading in asks.reads:
            self.leave(reading)
        self.replica.take_changes()

    def subscribe(self) -> None:
        since = self.replica.position
        self.subscriptions.append(since)
        self.log.append("subscribe" if since is None else f"subscribe since {shorten(since)}")

    def leave(self, reading: Reading) -> None:
        query = {**self.query, **(reading.query or {})}
        words = ["list", *(f"{name}={json.dumps(value)}" for name, value in query.items())]
        self.log.append(" ".join(words))
        self.readings.append(reading)

    def do_subscribed(self, seq: str | None, step: dict[str, Any]) -> None:
        since, is_reset = self.subscriptions.pop(0), bool(step.get("reset"))
        self.confirmed = True
        if seq is None:
            self.replica.began(None, False)
            return
        self.replica.began(spell(seq) if is_reset or since is None else since, is_reset)

    def do_list(self, rows: list[dict[str, Any]], step: dict[str, Any]) -> None:
        reading = self.readings.pop(0)
        kind = step.get("as", "whole")
        seq, until = (spell(step[name]) if name in step else None for name in ("seq", "until"))
        reading.pages.append(Page(rows, seq, until))
        if "created" in step:
            created = {self.origins[name]: {"id": key} for name, key in step["created"].items()}
            reading.created = {**(reading.created or {}), **created}
        if "next" in step:
            self.log.append(f"list page={step['next']}")
            self.readings.insert(0, reading)
            return
        reading.channel = None if kind == "unlabelled" else CHANNEL
        reading.is_signal = kind == "signal"
        self.replica.listed(reading)

    def do_push(self, batch: list[dict[str, Any]], step: dict[str, Any]) -> None:
        for message in batch:
            data = dict(message)
            if "seq" in message:
                data["seq"] = spell(message["seq"])
            if "prev" in message:
                data["prev"] = spell(message["prev"])
            if "origin" in message:
                data["origin"] = self.origins[message["origin"]]
            self.replica.heard(data)
        self.replica.settled()

    def do_connected(self, told: dict[str, str], step: dict[str, Any]) -> None:
        if "last" in told:
            self.replica.behind(spell(told["last"]))

    def do_rehandshake(self, _: bool, step: dict[str, Any]) -> None:
        self.replica.lost()
        self.subscribe()

    def do_create(self, fields: dict[str, Any], step: dict[str, Any]) -> None:
        name = step["name"]
        self.keep(name, self.writes.create(fields, name, optimistic=not step.get("wait")))

    def do_again(self, first: str, step: dict[str, Any]) -> None:
        write = self.named[first]
        self.writes.again(write, step["name"])
        self.keep(step["name"], write)

    def do_save(self, key: int, step: dict[str, Any]) -> None:
        name, fields, optimistic = step["name"], step["set"], not step.get("wait")
        if step.get("patch"):
            self.keep(name, self.writes.update(str(key), fields, name, optimistic=optimistic))
        else:
            document = {**self.state(key).shown, **fields}
            self.keep(name, self.writes.replace(str(key), document, name, optimistic=optimistic))

    def do_destroy(self, key: int, step: dict[str, Any]) -> None:
        name = step["name"]
        self.keep(name, self.writes.delete(str(key), name, optimistic=not step.get("wait")))

    def do_local(self, key: int, step: dict[str, Any]) -> None:
        self.writes.set_local(str(key), step["set"])

    def do_read(self, query: Any, step: dict[str, Any]) -> None:
        self.leave(self.replica.read(None if query is True else query))

    def do_answer(self, name: str, step: dict[str, Any]) -> None:
        seq = spell(step["seq"]) if "seq" in step else None
        if step["status"] < 300:
            self.writes.answered(self.named[name], step.get("body"), seq)
        else:
            self.writes.failed(self.named[name], step["status"], seq)

    def do_lose(self, name: str, step: dict[str, Any]) -> None:
        self.writes.failed(self.named[name], None)

    def do_expect(self, expected: dict[str, Any], step: dict[str, Any]) -> None:
        if "documents" in expected:
            shown = [state.published for state in self.replica.documents.shown()]
            assert sorted(shown, key=lambda one: (one or {}).get("id", 1e9)) == expected["documents"]
        if "position" in expected:
            assert shorten(self.replica.position) == expected["position"]
        if "live" in expected:
            is_live = self.confirmed and self.replica.is_joined
            assert ("live" if is_live else "connecting") == expected["live"]
        if "unsaved" in expected:
            unsaved = [int(one.key) for one in self.replica.documents if one.is_unsaved and one.key]
            assert unsaved == expected["unsaved"]
        if "asks" in expected:
            assert sorted(self.log) == sorted(expected["asks"])
            self.log.clear()
        if "asked" in expected:
            assert self.readings[0].asked == tuple(self.origins[name] for name in expected["asked"])
        if "origins" in expected:
            names = list(self.origins)
            pairs = [[one, two] for n, one in enumerate(names) for two in names[n + 1 :]]
            assert [pair for pair in pairs if len({self.origins[each] for each in pair}) == 1] == expected[
                "origins"
            ]

    def state(self, key: int) -> DocumentState:
        state: DocumentState | None = self.replica.documents.get(str(key))
        assert state is not None
        return state

    def keep(self, name: str, write: Write) -> None:
        verb = {"create": "POST", "update": "PATCH", "replace": "PUT", "delete": "DELETE"}[write.kind]
        self.log.append(verb if write.key is None else f"{verb} {write.key}")
        self.named[name] = write
        self.origins[name] = write.origin


@pytest.mark.parametrize(
    "vector", [pytest.param(each, id=f"{file}: {each['name']}") for file, each in VECTORS]
)
def test_the_vector_holds(vector: dict[str, Any]) -> None:
    Run(vector)


def test_there_are_vectors_of_each_rule_that_both_languages_share() -> None:
    assert len(VECTORS) >= 30
    assert {rule for _, vector in VECTORS for rule in vector["rules"]} == {1, 2, 3, 4, 6, 7}
