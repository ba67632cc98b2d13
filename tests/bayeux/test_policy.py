"""The policy: what is declared, and that no pattern gets round what decides by name."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livecollections.bayeux import Policy, Server, Session
from livecollections.bayeux import channel as channels
from livecollections.errors import ConfigurationError

from .wire import Log, connected, request, subscribe

SESSION = Session("s" * 40, 1, 0.0)
FORBIDDEN = "403:{}:Forbidden channel"


async def asked(server: Server, *names: str) -> list[str]:
    """Those that a client may subscribe to, each asked for by itself."""
    client_id = await connected(server)
    granted = []
    for name in names:
        (reply,) = (await request(server, subscribe(client_id, name))).messages
        if reply["successful"]:
            granted.append(name)
        else:
            assert reply["error"] == FORBIDDEN.format(name)
    assert [*server.sessions[client_id].subscriptions] == granted
    return granted


async def may_publish(server: Server, name: str) -> bool:
    (reply,) = (await request(server, {"channel": name, "data": 1})).messages
    assert isinstance(reply["successful"], bool)
    return reply["successful"]


async def test_everything_is_closed_by_default() -> None:
    server = Server()
    log = Log(server)
    assert await asked(server, "/chat", "/chat/*", "/*", "/**", "/api/**", log.channel) == [log.channel]
    assert not await may_publish(server, "/chat")
    assert not await may_publish(server, log.channel)


async def test_what_is_declared_is_open_and_the_rest_is_closed() -> None:
    policy = Policy(subscribe=["/chat/**", "/news"], publish=["/chat/*"], deny=["/chat/staff/**"])
    server = Server(policy=policy)
    names = ["/news", "/news/1", "/news/*", "/chat", "/chat/1", "/chat/*", "/chat/1/**", "/chat/staff"]
    closed = ["/chat/**", "/chat/staff/1", "/chat/staff/*", "/chat/staff/**", "/*", "/**"]
    assert await asked(server, *names, *closed) == [
        "/news",
        "/chat/1",
        "/chat/*",
        "/chat/1/**",
        "/chat/staff",
    ]
    assert await may_publish(server, "/chat/1")
    assert not await may_publish(server, "/chat/1/2")
    assert not await may_publish(server, "/news")


class Names(Policy):
    """It knows names, and forbids one."""

    async def can_subscribe(self, session: Session, channel: str) -> bool:
        return channel != "/foo/bar/qux"


async def test_no_pattern_gets_round_a_policy_that_knows_names_only() -> None:
    patterns = ["/foo/bar/*", "/foo/bar/**", "/foo/**", "/**", "/*", "/foo/*", "/other/*"]
    assert await asked(Server(policy=Names()), "/foo/bar/qux", "/foo/bar", *patterns) == ["/foo/bar"]


async def test_a_policy_that_knows_names_can_declare_patterns() -> None:
    server = Server(policy=Names(subscribe=["/other/**"]))
    assert await asked(server, "/free", "/other/*", "/foo/*", "/**") == ["/free", "/other/*"]


async def test_all_patterns_only_where_all_is_declared() -> None:
    assert await asked(Server(policy=Policy(subscribe=["/**"])), "/**", "/*", "/a/**") == [
        "/**",
        "/*",
        "/a/**",
    ]
    assert await asked(Server(policy=Policy(subscribe=["/*"])), "/**", "/*", "/a/**") == ["/*"]
    assert await asked(Server(policy=Policy(subscribe=["/**"], deny=["/a"])), "/**", "/*", "/a/**") == [
        "/a/**"
    ]


async def test_meta_stays_forbidden_whatever_is_declared() -> None:
    server = Server(policy=Policy(subscribe=["/**", "/meta/**"], publish=["/**", "/meta/**"]))
    assert await asked(server, "/meta/*", "/meta/connect") == []
    assert not await may_publish(server, "/meta/other")


parts = st.sampled_from(["/a", "/b", "/a/a", "/a/b", "/a/a/b"])
declared = st.lists(
    st.builds(str.__add__, parts, st.sampled_from(["", "/*", "/**"])) | st.just("/**"), max_size=3
)


@given(declared, declared, declared)
async def test_a_granted_pattern_covers_nothing_that_is_not_granted(
    granted: list[str], denied: list[str], patterns: list[str]
) -> None:
    policy = Policy(subscribe=granted, deny=denied)
    names = [
        f"{one}{more}" for one in ("/a", "/b", "/c", "/a/a", "/a/b", "/a/c") for more in ("", "/a", "/b/c")
    ]
    for pattern in filter(channels.is_pattern, patterns):
        if await policy.can_subscribe_pattern(SESSION, pattern):
            for name in names:
                if channels.matches(pattern, name):
                    assert await policy.can_subscribe(SESSION, name), (pattern, name)


@pytest.mark.parametrize("option", ["subscribe", "publish", "deny"])
@pytest.mark.parametrize("wrong", ["/chat", ["chat"], ["/a/*/b"], [7], 7, ["/chat", None]])
def test_a_wrong_declaration_is_named(option: str, wrong: Any) -> None:
    with pytest.raises(ConfigurationError, match=f"^{option}: "):
        Policy(**{option: wrong})
