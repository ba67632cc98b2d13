"""SiteProxy: the fault proxy as tests of all kinds use it: from any thread, at once.

Two rules. When a call returns, the fault has begun. It does what ``FaultProxy`` does, on a loop in another thread.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType, TracebackType
from typing import Any, Self

from .clock import Clock
from .proxy import FaultProxy, Traffic
from .site_client import SiteClient
from .stage import Stage


class SiteProxy:
    """A way to a server on which things go wrong: ``with SiteProxy(url) as proxy``, and connect to ``proxy.url``.

    ``Site.proxy`` makes one on the site's own loop.

    Args:
        target: the server, as "http://127.0.0.1:8000" (the path does not matter).
        stage: the loop that it runs on; None: one of its own.
        options: of each client, beside its own.
    """

    def __init__(
        self, target: str, stage: Stage | None = None, options: Mapping[str, Any] = MappingProxyType({})
    ) -> None:
        self._given = stage
        self._options = options
        self._proxy = FaultProxy(target)

    def __enter__(self) -> Self:
        self._stage = self._given or Stage(Clock())
        self._stage.run(self._proxy.__aenter__)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stage.run(self._proxy.__aexit__)
        if self._given is None:
            self._stage.close()

    @property
    def url(self) -> str:
        """The proxy's own address, which stays the same while the site stops and starts."""
        return self._proxy.url

    @property
    def traffic(self) -> Traffic:
        """What it has carried."""
        return self._stage.run(lambda: self._proxy.traffic)

    def client(self, **options: Any) -> SiteClient:
        """A client on this way, not yet open: ``async with proxy.client() as client``. options: of ``LiveClient``."""
        return SiteClient(self.url, **{**self._options, **options})

    # Faults.

    def cut(self, *, reset: bool = True) -> int:
        """End every connection; returns how many there were.

        Args:
            reset: with RST, as a router that lost its table; False: with FIN, as a server that closes.
        """
        return self._stage.run(self._proxy.cut, reset=reset)

    def offline(self) -> None:
        """Cut every connection, and refuse those that come, until ``heal``: as a laptop without a network."""
        self._stage.run(self._proxy.offline)

    def half_open(self) -> None:
        """Swallow whatever either end sends, until ``heal``, and tell neither: as a cable that was pulled.

        A connection that became half-open never comes back: cut it, or wait until an end gives it up.
        """
        self._stage.run(self._proxy.half_open)

    def refuse(self) -> None:
        """Reset what connects, until ``heal``; connections that are there stay."""
        self._stage.run(self._proxy.refuse)

    def delay(self, seconds: float) -> None:
        """Deliver everything so many seconds late, each way."""
        self._stage.run(self._proxy.delay, seconds)

    def throttle(self, rate: float) -> None:
        """Carry at most ``rate`` bytes per second, each way on each connection."""
        self._stage.run(self._proxy.throttle, rate)

    def age(self, seconds: float) -> None:
        """Close, with FIN, every connection that becomes so old, as proxies do whatever is on it."""
        self._stage.run(self._proxy.age, seconds)

    def answer(self, status: int) -> None:
        """Answer every request with a status in the site's place, as a proxy does whose server is away."""
        self._stage.run(self._proxy.answer, status)

    def heal(self) -> None:
        """Carry everything at once again."""
        self._stage.run(self._proxy.heal)
