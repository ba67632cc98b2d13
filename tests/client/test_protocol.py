"""The client's machine by itself: what it sends, what each answer does, and when; no socket, no clock, no chance."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import pytest

from livecollections.bayeux.delivery import Delivery, Reset
from livecollections.bayeux.hearing import Hearing
from livecollections.bayeux.interest import MOST
from livecollections.bayeux.lifecycle import TRANSITIONS, Happening, State
from livecollections.bayeux.protocol import SESSIONS, Machine
from livecollections.bayeux.reader import Reader
from livecollections.bayeux.refusal import read_failure
from livecollections.errors import (
    BayeuxError,
    ClientClosed,
    HandshakeRefused,
    LiveError,
    SessionEnded,
    Unreachable,
)

GONE = Unreachable("http://server/faye", {"websocket": "gone"})
TIMES = {"reconnect": "retry", "interval": 0, "timeout": 45_000}
LOG = "5e1f03aa"


def seq(place: int, log: str = LOG) -> str:
    return f"{log}{place:016x}" + (f"{place * 7919 % 65536:04x}" if place else "0000")


class Wire:
    """A machine, and everything it sent: the test is the server."""

    def __init__(self, *, is_socket: bool = True, **options: Any) -> None:
        self.now = 100.0
        self.is_socket = is_socket
        self.states: list[State] = []
        self.outcomes: list[LiveError | None] = []
        self.machine = Machine(
            ["websocket", "long-polling"], random=lambda: 0.5, changed=self.states.append, **options
        )
        self.machine.open(self.now)

    def ready(self) -> None:
        kind = "websocket" if self.is_socket else "long-polling"
        self.machine.ready(self.now, kind, is_socket=self.is_socket)

    def take(self) -> list[dict[str, Any]]:
        """What is sent now, all batches in one list."""
        return [message for batch in self.machine.take(self.now) for message in batch.messages]

    def sent(self, channel: str) -> dict[str, Any]:
        """The one message that is sent now, which is on this channel."""
        (message,) = self.take()
        assert message["channel"] == channel, message
        return message

    def receive(self, *messages: Any) -> None:
        self.machine.receive(list(messages), self.now)

    def answer(self, message: Mapping[str, Any], **fields: Any) -> dict[str, Any]:
        """A server's reply to a message."""
        reply = {"channel": message["channel"], "id": message["id"], "successful": True, **fields}
        if "subscription" in message:
            reply["subscription"] = message["subscription"]
        return reply

    def refuse(self, message: Mapping[str, Any], error: str, **fields: Any) -> dict[str, Any]:
        return self.answer(message, successful=False, error=error, **fields)

    def handshake(self, client_id: str = "s1", **fields: Any) -> None:
        fields.setdefault("ext", {"live": {"version": 1}})
        message = self.sent("/meta/handshake")
        self.receive(self.answer(message, clientId=client_id, advice=TIMES, **fields))

    def connect(self, **fields: Any) -> None:
        """The first connect of a way is sent, and answered."""
        message, *_ = [one for one in self.take() if one["channel"] == "/meta/connect"]
        assert message["advice"] == {"timeout": 0}
        self.receive(self.answer(message, advice=TIMES, **fields))

    def connected(self, **fields: Any) -> None:
        """From nothing to a held connect."""
        self.ready()
        self.handshake(**fields)
        self.connect()
        self.hold()

    def hold(self) -> dict[str, Any]:
        message = self.sent("/meta/connect")
        assert "advice" not in message
        return message

    def publish(self, channel: str = "/chat", data: Any = None) -> None:
        self.machine.publish(channel, data, lambda error, reply: self.outcomes.append(error))

    def listen(self, name: str, since: Any = None, limit: int = 100) -> tuple[Reader, Hearing]:
        reader = Reader(name, since, limit)
        return reader, self.machine.listen(name, reader)

    def subscribed(self, name: str, since: Any = None, **live: Any) -> Reader:
        """Subscribe and have it confirmed; ``live`` is what the reply says under ext.live."""
        reader, _ = self.listen(name, since)
        self.receive(self.answer(self.sent("/meta/subscribe"), ext={"live": live} if live else {}))
        return reader


def change(
    place: int, previous: int | None = None, channel: str = "/api/todos", log: str = LOG
) -> dict[str, Any]:
    """A resource's message."""
    before = place - 1 if previous is None else previous
    data = {"method": "PUT", "body": {"id": 1}, "seq": seq(place, log), "prev": seq(before, log)}
    return {"channel": channel, "data": data}


def told(reader: Reader) -> list[Any]:
    """What a reader has to give: data, or "reset"."""
    found: list[Any] = []
    while (item := reader.take()) is not None:
        if isinstance(item, Reset):
            found.append("reset")
        else:
            found.append(int(item.seq[8:24], 16) if item.seq else item.data)
    return found


# The table.


def test_every_state_can_end_but_the_last() -> None:
    assert set(TRANSITIONS) == set(State)
    for state, moves in TRANSITIONS.items():
        assert (Happening.END in moves) == (state is not State.ENDED)
    reached = {State.NEW} | {target for moves in TRANSITIONS.values() for target in moves.values()}
    assert reached == set(State)


def test_the_way_to_the_server() -> None:
    wire = Wire()
    assert wire.take() == []
    wire.ready()
    message = wire.sent("/meta/handshake")
    assert message == {
        "channel": "/meta/handshake",
        "version": "1.0",
        "supportedConnectionTypes": ["websocket", "long-polling"],
        "ext": {"live": {"version": 1}, "ack": True},
        "id": "1",
    }
    assert wire.take() == []
    wire.receive(wire.answer(message, clientId="s1", advice=TIMES))
    first = wire.sent("/meta/connect")
    assert first == {
        "channel": "/meta/connect",
        "clientId": "s1",
        "connectionType": "websocket",
        "advice": {"timeout": 0},
        "id": "2",
    }
    wire.receive(wire.answer(first, advice=TIMES))
    wire.hold()
    assert wire.take() == []
    assert wire.states == [State.HANDSHAKING, State.CONNECTING, State.CONNECTED]


def test_connects_keep_the_advised_distance() -> None:
    wire = Wire()
    wire.ready()
    wire.handshake()
    (first,) = wire.take()
    wire.receive(wire.answer(first, advice={"reconnect": "retry", "interval": 2_000, "timeout": 30_000}))
    assert wire.take() == []
    assert wire.machine.deadline == wire.now + 2
    wire.now += 2
    wire.hold()
    assert wire.machine.deadline == wire.now + 30 + 10


def test_advice_on_a_published_message_is_ignored() -> None:
    wire = Wire()
    wire.connected()
    reader = wire.subscribed("/chat")
    poison = {"reconnect": "none", "interval": 1_000_000, "timeout": 0}
    wire.receive(
        {"channel": "/chat", "data": 1, "advice": poison, "successful": False, "error": "402::Unknown client"}
    )
    wire.receive({"channel": "/chat", "data": 2, "id": "1", "successful": True, "advice": poison})
    assert told(reader) == [1, 2]
    assert wire.machine.state is State.CONNECTED


@pytest.mark.parametrize(
    "junk", [None, 1, "x", [], {}, {"channel": 7}, {"channel": "chat", "data": 1}, {"channel": "/"}]
)
def test_what_is_no_message_is_ignored(junk: Any) -> None:
    wire = Wire()
    wire.connected()
    wire.receive(junk, {"channel": "/meta/connect"}, {"channel": "/meta/nothing", "data": 1})
    assert wire.machine.state is State.CONNECTED


# Advice, failures and patience.


@pytest.mark.parametrize(
    ("advice", "state"),
    [
        ({"reconnect": "none"}, State.ENDED),
        ({"reconnect": "retry", "interval": -1}, State.ENDED),
        ({"reconnect": "handshake", "interval": 1_000}, State.HANDSHAKING),
        ({"reconnect": "retry"}, State.HANDSHAKING),
        (None, State.HANDSHAKING),
        ("nonsense", State.HANDSHAKING),
    ],
)
def test_a_refused_handshake(advice: Any, state: State) -> None:
    wire = Wire()
    wire.ready()
    wire.publish()
    message = wire.sent("/meta/handshake")
    wire.receive(wire.refuse(message, "403::Handshake denied", advice=advice))
    assert wire.machine.state is state
    assert isinstance(wire.machine.error, HandshakeRefused)
    if state is State.ENDED:
        assert wire.outcomes == [wire.machine.error]
    else:
        assert wire.outcomes == []
        assert wire.machine.retry_at > wire.now, "without an interval it must not try in a hot loop"
        wire.now = wire.machine.retry_at
        wire.handshake()


@pytest.mark.parametrize(
    ("fields", "state"),
    [
        ({"advice": {"reconnect": "handshake", "interval": 0}}, State.HANDSHAKING),
        ({"advice": {"reconnect": "none"}}, State.ENDED),
        ({"advice": {"reconnect": "retry"}}, State.CONNECTED),
        ({"error": "402::session_unknown"}, State.HANDSHAKING),
        ({"error": "500::Internal server error"}, State.CONNECTED),
    ],
)
def test_a_failed_connect(fields: Any, state: State) -> None:
    wire = Wire()
    wire.ready()
    wire.handshake()
    wire.connect()
    held = wire.hold()
    wire.receive(wire.answer(held, successful=False, **{"error": "401:s1:Unknown client", **fields}))
    assert wire.machine.state is state
    if state is State.ENDED:
        assert isinstance(wire.machine.error, SessionEnded)
    if state is State.CONNECTED:
        assert wire.take() == []
        wire.now = wire.machine.retry_at
        assert wire.sent("/meta/connect")["clientId"] == "s1"


def test_a_session_that_is_unknown_again_and_again_is_not_asked_for_in_a_hot_loop() -> None:
    wire = Wire()
    wire.ready()
    times = []
    for number in range(4):
        wire.now = max(wire.now, wire.machine.retry_at)
        times.append(wire.now)
        wire.handshake(f"s{number}")
        (first,) = wire.take()
        wire.receive(
            wire.refuse(first, "401::Unknown client", advice={"reconnect": "handshake", "interval": 0})
        )
    assert times[1] == times[0], "the first time the server's interval counts"
    assert times[1] < times[2] < times[3]


def test_tries_are_further_and_further_apart_with_jitter() -> None:
    delays = []
    for chance in (0.0, 0.999):
        wire = Wire()
        wire.machine._advice._random = lambda chance=chance: chance  # type: ignore[misc]
        for _ in range(10):
            wire.machine.cut(wire.now, GONE)
            delays.append(wire.machine.retry_at - wire.now)
    assert [round(delay, 3) for delay in delays[:10]] == [0.125, 0.25, 0.5, 1, 2, 4, 8, 15, 15, 15]
    for low, high in zip(delays[:10], delays[10:], strict=True):
        assert high == pytest.approx(2 * low, rel=0.01)


def test_a_server_that_has_no_room_is_asked_again_when_it_says() -> None:
    wire = Wire()
    for _ in range(8):
        wire.machine.cut(wire.now, GONE)
    for interval in (700, 2_500, 0):
        wire.ready()
        busy = "503::Too many clients come at once"
        advice = {"reconnect": "handshake", "interval": interval}
        wire.receive(wire.refuse(wire.sent("/meta/handshake"), busy, advice=advice))
        wait = wire.machine.retry_at - wire.now
        assert wait == pytest.approx(interval / 1_000) if interval else wait > 10, (
            "as long as before otherwise"
        )
        wire.now = wire.machine.retry_at


def test_a_server_that_has_no_room_and_does_not_say_when_is_asked_less_and_less_often() -> None:
    wire = Wire()
    advice: dict[str, Any] = {"reconnect": "handshake", "interval": 1}
    waits = []
    for _ in range(6):
        wire.ready()
        busy = "503::Too many clients come at once"
        wire.receive(wire.refuse(wire.sent("/meta/handshake"), busy, advice=advice))
        waits.append(wire.machine.retry_at - wire.now)
        wire.now, advice = wire.machine.retry_at, {}
    assert waits[0] == pytest.approx(0.001)
    assert all(after > 1.2 * before for before, after in pairwise(waits))
    assert waits[-1] > 4


def test_an_answer_that_is_overdue_is_noticed() -> None:
    wire = Wire(patience=5)
    wire.ready()
    wire.take()
    assert not wire.machine.is_overdue(wire.now + 4.9)
    assert wire.machine.is_overdue(wire.now + 5)
    wire = Wire(patience=5)
    wire.connected()
    assert not wire.machine.is_overdue(wire.now + 49)
    wire.publish()
    wire.take()
    assert wire.machine.is_overdue(wire.now + 5)
    wire.machine.cut(wire.now, GONE)
    assert not wire.machine.is_overdue(wire.now + 1000)


# Requests.


def test_publishes_are_told_their_outcome() -> None:
    wire = Wire()
    wire.connected()
    for number in range(3):
        wire.publish("/chat", number)
    first, second, third = wire.take()
    assert [one["data"] for one in (first, second, third)] == [0, 1, 2]
    assert first["clientId"] == "s1"
    assert len({one["id"] for one in (first, second, third)}) == 3
    wire.receive(wire.refuse(second, "403:/chat:Forbidden channel"), wire.answer(first), wire.answer(first))
    assert [str(one) if one else one for one in wire.outcomes] == ["403:/chat:Forbidden channel", None]
    assert isinstance(wire.outcomes[0], BayeuxError)
    assert wire.outcomes[0].code == 403
    wire.receive(wire.answer(third, channel="/other"))
    assert len(wire.outcomes) == 2, "a reply on another channel is none"


def test_what_was_not_answered_is_sent_again_with_its_id_and_in_its_order() -> None:
    wire = Wire()
    wire.connected()
    for number in range(3):
        wire.publish("/chat", number)
    sent = wire.take()
    wire.receive(wire.answer(sent[1]))
    wire.machine.cut(wire.now, GONE)
    wire.publish("/chat", 3)
    assert wire.take() == []
    wire.now = wire.machine.retry_at
    wire.ready()
    connect, *again = wire.take()
    assert connect["channel"] == "/meta/connect"
    assert [one["data"] for one in again] == [0, 2, 3]
    assert [one["id"] for one in again[:2]] == [sent[0]["id"], sent[2]["id"]]


def test_a_late_answer_counts_though_the_way_was_cut() -> None:
    wire = Wire(is_socket=False)
    wire.connected()
    wire.publish()
    (sent,) = wire.take()
    wire.machine.cut(wire.now, GONE)
    wire.receive(wire.answer(sent))
    assert wire.outcomes == [None]
    wire.now = wire.machine.retry_at
    wire.ready()
    assert [one["channel"] for one in wire.take()] == ["/meta/connect"]


def test_polling_sends_one_connect_and_one_other_request_at_a_time() -> None:
    wire = Wire(is_socket=False)
    wire.connected()
    wire.publish("/chat", 1)
    (batch,) = wire.machine.take(wire.now)
    wire.publish("/chat", 2)
    wire.publish("/chat", 3)
    assert wire.take() == []
    wire.receive(wire.answer(batch.messages[0]))
    (together,) = wire.machine.take(wire.now)
    assert [one["data"] for one in together.messages] == [2, 3]


def test_batches_are_bounded() -> None:
    wire = Wire()
    wire.connected()
    for _ in range(250):
        wire.publish("/chat", 1)
    assert [len(batch.messages) for batch in wire.machine.take(wire.now)] == [100, 100, 50]
    for _ in range(3):
        wire.machine.publish("/chat", "x", lambda error, reply: None, size=40_000)
    assert [len(batch.messages) for batch in wire.machine.take(wire.now)] == [1, 1, 1]


def test_a_response_without_an_answer_is_an_error_and_no_hot_loop() -> None:
    wire = Wire(is_socket=False)
    wire.ready()
    wire.handshake()
    wire.publish()
    connect, others = wire.machine.take(wire.now)
    wire.machine.returned(others, wire.now)
    assert [type(one).__name__ for one in wire.outcomes] == ["Unconfirmed"]
    wire.machine.returned(connect, wire.now)
    assert wire.machine.kind is None
    assert wire.machine.retry_at > wire.now


@pytest.mark.parametrize("error", ["401:s1:Unknown client", "402::session_unknown", "402::Unknown client"])
def test_a_request_that_finds_no_session_is_sent_again_in_the_next(error: str) -> None:
    wire = Wire()
    wire.connected()
    for number in range(3):
        wire.publish("/chat", number)
    sent = wire.take()
    wire.receive(*(wire.refuse(one, error) for one in sent))
    assert wire.outcomes == []
    wire.handshake("s2")
    connect, *again = wire.take()
    assert connect["clientId"] == "s2"
    assert [(one["clientId"], one["data"], one["id"]) for one in again] == [
        ("s2", one["data"], one["id"]) for one in sent
    ]
    wire.receive(wire.answer(again[1]))
    assert wire.outcomes == [None]


@pytest.mark.parametrize("answer", ["401", "nothing", "500", "error"])
def test_what_answers_a_lost_session_late_says_nothing_of_the_next(answer: str) -> None:
    wire = Wire(is_socket=False)
    wire.ready()
    wire.handshake()
    wire.connect()
    held = wire.hold()
    wire.publish()
    (late,) = wire.machine.take(wire.now)
    wire.receive(wire.refuse(held, "401:s1:Unknown client"))
    wire.handshake("s2")
    connect, again = wire.take()
    assert (again["clientId"], again["id"]) == ("s2", late.messages[0]["id"])
    wire.receive(wire.answer(connect, advice=TIMES))
    errors = {"401": "401:s1:Unknown client", "500": "500::Internal server error"}
    received = [wire.refuse(late.messages[0], errors[answer])] if answer in errors else []
    wire.machine.receive(received, wire.now, late)
    wire.machine.returned(late, wire.now, BayeuxError(502, (), "Bad Gateway") if answer == "error" else None)
    assert (wire.outcomes, wire.machine.client_id, wire.machine.state) == ([], "s2", State.CONNECTED)
    wire.receive(wire.answer(again))
    assert wire.outcomes == [None]


def test_a_request_that_never_finds_its_session_is_refused_in_the_end() -> None:
    wire = Wire()
    wire.connected()
    wire.publish()
    (sent,) = wire.take()
    for number in range(SESSIONS):
        wire.receive(wire.refuse(sent, "401::Unknown client"))
        assert wire.outcomes == []
        wire.now = max(wire.now, wire.machine.retry_at)
        wire.handshake(f"s{number}")
        _, sent = wire.take()
    wire.receive(wire.refuse(sent, "401::Unknown client"))
    assert [str(one) for one in wire.outcomes] == ["401::Unknown client"]


def test_a_refusal_in_other_words_is_not_taken_for_a_lost_session() -> None:
    wire = Wire()
    wire.connected()
    wire.publish()
    (sent,) = wire.take()
    wire.receive(wire.refuse(sent, "401::Unauthorized"))
    assert str(wire.outcomes[0]) == "401::Unauthorized"
    assert wire.machine.state is State.CONNECTED


@pytest.mark.parametrize(
    ("told", "code", "arguments", "text"),
    [
        ("403:/a,b:Forbidden channel", 403, ["/a", "b"], "Forbidden channel"),
        ("404::x", 404, [], "x"),
        ("No, thank you", 0, [], "No, thank you"),
        (None, 0, [], "The server refuses this"),
        (7, 0, [], "The server refuses this"),
    ],
)
def test_errors_in_any_form_are_read(told: Any, code: int, arguments: list[str], text: str) -> None:
    wire = Wire()
    wire.connected()
    wire.publish()
    (sent,) = wire.take()
    wire.receive({**wire.answer(sent), "successful": False, "error": told})
    assert wire.outcomes == [BayeuxError(code, arguments, text)]


def test_a_forgotten_request_is_not_sent_and_not_told() -> None:
    wire = Wire()
    wire.ready()
    request = wire.machine.publish("/chat", 1, lambda error, reply: wire.outcomes.append(error))
    assert not wire.machine.forget(request)
    wire.handshake()
    wire.connect()
    wire.hold()
    request = wire.machine.publish("/chat", 1, lambda error, reply: wire.outcomes.append(error))
    (sent,) = wire.take()
    assert wire.machine.forget(request)
    wire.receive(wire.answer(sent))
    assert wire.outcomes == []


def test_a_call_is_answered_by_a_message_with_its_id() -> None:
    wire = Wire()
    wire.connected()
    answers: list[Any] = []
    for _ in range(2):
        wire.machine.publish(
            "/service/echo", 1, lambda error, reply: answers.append((error, reply.get("data"))), is_call=True
        )
    first, second = wire.take()
    wire.receive(wire.answer(first), wire.answer(second))
    assert answers == []
    wire.receive({"channel": "/service/echo", "id": first["id"], "data": {"echo": 1}, "successful": True})
    failure = {
        "channel": "/service/echo",
        "id": second["id"],
        "data": None,
        "successful": False,
        "error": "500::no",
    }
    wire.receive(failure)
    assert answers == [(None, {"echo": 1}), (BayeuxError(500, [], "no"), None)]


@pytest.mark.parametrize("data", [{"error": "400::Nothing to add"}, "400::Nothing to add"])
def test_the_error_of_a_call_is_in_its_data(data: Any) -> None:
    assert read_failure({"data": data, "successful": False}) == BayeuxError(400, [], "Nothing to add")


# Leaving.


def test_leaving_says_goodbye_and_fails_what_waits() -> None:
    wire = Wire()
    wire.connected()
    reader = wire.subscribed("/chat")
    wire.publish()
    wire.take()
    wire.machine.leave(wire.now)
    assert [type(one) for one in wire.outcomes] == [ClientClosed]
    goodbye = wire.sent("/meta/disconnect")
    assert goodbye["clientId"] == "s1"
    wire.publish()
    assert len(wire.outcomes) == 2
    wire.receive(wire.answer(goodbye))
    assert wire.machine.state is State.ENDED
    assert isinstance(reader.error, ClientClosed)
    assert wire.take() == []
    wire.machine.cut(wire.now, GONE)


@pytest.mark.parametrize("when", ["new way", "handshaking", "cut"])
def test_leaving_without_a_session_or_way_is_the_end(when: str) -> None:
    wire = Wire()
    if when != "new way":
        wire.ready()
        wire.handshake() if when == "cut" else wire.take()
    if when == "cut":
        wire.machine.cut(wire.now, GONE)
    wire.machine.leave(wire.now)
    assert wire.machine.state is State.ENDED


def test_the_server_may_send_a_client_away() -> None:
    wire = Wire()
    wire.connected()
    reader = wire.subscribed("/chat")
    wire.publish()
    wire.receive({"channel": "/meta/disconnect", "successful": True})
    assert wire.machine.state is State.ENDED
    assert isinstance(reader.error, SessionEnded)
    assert isinstance(wire.outcomes[0], SessionEnded)


# Subscriptions.


def test_listeners_of_one_name_share_a_subscription() -> None:
    wire = Wire()
    wire.connected()
    first, first_hearing = wire.listen("/chat")
    second, second_hearing = wire.listen("/chat")
    asked = wire.sent("/meta/subscribe")
    wire.receive(wire.answer(asked, ext={}))
    assert first_hearing.confirmed
    assert second_hearing.confirmed
    third, third_hearing = wire.listen("/chat")
    assert third.is_confirmed
    wire.receive({"channel": "/chat", "data": "hi"})
    assert told(first) == told(second) == told(third) == ["hi"]
    first_hearing.cancel()
    second_hearing.cancel()
    second_hearing.cancel()
    assert wire.take() == []
    third_hearing.cancel()
    assert wire.sent("/meta/unsubscribe")["subscription"] == "/chat"
    wire.receive({"channel": "/chat", "data": "late"})
    assert told(third) == []


@pytest.mark.parametrize("went_back", [False, True])
def test_a_log_that_went_back_shows_though_another_listener_of_the_name_is_behind(went_back: bool) -> None:
    wire = Wire()
    wire.connected()
    behind, _ = wire.listen("/api/todos", seq(5))
    ahead, _ = wire.listen("/api/todos", seq(7))
    asked = wire.sent("/meta/subscribe")
    assert asked["ext"]["live"] == {"since": seq(7)}, "only this one shows it"
    live = {"seq": seq(6), "reset": True} if went_back else {"seq": seq(7)}
    wire.receive(wire.answer(asked, ext={"live": live}))
    again = wire.sent("/meta/subscribe")
    assert again["ext"]["live"] == {"since": seq(6 if went_back else 5)}
    wire.receive(wire.answer(again, ext={"live": {"seq": again["ext"]["live"]["since"]}}))
    wire.receive(*(change(place) for place in (6, 7, 8)))
    assert told(behind) == (["reset", 7, 8] if went_back else [6, 7, 8])
    assert told(ahead) == (["reset", 7, 8] if went_back else [8])
    assert wire.take() == []


def test_patterns_hear_what_they_cover() -> None:
    wire = Wire()
    wire.connected()
    readers = {name: wire.subscribed(name) for name in ("/chat/*", "/chat/**", "/**", "/chat/1", "/chat")}
    wire.receive({"channel": "/chat/1", "data": 1}, {"channel": "/chat/1/x", "data": 2})
    assert {name: told(reader) for name, reader in readers.items()} == {
        "/chat/*": [1], "/chat/**": [1, 2], "/**": [1, 2], "/chat/1": [1], "/chat": [],
    }  # fmt: skip


def test_a_refused_subscription_is_asked_for_again_only_when_somebody_wants_it() -> None:
    wire = Wire()
    wire.connected()
    reader, hearing = wire.listen("/secret")
    wire.receive(wire.refuse(wire.sent("/meta/subscribe"), "403:/secret:Forbidden channel"))
    assert isinstance(reader.error, BayeuxError)
    wire.machine.cut(wire.now, GONE)
    wire.now = wire.machine.retry_at
    wire.ready()
    (first,) = wire.take()
    wire.receive(wire.refuse(first, "401::Unknown client", advice={"reconnect": "handshake", "interval": 0}))
    wire.handshake("s2")
    assert [one["channel"] for one in wire.take()] == ["/meta/connect"]
    hearing.resume()
    assert wire.sent("/meta/subscribe")["subscription"] == "/secret"


def test_a_subscription_that_goes_before_it_was_sent_leaves_no_trace() -> None:
    wire = Wire()
    _, hearing = wire.listen("/chat")
    hearing.cancel()
    wire.ready()
    wire.handshake()
    assert [one["channel"] for one in wire.take()] == ["/meta/connect"]


def test_a_subscription_that_goes_before_its_answer_is_ended_at_the_server() -> None:
    wire = Wire()
    wire.connected()
    reader, hearing = wire.listen("/chat")
    asked = wire.sent("/meta/subscribe")
    hearing.cancel()
    again, _ = wire.listen("/chat")
    assert [one["channel"] for one in wire.take()] == ["/meta/unsubscribe", "/meta/subscribe"]
    wire.receive(wire.answer(asked))
    assert not reader.is_confirmed
    assert not again.is_confirmed
    wire.machine.cut(wire.now, GONE)
    wire.now = wire.machine.retry_at
    wire.ready()
    assert [one["channel"] for one in wire.take()] == [
        "/meta/connect",
        "/meta/unsubscribe",
        "/meta/subscribe",
    ]


def test_a_new_session_subscribes_again_before_it_publishes() -> None:
    wire = Wire()
    wire.connected()
    reader = wire.subscribed("/api/todos", seq=seq(4))
    plain = wire.subscribed("/chat")
    wire.receive(change(5), change(6))
    _, cancelled = wire.listen("/other")
    wire.publish()
    held = wire.machine._meta
    assert held is not None
    cancelled.cancel()
    wire.take()
    wire.receive(
        wire.refuse(held.message, "401::Unknown client", advice={"reconnect": "handshake", "interval": 0})
    )
    assert not reader.is_confirmed
    wire.handshake("s2")
    connect, todos, chat, published = wire.take()
    assert connect["channel"] == "/meta/connect"
    assert (todos["subscription"], todos["ext"]) == ("/api/todos", {"live": {"since": seq(6)}})
    assert (chat["subscription"], chat["ext"]) == ("/chat", {"live": {}})
    assert published["channel"] == "/chat"
    wire.receive(wire.answer(todos, ext={"live": {"seq": seq(6)}}), wire.answer(chat))
    wire.receive(change(7))
    assert told(reader) == [5, 6, 7]
    assert plain.is_confirmed


def test_the_answer_to_a_subscription_of_a_session_that_is_over_confirms_nothing() -> None:
    wire = Wire()
    wire.connected()
    reader, _ = wire.listen("/api/todos")
    late = wire.sent("/meta/subscribe")
    held = wire.machine._meta
    assert held is not None
    again = {"reconnect": "handshake", "interval": 0}
    wire.receive(wire.refuse(held.message, "401::Unknown client", advice=again))
    answer = wire.answer(late, ext={"live": {"seq": seq(4)}})
    wire.receive(answer)
    assert not reader.is_confirmed
    wire.handshake("s2")
    wire.receive(answer)
    assert not reader.is_confirmed
    _, todos = wire.take()
    wire.receive(wire.answer(todos, ext={"live": {"seq": seq(5)}}))
    assert reader.is_confirmed
    assert reader.positions == {"/api/todos": seq(5)}


# Positions.


def test_a_subscription_is_a_position() -> None:
    wire = Wire()
    wire.connected()
    reader, _ = wire.listen("/api/todos", seq(3))
    asked = wire.sent("/meta/subscribe")
    assert asked["ext"] == {"live": {"since": seq(3)}}
    wire.receive(wire.answer(asked, ext={"live": {"seq": seq(3)}}))
    wire.receive(change(4), change(5), change(5), change(4), change(6))
    assert told(reader) == [4, 5, 6]
    assert reader.positions == {"/api/todos": seq(6)}


def test_a_gap_is_asked_for_again_from_the_position_once() -> None:
    wire = Wire()
    wire.connected()
    reader = wire.subscribed("/api/todos", seq=seq(1))
    wire.receive(change(2), change(4), change(5))
    asked = wire.sent("/meta/subscribe")
    assert asked["ext"] == {"live": {"since": seq(2)}}
    wire.receive(change(6))
    assert wire.take() == []
    wire.receive(
        wire.answer(asked, ext={"live": {"seq": seq(2)}}), change(3), change(4), change(5), change(6)
    )
    assert told(reader) == [2, 3, 4, 5, 6]


def test_a_message_whose_prev_is_before_the_position_is_no_gap() -> None:
    wire = Wire()
    wire.connected()
    reader = wire.subscribed("/api/todos", seq=seq(10))
    wire.receive(change(12, previous=4), change(20, previous=12))
    assert told(reader) == [12, 20]
    assert wire.take() == []


def test_a_gap_that_is_never_filled_becomes_a_reset() -> None:
    wire = Wire()
    wire.connected()
    reader = wire.subscribed("/api/todos", seq=seq(1))
    for _ in range(Reader.STUBBORN):
        wire.receive(change(4))
        wire.receive(wire.answer(wire.sent("/meta/subscribe"), ext={"live": {"seq": seq(1)}}))
    wire.receive(change(4))
    assert wire.take() == []
    assert told(reader) == ["reset", 4]


@pytest.mark.parametrize("since", [seq(3), None])
def test_a_reset_is_told_in_its_place(since: str | None) -> None:
    wire = Wire()
    wire.connected()
    reader = wire.subscribed("/api/todos", since or seq(2), seq=seq(9), reset=True)
    wire.receive(change(10))
    assert told(reader) == ["reset", 10]
    wire.receive(
        {"channel": "/api/todos", "data": {"method": "RESET", "seq": seq(12), "prev": seq(10)}}, change(13)
    )
    assert told(reader) == ["reset", 13]


def test_another_log_is_asked_about() -> None:
    wire = Wire()
    wire.connected()
    reader = wire.subscribed("/api/todos", seq=seq(1))
    wire.receive(change(2, log="00000000"))
    asked = wire.sent("/meta/subscribe")
    wire.receive(wire.answer(asked, ext={"live": {"seq": seq(2, "00000000"), "reset": True}}))
    wire.receive(change(3, log="00000000"))
    assert told(reader) == ["reset", 3]


@pytest.mark.parametrize(("number", "name"), [(2, "seq"), (3, "prev")])
def test_a_log_that_went_back_in_time_is_noticed_by_the_check(number: int, name: str) -> None:
    wire = Wire()
    wire.connected()
    reader = wire.subscribed("/api/todos", seq=seq(2))
    forked = change(number)
    forked["data"][name] = seq(2)[:-4] + "ffff"
    wire.receive(forked)
    assert wire.sent("/meta/subscribe")["ext"] == {"live": {"since": seq(2)}}
    assert told(reader) == []


@pytest.mark.parametrize("is_socket", [True, False])
def test_positions_travel_with_the_first_connect_of_a_socket_and_with_every_poll(is_socket: bool) -> None:
    wire = Wire(is_socket=is_socket)
    wire.connected()
    held = wire.machine._meta
    assert held is not None
    reader = wire.subscribed("/api/todos", seq=seq(1))
    wire.receive(change(2))
    wire.receive(wire.answer(held.message, advice=TIMES))
    message = wire.sent("/meta/connect")
    assert message.get("ext") == (None if is_socket else {"live": {"at": {"/api/todos": seq(2)}}})
    wire.machine.cut(wire.now, GONE)
    assert not reader.is_confirmed
    wire.now = wire.machine.retry_at
    wire.ready()
    (first,) = wire.take()
    assert first["ext"] == {"live": {"at": {"/api/todos": seq(2)}}}
    wire.receive(wire.answer(first, ext={"live": {"last": {"/api/todos": seq(4)}}}), change(3), change(4))
    assert reader.is_confirmed
    assert told(reader) == [2, 3, 4]
    wire.hold()


def test_what_the_server_says_it_sent_and_never_came_is_asked_for() -> None:
    wire = Wire(is_socket=False)
    wire.connected()
    held = wire.machine._meta
    assert held is not None
    wire.subscribed("/api/todos", seq=seq(1))
    behind = {"live": {"last": {"/api/todos": seq(3)}}}
    wire.receive(wire.answer(held.message, ext=behind))
    (next_connect,) = wire.take()
    wire.receive(wire.answer(next_connect, ext=behind))
    _, asked = wire.take()
    assert asked["ext"] == {"live": {"since": seq(1)}}


def test_listeners_at_different_positions_are_each_told_what_they_lack() -> None:
    wire = Wire()
    wire.connected()
    first = wire.subscribed("/api/todos", seq=seq(5))
    wire.receive(change(6))
    second, _ = wire.listen("/api/todos", seq(3))
    asked = wire.sent("/meta/subscribe")
    assert asked["ext"] == {"live": {"since": seq(3)}}
    wire.receive(
        wire.answer(asked, ext={"live": {"seq": seq(3)}}), change(4), change(5), change(6), change(7)
    )
    assert told(first) == [6, 7]
    assert told(second) == [4, 5, 6, 7]
    third, _ = wire.listen("/api/todos")
    assert third.positions == {"/api/todos": seq(7)}


def marked(place: int, channel: str = "/chat/1", log: str = LOG) -> dict[str, Any]:
    """A plain channel's message with a place in its history."""
    live = {"seq": seq(place, log), "prev": seq(place - 1, log)}
    return {"channel": channel, "data": f"m{place}", "ext": {"live": live}}


def test_a_pattern_has_a_position_for_each_channel_and_one_for_those_to_come() -> None:
    wire = Wire()
    wire.connected()
    reader, _ = wire.listen("/chat/*")
    asked = wire.sent("/meta/subscribe")
    assert asked["ext"] == {"live": {"since": {}}}
    start = {"/chat/*": seq(6), "/chat/1": seq(1), "/chat/2": seq(7, "00000000")}
    wire.receive(wire.answer(asked, ext={"live": {"seq": start}}))
    wire.receive(
        marked(2), marked(2), marked(8, "/chat/2", "00000000"), marked(5, "/chat/3"), marked(7, "/chat/3")
    )
    assert told(reader) == [2, 8, 7]
    positions = {**start, "/chat/1": seq(2), "/chat/2": seq(8, "00000000"), "/chat/3": seq(7)}
    assert reader.positions == positions
    wire.machine.cut(wire.now, GONE)
    wire.now = wire.machine.retry_at
    wire.ready()
    (first,) = wire.take()
    assert first["ext"] == {"live": {"at": positions}}
    wire.receive(wire.refuse(first, "401::Unknown client", advice={"reconnect": "handshake", "interval": 0}))
    wire.handshake("s2")
    _, asked = wire.take()
    assert asked["ext"] == {"live": {"since": positions}}
    answer = {"seq": {"/chat/*": seq(9), "/chat/2": seq(8, "00000000")}, "reset": ["/chat/*"]}
    wire.receive(wire.answer(asked, ext={"live": answer}), marked(10), marked(9, "/chat/2", "00000000"))
    assert told(reader) == ["reset", 10, 9]
    assert reader.positions == {
        "/chat/*": seq(9), "/chat/1": seq(10), "/chat/2": seq(9, "00000000"),
    }  # fmt: skip


def test_a_gap_under_a_pattern_is_filled_by_the_exact_name() -> None:
    wire = Wire()
    wire.connected()
    reader, hearing = wire.listen("/chat/*")
    wire.receive(wire.answer(wire.sent("/meta/subscribe"), ext={"live": {"seq": {"/chat/*": seq(1)}}}))
    wire.receive(marked(2), marked(4))
    asked = wire.sent("/meta/subscribe")
    assert (asked["subscription"], asked["ext"]) == ("/chat/1", {"live": {"since": seq(2)}})
    wire.receive(wire.answer(asked, ext={"live": {"seq": seq(2)}}), marked(3), marked(4), marked(6))
    again = wire.sent("/meta/subscribe")
    assert (again["subscription"], again["ext"]) == ("/chat/1", {"live": {"since": seq(4)}})
    wire.receive(wire.answer(again, ext={"live": {"seq": seq(9), "reset": True}}), marked(10))
    assert told(reader) == [2, 3, 4, "reset", 10]
    hearing.cancel()
    assert {one["subscription"] for one in wire.take()} == {"/chat/1", "/chat/*"}


def test_a_history_may_say_that_it_can_not_tell() -> None:
    wire = Wire()
    wire.connected()
    reader = wire.subscribed("/chat/1", seq=seq(1))
    wire.receive(
        {"channel": "/chat/1", "ext": {"live": {"seq": seq(8), "prev": seq(1), "reset": True}}}, marked(9)
    )
    assert told(reader) == ["reset", 9]


def test_a_seq_that_anybody_could_have_written_is_no_position() -> None:
    wire = Wire()
    wire.connected()
    reader = wire.subscribed("/chat")
    wire.receive(change(9, channel="/chat"), change(2, channel="/chat"))
    assert told(reader) == [9, 2]
    assert reader.positions == {}


def test_another_server_keeps_no_positions_and_is_not_asked_for_them() -> None:
    wire = Wire()
    wire.connected(ext={})
    assert wire.machine.is_live is False
    reader, _ = wire.listen("/api/todos", seq(1))
    asked = wire.sent("/meta/subscribe")
    assert "ext" not in asked
    wire.receive(wire.answer(asked), change(5), change(3))
    assert [item.seq for item in (reader.take(), reader.take()) if isinstance(item, Delivery)] == [None, None]


def test_a_server_of_another_version_is_said_to_be_so() -> None:
    wire = Wire()
    wire.connected(ext={"live": {"version": 9, "error": "this server speaks version 9"}})
    assert wire.machine.is_live is False
    assert wire.machine.stale == "this server speaks version 9"


# Acknowledgements.


def test_batches_are_acknowledged_and_what_comes_again_is_told_once() -> None:
    wire = Wire()
    wire.ready()
    wire.handshake(ext={"ack": True})
    (first,) = wire.take()
    assert first["ext"] == {"ack": 0}
    wire.receive(wire.answer(first, ext={"ack": 1}, advice=TIMES))
    held = wire.hold()
    assert held["ext"] == {"ack": 1}
    reader = wire.subscribed("/chat")
    wire.receive({"channel": "/chat", "data": 1}, {"channel": "/chat", "data": 1})
    wire.receive(wire.answer(held, ext={"ack": 2}), {"channel": "/chat", "data": 2})
    held = wire.hold()
    assert held["ext"] == {"ack": 2}
    wire.receive({"channel": "/chat", "data": 3}, {"channel": "/chat", "data": 4})
    for _ in range(2):
        wire.machine.cut(wire.now, GONE)
        wire.now = wire.machine.retry_at
        wire.ready()
        (again,) = wire.take()
        assert again["ext"] == {"ack": 2}
        wire.receive({"channel": "/chat", "data": 3})
    wire.receive(
        {"channel": "/chat", "data": 4}, {"channel": "/chat", "data": 4}, wire.answer(again, ext={"ack": 3})
    )
    wire.receive({"channel": "/chat", "data": 3})
    assert told(reader) == [1, 1, 2, 3, 4, 4, 3]
    assert wire.hold()["ext"] == {"ack": 3}


def test_acknowledgements_begin_anew_with_a_session_and_where_the_server_says() -> None:
    wire = Wire()
    wire.connected(ext={"ack": {"enabled": True, "batch": 7}})
    assert wire.machine._acks.batch == 7
    wire.machine.cut(wire.now, GONE)
    wire.now = wire.machine.retry_at
    wire.ready()
    (first,) = wire.take()
    wire.receive(wire.refuse(first, "401::Unknown client", advice={"reconnect": "handshake", "interval": 0}))
    wire.handshake("s2")
    (connect,) = wire.take()
    assert "ext" not in connect


# A slow program.


def test_what_finds_no_room_is_read_again_from_a_history() -> None:
    wire = Wire()
    wire.connected()
    reader, hearing = wire.listen("/api/todos", seq(0), limit=4)
    asked = wire.sent("/meta/subscribe")
    wire.receive(wire.answer(asked, ext={"live": {"seq": seq(0)}}))
    wire.receive(*(change(place) for place in range(1, 10)))
    assert len(reader) == 4
    assert not reader.wants_back()
    assert wire.take() == []
    assert reader.take() is not None
    assert reader.take() is not None
    assert reader.wants_back()
    assert not reader.wants_back()
    hearing.resume()
    asked = wire.sent("/meta/subscribe")
    assert asked["ext"] == {"live": {"since": seq(4)}}
    wire.receive(wire.answer(asked, ext={"live": {"seq": seq(4)}}), change(5), change(6))
    assert told(reader) == [3, 4, 5, 6]


def test_a_program_that_takes_nothing_does_not_have_the_same_sent_at_every_poll() -> None:
    wire = Wire(is_socket=False)
    wire.connected()
    held = wire.machine._meta
    assert held is not None
    reader, _ = wire.listen("/api/todos", seq(0), limit=1)
    wire.receive(wire.answer(wire.sent("/meta/subscribe"), ext={"live": {"seq": seq(0)}}))
    wire.receive(change(1), change(2))
    assert reader.positions == {"/api/todos": seq(1)}
    wire.receive(wire.answer(held.message, ext={"live": {"last": {"/api/todos": seq(2)}}}))
    assert wire.sent("/meta/connect")["ext"] == {"live": {"at": {"/api/todos": seq(2)}}}


def test_what_finds_no_room_on_a_plain_channel_is_counted_in_its_place() -> None:
    wire = Wire()
    wire.connected()
    reader, _ = wire.listen("/chat", limit=4)
    wire.receive(wire.answer(wire.sent("/meta/subscribe")))
    wire.receive(*({"channel": "/chat", "data": number} for number in range(7)))
    reader.take()
    wire.receive({"channel": "/chat", "data": 7})
    reader.take()
    wire.receive({"channel": "/chat", "data": 8})
    items = [reader.take() for _ in range(4)]
    assert [item.data for item in (*items[:2], items[3]) if isinstance(item, Delivery)] == [2, 3, 8]
    reset = items[2]
    assert isinstance(reset, Reset)
    assert "4 messages" in reset.reason
    with pytest.raises(LiveError, match="isinstance"):
        _ = reset.data


def test_a_listener_that_fails_stops_nobody_else(caplog: pytest.LogCaptureFixture) -> None:
    class Faulty(Reader):
        def heard(self, delivery: Delivery) -> bool:
            raise RuntimeError("no")

    wire = Wire()
    wire.connected()
    wire.machine.listen("/chat", Faulty("/chat", None, 1))
    good, _ = wire.listen("/chat")
    wire.receive(wire.answer(wire.sent("/meta/subscribe")), {"channel": "/chat", "data": 1})
    assert told(good) == [1]
    assert "a listener failed" in caplog.text


def test_a_move_waits_for_the_poll_and_loses_nothing() -> None:
    wire = Wire(is_socket=False)
    wire.connected()
    held = wire.machine._meta
    assert held is not None
    wire.machine.is_moving = True
    wire.publish()
    (sent,) = wire.take()
    wire.receive(wire.answer(held.message))
    wire.publish()
    assert wire.take() == []
    assert not wire.machine.is_idle
    wire.receive(wire.answer(sent))
    assert wire.machine.is_idle
    wire.machine.ready(wire.now, "websocket", is_socket=True)
    first, published = wire.take()
    assert first["connectionType"] == "websocket"
    assert first["advice"] == {"timeout": 0}
    assert published["channel"] == "/chat"
    assert wire.machine.state is State.CONNECTED


def test_positions_of_very_many_channels_stay_within_what_servers_read() -> None:
    wire = Wire(is_socket=False)
    wire.connected()
    held = wire.machine._meta
    assert held is not None
    wire.listen("/**")
    start = {"/**": seq(1)} | {f"/c/{number}": seq(2) for number in range(MOST + 500)}
    wire.receive(wire.answer(wire.sent("/meta/subscribe"), ext={"live": {"seq": start}}))
    wire.receive(wire.answer(held.message))
    at = wire.sent("/meta/connect")["ext"]["live"]["at"]
    assert len(at) == MOST
    assert "/**" not in at, "what it says would count for those that were left out"
    wire.machine.cut(wire.now, GONE)
    wire.now = wire.machine.retry_at
    wire.ready()
    (first,) = wire.take()
    wire.receive(wire.refuse(first, "401::Unknown client", advice={"reconnect": "handshake", "interval": 0}))
    wire.handshake("s2")
    _, asked = wire.take()
    assert len(asked["ext"]["live"]["since"]) == MOST
    assert asked["ext"]["live"]["since"]["/**"] == seq(1)
