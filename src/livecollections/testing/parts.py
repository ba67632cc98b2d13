"""Parts: the Lives and Bayeux servers inside an application, and what a test lends them.

Two rules. No test writes into the application's own database because a Live was not found: an application in which
none of ours is to be seen is refused. What is lent (a database, a clock) is taken back.

It starts nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from ..bayeux import MemoryHistory, Server
from ..errors import ConfigurationError
from ..live import Live
from .clock import Clock

Part = Live[Any] | Server

INSIDE = (
    "live",
    "app",
    "_app",
    "application",
    "asgi_app",
    "inner",
    "router",
    "__wrapped__",
    "func",
    "__self__",
)
"""Where applications keep what they are around."""


def parts_of(*apps: Any) -> list[Part]:
    """The Lives and Servers that applications are, have mounted or are wrapped around, each once."""
    found: dict[int, Part] = {}
    seen: set[int] = set()
    waiting = [*apps]
    while waiting:
        one = waiting.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        if isinstance(one, Live | Server):
            found[id(one)] = one
        if isinstance(one, Live):
            waiting.append(one.bayeux)
            continue
        waiting += inside(one)
    return list(found.values())


def inside(one: Any) -> Iterator[Any]:
    """What an application says that it has inside."""
    for name in INSIDE:
        inner = getattr(one, name, None)
        if inner is not None and not isinstance(inner, str | bytes | type):
            yield inner
    routes = getattr(one, "routes", None)
    if isinstance(routes, Iterable):
        yield from routes


@contextmanager
def lent(parts: Iterable[Part], databases: Iterable[str | None], clock: Clock) -> Iterator[None]:
    """Let the parts go by a clock, and the Lives keep their rows in other databases (None: in their own)."""
    remaining = iter(databases)
    before: list[Callable[[], None]] = []
    try:
        for part in parts:
            if isinstance(part, Live):
                before.append(lend_database(part, next(remaining), clock))
            else:
                before.append(lend_clock(part, clock))
        yield
    finally:
        for take_back in before:
            take_back()


def lend_database(live: Live[Any], database: str | None, clock: Clock) -> Callable[[], None]:
    """The answer takes it back."""
    if live._started is not None:
        raise ConfigurationError("this Live is started already: serve it in one place at a time")
    store, before = live._store, live._clock
    options: dict[str, Any] = {} if database is None else {"create_tables": True, "capture": "install"}
    opening = live._open_store
    given = opening.args if database is None else (database,)
    live._store = opening.func(*given, **{**opening.keywords, **options, "clock": clock.time})
    live._clock = clock.time

    def take_back() -> None:
        live._store, live._clock = store, before

    return take_back


def lend_clock(server: Server, clock: Clock) -> Callable[[], None]:
    """The answer takes it back."""
    if server.running:
        raise ConfigurationError("this Server is started already: serve it in one place at a time")
    exchange = server._exchange
    before = exchange.clock, exchange.wall
    set_clock(server, clock.monotonic, clock.time)
    return lambda: set_clock(server, *before)


def set_clock(server: Server, clock: Callable[[], float], wall: Callable[[], float]) -> None:
    """Let a server's sessions, and what it keeps in memory, go by a clock."""
    exchange = server._exchange
    exchange.clock = exchange._lifetimes._clock = clock
    exchange.wall = wall
    for keeper in exchange.histories._keepers.values():
        if isinstance(keeper, MemoryHistory):
            keeper._clock = wall
