"""Which way to try, and what every request of a client bears."""

from __future__ import annotations

import pytest

from livecollections.bayeux.preference import REST, Preference
from livecollections.bayeux.ways import Endpoint, parse

BOTH = ["websocket", "long-polling"]


def test_the_better_way_is_tried_first() -> None:
    assert Preference(BOTH).order(0) == BOTH


def test_a_way_that_failed_rests_while_another_works() -> None:
    preference = Preference(BOTH)
    preference.failed("websocket", 100)
    assert preference.order(101) == BOTH[::-1]
    assert preference.better("long-polling") == ("websocket", 100 + REST[0])
    assert preference.better("websocket") is None
    assert preference.order(100 + REST[0]) == BOTH


def test_it_rests_longer_each_time_but_not_for_ever() -> None:
    preference = Preference(BOTH)
    rests = []
    for _ in range(8):
        preference.failed("websocket", 0)
        better = preference.better("long-polling")
        assert better is not None
        rests.append(better[1])
    assert rests[:3] == [30, 60, 120]
    assert rests[-1] == REST[1]
    preference.worked("websocket")
    preference.failed("websocket", 0)
    assert preference.better("long-polling") == ("websocket", 30)


def test_while_the_server_is_away_all_are_tried_in_their_order() -> None:
    preference = Preference(BOTH)
    for kind in BOTH:
        preference.failed(kind, 100)
    assert preference.order(101) == BOTH


@pytest.mark.parametrize(
    ("url", "socket", "polls"),
    [
        ("http://a:8000/faye", "ws://a:8000/faye", "http://a:8000/faye"),
        ("https://a/faye?x=1#y", "wss://a/faye?x=1", "https://a/faye?x=1"),
        ("ws://a", "ws://a/", "http://a/"),
        ("wss://[::1]:1/faye", "wss://[::1]:1/faye", "https://[::1]:1/faye"),
    ],
)
def test_one_address_serves_both_ways(url: str, socket: str, polls: str) -> None:
    endpoint = Endpoint(url)
    assert (endpoint.socket, endpoint.polls) == (socket, polls)


def test_cookies_are_shared_by_all_ways_and_join_the_users_own() -> None:
    endpoint = Endpoint("http://a/faye")
    assert endpoint.all_headers() == {}
    endpoint.headers = {"cookie": "mine=1", "X-A": "b"}
    endpoint.keep_cookies(["s=1; Path=/; HttpOnly", "t=2", "nonsense\x00", 'u="a b"; Max-Age=60'])
    assert endpoint.all_headers() == {"X-A": "b", "Cookie": 'mine=1; s=1; t=2; u="a b"'}
    endpoint.keep_cookies(["t=; Max-Age=0", "s=3; Secure; Partitioned; SameSite=None", "v=\xe9", "=4", "w"])
    assert endpoint.all_headers()["Cookie"] == 'mine=1; s=3; u="a b"'


@pytest.mark.parametrize("raw", ["", "<html>", "1", '"x"', "null", b"\xff"])
def test_what_is_no_bayeux_is_said_to_be_so(raw: str | bytes) -> None:
    with pytest.raises(ValueError, match="does not speak Bayeux"):
        parse(raw)
    assert parse("{}") == [{}]
    assert parse("[]") == []
