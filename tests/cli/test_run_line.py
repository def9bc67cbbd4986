"""A run as an object of the log: its level says whether the app has a fault."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from convexpy import ConvexError
from convexpy.cli.run_line import run_document
from convexpy.database.types import JobId
from convexpy.functions.declare import Kind
from convexpy.runtime.events import Failure, Job, Run


def failed(error: Exception, job: Job | None = None) -> Run:
    failure = Failure.of(error)
    began = datetime(2026, 1, 1, tzinfo=UTC)
    return Run("orders:place", Kind.MUTATION, began, 0.01, "failed", failure.text, job, exception=failure.exception)


@pytest.mark.parametrize(
    ("error", "level"),
    [
        (ConvexError("CONFLICT", "sold out"), "INFO"),
        (ConvexError("INTERNAL_SERVER_ERROR", "broken"), "ERROR"),
        (ValueError("broken"), "ERROR"),
    ],
)
def test_a_call_that_is_refused_is_no_fault_of_the_app(error: Exception, level: str) -> None:
    document = run_document(failed(error))
    assert document["level"] == level
    assert ("traceback" in document) == (level == "ERROR")


def test_a_job_that_fails_is_an_error_whatever_it_raises() -> None:
    job = Job(JobId("0" * 32), 1)
    assert run_document(failed(ConvexError("CONFLICT", "sold out"), job))["level"] == "ERROR"
