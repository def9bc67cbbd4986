"""Spans of OpenTelemetry: of calls, and of the attempts of jobs, each with a link to what scheduled it."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from app.models import Base
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import ProxyTracerProvider, SpanContext, StatusCode
from sqlalchemy import select
from support.apps import START
from support.faults import a_disk_error

from convexpy import ActionCtx, MutationCtx, QueryCtx, action, mutation, query
from convexpy.database import tables
from convexpy.runtime.admin import Admin
from convexpy.testing import ConvexTest

here = sys.modules[__name__]
pytestmark = pytest.mark.filterwarnings("ignore:Overriding of current TracerProvider")


def id_of(span: SpanContext | None) -> str:
    return "" if span is None else f"{span.trace_id:032x}{span.span_id:016x}"


@query
def look(ctx: QueryCtx) -> str:
    return id_of(trace.get_current_span().get_span_context())


@mutation
def place(ctx: MutationCtx) -> None:
    ctx.schedule.now(charge)


@mutation
def charge(ctx: MutationCtx) -> None:
    if ctx.job is not None and ctx.job.attempt == 1:
        raise a_disk_error()
    ctx.schedule.now(send)


@action
async def send(ctx: ActionCtx) -> str:
    return await ctx.run_query(look)


@mutation
def fail(ctx: MutationCtx) -> None:
    raise ValueError("a-secret-value")


class Spans:
    """Those that were ended, since they were looked at last."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        self.provider = TracerProvider()
        self.provider.add_span_processor(SimpleSpanProcessor(self._exporter))

    def take(self) -> Sequence[ReadableSpan]:
        found = self._exporter.get_finished_spans()
        self._exporter.clear()
        return found


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Iterator[Spans]:
    spans = Spans()
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: spans.provider)
    yield spans
    spans.provider.shutdown()


@pytest.fixture
def kit() -> Iterator[ConvexTest]:
    with ConvexTest(here, metadata=Base.metadata, now=START) as kit:
        yield kit


def own(name: str) -> str:
    return f"{here.__name__}:{name}"


def said(span: ReadableSpan) -> dict[str, Any]:
    """The attributes of a span, without the prefix."""
    return {name.removeprefix("convexpy."): value for name, value in (span.attributes or {}).items()}


def test_a_call_is_a_span_around_its_handler(kit: ConvexTest, spans: Spans) -> None:
    inner = kit.run(look)
    (span,) = spans.take()
    assert (span.name, id_of(span.context)) == (own("look"), inner)
    assert said(span) == {"function": own("look"), "kind": "query", "outcome": "success"}


def test_a_call_belongs_to_the_trace_of_its_caller(kit: ConvexTest, spans: Spans) -> None:
    async def call() -> str:
        with spans.provider.get_tracer("test").start_as_current_span("request"):
            return await kit.run_async(look)

    inner = asyncio.run(call())
    span, request = spans.take()
    assert id_of(span.context) == inner
    assert id_of(span.parent) == id_of(request.context)


def test_the_attempts_of_a_job_link_to_what_scheduled_it(kit: ConvexTest, spans: Spans) -> None:
    kit.run(place)
    (call,) = spans.take()
    kit.finish_all_scheduled()
    first, second, sent = spans.take()
    assert [said(span)["outcome"] for span in (first, second, sent)] == ["retry", "success", "success"]
    assert [said(span)["attempt"] for span in (first, second, sent)] == [1, 2, 1]
    assert said(first)["job"] == said(second)["job"] != said(sent)["job"]
    for span, cause in ((first, call), (second, call), (sent, second)):
        (link,) = span.links
        assert id_of(link.context) == id_of(cause.context)
        assert span.parent is None
    assert len(kit.jobs("success")) == 2


def test_a_failure_is_told_by_its_type(kit: ConvexTest, spans: Spans) -> None:
    with pytest.raises(ValueError):
        kit.run(fail)
    (span,) = spans.take()
    assert span.status.status_code is StatusCode.ERROR
    assert said(span) == {"function": own("fail"), "kind": "mutation", "outcome": "failed", "error.type": "ValueError"}
    assert "a-secret-value" not in span.to_json()


def test_pages_of_the_dashboard_are_no_calls_of_the_app(kit: ConvexTest, spans: Spans) -> None:
    calls, admin = kit.convex.calls, Admin("ops", is_dashboard=True)
    calls.run(calls.bind_client("_system/jobs:list", {}, None, admin=admin))
    assert spans.take() == ()
    calls.run(calls.bind_client(own("look"), {}, None, admin=admin))
    assert len(spans.take()) == 1


def test_without_a_provider_nothing_is_traced_or_stored(kit: ConvexTest) -> None:
    assert isinstance(trace.get_tracer_provider(), ProxyTracerProvider)
    assert kit.run(look) == "0" * 48
    kit.run(place)
    with kit.convex.database.read_internal() as connection:
        (origin,) = connection.execute(select(tables.jobs.c.origin)).scalars()
    assert "trace" not in json.loads(origin)


def test_a_process_that_does_not_trace_does_not_import_it() -> None:
    code = """
import sys
from convexpy import QueryCtx, query
from convexpy.testing import ConvexTest

@query
def one(ctx: QueryCtx) -> int:
    return 1

with ConvexTest(sys.modules["__main__"]) as kit:
    assert kit.run(one) == 1
assert not [name for name in sys.modules if name.startswith("opentelemetry")]
"""
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
