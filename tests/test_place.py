"""Places: any value that a store has comes back as it was, and what is no place is refused."""

from __future__ import annotations

import json
import math
from base64 import urlsafe_b64encode
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livecollections.place import LONGEST, decode, encode
from livecollections.query import Order

SORT = (Order("title", True), Order("id"))
STORED = st.one_of(
    st.none(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False),
    st.text(max_size=20),
    st.binary(max_size=20),
)


@given(STORED, STORED)
def test_a_place_comes_back(one: Any, other: Any) -> None:
    text = encode(SORT, (one, other))
    assert text is not None
    found = decode(SORT, text)
    assert found == (one, other)
    assert [type(value) for value in found] == [type(one), type(other)]


def test_infinities_come_back() -> None:
    assert decode(SORT, encode(SORT, (math.inf, -math.inf)) or "") == (math.inf, -math.inf)


def test_a_place_of_another_sort_is_none() -> None:
    text = encode(SORT, ("a", 1)) or ""
    for sort in ((Order("title"), Order("id")), (Order("id"),), (Order("id"), Order("title", True)), ()):
        with pytest.raises(ValueError, match="no place in this list"):
            decode(sort, text)


def test_a_place_that_no_url_holds_is_none() -> None:
    assert encode(SORT, ("a" * LONGEST, 1)) is None


@given(st.one_of(st.text(), st.binary().map(lambda made: urlsafe_b64encode(made).decode())))
def test_what_is_no_place_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no place in this list"):
        decode(SORT, text)


@pytest.mark.parametrize(
    "values",
    [None, [], ["a"], ["a", 1, 2], ["a", 2**64], ["a", True], ["a", []], ["a", {}], ["a", {"bytes": 5}],
     ["a", {"bytes": "x"}], ["a", {"float": "nan"}], {"a": 1}],
    ids=str,
)  # fmt: skip
def test_values_that_no_store_has_are_refused(values: Any) -> None:
    text = urlsafe_b64encode(json.dumps(["-title,id", values]).encode()).decode()
    with pytest.raises(ValueError, match="no place in this list"):
        decode(SORT, text)
