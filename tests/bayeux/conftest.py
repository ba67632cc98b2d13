"""Both ways to write to a WebSocket: over ASGI, and straight to its transport. What one does the other does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import uvloop

from .. import serving
from . import wire

WAYS = {"asgi": serving.ASGI, "direct": serving.DIRECT}
_SOCKETS = ("Socket(", "served(", "served_to(")
_IN_TURN = ("test_interleavings", "test_kept_interleavings", "test_turn", "test_direct")
"""These choose themselves."""


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run on both loops what writes to real sockets: on uvloop frames go to descriptors, past the transports."""
    loops = {"asyncio": asyncio.new_event_loop}
    return loops | {"uvloop": uvloop.new_event_loop} if item.path.stem == "test_direct" else loops


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run twice what has a WebSocket in its file."""
    file = Path(str(metafunc.module.__file__))
    text = file.read_text("utf-8")
    is_socket = file.stem not in _IN_TURN and any(name in text for name in _SOCKETS)
    metafunc.parametrize("way", WAYS if is_socket else ["asgi"], indirect=True)


@pytest.fixture(autouse=True)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """How frames get to the sockets of this test."""
    name = str(request.param)
    monkeypatch.setattr(serving, "PROTOCOL", WAYS[name])
    monkeypatch.setattr(wire.Socket, "is_direct", name == "direct")
    return name
