"""Who speaks for a session: cookies, users, and what becomes of a second link while a first one lives."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import pytest

from livecollections.bayeux import Server, Session
from livecollections.bayeux.binding import LATE, Verdict, judge
from livecollections.bayeux.connection import Claim, Connection

from ..serving import wait_until
from .wire import (
    VERSION,
    Answer,
    Headers,
    Open,
    Socket,
    abandoned,
    connect,
    connected,
    cookie,
    handshake,
    request,
    subscribe,
)

HANDSHAKE = {"channel": "/meta/handshake", **VERSION}
OURS, OTHERS = "a" * 40, "b" * 40
RETURNED = {"cookie": OURS, "is_cookie_returned": True, "returned_at": 100.0}
HOME = ("10.0.0.1", "A")
FOREIGN_COOKIE = [("cookie", f"livecollections={OTHERS}")]


class Own:
    """A user whose class takes for granted that it meets its own."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __eq__(self, other: Any) -> bool:
        return bool(self.name == other.name)

    __hash__ = None  # type: ignore[assignment]


class Named(Open):
    """Connections tell their user by a header; a handshake may tell another by its ``ext``."""

    async def identify(self, connection: Connection) -> Any:
        return connection.headers.get("x-user")

    async def can_handshake(self, session: Session, message: Mapping[str, Any]) -> bool:
        session.user = message.get("ext", {}).get("token", session.user)
        return True


@pytest.fixture
def server() -> Server:
    """One whose pings are answered soon or not at all."""
    server = Server(timeout=5, policy=Open())
    server._exchange.ping_answered = 0.1
    return server


def unknown(client_id: str) -> str:
    return f"401:{client_id}:Unknown client"


async def held_on(socket: Socket, server: Server, client_id: str) -> None:
    """The socket speaks for the session, which has subscribed, and a connect is held."""
    await socket.reply(connect(client_id, "websocket"))
    await socket.reply(subscribe(client_id, "/chat"))
    socket.send(connect(client_id, "websocket", id="held"))
    await wait_until(lambda: server._exchange.sessions[client_id].held)


# The decision.


@pytest.mark.parametrize(
    ("remembered", "has_socket", "claim", "verdict"),
    [
        ({}, False, Claim(), Verdict.WELCOME),
        ({}, True, Claim(), Verdict.NEWCOMER),
        ({"cookie": OURS}, False, Claim(OTHERS), Verdict.WELCOME),
        ({"cookie": OURS}, True, Claim(OTHERS), Verdict.NEWCOMER),
        ({"cookie": OURS}, True, Claim(OURS), Verdict.WELCOME),
        ({"cookie": OURS, "is_cookie_returned": True}, False, Claim(), Verdict.FOREIGN),
        ({"cookie": OURS, "is_cookie_returned": True}, True, Claim(OTHERS), Verdict.FOREIGN),
        ({"cookie": OURS, "is_cookie_returned": True}, True, Claim(OURS), Verdict.WELCOME),
        ({"cookie": OURS, "is_cookie_returned": True}, True, Claim(OTHERS, others=(OURS,)), Verdict.WELCOME),
        ({"cookie": OURS, "is_cookie_returned": True}, True, Claim(OTHERS, others=(OTHERS,)), Verdict.FOREIGN),
        ({**RETURNED, "place": HOME}, False, Claim(opened=100 + LATE - 1, place=HOME), Verdict.WELCOME),
        ({**RETURNED, "place": HOME}, True, Claim(opened=100 + LATE - 1, place=HOME), Verdict.NEWCOMER),
        ({**RETURNED, "place": HOME}, False, Claim(opened=100 + LATE, place=HOME), Verdict.FOREIGN),
        ({**RETURNED, "place": HOME}, False, Claim(place=HOME), Verdict.FOREIGN),
        ({**RETURNED, "place": HOME}, False, Claim(opened=100, place=("10.0.0.2", "A")), Verdict.FOREIGN),
        ({**RETURNED, "place": HOME}, False, Claim(opened=100), Verdict.FOREIGN),
        ({**RETURNED, "place": None}, False, Claim(opened=100), Verdict.FOREIGN),
        ({**RETURNED, "place": HOME}, False, Claim(opened=99), Verdict.WELCOME),
        ({"told": "ann"}, False, Claim(), Verdict.FOREIGN),
        ({"told": "ann"}, False, Claim(user="bob"), Verdict.FOREIGN),
        ({"told": "ann"}, True, Claim(user="ann"), Verdict.WELCOME),
        ({"told": "ann", "user": "root"}, True, Claim(user="ann"), Verdict.WELCOME),
        ({"user": "ann"}, True, Claim(), Verdict.NEWCOMER),
        ({"user": "ann"}, True, Claim(user="bob"), Verdict.FOREIGN),
        ({"user": "ann"}, True, Claim(user="ann"), Verdict.WELCOME),
        ({}, True, Claim(user="ann"), Verdict.NEWCOMER),
        ({"told": Own("ann")}, False, Claim(), Verdict.FOREIGN),
        ({"user": Own("ann")}, True, Claim(user=Own("ann")), Verdict.WELCOME),
        ({}, True, Claim(user=Own("ann")), Verdict.NEWCOMER),
        ({"cookie": OURS, "is_cookie_returned": True}, False, Claim(OURS, "ann"), Verdict.WELCOME),
        ({"cookie": OURS, "is_cookie_returned": True, "told": "ann"}, True, Claim(OURS), Verdict.FOREIGN),
        ({"cookie": OURS, "is_cookie_returned": True, "told": "ann"}, True, Claim(user="ann"), Verdict.FOREIGN),
    ],
)  # fmt: skip
def test_a_link_is_judged_by_what_it_brings(
    remembered: dict[str, Any], has_socket: bool, claim: Claim, verdict: Verdict
) -> None:
    session = Session("s" * 40, 1_000, deadline=90.0)
    for name, value in remembered.items():
        setattr(session, name, value)
    session.socket = object() if has_socket else None  # type: ignore[assignment]  # never asked anything
    assert judge(session, object(), claim) is verdict  # type: ignore[arg-type]
    if has_socket:
        assert session.socket is not None
        assert judge(session, session.socket, claim) in (Verdict.WELCOME, Verdict.FOREIGN)


# The cookie.


async def test_a_handshake_over_http_gives_a_cookie(server: Server) -> None:
    for scheme, root_path, attributes in (
        ("http", "", "Path=/; HttpOnly; SameSite=Lax"),
        ("https", "/faye", "Path=/faye; HttpOnly; SameSite=Lax; Secure"),
    ):
        answer = await request(server, HANDSHAKE, scheme=scheme, root_path=root_path)
        assert re.fullmatch(f"livecollections=[0-9a-f]{{40}}; {attributes}", answer.headers["set-cookie"])
        client_id = answer.messages[0]["clientId"]
        assert answer.headers["set-cookie"].startswith(cookie(server, client_id)[0][1])
        assert "set-cookie" not in (await request(server, connect(client_id))).headers


async def test_a_browser_that_has_one_keeps_it_for_all_its_sessions(server: Server) -> None:
    answer = await request(server, HANDSHAKE, headers=[("cookie", f"x=y; livecollections={OURS}")])
    assert "set-cookie" not in answer.headers
    assert cookie(server, answer.messages[0]["clientId"]) == [("cookie", f"livecollections={OURS}")]
    for forged in ("livecollections=", f"livecollections={OURS}0", "livecollections=x"):
        answer = await request(server, HANDSHAKE, headers=[("cookie", forged)])
        assert "set-cookie" in answer.headers


class Jar:
    """A browser's cookies; of one name it keeps the last that it was given."""

    def __init__(self) -> None:
        self.kept: dict[str, str] = {}

    def keep(self, answer: Answer) -> None:
        for header in answer.set_cookies:
            name, _, value = header.partition(";")[0].partition("=")
            self.kept[name] = value

    @property
    def headers(self) -> Headers:
        return [("cookie", "; ".join(f"{name}={value}" for name, value in self.kept.items()))]


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
async def test_tabs_that_handshake_at_the_same_moment_keep_their_sessions(
    server: Server, order: tuple[int, ...]
) -> None:
    """The cookie that the first has returned already is replaced in the browser by the next one's."""
    jar, answers = Jar(), [await request(server, HANDSHAKE) for _ in range(3)]
    tabs = [answer.messages[0]["clientId"] for answer in answers]
    assert len({server._exchange.sessions[tab].cookie for tab in tabs}) == 3
    for number in order:
        jar.keep(answers[number])
        (reply,) = (await request(server, connect(tabs[number]), headers=jar.headers)).messages
        assert reply["successful"]
    for tab in tabs:
        (reply,) = (await request(server, subscribe(tab, "/chat"), headers=jar.headers)).messages
        assert reply["successful"]
        async with Socket(server, jar.headers) as socket:
            assert (await socket.reply(connect(tab, "websocket")))["successful"]
    # A tab that comes later has a cookie, and is given none.
    later = await request(server, HANDSHAKE, headers=jar.headers)
    assert not later.set_cookies
    jar.keep(later)
    (reply,) = (await request(server, connect(later.messages[0]["clientId"]), headers=jar.headers)).messages
    assert reply["successful"]
    # Somebody else's browser, which did the same at the same moment, has nothing of it.
    stranger = Jar()
    stranger.keep(await request(server, HANDSHAKE))
    forged = [("cookie", f"livecollections-{OTHERS[:8]}={OTHERS}; livecollections-{OURS[:8]}={OTHERS}")]
    for tab in tabs:
        for headers in ([], stranger.headers, forged):
            (reply,) = (await request(server, connect(tab), headers=headers)).messages
            assert reply["error"] == unknown(tab)


async def test_a_socket_that_the_browser_was_late_with_may_lack_the_cookie(server: Server) -> None:
    """It was to be opened before the answer to the handshake; browsers open one at a time."""
    browser = [("user-agent", "A")]
    here, elsewhere = ("10.0.0.1", 1), ("10.0.0.2", 1)
    answer = await request(server, HANDSHAKE, headers=browser, client=here)
    client_id = answer.messages[0]["clientId"]
    mine = [*browser, *cookie(server, client_id)]
    (reply,) = (await request(server, connect(client_id), headers=mine, client=here)).messages
    assert reply["successful"]
    async with (
        Socket(server, browser, client=elsewhere) as foreign,
        Socket(server, [("user-agent", "B")], client=here) as other,
        Socket(server, browser, client=here) as late,
    ):
        for stranger in (foreign, other):
            assert (await stranger.reply(connect(client_id, "websocket")))["error"] == unknown(client_id)
        (reply,) = (await request(server, connect(client_id), headers=browser, client=here)).messages
        assert reply["error"] == unknown(client_id), "a poll brings what the browser has"
        await held_on(late, server, client_id)
        async with Socket(server, browser, client=here) as second:
            asked = asyncio.create_task(second.reply(connect(client_id, "websocket")))
            await late.receive()
            late.send(connect(client_id, "websocket"))
            assert (await asked)["error"] == unknown(client_id), "the first is alive"
    server._exchange.clock = lambda now=server._exchange.clock: now() + LATE  # type: ignore[misc]
    async with Socket(server, browser, client=here) as too_late:
        assert (await too_late.reply(connect(client_id, "websocket")))["error"] == unknown(client_id)


@pytest.mark.parametrize("others", ['prefs={"a":1}; ', "a b=c; ", "x[y]=1; ", "lone; ", "=; ", 'q="a\\"b"; '])
async def test_cookies_of_others_hide_ours_from_nobody(server: Server, others: str) -> None:
    answer = await request(server, HANDSHAKE)
    client_id = answer.messages[0]["clientId"]
    ((_, ours),) = cookie(server, client_id)
    for given, is_theirs in ((ours, True), (f"livecollections={OTHERS}", False), (ours, True)):
        headers = [("cookie", f"{others}{given}")]
        asked = connect(client_id, advice={"timeout": 0})
        (reply,) = (await request(server, asked, headers=headers)).messages
        assert reply["successful"] is is_theirs
    assert server._exchange.sessions[client_id].is_cookie_returned


def test_cookies_are_read_one_by_one() -> None:
    header = rb'a=1; prefs={"a": 1};b = 2 ; lone; q="x\"y\073z"; a=3'
    scope = {"type": "http", "headers": [(b"Cookie", header)]}
    assert Connection("long-polling", scope).cookies == {
        "a": "3", "prefs": '{"a": 1}', "b": "2", "q": 'x"y;z',
    }  # fmt: skip


async def test_without_cookies_none_is_given() -> None:
    server = Server(policy=Open(), cookie=None)
    answer = await request(server, HANDSHAKE, headers=[("cookie", f"livecollections={OURS}")])
    assert "set-cookie" not in answer.headers
    (session,) = server._exchange.sessions.values()
    assert session.cookie is None
    assert (await request(server, connect(session.id))).messages[0]["successful"]


async def test_a_returned_cookie_is_asked_for_ever_after(server: Server) -> None:
    client_id = await handshake(server)
    mine = cookie(server, client_id)
    # A browser's older socket has none yet.
    assert (await request(server, connect(client_id))).messages[0]["successful"]
    assert (await request(server, subscribe(client_id, "/chat"), headers=mine)).messages[0]["successful"]
    session = server._exchange.sessions[client_id]
    deadline = session.deadline
    for headers in ([], FOREIGN_COOKIE):
        for message in (
            connect(client_id), subscribe(client_id, "/b"), {"channel": "/meta/disconnect", "clientId": client_id},
            {"channel": "/chat", "clientId": client_id, "data": 1},
            {"channel": "/meta/unsubscribe", "clientId": client_id, "subscription": "/chat"},
        ):  # fmt: skip
            (reply,) = (await request(server, message, headers=headers)).messages
            assert reply["error"] == unknown(client_id)
        async with Socket(server, headers) as socket:
            assert (await socket.reply(connect(client_id, "websocket")))["error"] == unknown(client_id)
    assert session.deadline == deadline
    assert list(session.subscriptions) == ["/chat"]
    assert not session.queue
    async with Socket(server, mine) as socket:
        assert (await socket.reply(connect(client_id, "websocket")))["successful"]


async def test_a_socket_from_before_the_cookie_may_speak_without_it(server: Server) -> None:
    """Faye's client opens it beside its handshake, and may poll a while before it uses it."""
    async with Socket(server) as old:
        client_id = await handshake(server)
        async with Socket(server) as beside:
            mine = cookie(server, client_id)
            for message in (subscribe(client_id, "/chat"), connect(client_id)):
                assert (await request(server, message, headers=mine)).messages[0]["successful"]
            async with Socket(server) as young:
                reply = await young.reply(connect(client_id, "websocket"))
                assert reply["error"] == unknown(client_id), "it could have brought it"
            assert (await beside.reply(connect(client_id, "websocket")))["successful"]
        assert (await old.reply(connect(client_id, "websocket")))["successful"]


async def test_a_handshake_on_a_socket_binds_to_the_cookie_that_it_has(server: Server) -> None:
    mine = [("cookie", f"livecollections={OURS}")]
    async with Socket(server, mine) as socket:
        client_id = (await socket.reply({**HANDSHAKE, "id": "h"}))["clientId"]
        assert (await socket.reply(connect(client_id, "websocket")))["successful"]
    assert (await request(server, connect(client_id))).messages[0]["error"] == unknown(client_id)
    mine_now = await request(server, connect(client_id, advice={"timeout": 0}), headers=mine)
    assert mine_now.messages[0]["successful"]


# The user.


async def test_every_connection_must_tell_the_user_that_the_handshakes_did() -> None:
    server = Server(timeout=5, policy=Named())
    ann, bob = [("x-user", "ann")], [("x-user", "bob")]
    (reply,) = (await request(server, HANDSHAKE, headers=ann)).messages
    client_id = reply["clientId"]
    assert server._exchange.sessions[client_id].user == "ann"
    none: Headers = []
    for headers, is_hers in ((ann, True), (bob, False), (none, False), (ann, True)):
        (reply,) = (
            await request(server, connect(client_id, advice={"timeout": 0}), headers=headers)
        ).messages
        assert reply["successful"] is is_hers


async def test_a_user_of_whom_only_the_handshake_told_is_not_asked_for_but_no_other_may_come() -> None:
    server = Server(timeout=5, policy=Named())
    client_id = await handshake(server, ext={"token": "ann"})
    assert server._exchange.sessions[client_id].user == "ann"
    none: Headers = []
    for headers, is_hers in ((none, True), ([("x-user", "bob")], False), ([("x-user", "ann")], True)):
        (reply,) = (
            await request(server, connect(client_id, advice={"timeout": 0}), headers=headers)
        ).messages
        assert reply["successful"] is is_hers


async def _fails() -> None:
    raise RuntimeError("secret detail")


@pytest.mark.parametrize("failing", [_fails, abandoned])
async def test_a_policy_that_cant_identify_lets_nobody_in(
    caplog: pytest.LogCaptureFixture, failing: Callable[[], Awaitable[Any]]
) -> None:
    class Broken(Open):
        fails = False

        async def identify(self, connection: Connection) -> Any:
            if self.fails:
                await failing()

    policy = Broken()
    server = Server(policy=policy)
    client_id = await handshake(server)
    policy.fails = True
    for message in (HANDSHAKE, connect(client_id), subscribe(client_id, "/chat")):
        (reply,) = (await request(server, message)).messages
        assert re.fullmatch(r"500:[0-9a-f]{8}:Internal server error", reply["error"])
    assert [*server._exchange.sessions] == [client_id]
    assert not server._exchange.sessions[client_id].subscriptions
    assert "could not identify a connection" in caplog.text
    # A stream has no reply that could say so.
    asked = [("accept", "text/event-stream")]
    answer = await request(server, method="GET", path=f"/faye/{client_id}", headers=asked)
    assert (answer.status, answer.body) == (404, b"Unknown client")


# A second link while a first one lives.


async def newcome(server: Server, kind: str, client_id: str, headers: Headers = ()) -> dict[str, Any]:
    """The reply to a connect on a new link."""
    if kind == "long-polling":
        message = connect(client_id, advice={"timeout": 0})
        reply: dict[str, Any] = (await request(server, message, headers=headers)).messages[0]
        return reply
    async with Socket(server, headers) as socket:
        return dict(await socket.reply(connect(client_id, "websocket")))


NEWCOMERS = pytest.mark.parametrize("kind", ["websocket", "long-polling"])


@NEWCOMERS
@pytest.mark.parametrize("answer", ["connect", "publish", "[]"])
async def test_a_socket_that_answers_keeps_its_session(server: Server, kind: str, answer: str) -> None:
    server._exchange.ping_answered = 5.0
    client_id = await handshake(server)
    async with Socket(server) as first:
        await held_on(first, server, client_id)
        session = server._exchange.sessions[client_id]
        coming = asyncio.create_task(newcome(server, kind, client_id))
        (ping,) = await first.receive()
        assert ping["id"] == "held"
        assert ping["advice"] == {"reconnect": "retry", "interval": 0, "timeout": 5000}
        first.send(
            {
                "connect": connect(client_id, "websocket", id="again"),
                "publish": {"channel": "/x", "clientId": client_id, "data": 1},
                "[]": "[]",
            }[answer]
        )
        assert (await coming)["error"] == unknown(client_id)
        assert server._exchange.sessions == {client_id: session}
        await server.publish("/chat", 1)
        found: list[Any] = []
        while not any("data" in message for message in found):
            found += await first.receive()
        assert first.closed is None


@NEWCOMERS
async def test_a_socket_with_no_connect_held_answers_by_any_message(server: Server, kind: str) -> None:
    server._exchange.ping_answered = 5.0
    client_id = await handshake(server)
    async with Socket(server) as first:
        await first.reply(connect(client_id, "websocket"))
        coming = asyncio.create_task(newcome(server, kind, client_id))
        await wait_until(lambda: server._exchange._pings)
        first.send("[]")
        assert (await coming)["error"] == unknown(client_id)


@NEWCOMERS
async def test_a_session_moves_from_a_dead_socket_with_all_that_was_not_sent(
    server: Server, kind: str
) -> None:
    client_id = await handshake(server)
    async with Socket(server) as first:
        await held_on(first, server, client_id)
        first.take_nothing()
        for number in range(3):
            await server.publish("/chat", number)
            await asyncio.sleep(0)
        if kind == "long-polling":
            _, *messages = (await request(server, connect(client_id))).messages
        else:
            async with Socket(server) as second:
                assert (await second.reply(connect(client_id, "websocket")))["successful"]
                messages = await second.receive()
                while len(messages) < 3:
                    messages += await second.receive()
        assert [message["data"] for message in messages] == [0, 1, 2]


async def test_a_message_that_is_no_connect_is_let_in_too_when_the_socket_is_dead(server: Server) -> None:
    client_id = await handshake(server)
    async with Socket(server) as first:
        await held_on(first, server, client_id)
        (reply,) = (await request(server, subscribe(client_id, "/b"))).messages
        assert reply["successful"]
        session = server._exchange.sessions[client_id]
        assert session.socket is session.link is None
        assert session.held is None


async def test_a_socket_that_was_given_up_is_a_newcomer_itself(server: Server) -> None:
    client_id = await handshake(server)
    async with Socket(server) as first, Socket(server) as second:
        await held_on(first, server, client_id)
        assert (await second.reply(connect(client_id, "websocket")))["successful"]
        first.send(connect(client_id, "websocket", id="late"))
        await wait_until(lambda: server._exchange._pings)
        second.send("[]")
        await first.wait(lambda: any("late" in frame for frame in first.frames))
        assert unknown(client_id) in first.frames[-1]


async def test_of_two_newcomers_one_is_let_in(server: Server) -> None:
    client_id = await handshake(server)
    async with Socket(server) as first, Socket(server) as second, Socket(server) as third:
        await held_on(first, server, client_id)
        for socket in (second, third):
            socket.send(connect(client_id, "websocket", id="n"))
        await second.wait(lambda: second.frames)
        second.send("[]")
        await third.wait(lambda: third.frames)
        assert (await second.receive())[0]["successful"]
        assert (await third.receive())[0]["error"] == unknown(client_id)
        assert server._exchange.sessions[client_id].link is server._exchange.sessions[client_id].socket


@NEWCOMERS
@pytest.mark.parametrize("proof", ["cookie", "user"])
async def test_who_brings_the_cookie_or_the_user_moves_at_once(kind: str, proof: str) -> None:
    server = Server(timeout=5, policy=Named())
    server._exchange.ping_answered = 600.0
    mine: Headers = [("x-user", "ann")] if proof == "user" else []
    client_id = (await request(server, HANDSHAKE, headers=mine)).messages[0]["clientId"]
    mine = mine or cookie(server, client_id)
    async with Socket(server, mine) as first:
        await held_on(first, server, client_id)
        assert (await newcome(server, kind, client_id, mine))["successful"]
        # The first hears that it has been replaced, and may speak for another.
        assert (await first.receive())[0]["id"] == "held"
        assert server._exchange.sessions[client_id].socket is None


async def test_who_brings_the_cookie_may_publish_beside_its_socket(server: Server) -> None:
    client_id = await handshake(server)
    mine = cookie(server, client_id)
    async with Socket(server, mine) as first:
        await held_on(first, server, client_id)
        session = server._exchange.sessions[client_id]
        message = {"channel": "/chat", "clientId": client_id, "data": 1}
        assert (await request(server, message, headers=mine)).messages[0]["successful"]
        assert (await first.receive())[0]["data"] == 1
        assert session.held is not None
        assert session.socket is session.link


async def test_a_newcomer_whose_client_goes_while_it_waits_takes_nothing_with_it(server: Server) -> None:
    client_id = await handshake(server)
    async with Socket(server) as first:
        await held_on(first, server, client_id)
        first.take_nothing()
        for number in range(3):
            await server.publish("/chat", number)
            await asyncio.sleep(0)
        gone = asyncio.Event()
        coming = asyncio.create_task(request(server, connect(client_id), gone=gone))
        await wait_until(lambda: server._exchange._pings)
        gone.set()
        assert (await coming).status == 0
        _, *messages = (await request(server, connect(client_id))).messages
        assert [message["data"] for message in messages] == [0, 1, 2]


async def test_a_closing_server_lets_no_newcomer_wait(server: Server) -> None:
    server._exchange.ping_answered = 600.0
    client_id = await handshake(server)
    async with Socket(server) as first:
        await held_on(first, server, client_id)
        coming = asyncio.create_task(newcome(server, "long-polling", client_id))
        await wait_until(lambda: server._exchange._pings)
        await server.close()
        assert (await coming)["error"] == unknown(client_id)
        assert not server._exchange._pings


# Hijackers.


async def test_a_foreign_id_in_a_frame_or_a_batch_changes_nothing(server: Server) -> None:
    mine, foreign = await connected(server), await connected(server)
    batch = [
        subscribe(mine, "/a"),
        subscribe(foreign, "/b"),
        {"channel": "/chat", "clientId": foreign, "data": 1},
        {"channel": "/meta/disconnect", "clientId": foreign},
    ]
    async with Socket(server) as socket:
        await socket.reply(connect(mine, "websocket"))
        socket.send(*batch)
        replies: list[Any] = []
        while len(replies) < 4:
            replies += await socket.receive()
    replies += (await request(server, batch)).messages
    assert [reply["successful"] for reply in replies] == [True, False, False, False] * 2
    assert {reply.get("error") for reply in replies} == {None, unknown(foreign)}
    session = server._exchange.sessions[foreign]
    assert not session.subscriptions
    assert session.socket is None


async def test_nothing_is_kept_of_ids_that_nobody_has(server: Server) -> None:
    exchange = server._exchange
    async with Socket(server) as socket:
        for number in range(50):
            client_id = f"{number:040x}"
            assert (await socket.reply(connect(client_id, "websocket")))["error"] == unknown(client_id)
            assert not (await request(server, subscribe(client_id, "/a"))).messages[0]["successful"]
    assert not exchange.sessions
    assert not exchange._subscribers
    assert not exchange._pings
    assert not exchange._lifetimes
