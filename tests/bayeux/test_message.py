"""Parsing and encoding, without a server."""

from __future__ import annotations

import json
import math
import tracemalloc
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livecollections.bayeux import Limits
from livecollections.bayeux import message as messages
from livecollections.errors import BayeuxError, MalformedRequest, TooLarge

LIMITS = Limits(body=2_000, batch=10, depth=5)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.text()
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


def nested(levels: int) -> bytes:
    return b'{"a":' * (levels - 1) + b"[]" + b"}" * (levels - 1)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"[]", []),
        (b"{}", [{}]),
        (b'[{"a":1},null,5]', [{"a": 1}, None, 5]),
        (b"\xef\xbb\xbf [{}]", [{}]),
        (b' \n {"channel":"/x"}', [{"channel": "/x"}]),
    ],
)
def test_arrays_and_single_messages(raw: bytes, expected: list[Any]) -> None:
    assert messages.parse(raw, LIMITS) == expected
    assert messages.parse_body(raw, LIMITS) == expected


def test_a_form_holds_messages_in_one_or_several_fields() -> None:
    one = urlencode({"message": '[{"channel":"/a"},{"channel":"/b"}]', "other": "x"}).encode()
    assert messages.parse_body(one, LIMITS) == [{"channel": "/a"}, {"channel": "/b"}]
    several = f"message={quote('{}')}&message={quote('[{}]')}".encode()
    assert messages.parse_body(several, LIMITS) == [{}, {}]


@pytest.mark.parametrize(
    "raw",
    [
        b"", b"[", b"1", b'"x"', b"null", b"true", b"NaN", b"[NaN]", b'{"a":', b"\xff\xfe", b"[\xff]", b"message=1",
        b"message=%5B", b"other=%5B%5D", b'["\\ud800"]', b"message=", b"[]]", b"&&&", b"\x00",
    ],
)  # fmt: skip
def test_what_is_no_message_is_malformed(raw: bytes) -> None:
    with pytest.raises(MalformedRequest):
        messages.parse_body(raw, LIMITS)


def test_limits_hold_at_their_edges() -> None:
    assert messages.parse(nested(5), LIMITS)
    with pytest.raises(MalformedRequest, match="5 levels"):
        messages.parse(nested(6), LIMITS)
    assert len(messages.parse(b"[%b]" % b",".join([b"{}"] * 10), LIMITS)) == 10
    with pytest.raises(TooLarge, match="10 messages"):
        messages.parse(b"[%b]" % b",".join([b"{}"] * 11), LIMITS)
    with pytest.raises(TooLarge, match="10 messages"):
        messages.parse_body(b"&".join([b"message=[{},{},{}]"] * 4), LIMITS)
    fits = b"[%b]" % (b" " * 1_998)
    assert messages.parse(fits, LIMITS) == []
    with pytest.raises(TooLarge, match="2000 bytes"):
        messages.parse(fits + b" ", LIMITS)


def test_wide_is_not_deep() -> None:
    assert messages.parse(b"[%b]" % b",".join([b'{"a":[]}'] * 9), LIMITS)


def test_a_depth_bomb_is_malformed() -> None:
    with pytest.raises(MalformedRequest):
        messages.parse(b"[" * 100_000, Limits())
    with pytest.raises(MalformedRequest):
        messages.parse(b"[" * 1_000 + b"]" * 1_000, Limits())


@given(values)
def test_a_delivered_message_is_channel_and_data_alone(data: Any) -> None:
    message = messages.published("/x", data)
    assert json.loads(message.body) == {"channel": "/x", "data": data}
    assert messages.decode(message) == {"channel": "/x", "data": data}


@pytest.mark.parametrize("name", ["/x/*", "x", "", "/meta/connect", "/meta", "/x/"])
def test_nothing_is_published_to_what_is_no_channel(name: str) -> None:
    with pytest.raises(BayeuxError, match=r"405:.*:Invalid channel"):
        messages.published(name, 1)


def test_data_must_be_json() -> None:
    with pytest.raises(TypeError):
        messages.published("/x", object())


@given(st.text() | st.integers() | st.floats() | st.lists(st.text()) | st.none() | st.booleans())
def test_error_strings_are_short_and_fit_fayes_grammar(argument: Any) -> None:
    for error in (messages.unknown_client(argument), messages.connection_types_not_supported(argument)):
        code, arguments, text = str(error).split(":")
        assert code.isdigit()
        assert len(arguments) <= 8 * 129
        assert all(part.isascii() for part in (arguments, text))


@pytest.mark.parametrize("wrong", [None, True, "1", -1, [], math.nan])
def test_a_wished_timeout_of_another_type_is_no_wish(wrong: Any) -> None:
    assert messages.wished_timeout({"advice": {"timeout": wrong}}) is None
    assert messages.wished_timeout({"advice": wrong}) is None


def test_milliseconds_become_seconds_and_back() -> None:
    assert messages.wished_timeout({"advice": {"timeout": 1500}}) == 1.5
    advice = messages.advice("retry", interval=0.25, timeout=45)
    assert advice == {"reconnect": "retry", "interval": 250, "timeout": 45_000}


def test_a_message_that_waits_costs_little_beside_its_bytes() -> None:
    plain = messages.Message("/a", 1)
    places: dict[str, Any] = {"seq": "5e1f03aa000000000000041a9c3e", "prev": "5e1f03aa00000000000004170b52"}
    makers: list[Callable[[], messages.Message | bytes]] = [
        lambda: messages.Message("/a", 1),
        lambda: plain.altered({"data": 2}),
        lambda: messages.placed(plain, **places, at=1.0),
        lambda: messages.placed(messages.Message("/a", {}), **places, at=1.0).numbered,
        lambda: messages.reset("/a", **places),
        lambda: messages.result("/service/a", "1", {}),
        lambda: messages.to_json(messages.reply_to({"channel": "/a", "id": "1"})),
    ]
    for make in makers:
        tracemalloc.start()
        try:
            kept = [make() for _ in range(100)]
            cost, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert cost / len(kept) < 1_000
