"""Both ways to write to a WebSocket: over ASGI, and straight to its transport. What one does the other does.

A test that can come to a WebSocket runs both ways, in ``make test`` one of them, drawn by its name. One that can't runs
once, and fails if it comes to one after all.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import uvloop

from .. import serving
from ..scale import is_drawn, leave_out, name_of
from . import wire
from .reach import reaches_socket

WAYS = {"asgi": serving.ASGI, "direct": serving.DIRECT}
_IN_TURN = (
    "test_interleavings",
    "test_kept_interleavings",
    "test_turn",
    "test_direct",
    "test_costs",
    "test_talk",
)
"""These choose themselves."""


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run on both loops what writes to real sockets: on uvloop frames go to descriptors, past the transports."""
    loops = {"asyncio": asyncio.new_event_loop}
    return loops | {"uvloop": uvloop.new_event_loop} if item.path.stem == "test_direct" else loops


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run twice what can come to a WebSocket."""
    file = Path(str(metafunc.module.__file__))
    if file.stem in _IN_TURN:
        metafunc.parametrize("way", ["asgi"], indirect=True)
    elif reaches_socket(file, metafunc.function.__name__):
        metafunc.parametrize("way", WAYS, indirect=True)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the second way of what a client that polls does: it is the first."""
    items[:] = [item for item in items if line_of(item) != ("long-polling", "direct")]
    leave_out(config, items, is_other_way)


def is_other_way(item: pytest.Item) -> bool:
    """Whether a test that runs both ways is not drawn for this one."""
    transport, way = line_of(item)
    if way is None or transport == "long-polling" or item.path.stem in _IN_TURN:
        return False
    return way != ("direct" if is_drawn(name_of(item), 2) else "asgi")


def line_of(item: pytest.Item) -> tuple[object, object]:
    """The transport and the way of a test."""
    chosen = getattr(item, "callspec", None)
    return (None, None) if chosen is None else (chosen.params.get("transport"), chosen.params.get("way"))


@pytest.fixture(autouse=True)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str | None:
    """How frames get to the sockets of this test."""
    name: str | None = getattr(request, "param", None)
    if name is None:
        monkeypatch.delattr(serving, "PROTOCOL")
        monkeypatch.delattr(wire.Socket, "is_direct")
    else:
        monkeypatch.setattr(serving, "PROTOCOL", WAYS[name])
        monkeypatch.setattr(wire.Socket, "is_direct", name == "direct")
    return name
