"""Channel names, patterns and escapes; after the facts of Faye's channel and grammar specs."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livecollections.bayeux import channel

TOKEN = "abcXYZ019-_!~()$@"
names = st.lists(st.text(TOKEN, min_size=1, max_size=5), min_size=1, max_size=5).map(
    lambda parts: "/" + "/".join(parts)
)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("/foo", {"/**", "/foo", "/*"}),
        ("/foo/bar", {"/**", "/foo/bar", "/foo/*", "/foo/**"}),
        ("/foo/bar/qux", {"/**", "/foo/bar/qux", "/foo/bar/*", "/foo/**", "/foo/bar/**"}),
    ],
)
def test_expands_to_all_patterns_that_cover_it(name: str, expected: set[str]) -> None:
    assert set(channel.expand(name)) == expected


def test_expands_to_the_name_first_and_the_widest_pattern_last() -> None:
    assert channel.expand("/foo/bar/qux") == ("/foo/bar/qux", "/foo/bar/*", "/foo/bar/**", "/foo/**", "/**")


@pytest.mark.parametrize("name", ["/a", "/foo/bar", "/fo_o/$@()bar", "/~2E", "/meta", "/0"])
def test_a_name(name: str) -> None:
    assert channel.is_name(name)
    assert channel.is_valid(name)
    assert not channel.is_pattern(name)


@pytest.mark.parametrize("pattern", ["/*", "/**", "/foo/*", "/foo/bar/**"])
def test_a_pattern(pattern: str) -> None:
    assert channel.is_pattern(pattern)
    assert channel.is_valid(pattern)
    assert not channel.is_name(pattern)


@pytest.mark.parametrize(
    "wrong",
    [
        "", "/", "foo", "foo/bar", "/foo/", "//foo", "/foo//bar", "/foo bar", "/foo.bar", "/foo/**/*", "/foo/*/bar",
        "/foo*", "/***", "*", "**", "/foo/* ", "/foo\n", "/f\u00f6\u00f6", "/\uff46oo", "/foo\x00", "/foo?x", "/foo%20",
    ],
)  # fmt: skip
def test_no_channel(wrong: str) -> None:
    assert not channel.is_valid(wrong)


@pytest.mark.parametrize(
    ("name", "is_meta", "is_service"),
    [
        ("/meta", True, False),
        ("/meta/handshake", True, False),
        ("/meta/subscribe/x", True, False),
        ("/meta/*", True, False),
        ("/metal", False, False),
        ("/service/echo", False, True),
        ("/service", False, True),
        ("/services", False, False),
        ("/foo/meta", False, False),
    ],
)
def test_what_is_reserved(name: str, is_meta: bool, is_service: bool) -> None:
    assert channel.is_meta(name) is is_meta
    assert channel.is_service(name) is is_service


@given(names, names)
def test_covers_exactly_what_the_specification_says(pattern: str, name: str) -> None:
    assert channel.matches("/**", name)
    assert channel.matches(name, name)
    parent = pattern.rpartition("/")[0]
    below = name.startswith(f"{parent}/")
    assert channel.matches(f"{parent}/**", name) is below
    assert channel.matches(f"{parent}/*", name) is (below and "/" not in name[len(parent) + 1 :])


SHORT = [f"/{'/'.join(parts)}" for depth in (1, 2, 3, 4) for parts in itertools.product("ab", repeat=depth)]
few = st.sampled_from([one for name in ["", *SHORT[:6]] for one in (name, f"{name}/*", f"{name}/**") if one])


@given(few, few)
def test_one_covers_another_if_it_covers_all_that_the_other_covers(wide: str, narrow: str) -> None:
    covered = [{name for name in SHORT if channel.matches(one, name)} for one in (wide, narrow)]
    assert channel.covers(wide, narrow) is (covered[0] >= covered[1])
    if covered[0] & covered[1]:
        assert channel.covers(wide, narrow) or channel.covers(narrow, wide)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/api/todos", "/api/todos"),
        ("/api/todos/", "/api/todos"),
        ("/api/shop.orders", "/api/shop~2Eorders"),
        ("/api/a b", "/api/a~20b"),
        ("/api/m\u00fc", "/api/m~C3~BC"),
        ("/~me/todos", "/~me/todos"),
        ("/api/~2E", "/api/~7E2E"),
    ],
)
def test_finding_25_a_path_becomes_a_channel(path: str, expected: str) -> None:
    assert channel.escape(path) == expected
    assert channel.is_name(expected)


segments = st.lists(
    st.text(st.characters(exclude_characters="/", codec="utf-8"), min_size=1, max_size=6),
    min_size=1,
    max_size=3,
)


@given(segments, segments)
def test_escaped_paths_are_channels_and_differ(first: list[str], second: list[str]) -> None:
    one, other = "/" + "/".join(first), "/" + "/".join(second)
    assert channel.is_name(channel.escape(one))
    assert (channel.escape(one) == channel.escape(other)) is (one == other)


def test_what_is_broader_comes_from_the_narrowest_on() -> None:
    assert channel.broader("/a/b") == ("/a/b", "/a/*", "/a/**", "/**")
    assert channel.broader("/a/*") == ("/a/*", "/a/**", "/**")
    assert channel.broader("/a/b/**") == ("/a/b/**", "/a/**", "/**")
    assert channel.broader("/**") == ("/**",)
    assert channel.broader("/*") == ("/*", "/**")
