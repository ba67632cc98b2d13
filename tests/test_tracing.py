"""Spans of OpenTelemetry: a change's way, by its seq; nothing at all where nobody wants them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import httpx
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from sqlmodel import Field, SQLModel
from starlette.applications import Starlette

from livecollections import Live
from livecollections.stores.base import Written
from livecollections.tracing import TracedPublisher, Tracing, find_tracer
from tests.serving import wait_until


class Thing(SQLModel, table=True):
    __tablename__ = "traced_thing"
    id: int | None = Field(default=None, primary_key=True)
    title: str = Field(max_length=20)


@pytest.fixture
def exporter(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    """What a provider exports that is there for one test; the API lets nobody take one back."""
    found, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(found))
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: provider)
    yield found
    provider.shutdown()


def make(path: Path) -> Live:
    live = Live(f"sqlite:///{path / 'traced.db'}")
    live.add_resource("/api/things", Thing)
    return live


def told(span: ReadableSpan) -> dict[str, Any]:
    """Its attributes, without their prefix."""
    return {name.removeprefix("livecollections."): value for name, value in (span.attributes or {}).items()}


def is_linked(one: ReadableSpan, other: ReadableSpan) -> bool:
    """Whether two spans have one link, of either to the other."""
    links = [(link.context.span_id, to) for span, to in ((one, other), (other, one)) for link in span.links]
    return len(links) == 1 and all(found == to.context.span_id for found, to in links)


async def test_a_write_is_followed_by_its_seq_to_its_publish(
    tmp_path: Path, exporter: InMemorySpanExporter
) -> None:
    live = make(tmp_path)
    transport = httpx.ASGITransport(Starlette(routes=[live.router]))
    async with live, httpx.AsyncClient(transport=transport, base_url="http://live") as client:
        answer = await client.post("/api/things", json={"title": "secret"})
        seq = answer.headers["Live-Seq"]

        def spans() -> dict[str, ReadableSpan]:
            return {
                span.name.removeprefix("livecollections."): span
                for span in exporter.get_finished_spans()
                if told(span).get("seq") == seq
            }

        await wait_until(lambda: spans().keys() == {"write", "read", "publish"})
        found = spans()
        assert told(found["write"]) == {"source": "traced_thing", "count": 1, "seq": seq}
        assert told(found["read"]) == {"count": 1, "seq": seq}
        assert told(found["publish"]) == {"channel": "/api/things", "method": "POST", "seq": seq}
        assert is_linked(found["write"], found["publish"])
        several = await client.post("/api/things", json=[{"title": "a"}, {"title": "b"}])
        assert several.status_code == 201
        assert "secret" not in str([span.to_json() for span in exporter.get_finished_spans()])
        (bulk,) = [
            span
            for span in exporter.get_finished_spans()
            if span.name.endswith("write") and told(span)["count"] == 2
        ]
        assert told(bulk)["seq"] > seq


@pytest.mark.parametrize("is_early", [False, True])
def test_whichever_of_a_write_and_its_publish_is_later_is_linked_to_the_other(
    is_early: bool, exporter: InMemorySpanExporter
) -> None:
    tracer = find_tracer()
    assert tracer is not None
    tracing = Tracing(tracer)
    publisher = TracedPublisher(Mock(), tracing)
    with tracing.span("write") as write:
        for channel in ("/api/things", "/api/more") if is_early else ():
            publisher.publish_nowait(channel, {"method": "POST"}, "7")
        tracing.wrote(write, [Written({}, "7")])
    if not is_early:
        publisher.publish_nowait("/api/things", {"method": "POST"}, "7")
    *publishes, written = sorted(exporter.get_finished_spans(), key=lambda span: span.name)
    linked = {link.context.span_id for link in written.links}
    assert linked == ({each.context.span_id for each in publishes} if is_early else set())
    assert len(publishes) == 1 + is_early
    assert all(bool(each.links) is not is_early for each in publishes)


async def test_a_commit_of_a_session_is_linked_to_what_it_has_published(
    tmp_path: Path, exporter: InMemorySpanExporter
) -> None:
    live = make(tmp_path)
    async with live:
        async with live.session() as session:
            session.add(Thing(title="a"))
            await session.commit()

        def named(name: str) -> list[ReadableSpan]:
            return [span for span in exporter.get_finished_spans() if span.name == f"livecollections.{name}"]

        await wait_until(lambda: named("publish"))
        (commit,), (publish,) = named("commit"), named("publish")
        assert told(commit) == {"seq": told(publish)["seq"]}
        assert is_linked(commit, publish)


async def test_a_write_that_fails_is_an_error_by_the_name_of_its_class(
    tmp_path: Path, exporter: InMemorySpanExporter
) -> None:
    live = make(tmp_path)
    transport = httpx.ASGITransport(Starlette(routes=[live.router]))
    async with live, httpx.AsyncClient(transport=transport, base_url="http://live") as client:
        assert (await client.delete("/api/things/7")).status_code == 404
    (span,) = [each for each in exporter.get_finished_spans() if each.name == "livecollections.write"]
    assert (span.status.status_code, span.status.description) == (
        trace.StatusCode.ERROR,
        "DocumentNotFound",
    )
    assert not span.events


async def test_without_a_provider_nothing_is_wrapped(tmp_path: Path) -> None:
    live = make(tmp_path)
    async with live:
        assert live._started is not None
        assert live._started.feed._store is live._store
        assert live._started.feed._publisher is live.bayeux


def test_nothing_is_imported_where_nobody_has(tmp_path: Path) -> None:
    code = (
        "import asyncio, sys\n"
        "from livecollections import Live\n"
        f"live = Live('sqlite:///{tmp_path / 'x.db'}')\n"
        "async def once():\n"
        "    async with live: pass\n"
        "asyncio.run(once())\n"
        "print(*(name for name in sys.modules if name.startswith(('opentelemetry', 'prometheus_client'))))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True)
    assert run.stdout.split() == []
