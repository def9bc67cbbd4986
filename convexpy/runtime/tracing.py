"""Spans of OpenTelemetry: of each call, and of each attempt of a job, with a link to what scheduled it.

There are none until the process has set up a provider. Until then nothing of OpenTelemetry is imported here.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import Context
from typing import TYPE_CHECKING, Final

from sqlalchemy import select

from ..database.database import Database
from ..database.tables import jobs
from ..database.types import JobId
from .call import Call
from .events import Run, RunListeners

if TYPE_CHECKING:
    from opentelemetry.trace import Link, Span, SpanContext, Tracer

logger = logging.getLogger("convexpy.run")

MODULE: Final = "opentelemetry.trace"
NAME: Final = "convexpy"
TRACE: Final = "trace"
"""Under this key the origin of a job has the span of the call that scheduled it, as a ``traceparent`` of W3C."""
WELL: Final = "success"


def is_traced() -> bool:
    """Whether spans are made at all."""
    return tracer() is not None


def tracer() -> Tracer | None:
    """What makes spans. None: no provider is set up in this process."""
    module = sys.modules.get(MODULE)  # without it, none can have been set up
    if module is None:
        return None
    provider = module.get_tracer_provider()
    if isinstance(provider, module.ProxyTracerProvider):
        return None
    found: Tracer = provider.get_tracer(NAME)
    return found


def call_span(call: Call) -> AbstractContextManager[None]:
    """The span of a direct call, for the length of a block, in the caller's trace."""
    if MODULE not in sys.modules or call.is_watching or (maker := tracer()) is None:
        return nullcontext()
    return open_span(maker, call)


@contextmanager
def open_span(maker: Tracer, call: Call) -> Iterator[None]:
    with maker.start_as_current_span(
        call.function.name, attributes=attributes_of(call), record_exception=False, set_status_on_exception=False
    ) as span:
        try:
            yield
        except BaseException as error:
            note_end(span, "failed", error)
            raise
        note_end(span, WELL, None)


def current_trace() -> str | None:
    """The span of the call that runs here, as a ``traceparent``. None: there is none."""
    module = sys.modules.get(MODULE)
    if module is None:
        return None
    context: SpanContext = module.get_current_span().get_span_context()
    if not context.is_valid:
        return None
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"


class JobSpans:
    """The spans of the attempts of jobs that run now. An attempt ends when its outcome is known, after its COMMIT."""

    def __init__(self, database: Database, listeners: RunListeners) -> None:
        self._database = database
        self._listeners = listeners
        self._open: dict[JobId, Span] = {}
        self._listens = False

    def begin(self, call: Call, context: Context) -> None:
        """A job's handler begins in this context."""
        if call.job is None or (maker := tracer()) is None:
            return
        from opentelemetry import trace

        if not self._listens:
            self._listens = True
            self._listeners.add(self._end)
        self._abandon(call.job.id)
        span = maker.start_span(
            call.function.name,
            context=trace.set_span_in_context(trace.INVALID_SPAN),
            kind=trace.SpanKind.CONSUMER,
            attributes={**attributes_of(call), "convexpy.job": call.job.id, "convexpy.attempt": call.job.attempt},
            links=self._links(call.job.id),
            record_exception=False,
        )
        self._open[call.job.id] = span
        context.run(enter, span)

    def _end(self, run: Run) -> None:
        span = self._open.pop(run.job_id, None) if run.job_id is not None else None
        if span is not None:
            if run.cron is not None:
                span.set_attribute("convexpy.cron", run.cron)
            note_end(span, run.outcome, run.exception)
            span.end()

    def _abandon(self, job_id: JobId) -> None:
        """The attempt begins again: its batch was rolled back, for another job's sake perhaps."""
        if (span := self._open.pop(job_id, None)) is not None:
            span.set_attribute("convexpy.outcome", "rolled back")
            span.end()

    def _links(self, job_id: JobId) -> list[Link]:
        """To the span of the call that scheduled a job, if that was traced."""
        from opentelemetry.trace import Link

        try:
            with self._database.read_internal() as connection:
                origin = connection.execute(select(jobs.c.origin).where(jobs.c.id == job_id)).scalar()
        except Exception:  # the job runs all the same
            logger.debug("what scheduled a job could not be read for its span", exc_info=True)
            return []
        written = json.loads(origin).get(TRACE) if origin else None
        return [Link(context_of(written))] if written else []


def enter(span: Span) -> None:
    """Make a span the current one, for as long as this context lives."""
    from opentelemetry import context, trace

    context.attach(trace.set_span_in_context(span))


def context_of(written: str) -> SpanContext:
    """The span that a ``traceparent`` names."""
    from opentelemetry.trace import SpanContext, TraceFlags

    _, trace_id, span_id, flags = written.split("-")
    return SpanContext(int(trace_id, 16), int(span_id, 16), True, TraceFlags(int(flags, 16)))


def attributes_of(call: Call) -> dict[str, str]:
    """What a span says of a call. Arguments and results are never in it."""
    return {"convexpy.function": call.function.name, "convexpy.kind": call.function.kind.value}


def note_end(span: Span, outcome: str, error: BaseException | None) -> None:
    """Say how a call has ended: of an error its type, as its text may have values in it."""
    from opentelemetry.trace import StatusCode

    span.set_attribute("convexpy.outcome", outcome)
    if error is not None:
        span.set_attribute("error.type", type(error).__name__)
    if outcome != WELL:
        span.set_status(StatusCode.ERROR)
