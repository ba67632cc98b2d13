"""The golden wire examples of ``tests/vectors/bayeux``, over both transports."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from livecollections.bayeux import Context, MemoryHistory, Policy, Server, Session
from livecollections.change import number

from .wire import Log, Open, Socket, request

FILES = sorted((Path(__file__).parent.parent / "vectors" / "bayeux").glob("*.json"))
VECTORS = {path.stem: json.loads(path.read_text("utf-8")) for path in FILES}


class Denied(Policy):
    async def can_handshake(self, session: Session, message: Mapping[str, Any]) -> bool:
        return False


NOW = 1_750_000_000.0
POLICIES = {"open": Open, "default": Policy, "denied": Denied}


class Names:
    """What the placeholders stand for."""

    def __init__(self, log: Log | None, kept: MemoryHistory | None) -> None:
        self.log = log
        self.kept = kept
        self.first = number(kept.position()) if kept is not None else 0
        self.bound: dict[str, str] = {}

    def fill(self, value: Any) -> Any:
        """The value with its placeholders replaced, where they are bound."""
        text = re.sub(r'"\{number(\d+)\}"', lambda found: str(self.first + int(found[1])), json.dumps(value))
        return json.loads(re.sub(r"\{(\w+)\}", lambda found: self._named(found[1]) or found[0], text))

    def _named(self, name: str) -> str | None:
        if name.startswith("seq") and self.log is not None:
            return self.log.seq(int(name[3:]))
        if name.startswith("kept") and self.kept is not None:
            return self.kept.seq(self.first + int(name[4:]))
        return self.bound.get(name)

    def bind(self, expected: Any, found: Any) -> None:
        """Learn the ids that the server drew."""
        for wanted, got in zip(expected, found, strict=False):
            name = wanted.get("clientId", "")
            if name.startswith("{") and name[1:-1] not in self.bound:
                assert re.fullmatch("[0-9a-f]{48}", got.get("clientId", "")), got
                self.bound[name[1:-1]] = got["clientId"]


async def exchange(server: Server, socket: Socket | None, sent: list[Any], count: int) -> list[Any]:
    if socket is None:
        return (await request(server, sent)).messages
    socket.send(*sent)
    found = await socket.receive()
    while sum("successful" in message for message in found) < count:
        found += await socket.receive()
    return found


class Transparent:
    """An extension that changes nothing: nothing may change by it."""

    def __init__(self, *, per_recipient: bool) -> None:
        self.per_recipient = per_recipient

    async def incoming(self, message: dict[str, Any], context: Context) -> dict[str, Any]:
        return message

    async def outgoing(self, message: dict[str, Any], context: Context) -> dict[str, Any]:
        return message


@pytest.mark.parametrize("extended", [False, True], ids=["plain", "extended"])
@pytest.mark.parametrize("transport", ["long-polling", "websocket"])
@pytest.mark.parametrize("name", VECTORS)
async def test_vector(name: str, transport: str, extended: bool) -> None:
    vector = VECTORS[name]
    server = Server(timeout=5, policy=POLICIES[vector["policy"]]())
    for per_recipient in (False, True) if extended else ():
        server.add_extension(Transparent(per_recipient=per_recipient))
    log = Log(server, vector["history"]) if "history" in vector else None
    kept = None
    for pattern, count in vector.get("kept", {}).items():
        kept = MemoryHistory(count, clock=lambda: NOW)
        server.channel(pattern, history=kept)
    names = Names(log, kept)
    socket = Socket(server) if transport == "websocket" else None
    if socket is not None:
        await socket.open()
    for step in vector["steps"]:
        if transport not in step.get("transports", [transport]):
            continue
        for key in step.get("write", ()):
            assert log is not None
            log.add(key)
        for channel, data in step.get("publish", ()):
            await server.publish(channel, data)
        sent = names.fill(step["send"])
        for message in sent:
            if transport == "websocket" and message and message.get("channel") == "/meta/handshake":
                # A socket speaks for one session; examples with several handshakes take several sockets.
                assert socket is not None
                await socket.cut()
                socket = Socket(server)
                await socket.open()
        found = await exchange(server, socket, sent, len(step["receive"]))
        names.bind(step["receive"], found)
        if socket is not None:
            # What is published comes by itself on a socket; these examples are of replies.
            found = [message for message in found if "successful" in message]
        assert found == names.fill(step["receive"]), step.get("about", step["send"])
        assert [list(message) for message in found] == [list(message) for message in step["receive"]]
    if socket is not None:
        await socket.cut()
    await server.close()


def test_there_are_vectors() -> None:
    assert len(VECTORS) >= 12
