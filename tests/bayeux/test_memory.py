"""The history that is kept in memory, by itself: its bounds, its seqs, and what it says it can't tell."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livecollections import ConfigurationError
from livecollections.bayeux import MemoryHistory, Message
from livecollections.bayeux.memory import OVERHEAD
from livecollections.cause import Cause
from livecollections.change import epoch, number

NOW = 1_750_000_000.0


class Time:
    """A clock that is set by hand."""

    now = NOW

    def __call__(self) -> float:
        return self.now


def history(**options: Any) -> MemoryHistory:
    return MemoryHistory(**{"clock": Time(), "draw": lambda digits: "c0ffee12"[:digits], **options})


def keep(kept: MemoryHistory, channel: str, data: Any = None) -> str:
    seq = kept.keep(Message(channel, data)).seq
    assert seq is not None
    return seq


async def told(kept: MemoryHistory, channel: str, after: str) -> list[Any]:
    """What is told of a channel after a seq: data, or "reset"."""
    found: list[Any] = []
    while True:
        page = await kept.read(channel, after, 3, False)
        for message in page.messages:
            body = json.loads(message.body)
            found.append("reset" if message.is_reset else body["data"])
            assert body["ext"]["live"]["seq"] == message.seq
        if page.upto == kept.position():
            return found
        after = page.upto


async def test_a_message_has_its_place_beside_its_data() -> None:
    kept = history()
    start = kept.position()
    first, second = kept.keep(Message("/a", {"x": 1})), kept.keep(Message("/b", None))
    third = kept.keep(Message("/a", "two"))
    assert json.loads(first.body) == {"channel": "/a", "data": {"x": 1}, "ext": {"live": {"seq": first.seq}}}
    assert json.loads(third.body)["ext"] == {"live": {"seq": third.seq, "prev": first.seq}}
    assert len({len(start), len(first.seq or ""), 28}) == 1
    assert epoch(start) == "c0ffee12"
    assert start < (first.seq or "") < (second.seq or "") < (third.seq or "") == kept.position()


async def test_what_is_told_again_is_what_was_sent() -> None:
    kept = history()
    start = kept.position()
    sent = [kept.keep(Message("/a", value)) for value in range(4)]
    page = await kept.read("/a", start, 10, True)
    assert [message.body for message in page.messages] == [message.body for message in sent]
    assert page.messages[0].body is sent[0].body


async def test_a_restart_is_another_epoch_and_its_numbers_are_higher() -> None:
    time = Time()
    first = MemoryHistory(clock=time)
    seqs = [keep(first, "/a") for _ in range(1_000)]
    time.now += 1
    second = MemoryHistory(clock=time)
    assert epoch(second.position()) != epoch(seqs[0])
    assert number(second.position()) > number(seqs[-1])
    assert number(seqs[-1]) < 2**53
    assert await second.why_reset("/a", seqs[-1]) is Cause.OTHER_EPOCH
    assert not second.can_tell(seqs[-1])


async def test_only_the_last_messages_are_kept() -> None:
    kept = history(messages=3)
    start = kept.position()
    seqs = [keep(kept, "/a", value) for value in range(5)]
    keep(kept, "/b", "other")
    assert await told(kept, "/a", start) == ["reset"]
    assert await told(kept, "/a", seqs[0]) == ["reset"]
    assert await told(kept, "/a", seqs[1]) == [2, 3, 4]
    assert kept.oldest("/a") == seqs[1]
    assert [await kept.why_reset("/a", seq) for seq in seqs] == [Cause.TRIMMED, None, None, None, None]
    assert await told(kept, "/b", start) == ["other"]


async def test_what_is_too_old_is_gone_though_nothing_was_published_since() -> None:
    time = Time()
    kept = history(seconds=10, clock=time)
    start = kept.position()
    first = keep(kept, "/a", 1)
    time.now += 6
    second = keep(kept, "/a", 2)
    assert await told(kept, "/a", start) == [1, 2]
    time.now += 4
    assert await told(kept, "/a", start) == ["reset"]
    assert await told(kept, "/a", first) == [2]
    time.now += 6
    assert await told(kept, "/a", first) == ["reset"]
    # Who has all of it goes on, however long it was quiet.
    assert await told(kept, "/a", second) == []
    assert await kept.why_reset("/a", second) is None


async def test_bytes_are_bounded_and_what_is_over_the_bound_alone_is_not_kept() -> None:
    kept = history(channel_bytes=2_000)
    start = kept.position()
    seqs = [keep(kept, "/a", "x" * 500) for _ in range(5)]
    assert len(await told(kept, "/a", seqs[2])) == 2
    assert await told(kept, "/a", seqs[1]) == ["reset"]
    large = keep(kept, "/a", "x" * 3_000)
    assert await told(kept, "/a", seqs[4]) == ["reset"]
    assert await told(kept, "/a", large) == []
    keep(kept, "/b", "small")
    assert await told(kept, "/b", start) == ["small"]
    assert 2 * OVERHEAD < 2_000


async def test_the_channel_published_on_longest_ago_goes_first() -> None:
    kept = history(channels=2)
    start = kept.position()
    a = keep(kept, "/a", "a")
    b = keep(kept, "/b", "b")
    keep(kept, "/a", "again")
    c = keep(kept, "/c", "c")
    assert list(kept.channels()) == ["/a", "/c"]
    assert await told(kept, "/b", a) == ["reset"]
    assert await told(kept, "/b", b) == []
    assert not kept.can_tell(a)
    assert kept.can_tell(b)
    # Of what is known nothing is lost by that.
    assert await told(kept, "/a", start) == ["a", "again"]
    # Who was told everything when it came back has missed nothing; who wasn't hears so.
    before = kept.last("/b")
    keep(kept, "/b", "back")
    assert await told(kept, "/b", before) == ["back"]
    assert await told(kept, "/b", c) == ["back"]
    assert await told(kept, "/b", a) == ["reset"]


@pytest.mark.parametrize(
    ("wrong", "cause"),
    [
        ("", Cause.NOT_A_SEQ),
        ("x" * 28, Cause.NOT_A_SEQ),
        ("c0ffee12", Cause.NOT_A_SEQ),
        ("é" * 28, Cause.NOT_A_SEQ),
        ("c0ffee12" + "0" * 16 + "0000", Cause.OTHER_CHECK),
        ("c0ffee12" + "0" * 16 + "c0ff", Cause.TRIMMED),
        ("c0ffee12" + "f" * 16 + "c0ff", Cause.BEYOND_END),
        ("00000000" + "f" * 20, Cause.OTHER_EPOCH),
    ],
)
async def test_any_text_may_come_as_a_seq(wrong: str, cause: Cause) -> None:
    kept = history()
    keep(kept, "/a")
    assert await kept.why_reset("/a", wrong) is cause
    assert not kept.can_tell(wrong)
    assert await told(kept, "/a", wrong) == ["reset"]


async def test_a_place_that_is_not_yet_is_not_known() -> None:
    kept = history()
    seq = keep(kept, "/a")
    assert not kept.can_tell(kept.seq(number(seq) + 1))
    assert kept.can_tell(kept.seq(number(seq)))


async def test_all_channels_together_are_bounded_and_the_longest_silent_goes_first() -> None:
    kept = history(total_bytes=4 * (OVERHEAD + 1_000))
    before = kept.position()
    for channel in ("/a", "/b", "/c"):
        keep(kept, channel, "x" * 800)
    first = kept.position()
    keep(kept, "/a", "x" * 800)
    assert set(kept.channels()) == {"/a", "/b", "/c"}
    keep(kept, "/c", "x" * 800)
    assert set(kept.channels()) == {"/a", "/c"}
    assert await told(kept, "/b", before) == ["reset"]
    assert await told(kept, "/c", first) == ["x" * 800]
    for _ in range(9):
        keep(kept, "/d", "x" * 800)
    assert set(kept.channels()) == {"/d"}
    assert kept._size == sum(one.size for one in kept._channels.values()) <= 4 * (OVERHEAD + 1_000)


async def test_as_shipped_a_pattern_costs_8_mib_at_most() -> None:
    kept = MemoryHistory()
    for room in range(1_500):
        keep(kept, f"/chat/{room}", "x" * 20_000)
    assert 8_000_000 < kept._size <= 8_388_608


@pytest.mark.parametrize("option", ["messages", "channel_bytes", "channels", "seconds", "total_bytes"])
@pytest.mark.parametrize("wrong", [0, -1, True, "5", float("nan")])
def test_a_wrong_option_is_named(option: str, wrong: Any) -> None:
    with pytest.raises(ConfigurationError, match=f"history: {option}: a number above 0"):
        MemoryHistory(**{option: wrong})


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.integers(0, 3)), max_size=60), st.integers(1, 4))
async def test_it_tells_everything_or_says_that_it_does_not(
    steps: list[tuple[str, int]], channels: int
) -> None:
    time = Time()
    kept = history(messages=3, seconds=5, channels=channels, clock=time)
    published: list[tuple[str, str]] = [("", kept.position())]
    for channel, wait in steps:
        time.now += wait
        published.append((channel, keep(kept, channel, len(published))))
        assert len(kept.channels()) <= channels
    for _, since in published:
        for channel in "abcd":
            missed = [place for place, (name, seq) in enumerate(published) if name == channel and seq > since]
            answer = await told(kept, channel, since)
            assert answer in (missed, ["reset"])
            assert (answer == ["reset"]) == (await kept.why_reset(channel, since) is not None)
