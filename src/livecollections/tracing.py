"""Tracing: the way of a change as spans of OpenTelemetry, each with the ``seq`` by which it is found again.

Three rules. Nothing is imported that was not, and where no tracer provider is set up when a Live starts, nothing is in
the way: what is traced is wrapped only then. A span has seqs, channels and sources, never a token, a body or an error's
words. Of a write and its publish, where both happen in one process, the later one is linked to the earlier: the log may
be read before the writer is told that it has written.

It knows the ports of stores and of whatever can publish.
"""

from __future__ import annotations

import sys
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

from .bayeux.asgi import Server
from .cause import Cause
from .feed import Publisher
from .stores.base import Batch, Bulk, Store, Sweep, Write, Written
from .version import __version__

if TYPE_CHECKING:
    from opentelemetry.trace import Span, SpanContext, Tracer

API = "opentelemetry.trace"
LINKED = 10_000
"""Writes whose spans are remembered until what they wrote is published, and publishes that came before their writes."""


def find_tracer() -> Tracer | None:
    """A tracer, if somebody has set up a provider of such."""
    api: Any = sys.modules.get(API)  # who sets one up has imported it
    if api is None:
        return None
    provider = api.get_tracer_provider()
    if isinstance(provider, api.ProxyTracerProvider | api.NoOpTracerProvider):
        return None
    return cast("Tracer", provider.get_tracer("livecollections", __version__))


class Tracing:
    """The spans of one Live. tracer: makes them."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer
        self._written: OrderedDict[str, SpanContext] = OrderedDict()
        self._early: OrderedDict[str, list[SpanContext]] = OrderedDict()

    @contextmanager
    def span(self, name: str, links: Sequence[SpanContext] = (), **attributes: Any) -> Iterator[Span]:
        """A span that is the current one; of an error it has the name of its class."""
        api: Any = sys.modules[API]
        named = {f"livecollections.{key}": value for key, value in attributes.items()}
        with self._tracer.start_as_current_span(
            f"livecollections.{name}",
            links=[api.Link(context) for context in links],
            attributes=named,
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            try:
                yield span
            except Exception as error:
                span.set_status(api.StatusCode.ERROR, type(error).__name__)
                raise

    def wrote(self, span: Span, written: Sequence[Written]) -> None:
        """Note what a write left, for whoever publishes it."""
        seqs = [one.seq for one in written if one.seq is not None]
        if seqs:
            span.set_attribute("livecollections.seq", seqs[-1])
        for seq in seqs:
            self._remember(seq, span)

    def _remember(self, seq: str, span: Span) -> None:
        for publish in self._early.pop(seq, []):
            span.add_link(publish)
        self._written[seq] = span.get_span_context()
        _bound(self._written)

    def published(self, seq: str, span: Span) -> None:
        """Note a publish of what nobody here has written, or nobody yet."""
        self._early.setdefault(seq, []).append(span.get_span_context())
        _bound(self._early)

    def committed(self, seq: str) -> None:
        """Note that a session has just committed."""
        with self.span("commit", seq=seq) as span:
            self._remember(seq, span)

    def read(self, start: int, batch: Batch) -> None:
        """Note a reading that found something. start: of it, in nanoseconds since 1970."""
        told: dict[str, Any] = {
            "livecollections.seq": batch.upto,
            "livecollections.count": len(batch.changes),
        }
        self._tracer.start_span("livecollections.read", attributes=told, start_time=start).end()

    def of(self, seq: str | None) -> list[SpanContext]:
        """The write that a seq is of, if it is known."""
        found = None if seq is None else self._written.get(seq)
        return [] if found is None else [found]


def _bound(remembered: OrderedDict[str, Any]) -> None:
    while len(remembered) > LINKED:
        remembered.popitem(last=False)


class TracedStore:
    """A store whose writes, commits and readings of the whole log are spans; in all else it is the store."""

    def __init__(self, store: Store, tracing: Tracing) -> None:
        self._store = store
        self._tracing = tracing

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def write(self, write: Write) -> Written:
        with self._tracing.span("write", source=write.source.name, count=1) as span:
            written = await self._store.write(write)
            self._tracing.wrote(span, [written])
            return written

    async def write_all(self, writes: Bulk | Sweep) -> list[Written]:
        source = (writes.writes[0] if isinstance(writes, Bulk) else writes).source.name
        with self._tracing.span("write", source=source) as span:
            written = await self._store.write_all(writes)
            span.set_attribute("livecollections.count", len(written))
            self._tracing.wrote(span, written)
            return written

    def session(self, origin: str | None = None, committed: Callable[[str], None] | None = None) -> Any:
        def noted(seq: str) -> None:
            self._tracing.committed(seq)
            if committed is not None:
                committed(seq)

        return self._store.session(origin, noted)

    async def read(self, after: str, limit: int, source: str | None = None) -> Batch:
        if source is not None:
            return await self._store.read(after, limit, source)
        start = time.time_ns()
        batch = await self._store.read(after, limit)
        if batch.changes:
            self._tracing.read(start, batch)
        return batch


class TracedPublisher:
    """A publisher whose messages of the log are spans."""

    def __init__(self, publisher: Publisher, tracing: Tracing) -> None:
        self._publisher = publisher
        self._tracing = tracing
        self.wait_room = publisher.wait_room

    def publish_nowait(
        self, channel: str, data: Any, seq: str | None = None, cause: Cause | None = None
    ) -> None:
        links = self._tracing.of(seq)
        told = {"channel": channel, "method": data["method"], "seq": seq or ""}
        with self._tracing.span("publish", links, **told) as span:
            if seq is not None and not links:
                self._tracing.published(seq, span)
            self._publisher.publish_nowait(channel, data, seq, cause)


def traced(store: Store, server: Server) -> tuple[Store, Publisher]:
    """The same two, or, where there is a tracer, with spans."""
    tracer = find_tracer()
    if tracer is None:
        return store, server
    tracing = Tracing(tracer)
    return cast(Store, TracedStore(store, tracing)), TracedPublisher(server, tracing)
