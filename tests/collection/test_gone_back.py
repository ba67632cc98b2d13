"""A log that went back to between the stream's position and an answer: the answer's state gives way to the list's."""

from __future__ import annotations

import pytest

from livecollections.collection.key import Keys
from livecollections.collection.reading import Page
from livecollections.collection.replica import Replica
from livecollections.collection.writes import Writes


def seq(place: int, check: str = "aaaa") -> str:
    return f"5e1f03aa{place:016x}{check}"


def read(replica: Replica, rows: list[dict[str, object]], label: str) -> None:
    reading = replica.take_asks().reads[0]
    reading.pages.append(Page(rows, label))
    reading.channel = "/api/todos"
    replica.listed(reading)


def titles(replica: Replica) -> list[object]:
    replica.take_changes()
    return [state.shown["title"] for state in replica.documents.shown()]


def ahead() -> Replica:
    """A collection that knows from an answer, at 9, what the stream, at 5, has not told."""
    replica = Replica("/api/todos", Keys())
    replica.start()
    replica.began(seq(5), False)
    read(replica, [{"id": 1, "title": "old"}], seq(5))
    writes = Writes(replica)
    write = writes.update("1", {"title": "lost"}, "origin")
    writes.answered(write, {"id": 1, "title": "lost"}, seq(9))
    replica.lost()
    replica.began(seq(5), False)
    return replica


@pytest.mark.parametrize("label", [seq(6), seq(9, "bbbb"), seq(12)])
def test_what_an_answer_told_and_the_log_has_lost_is_not_kept(label: str) -> None:
    replica = ahead()
    read(replica, [{"id": 1, "title": "restored"}], label)
    if asked := replica.take_asks().reads:
        asked[0].pages.append(Page([{"id": 1, "title": "restored"}], label))
        asked[0].channel = "/api/todos"
        replica.listed(asked[0])
    assert titles(replica) == ["restored"]
    assert replica.is_joined


def test_a_deletion_that_the_log_has_lost_is_not_kept() -> None:
    replica = Replica("/api/todos", Keys())
    replica.start()
    replica.began(seq(5), False)
    read(replica, [{"id": 1, "title": "old"}], seq(5))
    writes = Writes(replica)
    writes.answered(writes.delete("1", "origin"), None, seq(9))
    replica.lost()
    replica.began(seq(5), False)
    read(replica, [{"id": 1, "title": "old"}], seq(6))
    assert titles(replica) == ["old"]


def test_a_list_as_new_as_the_answer_resets_nothing() -> None:
    replica = ahead()
    read(replica, [{"id": 1, "title": "lost"}], seq(9))
    assert titles(replica) == ["lost"]
    assert replica.resets == 0
    assert replica.take_asks().reads == []


def test_what_a_reset_has_forgotten_is_doubted_no_more() -> None:
    replica = ahead()
    replica.take_asks()
    replica.lost()
    replica.began(seq(3), True)
    read(replica, [{"id": 1, "title": "restored"}], seq(3))
    assert titles(replica) == ["restored"]
    assert replica.resets == 1
    assert replica.take_asks().reads == []


def test_nothing_is_read_after_a_break_when_the_stream_has_told_everything() -> None:
    replica = Replica("/api/todos", Keys())
    replica.start()
    replica.began(seq(5), False)
    read(replica, [{"id": 1, "title": "old"}], seq(5))
    replica.lost()
    replica.began(seq(5), False)
    assert replica.take_asks().reads == []
