"""What the stream tells somebody who looks: what he may list and hear, and of the rest how much there is."""

from __future__ import annotations

import json
from typing import Any

import pytest

from livecollections.bayeux import Client
from livecollections.inspector.onlooker import TRANSPORT
from livecollections.inspector.sample import INTERVAL, Sampler
from livecollections.testing.waiting import wait_until

from .conftest import House, first


async def test_counts_follow_a_client_that_subscribes_and_goes(house: House) -> None:
    with house.watching("ann") as told:
        before = first(told, "moment")
        assert (before["channels"], before["transports"], before["sessions"]) == ({}, {}, [])
        async with (
            house.site.client(token="ann", headers={"Authorization": "Bearer ann"}) as client,
            client.collection("/api/entries"),
        ):
            moment = first(told, "moment", lambda data: data["channels"])
            [(name, count)] = moment["channels"].items()
            assert (name.partition("/~view")[0], count) == ("/api/entries", 1)
            assert moment["transports"] == {"websocket": 1}
            [session] = moment["sessions"]
            assert (session["transport"], session["subscriptions"], session["behind"]) == ("websocket", 1, 0)
        after = first(told, "moment", lambda data: not data["channels"])
        assert after["subscriptions"] == 0


def test_the_last_changes_are_told_with_their_seqs(house: House) -> None:
    with house.client("bob") as bob:
        seqs = [bob.post("/api/entries", json={"text": text}).headers["live-seq"] for text in "ab"]
        with house.watching("bob") as told:
            assert [each["seq"] for each in first(told, "changes")] == seqs
            bob.patch("/api/entries/2", json={"text": "c"})
            [change] = first(told, "changes")
            assert (change["method"], change["url"], change["key"]) == ("PUT", "/api/entries", "2")
            assert change["fields"] == {"text": ['"b"', '"c"']}
            moment = first(told, "moment", lambda data: data["changed"] == 3)
            assert moment["changes"] == {"/api/notes": None, "/api/entries": 3}


def test_nobody_is_shown_what_he_may_not_get(house: House) -> None:
    with house.client("ann") as ann, house.client("bob") as bob:
        ann.post("/api/notes", json={"text": "ann's"})
        bob.post("/api/notes", json={"text": "bob's"})
        bob.post("/api/entries", json={"text": "open", "secret": 7})
        with house.watching("ann") as told:
            changes = first(told, "changes")
            assert [(each["path"], each["fields"]["text"]) for each in changes] == [
                ("/api/notes", ['"ann\'s"']),
                ("/api/entries", ['"open"']),
            ]
            assert "secret" not in json.dumps(changes)
            bob.patch("/api/entries/1", json={"secret": 8})
            bob.patch("/api/entries/1", json={"text": "more"})
            assert [each["fields"] for each in first(told, "changes")] == [{"text": ['"open"', '"more"']}]


def test_changes_are_counted_for_who_sees_them_all(house: House) -> None:
    """Ann has rows of her own, and does not see a field: of neither resource may she know how much others do."""
    with house.client("bob") as bob:
        for text in "abc":
            bob.post("/api/notes", json={"text": text})
            bob.post("/api/entries", json={"text": text})
        seq = bob.patch("/api/entries/1", json={"secret": 1}).headers["live-seq"]
    for token, counted, changed in (
        ("ann", {"/api/notes": None, "/api/entries": None}, 0),
        ("bob", {"/api/notes": None, "/api/entries": 4}, 4),
    ):
        with house.watching(token) as told:
            moment = first(told, "moment", lambda data: data["seq"] >= seq)
            assert (moment["changes"], moment["changed"]) == (counted, changed)
            assert "published" not in moment


async def test_channels_that_he_may_not_hear_are_counted_and_not_named(house: House) -> None:
    bearer = {"Authorization": "Bearer bob"}
    async with (
        Client(f"{house.site.url}/faye", headers=bearer, token="bob") as hearer,
        hearer.subscribe("/open/room"),
        house.site.client(token="bob", headers=bearer) as client,
        client.collection("/api/notes"),
    ):
        with house.watching("ann") as told:
            moment = first(told, "moment", lambda data: data["subscriptions"] == 2)
            assert moment["channels"] == {"/open/room": 1}
            assert moment["others"] == 1
            text = json.dumps(moment)
            assert "owner" not in text
            assert not [name for name in house.site.live.bayeux.sessions if name in text]


def test_a_resource_is_described_as_its_user_has_it(house: House) -> None:
    with house.watching("ann") as told:
        begin = first(told, "begin")
    notes, entries = begin["resources"]
    assert (notes["path"], set(notes["may"])) == ("/api/notes", {"create", "update", "delete"})
    fields = {each["name"]: each for each in notes["fields"]}
    assert (fields["owner"]["create"], fields["owner"]["update"]) == (False, False)
    assert (fields["id"]["create"], fields["text"]["update"], fields["text"]["kind"]) == (False, True, "text")
    assert (entries["path"], entries["may"]) == ("/api/entries", {"create": "POST"})
    assert "secret" not in json.dumps(entries)
    with house.watching("bob") as told:
        assert set(first(told, "begin")["resources"][1]["may"]) == {"create", "update"}


def end_session(house: House) -> None:
    house.site.live.disconnect(house.users["ann"])


async def take_rights(house: House) -> None:
    ann = house.users["ann"]
    house.users["ann"] = house.users["cid"]
    await house.site.live.recheck(ann)


@pytest.mark.parametrize("end", [end_session, take_rights], ids=["disconnect", "recheck"])
def test_it_ends_with_the_rights_of_its_user(house: House, end: Any) -> None:
    with house.watching("ann") as told:
        first(told, "moment")
        house.site.run(end, house)
        assert [name for name, _ in told if name == "begin"] == []
    assert TRANSPORT not in house.site.live.bayeux.statistics().sessions


async def test_who_looks_shares_one_sample_a_second_and_nobody_costs_nothing(house: House) -> None:
    """Whoever asks within a second gets what was taken for the first."""
    live, taken, now = house.site.live, 0, [100.0]

    def statistics() -> Any:
        nonlocal taken
        taken += 1
        return live.statistics()

    async def look() -> None:
        sampler = Sampler(statistics, live._details, live._require_start().feed, lambda: now[0])
        with sampler.looked_at():
            one = await sampler.sample()
            assert await sampler.sample() is one
            now[0] += INTERVAL
            assert await sampler.sample() is not one
        assert sampler._last is None

    house.site.run(look)
    assert taken == 2
    before = taken
    with house.watching("ann") as told:
        first(told, "moment")
    await wait_until(lambda: TRANSPORT not in live.bayeux.statistics().sessions)
    read = live.statistics().rows_read
    with house.client("bob") as bob:
        seq = bob.post("/api/entries", json={"text": "x"}).headers["live-seq"]
    await wait_until(lambda: live.statistics().seq >= seq)
    assert live.statistics().rows_read == read + 1
    assert taken == before
