"""Who is measured: how each server is started, and what its clients speak. Data only."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

PORT, CONTROL = "{port}", "{control}"
MESSAGE = 160
"""Bytes of the message that our server sends, and the C sender."""

_SERVERS = Path(__file__).parent / "servers"


@dataclass(frozen=True, slots=True)
class Contender:
    """A server.

    name: as it stands in tables.  protocol: of its WebSocket clients.  path: where they connect.  polls: whether it
    serves long-polling too.
    """

    name: str
    command: tuple[str, ...]
    protocol: str
    path: str = "/"
    polls: bool = False
    environment: Mapping[str, str] = field(default_factory=dict)


def _uvicorn(name: str, protocol: str = "websockets-sansio", application: str = "ours") -> Contender:
    command = (
        sys.executable, "-m", "uvicorn", f"bench.servers.{application}:app", "--port", PORT, "--loop", "uvloop",
        "--http", "httptools", "--ws", protocol, "--ws-per-message-deflate", "false", "--no-access-log",
        "--log-level", "warning",
    )  # fmt: skip
    return Contender(name, command, "bayeux", "/faye", polls=True, environment={"BENCH_CONTROL": CONTROL})


def _node(name: str, file: str, protocol: str, path: str = "/", *, polls: bool = False) -> Contender:
    return Contender(
        name, ("node", "--expose-gc", str(_SERVERS / file), PORT, CONTROL), protocol, path, polls
    )


SENDER = Contender("C sender", ("sender", PORT, CONTROL, str(MESSAGE)), "ws")
DIRECT = _uvicorn("ours", "livecollections.bayeux.transports.direct:DirectProtocol")
PLAIN = _uvicorn("ours (ASGI)")
BARE = _uvicorn("uvicorn alone", application="bare")
FAYE = _node("faye", "faye.js", "bayeux", "/faye", polls=True)
SOCKETIO = _node("socket.io", "socketio.js", "socketio", "/socket.io/?EIO=4&transport=websocket")
WS = _node("ws", "ws.js", "ws")

OURS = DIRECT
"""Ours as it is served by its own command line: what ratios are of."""

FANOUT = (SENDER, OURS, PLAIN, FAYE, SOCKETIO, WS)
MEMORY = (OURS, FAYE, SOCKETIO, WS)
BAYEUX = (OURS, FAYE)
POLLS = (BARE, OURS, FAYE)
