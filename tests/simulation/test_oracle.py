"""The oracle judges after a fault as before it: what is broken on purpose, here, breaks a promise.

Two rules. Each history is written by hand, and keeps every promise while nothing is broken. What breaks it is put
between the product and the oracle, so that it is the judgement that is tried.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from livecollections.bayeux import Delivery, Reset
from livecollections.bayeux.session import Session
from livecollections.cause import Cause
from livecollections.collection import LiveCollection
from livecollections.collection.replica import Replica
from livecollections.collection.rest import refusal
from livecollections.collection.write import Write
from livecollections.collection.writes import Writes

from .actor import Actor
from .history import Reader, Step
from .ledger import TABLE
from .misuse import (
    DAYS,
    HOLDER,
    PLAIN,
    RESTORED,
    breaks,
    bulk,
    create,
    insert,
    misuse_cut,
    play,
    reset,
    retell,
    swallow,
)
from .oracle import Oracle
from .stage import Stage
from .watch import CollectionWatch, PlainWatch

# Plain subscribers


def test_who_is_not_told_the_reset_of_the_log(monkeypatch: pytest.MonkeyPatch) -> None:
    breaks(
        lambda: play(PLAIN, insert(2, "a"), Step(4, "capture", 0), insert(6, "b")),
        lambda: swallow(monkeypatch, lambda item: isinstance(item, Reset) or item.is_reset),
        "G3",
        "was never told Entry",
    )


def test_who_is_not_told_an_entry_long_after_he_had_stopped_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    def is_first(item: Delivery | Reset) -> bool:
        body = {} if isinstance(item, Reset) else item.data.get("body") or {}
        return str(body.get("title")).startswith("first")

    steps = (
        insert(2, "a"),
        Step(3, "slow", 0, {"seconds": 0.5, "title": "flood"}),
        Step(12, "bulk", None, {"title": "first", "modulo": 1}),
        Step(14, "bulk", None, {"title": "second", "modulo": 1}),
    )
    breaks(lambda: play(PLAIN, *steps), lambda: swallow(monkeypatch, is_first), "G3", "was never told Entry")


def test_an_entry_that_was_never_committed_after_a_backup_was_put_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hear = PlainWatch.hear

    def hear_another(watch: PlainWatch, item: Delivery | Reset) -> None:
        is_late = not isinstance(item, Reset) and str((item.data.get("body") or {}).get("title")) == "b/0"
        hear(watch, replace(item, seq=f"{str(item.seq)[:-4]}zzzz") if is_late else item)

    breaks(
        lambda: play(PLAIN, *RESTORED),
        lambda: monkeypatch.setattr(PlainWatch, "hear", hear_another),
        "G3",
        "which was never committed",
    )


@pytest.mark.parametrize("is_twice", [True, False], ids=["twice", "too late"])
def test_an_entry_that_is_heard_again_or_too_late(is_twice: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    hear, late = PlainWatch.hear, list[Delivery | Reset]()

    def hear_again(watch: PlainWatch, item: Delivery | Reset) -> None:
        if is_twice or late:
            hear(watch, item)
        late.append(item)
        if len(late) == 2:
            hear(watch, late[0])

    breaks(
        lambda: play(PLAIN, insert(2, "a")),
        lambda: monkeypatch.setattr(PlainWatch, "hear", hear_again),
        "G3",
        " after ",
    )


# Collections


def test_seqs_that_fall(monkeypatch: pytest.MonkeyPatch) -> None:
    first: dict[str, str] = {}

    def alter(watch: CollectionWatch, change: Any) -> Any:
        seq = first.setdefault(change.key, change.seq)
        return replace(change, seq=seq) if change.document["title"].startswith("c") else change

    steps = (insert(2, "a"), bulk(4, "b"), bulk(6, "c"))
    breaks(lambda: play(HOLDER, *steps), lambda: retell(monkeypatch, alter), "G2", "fall from")


def test_what_is_below_the_floor(monkeypatch: pytest.MonkeyPatch) -> None:
    def alter(watch: CollectionWatch, change: Any) -> Any:
        return replace(change, seq=watch.ledger.epoch + watch.ledger.entries[0].place)

    late = replace(HOLDER, at=4.0)
    breaks(lambda: play(late, insert(2, "a")), lambda: retell(monkeypatch, alter), "G2", "below the floor")


def test_what_the_database_did_not_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    def alter(watch: CollectionWatch, change: Any) -> Any:
        return replace(change, document={**change.document, "title": "other"})

    breaks(
        lambda: play(HOLDER, insert(2, "a")),
        lambda: retell(monkeypatch, alter),
        "G1",
        "the database held",
    )


@pytest.mark.parametrize(("title", "words"), [("b", "but it was told as"), ("c", "its changes tell")])
def test_a_change_that_is_not_told(title: str, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def alter(watch: CollectionWatch, change: Any) -> Any:
        return None if change.document["title"].startswith(title) else change

    steps = (insert(2, "a"), bulk(4, "b"), bulk(6, "c"))
    breaks(lambda: play(HOLDER, *steps), lambda: retell(monkeypatch, alter), "G3", words)


def test_what_an_own_write_shows_no_more_though_it_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    answered = Writes.answered

    def drop(writes: Writes, write: Write, body: Any, seq: str | None) -> None:
        answered(writes, write, body, seq)
        if write.kind == "update" and write.state is not None:
            writes._documents.drop(write.state, seq, own=True)

    update = Step(4, "update", 0, {"kind": "update", "pick": 0, "title": "b"})
    breaks(
        lambda: play(HOLDER, insert(2, "a"), update),
        lambda: monkeypatch.setattr(Writes, "answered", drop),
        "G1",
        "the database held",
    )


def test_a_collection_that_is_not_what_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    apply = Replica._apply

    def apply_less(replica: Replica, data: Any) -> None:
        if not data["body"]["title"].startswith("b"):
            apply(replica, data)

    breaks(
        lambda: play(HOLDER, insert(2, "a"), bulk(4, "b")),
        lambda: monkeypatch.setattr(Replica, "_apply", apply_less),
        "G1",
        "GET says",
    )


def test_a_collection_that_never_reads_its_list(monkeypatch: pytest.MonkeyPatch) -> None:
    breaks(
        lambda: play(HOLDER, insert(2, "a")),
        lambda: monkeypatch.setattr(Replica, "listed", Replica.read_failed),
        "G1",
        "have not settled",
    )


def test_what_was_never_committed_after_a_backup_was_put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    def alter(watch: CollectionWatch, change: Any) -> Any:
        is_late = change.document is not None and change.document["title"] == "b/0"
        return replace(change, seq=f"{change.seq[:-4]}zzzz") if is_late else change

    breaks(
        lambda: play(HOLDER, *RESTORED),
        lambda: retell(monkeypatch, alter),
        "G1",
        "which was never committed",
    )


def test_what_a_backup_has_lost_is_judged_by_what_was_there(monkeypatch: pytest.MonkeyPatch) -> None:
    gone: list[str] = []

    def alter(watch: CollectionWatch, change: Any) -> Any:
        is_lost = change.document is not None and change.document["title"] == "lost/0"
        gone.extend([change.seq] if is_lost else [])
        is_late = change.document is not None and change.document["title"] == "b/0"
        return replace(change, seq=gone[0]) if is_late else change

    breaks(lambda: play(HOLDER, *RESTORED), lambda: retell(monkeypatch, alter), "G1", "the database held")


@pytest.mark.parametrize("is_back", [True, False], ids=["back at once", "gone until the list"])
def test_a_collection_that_empties_itself_at_a_reset(is_back: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    reset = Replica.reset

    def empty(replica: Replica, start: str | None) -> None:
        documents = replica.documents
        shown = [*documents]
        for state in shown:
            documents.drop(state)
        replica._commit()
        for state in shown if is_back else ():
            documents.insert(state)
        reset(replica, start)

    breaks(
        lambda: play(HOLDER, insert(2, "a"), Step(4, "capture", 0)),
        lambda: monkeypatch.setattr(Replica, "reset", empty),
        "G1",
        "shows None at",
    )


def test_what_is_called_unsaved_without_a_write_that_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    breaks(
        lambda: play(HOLDER, insert(2, "a"), create(3, "b")),
        lambda: monkeypatch.setattr(LiveCollection, "unsaved", property(lambda self: self.keys())),
        "G1",
        "no write of them has failed",
    )


def fail_creates(monkeypatch: pytest.MonkeyPatch) -> None:
    """A create that was answered is taken for one that was not, and not known again."""
    answered = Writes.answered

    def take(writes: Writes, write: Any, body: Any, seq: Any) -> None:
        if write.kind != "create":
            answered(writes, write, body, seq)
            return
        writes._documents.creates.pop(write.origin, None)
        writes.failed(write, None)

    monkeypatch.setattr(Writes, "answered", take)
    monkeypatch.setattr(Replica, "_recognise", lambda *arguments, **named: False)
    monkeypatch.setattr(Oracle, "acknowledge", lambda *arguments: None)


def test_a_draft_without_a_create_that_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    breaks(
        lambda: play(HOLDER, create(3, "b")),
        lambda: fail_creates(monkeypatch),
        "G1",
        "no such create has failed",
    )


def test_a_draft_of_what_was_made(monkeypatch: pytest.MonkeyPatch) -> None:
    def patch() -> None:
        fail_creates(monkeypatch)
        monkeypatch.setattr(CollectionWatch, "is_granted", lambda watch, wish: None)

    breaks(lambda: play(HOLDER, create(3, "b")), patch, "G1", "a draft, and it was made")


@pytest.mark.parametrize("later", [0.5, 11])
@pytest.mark.parametrize("transport", ["websocket", "long-polling"])
@pytest.mark.parametrize("kind", ["plain", "collection"])
def test_what_was_trimmed_and_heard_before_excuses_no_reset(
    kind: str, transport: str, later: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def misuse(actor: Actor) -> None:
        reset(actor)

    steps = (insert(2, "a"), insert(3, "b"), Step(5, "trim", 0), Step(5 + later, "cut", 0))
    breaks(
        lambda: play(Reader(kind, transport), *steps),
        lambda: misuse_cut(monkeypatch, misuse),
        "G1",
        "and nothing is missing there",
    )


# Writes and the log


def test_a_write_that_the_log_does_not_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    async def write(actor: Actor) -> None:
        async with actor.stage.server.transaction() as connection:
            connection.execute(f"UPDATE {TABLE} SET rank = 7")
            connection.execute("DELETE FROM live_changes WHERE method = 'PUT'")

    steps = (insert(2, "a"), Step(6, "cut", 0))
    breaks(lambda: play(HOLDER, *steps), lambda: misuse_cut(monkeypatch, write), "capture", "the log tells")


def test_a_list_that_is_not_what_the_log_tells(monkeypatch: pytest.MonkeyPatch) -> None:
    get = Stage._get

    async def get_less(stage: Stage) -> Any:
        return (await get(stage))[:-1]

    breaks(
        lambda: play(HOLDER, insert(2, "a")),
        lambda: monkeypatch.setattr(Stage, "_get", get_less),
        "G1",
        "the log tells",
    )


def test_a_lost_write_long_after_the_capture_was_off(monkeypatch: pytest.MonkeyPatch) -> None:
    send = Actor._send

    async def pretend(actor: Actor, collection: Any, kind: str, key: Any, detail: Any) -> Any:
        if detail.get("title") == "never":
            return {"id": 1, "title": "never"}
        return await send(actor, collection, kind, key, detail)

    steps = (create(2, "a"), Step(4, "capture", 0), create(14, "never"))
    breaks(
        lambda: play(HOLDER, *steps),
        lambda: monkeypatch.setattr(Actor, "_send", pretend),
        "G6",
        "the log has it not",
    )


@pytest.mark.parametrize("is_restored", [False, True])
def test_an_entry_that_is_gone_from_the_middle_of_the_log(
    is_restored: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def lose(actor: Actor) -> None:
        actor.stage.server.sql(
            "DELETE FROM live_changes WHERE seq = (SELECT max(seq) FROM live_changes WHERE method = 'POST') - 1"
        )

    restore = Step(8, "restore", 0, {"seconds": 0.3, "back": 7.0})
    steps = (insert(2, "a"), Step(6, "cut", 0), *((restore,) if is_restored else ()))
    breaks(lambda: play(HOLDER, *steps), lambda: misuse_cut(monkeypatch, lose), "G6", "is gone")


@pytest.mark.parametrize("status", [404, 429])
def test_a_write_that_is_refused_and_done(status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    send = Actor._send

    async def refuse(actor: Actor, *arguments: Any) -> Any:
        await send(actor, *arguments)
        raise refusal(status, b"{}")

    breaks(
        lambda: play(HOLDER, create(2, "a")),
        lambda: monkeypatch.setattr(Actor, "_send", refuse),
        "G7",
        "was refused a, and it was done",
    )


def test_a_create_that_is_done_twice_long_after_keys_had_expired(monkeypatch: pytest.MonkeyPatch) -> None:
    send = Actor._send

    async def twice(actor: Actor, *arguments: Any) -> Any:
        await send(actor, *arguments)
        return await send(actor, *arguments)

    breaks(
        lambda: play(HOLDER, Step(2, "clock", 0, {"by": DAYS}), create(4, "b")),
        lambda: monkeypatch.setattr(Actor, "_send", twice),
        "G3",
        "one create was done twice",
    )


@pytest.mark.parametrize(
    ("fault", "cause", "words"),
    [
        ("capture", Cause.CAPTURE_REINSTALLED, "nothing has gone round the triggers"),
        ("trim", Cause.TRIMMED, "the log says"),
    ],
)
def test_more_resets_than_faults(
    fault: str, cause: Cause, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def reset(actor: Actor) -> None:
        started = actor.stage.server.live._started
        assert started is not None
        for _ in range(2):
            await actor.stage.server.host.run(started.feed._store.reset(TABLE, cause))

    steps = (insert(2, "a"), Step(4, fault, 0), insert(6, "b"), Step(12, "cut", 0))
    breaks(lambda: play(HOLDER, *steps), lambda: misuse_cut(monkeypatch, reset), "G1", words)


def test_a_reset_that_one_backup_had_lost_and_a_later_one_brings_back_is_one_reset() -> None:
    steps = (
        insert(2, "a"),
        insert(4, "b"),
        Step(4, "trim", 0),
        Step(8, "restore", 0, {"seconds": 0.3, "back": 10.0}),
        Step(9.5, "restore", 0, {"seconds": 0.3, "back": 4.0}),
    )
    assert play(HOLDER, *steps).failure is None


@pytest.mark.parametrize("later", [0.005, 0.015, 0.025])
def test_a_reset_of_another_cause_does_not_end_the_time_without_triggers(later: float) -> None:
    steps = (insert(2, "a"), insert(4, "b"), Step(4, "trim", 0), Step(4 + later, "capture", 0))
    assert play(HOLDER, *steps).failure is None


# What it costs


def test_a_reader_who_stops_and_costs_more_than_he_may(monkeypatch: pytest.MonkeyPatch) -> None:
    def never_full() -> None:
        monkeypatch.setattr(Session, "_has_room", lambda session, message, limit: True)
        monkeypatch.setattr(Session, "shorten", lambda session: None)

    floods = [Step(at, "slow", 0, {"seconds": 6.0, "title": f"t{at}"}) for at in (2, 3)]
    deaf = Reader("plain", "websocket", ack=False)
    breaks(lambda: play(deaf, *floods), never_full, "G5", "65536 are allowed")


# What meets


@pytest.mark.parametrize("state", ["reading", "reset"])
def test_a_message_is_lost_while_the_list_that_has_not_it_is_on_its_way(state: str) -> None:
    lost = Step(4.4, "lost last", 0, {"severs": True, "title": "late"}, state)
    leave = Step(3, "leave", 0, {"later": 1.5})
    away = (
        Step(2.99, "refuse", 0, {"seconds": 1.41}),
        Step(3, "cut", 0),
        insert(3.7, "b"),
        Step(4, "trim", 0),
    )
    found = play(HOLDER, insert(2, "a"), *((leave,) if state == "reading" else away), lost)
    assert found.failure is None
    assert found.meetings["lost last", state]
