"""What uvicorn alone can do with polls: an application that reads a request, waits for the next message, and answers.

It has no session and checks nothing; it is no server, but the bound of ours. A message that comes while somebody does
not wait is kept for that one, as a count.
"""

from __future__ import annotations

import asyncio
from typing import Any

import orjson

from .control import DATA, lifespan

MESSAGE = orjson.dumps({"channel": "/bench", "data": DATA})
ANSWERS = {
    b"/meta/handshake": b'[{"channel":"/meta/handshake","clientId":"%d","successful":true}]',
    b"/meta/subscribe": b'[{"channel":"/meta/subscribe","successful":true}]',
}
CONNECTED = (
    b'{"channel":"/meta/connect","successful":true,"id":"3","advice":{"reconnect":"retry","interval":0}}'
)
HEADERS = [(b"content-type", b"application/json; charset=utf-8")]

published = 0
heard: dict[bytes, int] = {}
waiting: list[asyncio.Future[None]] = []


def publish() -> None:
    """Wake all that wait."""
    global published
    published += 1
    for one in waiting:
        if not one.done():
            one.set_result(None)
    waiting.clear()


async def _answer(body: bytes) -> bytes:
    for name, answer in ANSWERS.items():
        if name in body:
            if b"%d" not in answer:
                return answer
            heard[b"%d" % len(heard)] = published
            return answer % (len(heard) - 1)
    client = body.partition(b'"clientId":"')[2].partition(b'"')[0]
    if heard[client] == published:
        waiting.append(asyncio.get_running_loop().create_future())
        await waiting[-1]
    new, heard[client] = published - heard[client], published
    return b"[" + b",".join([*[MESSAGE] * new, CONNECTED]) + b"]"


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Answer one request."""
    if scope["type"] == "lifespan":
        await lifespan(receive, send, publish)
        return
    answer = await _answer((await receive())["body"])
    length = (b"content-length", b"%d" % len(answer))
    await send({"type": "http.response.start", "status": 200, "headers": [*HEADERS, length]})
    await send({"type": "http.response.body", "body": answer})
