"""Random interleavings on plain channels with histories: everything in order, nothing twice, or an explicit reset.

Receivers keep a map of where they are, as the docs say: exact names and patterns, over two histories and a
resource. They join with and without it, stall, are cut, lose answers, lose their session. What they hear is
compared with what was published; each reset must have its cause.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import pytest

from livecollections.bayeux import Limits, MemoryHistory, Page, Server
from livecollections.bayeux import channel as channels
from livecollections.cause import Cause
from livecollections.change import epoch

from ..scale import scaled
from .seeds import run_seeds
from .wire import Log, Open, Socket, connect, handshake, request, subscribe

CHAT = [f"/chat/{room}" for room in "abcde"]
NEWS = ["/news/x", "/news/y"]
TODOS = "/api/todos"
SUBSCRIPTIONS: list[Any] = [
    "/chat/a",
    "/chat/b",
    "/chat/*",
    "/**",
    "/news/*",
    ["/chat/a", "/chat/c"],
    ["/chat/*", "/chat/a", "/news/x"],
    [TODOS, "/news/**", "/chat/b"],
]
STEPS = ("publish", "publish", "publish", "burst", "time", "turn", "join", *["receiver"] * 8)


class Slow(MemoryHistory):
    """One that is asked over a slow wire: what is published meanwhile is in no answer."""

    def __init__(self, chance: random.Random, **options: Any) -> None:
        super().__init__(**options)
        self._chance = chance

    async def why_reset(self, channel: str, since: str, /) -> Cause | None:
        found = await super().why_reset(channel, since)
        await self._pause()
        return found

    async def read(self, channel: str, after: str, limit: int, squash: bool, /) -> Page:
        await self._pause()
        page = await super().read(channel, after, min(limit, self._chance.randint(1, 5)), squash)
        await self._pause()
        return page

    async def _pause(self) -> None:
        for _ in range(self._chance.randrange(4)):
            await asyncio.sleep(0)


class World:
    """The server, its histories, and all that was published."""

    def __init__(self, chance: random.Random, happened: Counter[str]) -> None:
        self.chance = chance
        self.happened = happened
        self.now = 1_750_000_000.0
        limits = Limits(
            queue_bytes=chance.choice([600, 3_000, 65_536]), positions=chance.choice([2, 4, 1_000, 1_000])
        )
        self.server = Server(timeout=2, policy=Open(), limits=limits)
        seconds = chance.choice([None, None, None, 30])
        self.histories = [
            self._history(
                "/chat/**", chance.choice([3, 10, 500, 500]), seconds, chance.choice([2, 4, 100, 100])
            ),
            self._history("/news/*", 1_000, None, 100),
        ]
        self.log = Log(self.server)
        self.published: dict[str, list[str]] = {name: [] for name in (*CHAT, *NEWS, TODOS)}

    def _history(self, pattern: str, messages: int, seconds: float | None, most: int) -> MemoryHistory:
        kept = Slow(self.chance, messages=messages, seconds=seconds, channels=most, clock=lambda: self.now)
        self.server.channel(pattern, history=kept)
        return kept

    def publish(self, channel: str) -> None:
        if channel == TODOS:
            self.published[TODOS].append(self.log.add(self.chance.randrange(1_000)))
            return
        self.server.publish_nowait(channel, {"n": len(self.published[channel])})
        kept = self.server._exchange.histories.keeper(channel)
        assert kept is not None
        self.published[channel].append(kept.position())

    def seqs(self) -> list[str]:
        """A seq of each log, from some time."""
        return [
            kept.seq(int(kept.position()[8:24], 16) - self.chance.randrange(12)) for kept in self.histories
        ]

    def is_lost(self, channel: str, since: str, held: Iterable[str]) -> bool:
        """Whether something of the channel, or a channel, is kept no longer that came after ``since``.

        Or whether it would be more channels than a session may be behind in, with those that it holds by name.
        """
        known = {TODOS, *(name for name in held if not name.endswith("*"))}
        known.update(*(kept.channels() for kept in self.histories))
        is_too_much = len(known) > self.server.limits.positions
        for kept in self.histories:
            if epoch(kept.position()) == epoch(since):
                return since < kept.oldest(channel) or not kept.can_tell(since) or is_too_much
        return is_too_much


class Receiver:
    """A client that keeps a map of where it is."""

    def __init__(self, world: World, is_socket: bool) -> None:
        self.world = world
        self.is_socket = is_socket
        self.client_id = ""
        self.names: list[Any] = []
        self.map: dict[str, str] = {}
        self.last_raw: dict[str, str] = {}
        self.repeated: set[str] = set()
        self.pending: list[tuple[Any, dict[str, str]]] = []
        self.said: dict[str, str] = {}
        self.starts: dict[str, str] = {}
        self.heard: dict[str, list[str]] = {}
        self.missed: dict[str, list[tuple[str, str]]] = {}
        self.socket = Socket(world.server)

    # Where it is.

    def at(self, channel: str, of_log: str, known: Mapping[str, str] | None = None) -> str | None:
        """The position on a channel of this log: its own, or the nearest pattern's."""
        known = self.map if known is None else known
        for near in channels.broader(channel):
            if near in known and epoch(known[near]) == of_log:
                return known[near]
        return None

    def hear(self, messages: list[Any]) -> None:
        for message in messages:
            if "successful" in message:
                continue
            channel = message["channel"]
            live = message["data"] if channel == TODOS else message["ext"]["live"]
            seq, prev = live["seq"], live.get("prev", "")
            if channel not in self.repeated:
                assert seq > self.last_raw.get(channel, ""), (
                    f"{channel}: out of order, or twice for one position"
                )
            self.last_raw[channel] = seq
            position = self.at(channel, epoch(seq))
            if position is None:
                assert self.pending, f"{channel}: of a log that it was never told of"
                continue
            if seq <= position:
                continue
            if live.get("reset"):
                # Its cause is at the server's position, which an older wish of ours may have set back.
                assert self.world.is_lost(channel, prev, self.map), f"{channel}: a reset without a cause"
                self.world.happened["resets told live"] += 1
                self.missed.setdefault(channel, []).append((position, seq))
            else:
                assert prev <= position, f"{channel}: a gap: {prev} after {position}"
                self.heard.setdefault(channel, []).append(seq)
            self.map[channel] = seq

    def answered(self, names: list[str], since: Mapping[str, str], live: Any) -> None:
        """The answer to a subscription that said what it had."""
        lost = live.get("reset", [])
        lost_names = set(lost)
        known = {name: self.at(name, self._epoch(name)) for name in self.world.published}
        for name in lost:
            self.map.pop(name, None)
        for name, seq in live["seq"].items():
            if not lost_names.isdisjoint(channels.broader(name)) or self.at(name, epoch(seq)) is None:
                self.map.setdefault(name, seq)
        for channel in self.world.published:
            if not any(channels.matches(name, channel) for name in names):
                continue
            of_log = self._epoch(channel)
            now, then = self.at(channel, of_log), known.get(channel)
            assert now is not None
            if channel not in self.starts:
                self.starts[channel] = now
            elif then is not None and now > then:
                assert not set(lost).isdisjoint(channels.broader(channel)), f"{channel}: jumped"
                asked = self.at(channel, of_log, since)
                assert self.world.is_lost(channel, asked or "", since), f"{channel}: a reset without a cause"
                self.world.happened["resets answered"] += 1
                self.missed.setdefault(channel, []).append((then, now))

    def _epoch(self, channel: str) -> str:
        return epoch(self.world.server._exchange.histories.head(channel))

    # What it does.

    async def begin(self) -> None:
        self.client_id = await handshake(self.world.server)
        await request(self.world.server, connect(self.client_id))
        await self.subscribe(self.world.chance.choice(SUBSCRIPTIONS))
        await self.open()

    async def subscribe(self, subscription: Any) -> None:
        names = subscription if isinstance(subscription, list) else [subscription]
        self.names.append(subscription)
        since: Mapping[str, str] = self.map
        if not self.map and self.world.chance.random() < 0.5:
            # It has been here before.
            seqs = dict(zip(("/chat/**", "/news/*"), self.world.seqs(), strict=True))
            since = {
                key: seq
                for name in names
                for key, seq in {**seqs, name: seqs["/news/*" if "/news" in name else "/chat/**"]}.items()
                if name != "/**" and TODOS not in name and name in channels.broader(key)
            }
            self.map = dict(since)
            self.world.happened["joined with a place"] += 1
        self.pending.append((subscription, dict(since)))
        await self.ask(subscription, since)

    async def ask(self, subscription: Any, since: Mapping[str, str]) -> None:
        names = subscription if isinstance(subscription, list) else [subscription]
        # It may be told again what it asks for by its exact name, behind what is on its way already.
        self.repeated |= {name for name in names if not name.endswith("*")}
        message = subscribe(self.client_id, subscription, ext={"live": {"since": since}})
        if self.socket.is_accepted:
            self.socket.send(message)
        else:
            asking = asyncio.create_task(request(self.world.server, message))
            for _ in range(self.world.chance.randrange(4)):
                # Channels may come into being while the histories are asked.
                await asyncio.sleep(0)
                self.world.publish(self.world.chance.choice((*CHAT, *NEWS)))
            await self.take((await asking).messages)

    async def renew(self) -> None:
        """Its session has gone: another one, for the same names, from where it is."""
        self.world.happened["renewed"] += 1
        await self.socket.cut()
        self.socket = Socket(self.world.server)
        self.last_raw.clear()
        self.repeated.clear()
        self.client_id = await handshake(self.world.server)
        await request(self.world.server, connect(self.client_id))
        names, self.names, self.pending = self.names, [], []
        for subscription in names:
            await self.subscribe(subscription)
        await self.open()

    def connect(self, **fields: Any) -> dict[str, Any]:
        self.last_raw.clear()
        self.repeated.clear()
        self.said = dict(self.map)
        kind = "websocket" if self.is_socket else "long-polling"
        return connect(self.client_id, kind, ext={"live": {"at": self.map}}, **fields)

    async def open(self) -> None:
        if self.is_socket:
            self.socket = Socket(self.world.server)
            await self.socket.open()
            self.socket.send(self.connect())
            for subscription, since in self.pending:
                # What was not answered is said again.
                await self.ask(subscription, since)

    def told(self, live: Any) -> None:
        """The answer to a connect."""
        for name in live.get("reset", ()):
            assert self.world.is_lost(name, self.said[name], self.said), f"{name}: a reset without a cause"
            for channel in self.starts:
                kept = self.world.server._exchange.histories.keeper(channel)
                then = self.at(channel, self._epoch(channel))
                nearest = next((near for near in channels.broader(channel) if near in self.map), None)
                if kept is None or then is None or nearest != name:
                    continue
                if then < (upto := kept.oldest(channel)):
                    # Forgotten altogether, and not known by its own name: what came of it can't be told.
                    self.world.happened["forgotten"] += 1
                    self.missed.setdefault(channel, []).append((then, upto))
        for name, seq in live.get("seq", {}).items():
            self.world.happened["moved on"] += 1
            self.map[name] = max(seq, self.map[name])

    async def take(self, messages: list[Any]) -> None:
        for message in messages:
            live = message.get("ext", {}).get("live", {})
            if message["channel"] == "/meta/connect":
                self.told(live)
            elif message["channel"] == "/meta/subscribe" and message["successful"]:
                asked, since = self.pending.pop(0)
                assert message["subscription"] == asked
                self.answered(asked if isinstance(asked, list) else [asked], since, live)
            else:
                self.hear([message])
        if any(message.get("successful") is False for message in messages):
            await self.renew()
        elif self.socket.is_accepted and any(message["channel"] == "/meta/connect" for message in messages):
            self.socket.send(connect(self.client_id, "websocket", ext={"live": {"at": self.map}}))

    async def act(self) -> None:
        chance = self.world.chance
        action = chance.choice(
            ("renew", "subscribe", "cut", "block", "unblock", "read", "read", "read", "read")
        )
        if action == "renew" and chance.random() < 0.5:
            await self.renew()
        elif action == "subscribe" and len(self.names) < 3:
            self.world.happened[action] += 1
            await self.subscribe(chance.choice(SUBSCRIPTIONS))
        elif not self.is_socket:
            await self.poll()
        elif action in ("block", "unblock"):
            self.world.happened[action] += 1
            (self.socket.take_nothing if action == "block" else self.socket.take_again)()
        elif action == "cut":
            # What it had not read yet is lost.
            self.world.happened[action] += 1
            await self.socket.cut()
            await self.open()
        elif self.socket.frames:
            await self.take(json.loads(self.socket.frames.pop(0)))

    async def poll(self) -> None:
        chance = self.world.chance
        gone = asyncio.Event()
        fields: dict[str, Any] = {"advice": {"timeout": 0}} if chance.random() < 0.3 else {}
        asking = asyncio.create_task(request(self.world.server, self.connect(**fields), gone=gone))
        for _ in range(chance.randrange(8)):
            await asyncio.sleep(0)
        if chance.random() < 0.3:
            gone.set()
        else:
            for name in (*CHAT, *NEWS, TODOS):
                self.world.publish(name)
        answer = await asking
        if answer.status and chance.random() < 0.7:
            await self.take(answer.messages)
        else:
            self.world.happened["lost"] += 1

    # In the end.

    def is_done(self) -> bool:
        for channel in self.starts:
            seqs = self.world.published[channel]
            position = self.at(channel, self._epoch(channel))
            if seqs and position is not None and position < seqs[-1]:
                return False
        return True

    async def finish(self) -> None:
        self.socket.take_again()
        while not self.is_done():
            if self.is_socket:
                await self.take(await self.socket.receive())
            else:
                await self.take((await request(self.world.server, self.connect())).messages)
        await self.socket.cut()

    def check(self) -> None:
        for channel, start in self.starts.items():
            missed = self.missed.get(channel, [])
            certain = [
                seq
                for seq in self.world.published[channel]
                if seq > start and not any(after < seq <= upto for after, upto in missed)
            ]
            heard = self.heard.get(channel, [])
            assert heard == sorted(set(heard)), f"{channel}: out of order, or twice"
            assert set(certain) <= set(heard), f"{channel}: not whole, and nothing said so"
            told = [seq for seq in self.world.published[channel] if seq > start]
            self.world.happened["missed"] += len(told) - len(certain)
            self.world.happened["messages"] += len(heard)


async def run(seed: int, happened: Counter[str], patience: float = 10) -> None:
    chance = random.Random(seed)
    world = World(chance, happened)
    receivers: list[Receiver] = []
    try:
        for _ in range(chance.randint(20, 60)):
            step = chance.choice(STEPS)
            happened[step] += 1
            if step == "publish":
                world.publish(chance.choice((*CHAT, *NEWS, TODOS)))
            elif step == "burst":
                channel = chance.choice(CHAT)
                for _ in range(chance.randint(2, 15)):
                    world.publish(channel)
            elif step == "time":
                world.now += chance.choice([1, 20])
            elif step == "turn":
                for _ in range(chance.randrange(6)):
                    await asyncio.sleep(0)
            elif step == "join" and len(receivers) < 4:
                receivers.append(Receiver(world, chance.random() < 0.6))
                await receivers[-1].begin()
            elif receivers:
                await chance.choice(receivers).act()
        for channel in world.published:
            world.publish(channel)
        for receiver in receivers:
            await asyncio.wait_for(receiver.finish(), patience)
            receiver.check()
        happened["receivers"] += len(receivers)
    finally:
        for receiver in receivers:
            await receiver.socket.cut()
        await world.server.close()


@pytest.mark.parametrize("part", range(4))
async def test_every_stream_is_whole_or_says_that_it_is_not(part: int) -> None:
    await run_seeds(run, part, scaled(60, 500), 10)
