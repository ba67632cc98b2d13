"""The shop, and below every other path who serves a request: the process, and what it offers to a WebSocket."""

from __future__ import annotations

import json
import os
from typing import Any

from examples.deploy.shop import live


async def about(scope: Any, receive: Any, send: Any) -> None:
    told = {"process": os.getpid(), "extensions": sorted(scope.get("extensions", ()))}
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": json.dumps(told)})
        await send({"type": "websocket.close"})
    elif scope["type"] == "http":
        headers = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": json.dumps(told).encode()})


app = live.wrap(about)
