"""Who hears what: the same as he may GET, and at once otherwise when that has changed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from starlette.requests import HTTPConnection

from livecollections import ConfigurationError, Live
from livecollections.bayeux import Server
from tests.bayeux.wire import Open, abandoned, jsonp, request
from tests.databases.fixtures import only
from tests.serving import wait_until

from .conftest import Line, Make, Sheet, Site, User, Users, now

SHEETS = "/api/sheets"


def is_not_boss(user: Any) -> bool:
    return not user.is_boss


def both(live: Live) -> None:
    live.add_resource(SHEETS, Sheet, partition="owner", by=lambda user: user.id)
    live.add_resource("/api/plans", Sheet, hidden={"secret": is_not_boss})
    live.add_resource("/api/rooms/{room}/lines", Line)
    live.add_resource("/api/open", Line, policy=True)


@pytest.fixture
async def site(make: Make) -> Site:
    return await make(both)


async def channel_of(site: Site, token: str, path: str) -> str:
    async with site.client(token) as client:
        return str((await client.get(path)).headers["live-channel"])


async def test_a_row_that_changes_hands_goes_here_and_comes_there(site: Site) -> None:
    ann, bob = await site.hear("ann"), await site.hear("bob")
    assert (await ann.subscribe("/api/sheets/~owner/1"))["successful"]
    assert (await bob.subscribe("/api/sheets/~owner/2"))["successful"]
    site.database.insert(Sheet, {"title": "a", "owner": 1})
    told = await ann.next()
    assert (told["method"], told["channel"], told["body"]["title"]) == ("POST", "/api/sheets/~owner/1", "a")
    site.database.update(Sheet, {"owner": 2, "title": "b"})
    gone, come = await ann.next(), await bob.next()
    assert (gone["method"], gone["body"]["owner"], gone["prev"]) == ("DELETE", 1, told["seq"])
    assert (come["method"], come["body"]["title"], come["body"]["owner"]) == ("POST", "b", 2)
    assert gone["seq"] == come["seq"]
    site.database.update(Sheet, {"owner": None})
    assert (await bob.next())["method"] == "DELETE"
    site.database.update(Sheet, {"title": "nobody hears"})
    site.database.update(Sheet, {"owner": 1})
    assert (await ann.next())["method"] == "POST"


async def test_what_was_missed_is_told_from_the_log_of_ones_own(site: Site) -> None:
    start = await site.live._store.head()
    rows = [{"title": str(number), "owner": 1 if number % 100 == 7 else 2} for number in range(450)]
    site.database.insert(Sheet, *rows)
    await site.settled()
    ann = await site.hear("ann")
    reply = await ann.subscribe("/api/sheets/~owner/1", start)
    assert reply["ext"]["live"] == {"seq": start}
    told = [await ann.next() for _ in range(5)]
    assert [one["body"]["title"] for one in told] == ["7", "107", "207", "307", "407"]
    assert [one["prev"] for one in told] == [start, *(one["seq"] for one in told[:-1])]
    site.database.insert(Sheet, {"title": "last", "owner": 1})
    last = await ann.next()
    assert last["body"]["title"] == "last"
    assert last.get("prev", "") <= told[-1]["seq"]


async def test_views_hear_their_own_bodies_and_nothing_of_what_they_lack(site: Site) -> None:
    """Finding 21: a change of hidden fields alone was a message all the same."""
    hers, all_ = await channel_of(site, "ann", "/api/plans"), await channel_of(site, "boss", "/api/plans")
    assert all_ == "/api/plans"
    assert hers.startswith("/api/plans/~view/")
    assert hers == await channel_of(site, "bob", "/api/plans")
    ann, boss = await site.hear("ann"), await site.hear("boss")
    assert (await ann.subscribe(hers))["successful"]
    assert (await boss.subscribe(all_))["successful"]
    site.database.insert(Sheet, {"title": "a", "secret": 5, "owner": 1})
    assert (await boss.next())["body"]["secret"] == 5
    assert "secret" not in (await ann.next())["body"]
    site.database.update(Sheet, {"secret": 6})
    site.database.update(Sheet, {"title": "b"})
    assert (await ann.next())["body"]["title"] == "b"
    assert [(await boss.next())["body"]["secret"] for _ in range(2)] == [6, 6]


@pytest.mark.parametrize(
    "channel",
    [
        "/api/sheets", "/api/sheets/~owner/2", "/api/sheets/~owner/1/~view/0123456789ab", "/api/sheets/~owner/01",
        "/api/sheets/~owner/x", "/api/plans", "/api/plans/~view/0123456789ab", "/api/sheets/**",
        "/api/**", "/**", "/api/sheets/~owner/*", "/api/rooms/**", "/api/rooms/hall/*", "/api/*",
    ],
)  # fmt: skip
async def test_nobody_hears_by_another_name(make: Make, channel: str) -> None:
    class OpenButForResources(Open):
        async def can_subscribe(self, session: Any, channel: str) -> bool:
            return False

    site = await make(both, bayeux=Server(policy=OpenButForResources()))
    ann = await site.hear("ann")
    reply = await ann.subscribe(channel)
    assert not reply["successful"]
    assert reply["error"].startswith("403:")


@pytest.mark.parametrize("policy", [True, {"create": True, "update": True, "list": True, "read": True}])
async def test_what_has_no_get_is_neither_heard_nor_shown(make: Make, policy: Any) -> None:
    def inbox(live: Live) -> None:
        live.add_resource("/api/inbox", Sheet, methods=["POST", "PATCH"], policy=policy)

    site = await make(inbox, bayeux=Server(policy=Open()))
    ann = await site.hear("ann")
    for channel in ("/api/inbox", "/api/*", "/api/**", "/**"):
        reply = await ann.subscribe(channel)
        assert not reply["successful"], channel
        assert reply["error"].startswith("403:"), channel
    streams = {"accept": "text/event-stream"}
    async with site.client("ann") as client:
        assert (await client.post("/api/inbox", json=[{"title": "a"}, {"title": "b"}])).status_code == 201
        for path in ("/api/inbox", "/api/inbox/1"):
            assert (await client.get(path)).status_code == 405
            assert (await client.get(path, headers=streams)).status_code == 405
        answer = await client.patch("/api/inbox/1", json={"title": "c"})
        assert (answer.status_code, answer.content) == (204, b"")
    with pytest.raises(ConfigurationError):
        await site.live.snapshot(Sheet)
    await site.settled()
    assert ann.taken() == []


async def test_nobody_publishes_where_only_the_feed_does(make: Make) -> None:
    site = await make(both, bayeux=Server(policy=Open()))
    ann = await site.hear("ann")
    for channel in ("/api/sheets/~owner/1", "/api/sheets/~owner/5", "/api/rooms/x/lines", "/api/plans"):
        assert (await ann.publish(channel, {"method": "POST"}))["error"].startswith("403:")
    assert (await ann.publish("/api/other", {}))["successful"]


async def test_a_nested_resource_speaks_on_its_url(site: Site) -> None:
    ann, stranger = await site.hear("ann"), await site.hear()
    assert (await ann.subscribe("/api/rooms/hall/lines"))["successful"]
    assert not (await stranger.subscribe("/api/rooms/hall/lines"))["successful"]
    site.database.insert(Line, {"room": "cellar", "text": "a"})
    site.database.insert(Line, {"room": "hall", "text": "b"})
    assert (await ann.next())["body"]["text"] == "b"


async def test_a_channel_that_nobody_hears_is_closed(site: Site) -> None:
    feed = site.live._require_start().feed
    ann = await site.hear("ann")
    await ann.subscribe("/api/sheets/~owner/1")
    site.database.insert(Sheet, {"owner": 1})
    await ann.next()
    assert feed.kept_bytes
    await ann.socket.reply(
        {
            "channel": "/meta/unsubscribe",
            "subscription": "/api/sheets/~owner/1",
            "clientId": ann.id,
            "id": "u",
        }
    )
    assert not feed.kept_bytes
    assert not any(outlets._by_channel for several in feed._outlets.values() for outlets in several)


async def ended(site: Site, client_id: str) -> None:
    await wait_until(lambda: client_id not in site.live.bayeux.sessions)


async def test_who_is_disconnected_hears_no_more(site: Site) -> None:
    ann, bob = await site.hear("ann"), await site.hear("bob")
    site.live.disconnect(User(1))
    await ended(site, ann.id)
    await ann.socket.wait(lambda: ann.socket.closed is not None)
    assert bob.id in site.live.bayeux.sessions


async def test_who_sees_less_than_before_reads_anew(site: Site) -> None:
    boss = await site.hear("boss")
    await boss.subscribe("/api/plans")
    site.database.insert(Sheet, {"secret": 5})
    seq = (await boss.next())["seq"]
    site.users.by_token["boss"] = User(9)
    await site.live.recheck(User(9))
    await ended(site, boss.id)
    again = await site.hear("boss")
    # He goes on where he was: that is no longer his, and he is told to read, which leads him to where he may hear.
    reply = await again.subscribe("/api/plans", seq)
    assert reply["ext"]["live"]["reset"] is True
    site.database.update(Sheet, {"secret": 6, "title": "b"})
    hers = await channel_of(site, "boss", "/api/plans")
    assert (await again.subscribe(hers, seq))["successful"]
    told = await again.next()
    assert (told["channel"], "secret" in told["body"]) == (hers, False)


async def test_rights_that_stay_are_asked_for_and_nothing_ends(site: Site) -> None:
    ann = await site.hear("ann")
    await ann.subscribe("/api/sheets/~owner/1")
    asked = site.users.asked
    await site.live.recheck(User(1))
    assert site.users.asked == asked + 1
    site.database.insert(Sheet, {"owner": 1})
    assert (await ann.next())["method"] == "POST"


async def test_rights_are_asked_for_again_before_a_minute_has_passed(site: Site) -> None:
    """Finding 21: a right was withdrawn, and the stream went on."""
    ann = await site.hear("ann")
    exchange, rights = site.live.bayeux._exchange, site.live._require_start().rights
    clock, asked = exchange.clock, site.users.asked
    await rights.renew_due()
    assert site.users.asked == asked
    exchange.clock = lambda: clock() + 59
    await rights.renew_due()
    assert site.users.asked == asked + 1
    assert ann.id in site.live.bayeux.sessions
    del site.users.by_token["ann"]
    exchange.clock = lambda: clock() + 120
    await rights.renew_due()
    assert ann.id not in site.live.bayeux.sessions


async def test_a_session_ends_when_its_credential_does(site: Site) -> None:
    site.users.by_token["ann"].expires_at = now() + 30
    ann = await site.hear("ann")
    assert (await ann.subscribe("/api/sheets/~owner/1"))["successful"]
    exchange, rights = site.live.bayeux._exchange, site.live._require_start().rights
    clock, wall = exchange.clock, site.live._clock
    exchange.clock = lambda: clock() + 25
    await rights.renew_due()
    assert ann.id in site.live.bayeux.sessions
    exchange.clock, site.live._clock = lambda: clock() + 31, lambda: wall() + 31
    await rights.renew_due()
    assert ann.id not in site.live.bayeux.sessions
    async with site.client("ann") as client:
        assert (await client.get(SHEETS)).status_code == 401


async def test_a_script_never_carries_a_cookies_user(site: Site) -> None:
    told = [("cookie", "user=ann"), ("sec-fetch-site", "same-origin")]
    shake = {"channel": "/meta/handshake", "version": "1.0", "supportedConnectionTypes": ["callback-polling"]}
    (reply,) = (await jsonp(site.live.bayeux, shake, headers=told)).messages
    assert site.live.bayeux.sessions[reply["clientId"]].user is None
    (reply,) = (await request(site.live.bayeux, [shake], headers=[("cookie", "user=ann")])).messages
    assert site.live.bayeux.sessions[reply["clientId"]].user == User(1)


async def test_a_cookies_user_of_a_foreign_page_is_nobody(make: Make) -> None:
    site = await make(both, allowed_origins=["*"])
    heard = await site.hear(
        headers=[("cookie", "user=ann"), ("origin", "https://evil.example"), ("host", "site")]
    )
    assert not (await heard.subscribe("/api/sheets/~owner/1"))["successful"]
    heard = await site.hear(headers=[("cookie", "user=ann"), ("origin", "http://site"), ("host", "site")])
    assert (await heard.subscribe("/api/sheets/~owner/1"))["successful"]


@only("sqlite", because="whose a request is, no database is asked")
@pytest.mark.parametrize(
    ("told", "user"), [("cross-site", None), ("same-site", None), ("same-origin", User(1))]
)
async def test_a_stream_that_a_foreign_page_embeds_is_nobodys(site: Site, told: str, user: Any) -> None:
    shake = {"channel": "/meta/handshake", "version": "1.0", "supportedConnectionTypes": ["long-polling"]}
    headers = [("cookie", "user=ann"), ("sec-fetch-site", told), ("sec-fetch-mode", "no-cors")]
    (reply,) = (await request(site.live.bayeux, [shake], headers=headers)).messages
    assert site.live.bayeux.sessions[reply["clientId"]].user == user


async def test_whoever_a_policy_of_ones_own_knows_stays_known(make: Make) -> None:
    class Doorman(Open):
        async def identify(self, connection: Any) -> Any:
            return User(7) if connection.headers.get("x-badge") else None

    site = await make(both, bayeux=Server(policy=Doorman()))
    guest = await site.hear("ann", headers=[("x-badge", "7")])
    assert (await guest.subscribe("/api/sheets/~owner/7"))["successful"]
    await site.live.recheck(User(7))
    assert guest.id in site.live.bayeux.sessions
    site.database.insert(Sheet, {"owner": 7})
    assert (await guest.next())["method"] == "POST"


async def test_what_can_t_be_decided_is_refused_and_stops_nobody_else(make: Make) -> None:
    broken: list[int] = []

    def own(user: Any) -> int:
        if user.id in broken:
            raise RuntimeError("the application's own")
        return int(user.id)

    site = await make(lambda live: live.add_resource(SHEETS, Sheet, partition="owner", by=own))
    ann, bob = await site.hear("ann"), await site.hear("bob")
    await ann.subscribe("/api/sheets/~owner/1")
    await bob.subscribe("/api/sheets/~owner/2")
    broken.append(1)
    await site.renew_in(59)
    assert ann.id not in site.live.bayeux.sessions
    assert bob.id in site.live.bayeux.sessions


class Compared:
    """A user whose class takes for granted that it meets its own, and whose comparison and date may fail."""

    def __init__(self, number: int) -> None:
        self.id = number
        self.is_broken = False

    def __eq__(self, other: Any) -> bool:
        if self.is_broken or other.is_broken:
            raise RuntimeError("the application's own")
        return bool(self.id == other.id)

    def __hash__(self) -> int:
        return hash(self.id)

    @property
    def expires_at(self) -> float:
        if self.is_broken:
            raise RuntimeError("the application's own")
        return now() + 3600


def lose(users: Users, token: str) -> None:
    del users.by_token[token]


def spoil(users: Users, token: str) -> None:
    user: Any = users.by_token[token]
    user.is_broken = True


@pytest.mark.parametrize(("change", "logged"), [(lose, ""), (spoil, "can't be told: it counts as ended")])
async def test_a_users_own_comparison_and_date_stop_nobody_elses_rights(
    make: Make, caplog: pytest.LogCaptureFixture, change: Callable[[Users, str], None], logged: str
) -> None:
    site = await make(both)
    known: dict[str, Any] = {"ann": Compared(1), "bob": Compared(2)}
    site.users.by_token = known
    ann, bob = await site.hear("ann"), await site.hear("bob")
    change(site.users, "ann")
    for is_known in (True, True, False):
        if not is_known:
            lose(site.users, "bob")
        await site.renew_in(60)
        assert ann.id not in site.live.bayeux.sessions
        assert (bob.id in site.live.bayeux.sessions) is is_known
    assert logged in caplog.text
    assert caplog.text.count("Traceback") == (1 if logged else 0)


async def test_a_user_that_can_t_be_compared_is_ended_and_nobody_else(
    make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    site = await make(both)
    ann, bob = await site.hear("ann"), await site.hear("bob")
    site.live.bayeux.sessions[ann.id].user = Compared(1)
    await site.renew_in(60)
    assert ann.id not in site.live.bayeux.sessions
    assert bob.id in site.live.bayeux.sessions
    assert "could not be told, and it has ended" in caplog.text


async def test_who_was_waited_for_in_vain_is_nobody_and_the_others_are_asked_about(make: Make) -> None:
    class Abandoned(Users):
        async def __call__(self, connection: HTTPConnection, ext: Mapping[str, Any]) -> User | None:
            if ext.get("token") == "ann" and "ann" not in self.by_token:
                await abandoned()
            return await super().__call__(connection, ext)

    users = Abandoned()
    site = await make(both, authenticate=users)
    ann, bob = await site.hear("ann"), await site.hear("bob")
    lose(users, "ann")
    await site.renew_in(60)
    assert ann.id not in site.live.bayeux.sessions
    assert bob.id in site.live.bayeux.sessions
