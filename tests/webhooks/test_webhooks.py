"""Webhooks: a real store, a real receiver over HTTP, and a verifier of signatures that is not ours."""

from __future__ import annotations

import asyncio
import logging
import time
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import orjson
import pytest
import standardwebhooks

from livecollections import ConfigurationError, Live, StoreUnavailable, Webhook, webhooks
from livecollections.endpoint import Reply
from livecollections.stores.base import Letter, LetterState
from livecollections.testing.stores.models import Todo
from livecollections.webhooks import Delivery
from tests.serving import wait_until

from .receiver import OTHER, PATH, SECRET, Answer, Order, order, receiving, selling

NAME = "api-orders"


def refusing(*texts: str, status: int = 500) -> Any:
    """Refuse the messages about these orders."""

    def answer(message: dict[str, Any]) -> Answer:
        return Answer(status if message["data"].get("body", {}).get("text") in texts else 204)

    return answer


async def at_the_head(live: Live, name: str) -> bool:
    """Whether a webhook has passed all that the log holds."""
    return await live._store.cursor(f"webhook:{name}") == await live._store.head()


async def test_changes_are_posted_in_order_as_subscribers_hear_them(tmp_path: Path) -> None:
    async with receiving() as (receiver, url), selling(tmp_path, url) as live:
        await order(live, "a", "b")
        async with live._store.session("kitchen") as session:
            row = await session.get(Order, 1)
            row.text = "c"
            await session.commit()
            await session.delete(row)
            await session.commit()
        await wait_until(lambda: len(receiver.taken) == 4)
        assert receiver.texts(receiver.taken) == ["a", "b", "c", "c"]
        kinds = [message["type"] for message in receiver.taken]
        assert kinds == [f"api.orders.{event}" for event in ("created", "created", "updated", "deleted")]
        told = [message["data"] for message in receiver.taken]
        assert told[2] == {
            "method": "PUT",
            "body": {"id": 1, "text": "c"},
            "seq": told[2]["seq"],
            "prev": told[1]["seq"],
            "origin": "kitchen",
        }
        assert [each["prev"] for each in told[1:]] == [each["seq"] for each in told[:-1]]
        assert abs(datetime.fromisoformat(receiver.taken[0]["timestamp"]).timestamp() - time.time()) < 60
        assert [each["webhook-id"] for each in receiver.headers] == [f"{NAME}_{each['seq']}" for each in told]
        assert {each["content-type"] for each in receiver.headers} == {"application/json"}
        assert len(receiver.clients) == 1, "one connection serves them all"


async def test_what_is_posted_is_told_with_its_seq(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, "livecollections"):
        async with receiving() as (receiver, url), selling(tmp_path, url) as live:
            receiver.answer = refusing("a")
            await order(live, "a")
            await wait_until(lambda: "trying again" in caplog.text)
            receiver.answer = refusing()
            await wait_until(lambda: "posted seq=" in caplog.text)
            seq = receiver.taken[0]["data"]["seq"]
    way = [record for record in caplog.records if f"seq={seq}" in record.getMessage()]
    assert {record.__dict__["seq"] for record in way} == {seq}
    steps = [record.getMessage().split(" seq=")[0] for record in way]
    assert steps[-1] == "heard"
    assert steps[-2] == "posted"
    assert any("trying again" in step for step in steps)
    (posted,) = (record for record in way if record.getMessage().startswith("posted"))
    assert posted.getMessage() == f"posted seq={seq} channel={PATH} webhook={NAME}"


async def test_what_is_hidden_from_anybody_is_not_posted(tmp_path: Path) -> None:
    async with receiving() as (receiver, url):
        live = Live(f"sqlite:///{tmp_path / 'shop.db'}")
        hooks = [Webhook(url, SECRET, allow_private=True)]
        live.add_resource(PATH, Order, hidden={"secret": lambda user: user is None}, webhooks=hooks)
        async with live:
            await order(live, "a")
            for attribute, value in (("secret", "told to nobody"), ("text", "b")):
                async with live.session() as session:
                    setattr(await session.get(Order, 1), attribute, value)
                    await session.commit()
            await wait_until(lambda: len(receiver.taken) == 2)
    assert [each["data"]["body"] for each in receiver.heard] == [
        {"id": 1, "text": "a"},
        {"id": 1, "text": "b"},
    ]


async def test_only_what_is_asked_for_is_posted(tmp_path: Path) -> None:
    async with receiving() as (receiver, url), selling(tmp_path, url, events=("delete",)) as live:
        await order(live, "a")
        async with live.session() as session:
            await session.delete(await session.get(Order, 1))
            await session.commit()
        await wait_until(lambda: receiver.taken)
    assert [message["type"] for message in receiver.heard] == ["api.orders.deleted"]


async def test_prev_is_the_message_before_whatever_else_the_cursor_has_passed(tmp_path: Path) -> None:
    def shop(url: str) -> Live:
        live = Live(f"sqlite:///{tmp_path / 'shop.db'}")
        hooks = [
            Webhook(f"{url}/{name}", SECRET, name, events, allow_private=True)
            for name, events in (("all", ()), ("creates", ("create",)))
        ]
        live.add_resource(PATH, Order, hidden={"secret": lambda user: user is None}, webhooks=hooks)
        return live

    async def write(live: Live, text: str, heard: int) -> None:
        await order(live, text)
        for attribute in ("text", "secret"):
            async with live.session() as session:
                setattr(await session.get(Order, 1), attribute, f"{attribute} of {text}")
                await session.commit()
        await wait_until(lambda: len(receiver.taken) == heard)
        for name in ("all", "creates"):
            await wait_until(partial(at_the_head, live, name))

    async with receiving() as (receiver, url):
        async with shop(url) as live:
            await write(live, "a", heard=3)
            await write(live, "b", heard=6)
        async with shop(url) as live:
            await write(live, "c", heard=9)
    for name, count in (("all", 6), ("creates", 3)):
        told = [
            each["data"] for each, path in zip(receiver.heard, receiver.paths, strict=True) if name in path
        ]
        assert len(told) == count
        assert [each["prev"] for each in told[1:]] == [each["seq"] for each in told[:-1]]


async def test_what_was_given_up_before_the_cursor_moved_is_not_begun_again(tmp_path: Path) -> None:
    async with receiving() as (receiver, url), selling(tmp_path, url, give_up=0.01) as live:
        receiver.answer = refusing("bad")
        start = await live._store.head()
        await order(live, "a", "bad")
        await wait_until(lambda: at_the_head(live, NAME))
        [letter] = await live.webhooks.dead_letters(NAME)
        bad = (await live._store.read(start, 9, Order.__tablename__)).changes[-1]
        heard = len(receiver.heard)
        await live.webhooks._deliveries[NAME].deliver(bad)
        assert len(receiver.heard) == heard
        marks = await live._store.letters.read(f"webhook:{NAME}", ["told"])
        assert [mark.seq for mark in marks] == [letter.seq], "older ones are gone"


async def test_each_of_several_secrets_verifies(tmp_path: Path) -> None:
    async with (
        receiving(OTHER) as (receiver, url),
        selling(tmp_path, url, secret=[SECRET, OTHER]) as live,
    ):
        await order(live, "a")
        await wait_until(lambda: receiver.taken)
        headers = receiver.headers[0]
        assert len(headers["webhook-signature"].split()) == 2
        body = orjson.dumps(receiver.heard[0])
        standardwebhooks.Webhook(SECRET).verify(body, headers)
        with pytest.raises(standardwebhooks.WebhookVerificationError):
            standardwebhooks.Webhook(SECRET).verify(body + b" ", headers)


async def test_what_is_not_taken_is_tried_again_before_the_next(tmp_path: Path) -> None:
    answers = [Answer(500), Answer(302, {"location": "/elsewhere"}), Answer(429), Answer()]
    async with receiving() as (receiver, url), selling(tmp_path, url) as live:
        receiver.answer = lambda message: answers.pop(0) if answers else Answer()
        await order(live, "a", "b")
        await wait_until(lambda: len(receiver.taken) == 2)
        assert await live.webhooks.dead_letters(NAME) == []
    assert receiver.texts(receiver.heard) == ["a", "a", "a", "a", "b"]
    assert set(receiver.paths) == {"/hooks"}, "a redirect is not followed"
    assert len({each["webhook-id"] for each in receiver.headers}) == 2


async def test_retry_after_is_respected(tmp_path: Path) -> None:
    answers = [Answer(503, {"retry-after": "1"})]
    async with receiving() as (receiver, url), selling(tmp_path, url) as live:
        receiver.answer = lambda message: answers.pop() if answers else Answer()
        await order(live, "a")
        await wait_until(lambda: receiver.taken)
    assert receiver.times[1] - receiver.times[0] > 0.9


async def test_what_is_given_up_is_a_dead_letter_and_the_next_follows(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with receiving() as (receiver, url), selling(tmp_path, url, give_up=0.1) as live:
        receiver.answer = refusing("bad")
        await order(live, "a", "bad", "c")
        await wait_until(lambda: receiver.texts(receiver.taken) == ["a", "c"])
        [letter] = await live.webhooks.dead_letters(NAME)
        assert (letter.state, letter.reason) == ("dead", "answered 500")
        assert letter.attempts == receiver.texts(receiver.heard).count("bad") > 1
        last = receiver.taken[-1]["data"]
        assert last["prev"] == letter.seq, "its receiver sees the gap"
        assert not await live.webhooks.redeliver(letter)
        assert (await live.webhooks.dead_letters(NAME))[0].attempts == letter.attempts + 1
        receiver.answer = refusing()
        assert await live.webhooks.redeliver(letter)
        assert receiver.texts(receiver.taken)[-1] == "bad"
        assert receiver.headers[-1]["webhook-id"] == f"{NAME}_{letter.seq}"
        assert await live.webhooks.dead_letters(NAME) == []
        assert await live.webhooks.dead_letters(NAME, after=letter.seq, limit=1) == []
    assert not [record for record in caplog.records if SECRET in record.getMessage()]


async def test_of_too_many_dead_letters_the_oldest_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(webhooks, "KEPT", 2)
    async with receiving() as (receiver, url), selling(tmp_path, url, give_up=0.001) as live:
        receiver.answer = lambda message: Answer(400)
        await order(live, "a", "b", "c")

        async def dead() -> list[Letter]:
            return [each for each in await live.webhooks.dead_letters(NAME) if b'"c"' in each.body]

        await wait_until(dead)
        assert [each.body for each in await live.webhooks.dead_letters(NAME) if b'"a"' in each.body] == []
    assert "the oldest is gone" in caplog.text


async def test_410_ends_it_until_its_letter_is_redelivered(tmp_path: Path) -> None:
    async with receiving() as (receiver, url):
        async with selling(tmp_path, url) as live:
            receiver.answer = refusing("a", status=410)
            await order(live, "a", "b")
            cursor = f"webhook:{NAME}"
            head = await live._store.head()

            async def is_passed() -> bool:
                return await live._store.cursor(cursor) == head

            await wait_until(is_passed)
        async with selling(tmp_path, url) as live:
            await order(live, "c")
            head = await live._store.head()
            await wait_until(is_passed)
            assert receiver.texts(receiver.heard) == ["a"], "once, and nothing after it"
            [letter] = await live.webhooks.dead_letters(NAME)
            assert letter.state == "ended"
            assert not await live.webhooks.redeliver(letter)
            receiver.answer = refusing()
            assert await live.webhooks.redeliver(letter)
            await order(live, "d", "e")
            await wait_until(lambda: len(receiver.taken) == 3)
            assert receiver.texts(receiver.taken) == ["a", "RESET", "e"], "what was missed is told"
            assert receiver.taken[1]["type"] == "api.orders.reset"
            assert await live.webhooks.dead_letters(NAME) == []


async def test_a_restart_goes_on_where_it_stood_and_with_what_was_tried(tmp_path: Path) -> None:
    async with receiving() as (receiver, url):
        receiver.answer = refusing("b")
        async with selling(tmp_path, url) as live:
            await order(live, "a", "b", "c")
            await wait_until(lambda: receiver.texts(receiver.heard).count("b") > 2)
        tried = receiver.texts(receiver.heard).count("b")
        async with selling(tmp_path, url) as live:
            states: tuple[LetterState, ...] = ("failing", "dead")
            [letter] = await live._store.letters.read(NAME, states[:1])
            assert letter.attempts >= tried - 1
            receiver.answer = refusing()
            await order(live, "d")
            await wait_until(lambda: len(receiver.taken) == 4)
            assert await live._store.letters.read(NAME, states) == []
    assert receiver.texts(receiver.taken) == ["a", "b", "c", "d"]


async def test_a_receiver_that_hangs_or_never_ends_costs_bounded_time(tmp_path: Path) -> None:
    answers = [Answer(hangs=True), Answer(200, endless=True)]
    async with receiving() as (receiver, url), selling(tmp_path, url, timeout=0.2) as live:
        receiver.answer = lambda message: answers.pop(0) if answers else Answer()
        await order(live, "a", "b")
        await wait_until(lambda: receiver.texts(receiver.taken) == ["a", "b"])
        assert receiver.texts(receiver.heard) == ["a", "a", "b"]


async def test_a_receiver_that_is_not_there_is_tried_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with receiving() as (_, gone):
        pass
    async with selling(tmp_path, gone) as live:
        await order(live, "a")
        await wait_until(lambda: caplog.text.count("trying again") > 1)
    assert "connect" in caplog.text.lower()


async def test_a_stop_waits_for_no_receiver(tmp_path: Path) -> None:
    async with receiving() as (receiver, url):
        live = Live(f"sqlite:///{tmp_path / 'shop.db'}")
        names = [f"hook-{number}" for number in range(4)]
        hooks = [Webhook(f"{url}/{name}", SECRET, name, allow_private=True) for name in names]
        live.add_resource(PATH, Order, webhooks=hooks)
        receiver.answer = lambda message: Answer(hangs=True)
        await live.__aenter__()
        await order(live, "a")
        await wait_until(lambda: len(receiver.heard) == len(hooks))
        started = time.monotonic()
        await live.__aexit__(None, None, None)
        assert time.monotonic() - started < 2


async def test_one_process_posts_and_another_takes_over(tmp_path: Path) -> None:
    async with receiving() as (receiver, url):
        first, second = selling(tmp_path, url), selling(tmp_path, url)
        async with first:
            async with second:
                await order(second, "a", "b")
                await wait_until(lambda: len(receiver.taken) == 2)
            await order(first, "c")
            await wait_until(lambda: len(receiver.taken) == 3, within=20)
    assert receiver.texts(receiver.heard) == ["a", "b", "c"]


async def test_the_waits_grow_are_bounded_and_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    drawn = iter([0.0, 0.999] * 30)
    now = [1000.0]
    live = selling(Path(), "http://127.0.0.1:9/hooks", give_up=100_000)
    [declared] = live._all_declarations()
    resource = live._describe(declared)
    delivery = Delivery("x", resource.webhooks[0], resource, live._store, lambda: now[0], lambda: next(drawn))
    letter = Letter("x", "seq", b"")
    waits = []
    while letter.state == "failing":
        letter = delivery._failed(letter, Reply(500, "answered 500"))
        waits.append(letter.due - now[0])
        now[0] = max(now[0], letter.due)
    assert waits[:4] == pytest.approx([0.5, 2, 2, 8], rel=0.01)
    assert max(waits) <= 3600
    assert min(waits[14:-2]) >= 1800
    assert now[0] == 101_000
    assert letter.state == "dead"


async def test_a_wait_that_is_asked_for_ends_with_the_last_try(monkeypatch: pytest.MonkeyPatch) -> None:
    live = selling(Path(), "http://127.0.0.1:9/hooks", give_up=50)
    [declared] = live._all_declarations()
    resource = live._describe(declared)
    delivery = Delivery("x", resource.webhooks[0], resource, live._store, lambda: 1000.0)
    letter = delivery._failed(Letter("x", "seq", b""), Reply(503, "busy", retry_after=20))
    assert letter.due == 1020
    assert delivery._failed(letter, Reply(503, "busy", retry_after=7200)).due == 1050


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"url": "http://example.org/"}, "url"),
        ({"url": "https:///nowhere"}, "url"),
        ({"url": "https://user:word@example.org/"}, "url"),
        ({"url": "ftp://example.org/", "allow_private": True}, "url"),
        ({"url": 7}, "url"),
        ({"secret": "c2hvcnQ="}, "secret"),
        ({"secret": "whsec_c2hvcnQ="}, "secret"),
        ({"secret": "whsec_?"}, "secret"),
        ({"secret": []}, "secret"),
        ({"secret": [SECRET, None]}, "secret"),
        ({"name": "a.b"}, "name"),
        ({"events": ("insert",)}, "insert"),
        ({"events": "create"}, "events"),
        ({"timeout": 0}, "timeout"),
        ({"give_up": True}, "give_up"),
    ],
)
def test_a_wrong_option_is_named_and_no_secret_told(options: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigurationError, match=named) as caught:
        Webhook(**{"url": "https://example.org/hooks", "secret": SECRET, **options})
    assert "c2hvcnQ" not in str(caught.value)
    assert SECRET not in repr(Webhook("https://example.org/hooks", SECRET))


async def test_declarations_that_contradict_each_other(tmp_path: Path) -> None:
    live = selling(tmp_path, "http://127.0.0.1:9/hooks")
    hook: Any = Webhook("https://example.org/hooks", SECRET, NAME)
    with pytest.raises(ConfigurationError, match="webhooks"):
        live.add_resource("/api/todos", Todo, webhooks=hook)
    with pytest.raises(ConfigurationError, match="webhooks"):
        live.add_resource("/api/todos", Todo, webhooks=["https://example.org/hooks"])  # type: ignore[list-item]
    live.add_resource("/api/todos", Todo, webhooks=[hook])
    with pytest.raises(StoreUnavailable):
        _ = live.webhooks
    with pytest.raises(ConfigurationError, match=f"two are called {NAME}"):
        await live.__aenter__()
    async with selling(tmp_path, "http://127.0.0.1:9/hooks") as right:
        with pytest.raises(ConfigurationError, match="no 'other'"):
            await right.webhooks.dead_letters("other")


async def test_a_store_that_fails_for_a_while_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(webhooks, "RETRY", 0.01)
    async with receiving() as (receiver, url), selling(tmp_path, url) as live:
        letters = live._store.letters
        read = type(letters).read
        failures = [StoreUnavailable("locked")] * 2

        async def failing(self: Any, *arguments: Any) -> list[Letter]:
            if failures:
                raise failures.pop()
            return await read(self, *arguments)

        monkeypatch.setattr(type(letters), "read", failing)
        with caplog.at_level(logging.ERROR):
            await order(live, "a")
            await wait_until(lambda: receiver.taken)
    assert caplog.text.count("trying again") == 2


async def test_cancelled_in_the_midst_of_a_request_it_is_sent_again(tmp_path: Path) -> None:
    async with receiving() as (receiver, url):
        receiver.answer = lambda message: Answer(hangs=True)
        async with selling(tmp_path, url) as live:
            await order(live, "a")
            await wait_until(lambda: receiver.heard)
        receiver.answer = lambda message: Answer()
        async with selling(tmp_path, url):
            await wait_until(lambda: receiver.taken)
    assert receiver.heard[0] == receiver.heard[1]
    assert asyncio.all_tasks() == {asyncio.current_task()}
