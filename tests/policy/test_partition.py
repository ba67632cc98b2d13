"""Values as they stand in channels: each in one way only, whatever it is; and a publish that looks for no others."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from decimal import Decimal
from functools import partial
from math import inf, nan
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livecollections import ConfigurationError, Live
from livecollections.bayeux.channel import is_name
from livecollections.change import Change, Row
from livecollections.outlets import Outlets
from livecollections.partition import Partition
from livecollections.policy import Policy, expiry, has_expired
from livecollections.resource import Resource
from livecollections.view import Views
from tests.models import Everything, Todo, resource_of

from .conftest import Sheet, User

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
VALUES = {
    "text": TEXT,
    "number": st.integers(-(2**63), 2**63 - 1),
    "flag": st.booleans(),
    "token": st.uuids(),
}


def partition(*names: str, path: str = "/api/all") -> Partition:
    return Partition(path, resource_of(Everything).source, names, lambda user: user)


@given(st.fixed_dictionaries(VALUES), st.fixed_dictionaries(VALUES))
def test_a_value_is_written_in_one_way_and_read_back(one: dict[str, Any], other: dict[str, Any]) -> None:
    several = partition(*VALUES)
    segments = several.segments(one)
    assert segments is not None
    assert is_name(several.channel.format(*segments))
    assert several.values(segments) == one
    assert (segments == several.segments(other)) == (one == other)
    # What begins with a tilde and a letter is a name of ours.
    assert not any(segment.startswith(("~view", "~version")) for segment in segments)


@given(st.tuples(*[st.text(st.characters(codec="ascii"), min_size=1, max_size=8)] * 2))
def test_what_nobody_writes_so_is_no_value(segments: tuple[str, str]) -> None:
    several = partition("text", "number")
    values = several.values(segments)
    assert values is None or several.segments(values) == segments


def test_null_is_in_no_partition() -> None:
    assert partition("text").segments({"text": None}) is None


def test_a_users_text_is_the_columns_number() -> None:
    assert partition("number").of_user("7") == {"number": 7}
    assert partition("number").of_user(None) is None
    assert partition("text", "number").of_user(("a", 7)) == {"text": "a", "number": 7}
    assert partition("text", "number").of_user("a") is None


async def says_later(user: Any) -> bool:
    return user is not None


class SaysLater:
    async def __call__(self, user: Any) -> bool:
        return user is not None


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"partition": "absent", "by": str}, ["partition", "absent"]),
        ({"partition": "title"}, ["by", "function"]),
        ({"by": str}, ["by", "partition"]),
        ({"partition": 3, "by": str}, ["partition", "Todo.owner_id"]),
        ({"partition": []}, ["partition"]),
        ({"hidden": ["absent"]}, ["hidden", "absent"]),
        ({"hidden": ["id"]}, ["hidden", "'id'", "key"]),
        ({"hidden": {"title": 3}}, ["hidden", "function"]),
        ({"policy": {"fly": True}}, ["policy", "fly"]),
        ({"policy": {"list": 1}}, ["policy", "function"]),
        ({"policy": "all"}, ["policy", "function"]),
        ({"read_only": {"title": None}}, ["read_only", "function"]),
        ({"delete_all": True, "methods": ["POST", "DELETE"]}, ["delete_all", "GET"]),
        ({"policy": says_later}, ["policy", "plain function"]),
        ({"policy": {"list": partial(says_later)}}, ["policy", "plain function"]),
        ({"policy": SaysLater()}, ["policy", "plain function"]),
        ({"hidden": {"title": says_later}}, ["hidden", "plain function"]),
        ({"read_only": {"title": says_later}}, ["read_only", "plain function"]),
        ({"partition": "title", "by": says_later}, ["by", "plain function"]),
    ],
)
def test_a_wrong_option_is_named(options: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(ConfigurationError) as error:
        resource_of(Todo, **options)
    assert all(word in str(error.value) for word in words), str(error.value)


def test_what_a_rule_gives_to_be_awaited_is_a_refusal(caplog: pytest.LogCaptureFixture) -> None:
    policy = Policy(
        lambda user: says_later(user), {"title": lambda user: says_later(user)}, {"title": lambda _: Later()}
    )
    assert policy.rights("ann") == frozenset()
    assert policy.hidden("ann") == policy.read_only("ann") == {"title"}
    assert "plain function is needed" in caplog.text


class Later:
    def __await__(self) -> Any:
        yield


@pytest.mark.parametrize(
    ("told", "ends"),
    [
        (None, None),
        (1_700_000_000, 1.7e9),
        (Decimal("1700000000.5"), 1_700_000_000.5),
        (inf, inf),
        (datetime(2023, 11, 14, 22, 13, 20), 1.7e9),
        (datetime(2023, 11, 14, 23, 13, 20, tzinfo=timezone(timedelta(hours=1))), 1.7e9),
        ("1700000000", 1.7e9),
        (" 1700000000.5 ", 1_700_000_000.5),
        ("2023-11-14T22:13:20Z", 1.7e9),
        ("2023-11-14T23:13:20+01:00", 1.7e9),
        ("2023-11-14 22:13:20", 1.7e9),
        *((each, -inf) for each in ("", "never", "nan", nan, "14.11.2023", True, False, [], {}, object())),
    ],
)
def test_when_a_credential_ends(told: Any, ends: float | None) -> None:
    user = User(1)
    user.expires_at = told
    for each in (user, {"exp": told}):
        assert expiry(each) == ends
        assert has_expired(each, 1.8e9) == (ends is not None and ends < inf)


def test_authenticate_must_be_a_function() -> None:
    with pytest.raises(ConfigurationError, match="authenticate"):
        Live("sqlite://", authenticate=3)  # type: ignore[arg-type]


def test_a_publish_looks_at_the_partition_of_its_row_only(monkeypatch: pytest.MonkeyPatch) -> None:
    resource = resource_of(Sheet, "/api/sheets", partition="owner", by=lambda user: user.id)
    outlets = Outlets(Views(resource, resource.policy))
    for owner in range(1_000):
        outlets.open(f"/api/sheets/~owner/{owner}")
    looked: list[Resource] = []
    holds = Resource.holds

    def noted(view: Resource, row: Row) -> bool:
        looked.append(view)
        return holds(view, row)

    monkeypatch.setattr(Resource, "holds", noted)
    before, after = ({"id": 1, "owner": owner, "title": "", "secret": 0, "grade": 0} for owner in (7, 8))
    change = Change("seq", "policy_sheet", "PUT", (1,), before, after, None, 0.0)
    told = [(outlet.view.channel, as_seen.method) for outlet, as_seen in outlets.told(change)]
    assert told == [("/api/sheets/~owner/7", "DELETE"), ("/api/sheets/~owner/8", "POST")]
    assert len(set(map(id, looked))) == 2
