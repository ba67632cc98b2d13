"""Random interleavings of writing, publishing, reading, stalling and cutting: each receiver's stream stays whole.

Each history drives the real server over wires that are cut and blocked by hand. A receiver behaves as the
protocol says: it drops what is not after its position, and a ``prev`` after its position is a gap, which must
never be. In the end it has seen every change (every last one of a document, where it stalled), in order.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from typing import Any

import pytest

from livecollections.bayeux import Context, Limits, Server

from ..scale import scaled
from .seeds import run_seeds
from .wire import Log, Open, Socket, connect, handshake, request, since, subscribe

TODOS = "/api/todos"
KEYS = 4
STEPS = ("write", "publish", "publish", "join", "turn", "receiver", "receiver", "receiver", "receiver")


class Receiver:
    """A client that knows where it is."""

    def __init__(self, server: Server, log: Log, is_plain: bool) -> None:
        self.server = server
        self.log = log
        self.is_plain = is_plain
        self.client_id = ""
        self.start = ""
        self.position = ""
        self.seen: list[str] = []
        self.known: dict[int, str] = {}
        self.last_raw = ""

    def hear(self, messages: list[Any]) -> None:
        for message in messages:
            if "data" not in message:
                continue
            data = message["data"]
            seq, prev = data["seq"], data["prev"]
            assert seq > self.last_raw, "a message out of order, or twice for one position"
            self.last_raw = seq
            if seq <= self.position:
                continue
            assert prev <= self.position, f"a gap: {prev} after {self.position}"
            self.position = seq
            self.seen.append(seq)
            self.known[data["body"]["id"]] = seq

    def at(self) -> dict[str, Any]:
        """The connect's extension; what comes after it may come again."""
        if self.is_plain:
            return {}
        self.last_raw = self.position
        return {"ext": {"live": {"at": {TODOS: self.position}}}}

    async def begin(self, start: str | None, pattern: bool) -> None:
        self.client_id = await handshake(self.server, ext={"live": {"version": 1}})
        await request(self.server, connect(self.client_id))
        name = "/api/*" if pattern else TODOS
        fields = {"ext": since(start)}
        (reply,) = (await request(self.server, subscribe(self.client_id, name, **fields))).messages
        assert "reset" not in reply["ext"]["live"]
        seq = reply["ext"]["live"]["seq"]
        self.start = self.position = self.last_raw = seq[name] if pattern else seq
        assert start is None or self.start == start

    def check(self, is_squashed: bool) -> None:
        expected = [seq for seq, _ in self.log.entries if seq > self.start]
        if not is_squashed:
            assert self.seen == expected
        known = {key: seq for seq, key in self.log.entries if seq > self.start}
        assert self.known == known


class Walker(Receiver):
    """One over a WebSocket."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.socket = Socket(self.server)

    async def open(self) -> None:
        await self.socket.open()
        self.socket.send(connect(self.client_id, "websocket", **self.at()))

    def read(self, count: int) -> None:
        for _ in range(min(count, len(self.socket.frames))):
            self.hear(json.loads(self.socket.frames.pop(0)))

    async def cut(self) -> None:
        """What it had not read yet is lost; a plain client has to have read it all."""
        await self.socket.cut()
        self.read(len(self.socket.frames) if self.is_plain else 0)
        self.socket = Socket(self.server)
        await self.open()

    async def finish(self) -> None:
        self.socket.take_again()
        while self.position < self.log.position():
            self.hear(await self.socket.receive())
        await self.socket.cut()


class Poller(Receiver):
    """One over long-polling; its answers may get lost, its polls be aborted."""

    async def open(self) -> None:
        return

    async def poll(self, chance: random.Random) -> None:
        gone = asyncio.Event()
        wait: dict[str, Any] = {"advice": {"timeout": 0}} if chance.random() < 0.3 else {}
        asking = asyncio.create_task(
            request(self.server, connect(self.client_id, **self.at(), **wait), gone=gone)
        )
        for _ in range(chance.randrange(8)):
            await asyncio.sleep(0)
        if chance.random() < 0.3:
            gone.set()
        else:
            self.log.write(chance.randrange(KEYS))
            self.log.publish()
        answer = await asking
        is_lost = not self.is_plain and chance.random() < 0.3
        if answer.status and not is_lost:
            self.hear(answer.messages)

    async def finish(self) -> None:
        while self.position < self.log.position():
            self.hear((await request(self.server, connect(self.client_id, **self.at()))).messages)


class Dawdler:
    """An extension that changes nothing and takes its time."""

    def __init__(self, chance: random.Random) -> None:
        self.per_recipient = chance.random() < 0.5
        self._chance = chance

    async def outgoing(self, message: dict[str, Any], context: Context) -> dict[str, Any]:
        for _ in range(self._chance.randrange(4)):
            await asyncio.sleep(0)
        return message


async def run(seed: int, happened: Counter[str]) -> None:
    chance = random.Random(seed)
    is_squashed = chance.random() < 0.4
    stall = 1e-9 if is_squashed else 60.0
    limits = Limits(queue_bytes=chance.choice([500, 2_000, 65_536]), stall=stall)
    server = Server(timeout=2, policy=Open(), limits=limits)
    log = Log(server)
    if chance.random() < 0.6:
        server.add_extension(Dawdler(chance))
        happened["extended"] += 1

    async def pause() -> None:
        for _ in range(chance.randrange(5)):
            await asyncio.sleep(0)

    log.pause = pause
    for _ in range(chance.randrange(6)):
        log.add(chance.randrange(KEYS))
    receivers: list[Walker | Poller] = []
    try:
        for _ in range(chance.randint(20, 60)):
            step = chance.choice(STEPS)
            happened[step] += 1
            if step == "write":
                for _ in range(chance.randint(1, 6)):
                    log.write(chance.randrange(KEYS))
            elif step == "publish":
                log.publish(chance.choice([1, 2, None]))
            elif step == "turn":
                for _ in range(chance.randrange(6)):
                    await asyncio.sleep(0)
            elif step == "join" and len(receivers) < 4:
                kind = chance.choice([Walker, Poller])
                receiver = kind(server, log, chance.random() < 0.3)
                start = chance.choice([None, log.seq(chance.randint(0, len(log.entries)))])
                pattern = start is None and chance.random() < 0.3
                await receiver.begin(start, pattern)
                await receiver.open()
                receivers.append(receiver)
            elif receivers:
                await act(chance.choice(receivers), chance, happened)
        log.publish()
        for receiver in receivers:
            await asyncio.wait_for(receiver.finish(), 5)
            receiver.check(is_squashed)
        happened["receivers"] += len(receivers)
        happened["squashed reads"] += sum(squash for _, squash in log.reads)
        happened["reads"] += len(log.reads)
    finally:
        for receiver in receivers:
            if isinstance(receiver, Walker) and receiver.socket._task is not None:
                await receiver.socket.cut()
        await server.close()


async def act(receiver: Walker | Poller, chance: random.Random, happened: Counter[str]) -> None:
    if isinstance(receiver, Poller):
        happened["poll"] += 1
        await receiver.poll(chance)
        return
    action = chance.choice(["block", "unblock", "read", "read", "cut", "again"])
    happened[action] += 1
    if action == "block":
        receiver.socket.take_nothing()
    elif action == "unblock":
        receiver.socket.take_again()
    elif action == "read":
        receiver.read(chance.randint(1, 3))
    elif action == "cut":
        await receiver.cut()
    else:
        receiver.socket.send(connect(receiver.client_id, "websocket", advice={"timeout": 0}))


@pytest.mark.parametrize("part", range(4))
async def test_every_stream_is_in_order_and_whole(part: int) -> None:
    await run_seeds(run, part, scaled(75, 1_500), 30)
