"""The golden transcripts of ``tests/vectors/bayeux/wire``: requests, scripts, streams and sockets, as they are sent."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from livecollections.bayeux import Server

from ..serving import wait_until
from .test_vectors import POLICIES, Names
from .wire import Answer, Events, Socket, request

FILES = sorted((Path(__file__).parent.parent / "vectors" / "bayeux" / "wire").glob("*.json"))
TRANSCRIPTS = {path.stem: json.loads(path.read_text("utf-8")) for path in FILES}


class Replay:
    """Plays one transcript against a server of its own."""

    def __init__(self, policy: str) -> None:
        self.server = Server(timeout=5, policy=POLICIES[policy]())
        self.names = Names(None, None)
        self._socket: Socket | None = None
        self._events: Events | None = None

    async def play(self, step: dict[str, Any]) -> None:
        if "frame" in step:
            await self._frame(step)
        elif "stream" in step:
            await self._stream(step)
        elif "event" in step:
            await self._publish(step)
            assert self._events is not None
            assert await self._events.receive() == step["event"]
        else:
            await self._request(step)

    async def _publish(self, step: dict[str, Any]) -> None:
        for message in step.get("publish", ()):
            await self.server.publish(message["channel"], message["data"])
            # Each in a turn of its own.
            await asyncio.sleep(0)

    async def _while_held(self, step: dict[str, Any]) -> None:
        if "publish" in step or "kick" in step:
            sessions = self.server._exchange.sessions
            await wait_until(lambda: any(one.held for one in sessions.values()))
            await self._publish(step)
            for session in [*sessions.values()] if "kick" in step else ():
                self.server._exchange.kick(session)

    async def _request(self, step: dict[str, Any]) -> None:
        asking = asyncio.create_task(self._ask(step))
        await self._while_held(step)
        answer, wanted = await asking, step["answer"]
        assert answer.status == wanted["status"]
        assert {**answer.headers, **wanted["headers"]} == answer.headers
        assert answer.headers["content-length"] == str(len(answer.body))
        if "text" in wanted:
            assert answer.body.decode() == wanted["text"]
        if "json" in wanted:
            text = answer.body.decode()
            if "call" in wanted:
                begin, end = f"/**/{wanted['call']}(", ");"
                assert text.startswith(begin)
                assert text.endswith(end)
                text = text[len(begin) : -len(end)]
                assert "</" not in text
                assert "\u2028" not in text
            self._compare(wanted["json"], json.loads(text))

    async def _ask(self, step: dict[str, Any]) -> Answer:
        if "post" in step:
            asked = self.names.fill(step["post"])
            headers = [*asked["headers"].items()]
            if "json" in asked:
                return await request(self.server, asked["json"], path=asked["path"], headers=headers)
            body = asked["text"] if "text" in asked else urlencode({"message": json.dumps(asked["form"])})
            return await request(self.server, body.encode(), path=asked["path"], headers=headers)
        asked = self.names.fill(step["get"])
        query = {"message": json.dumps(asked["message"])} if "message" in asked else {}
        if "jsonp" in asked:
            query["jsonp"] = asked["jsonp"]
        return await request(self.server, method="GET", path=asked["path"], query=urlencode(query))

    async def _frame(self, step: dict[str, Any]) -> None:
        if self._socket is None:
            self._socket = Socket(self.server)
            await self._socket.open()
        self._socket.send(*self.names.fill(step["frame"]))
        await self._while_held(step)
        for wanted in step["frames"]:
            self._compare(wanted, await self._socket.receive())

    async def _stream(self, step: dict[str, Any]) -> None:
        client_id = self.names.fill(step["stream"]).rpartition("/")[2]
        events = await Events(self.server, client_id).__aenter__()
        wanted = step["answer"]
        assert events.status == wanted["status"]
        assert {**events.headers, **wanted["headers"]} == events.headers
        if "text" in wanted:
            assert events.text == wanted["text"]
            self._events = events
        else:
            await events.cut()

    def _compare(self, wanted: Any, found: Any) -> None:
        """The same messages, their fields in the same order."""
        self.names.bind(wanted, found)
        assert found == self.names.fill(wanted)
        assert [list(message) for message in found] == [list(message) for message in wanted]

    async def end(self) -> None:
        for one in (self._socket, self._events):
            if one is not None:
                await one.cut()
        await self.server.close()


@pytest.mark.parametrize("name", TRANSCRIPTS)
async def test_transcript(name: str) -> None:
    transcript = TRANSCRIPTS[name]
    replay = Replay(transcript["policy"])
    for step in transcript["steps"]:
        await replay.play(step)
    await replay.end()


def test_there_are_transcripts() -> None:
    assert len(TRANSCRIPTS) >= 9
