"""An error of the developer is raised or fails the job at once, and is not tried again; and what an error consists of.

=================== ======================================================
mutation, called    raised, nothing written
scheduled mutation  failed, not tried again
scheduled action    failed
=================== ======================================================

==== ======================================================================================
S6   test_a_developer_error_fails_a_scheduled_mutation_at_once
==== ======================================================================================
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from app.models import Note
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from support.apps import START, app_of, code_of
from support.faults import PlannedErrors

from convexpy import (
    ActionCtx,
    ConvexError,
    FunctionNotFound,
    FunctionTimeout,
    InvalidArguments,
    InvalidResult,
    JobId,
    MutationCtx,
    ScheduleLimitExceeded,
    Settings,
    SyncActionCtx,
    action,
    mutation,
)
from convexpy.testing import ConvexTest

promise = pytest.mark.promise
planned = PlannedErrors()
attempts: list[Any] = []


@pytest.fixture(autouse=True)
def no_errors() -> None:
    planned.reset()
    attempts.clear()


@mutation
def work(ctx: MutationCtx, text: str = "work") -> str:
    attempts.append(ctx.job.attempt if ctx.job else None)
    ctx.db.add(Note(text=text))
    ctx.db.flush()
    planned.raise_next()
    return "done"


@action
async def act(ctx: ActionCtx) -> None:
    attempts.append(ctx.job.attempt if ctx.job else None)
    planned.raise_next()


@action
def act_plainly(ctx: SyncActionCtx) -> None:
    planned.raise_next()


@mutation
def schedule(ctx: MutationCtx, what: str) -> JobId:
    what_to_run: Any = {"act": act, "act_plainly": act_plainly}[what]
    return ctx.schedule.now(what_to_run)


def texts(convex: ConvexTest) -> list[str]:
    with convex.db() as db:
        return list(db.scalars(select(Note.text)))


# ---------------------------------------------------------------------------------------------- errors of the developer


@mutation
def misbehave(ctx: Any, how: str) -> int:
    attempts.append(how)
    ctx.db.add(Note(text="never"))
    ctx.schedule.now(work)
    if how == "exception":
        raise LookupError("a plain exception")
    if how == "convex error":
        raise ConvexError("PAYMENT_REQUIRED", "pay first", {"euros": 5})
    if how == "arguments":
        ctx.schedule.now(work, wrong=1)
    if how == "unknown function":
        ctx.run_query("nowhere:nothing")
    if how == "database refuses":
        ctx.db.add(Note(text="never"))
        ctx.db.flush()
    if how == "limit":
        for _ in range(3):
            ctx.schedule.now(work)
    if how == "system exit":
        raise SystemExit(3)
    return "not a number"  # type: ignore[return-value]


@mutation
def schedule_misbehaving(ctx: MutationCtx, how: str) -> JobId:
    return ctx.schedule.now(misbehave, how=how)


DEVELOPER_ERRORS: list[tuple[str, type[BaseException], str]] = [
    ("exception", LookupError, "LookupError: a plain exception"),
    ("convex error", ConvexError, "PAYMENT_REQUIRED: pay first"),
    ("arguments", InvalidArguments, "BAD_REQUEST"),
    ("unknown function", FunctionNotFound, "NOT_FOUND: there is no function 'nowhere:nothing'"),
    ("database refuses", IntegrityError, "IntegrityError"),
    ("limit", ScheduleLimitExceeded, "may schedule 3 functions"),
    ("result", InvalidResult, "output validation failed"),
    ("system exit", SystemExit, "SystemExit: 3"),
]


@pytest.fixture
def strict(database: str) -> Any:
    """The app of this file, where a call may schedule three functions."""
    app = app_of(misbehave, schedule_misbehaving, work)
    with ConvexTest(app, database_url=database, now=START, settings=Settings(max_scheduled=3)) as convex:
        yield convex


@pytest.mark.parametrize(("how", "error", "text"), DEVELOPER_ERRORS)
@pytest.mark.in_turns
def test_a_developer_error_is_raised_to_the_caller_and_nothing_is_written(
    strict: ConvexTest, how: str, error: type[BaseException], text: str
) -> None:
    with pytest.raises(error):
        strict.run(misbehave, how=how)
    assert (attempts, strict.jobs(), texts(strict)) == ([how], [], [])


@promise("S6")
@pytest.mark.parametrize(("how", "error", "text"), DEVELOPER_ERRORS)
@pytest.mark.in_turns
def test_a_developer_error_fails_a_scheduled_mutation_at_once(
    strict: ConvexTest, how: str, error: type[BaseException], text: str
) -> None:
    job_id = strict.run(schedule_misbehaving, how=how)
    strict.advance(days=1)
    job = strict.job(job_id)
    assert job is not None
    assert (job.state.kind, job.attempts, job.completed_time) == ("failed", 1, START)
    assert text in str(job.state.error)
    assert attempts == [how]
    assert ([job.id for job in strict.jobs()], texts(strict)) == ([job_id], [])


def test_the_error_of_a_failed_job_names_the_line_of_the_users_code(strict: ConvexTest) -> None:
    job_id = strict.run(schedule_misbehaving, how="exception")
    strict.run_due()
    assert "test_developer_errors.py:" in str(strict.job(job_id).state.error)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ConvexError("BAD_GATEWAY", "the payment service is away"), "BAD_GATEWAY: the payment service is away"),
        (ValueError("oh"), "ValueError: oh"),
        (SystemExit(3), "SystemExit: 3"),
        (KeyboardInterrupt(), "KeyboardInterrupt"),
    ],
    ids=lambda each: type(each).__name__,
)
@pytest.mark.parametrize("what", ["act", "act_plainly"])
@pytest.mark.in_turns
def test_a_developer_error_fails_a_scheduled_action(
    convex: ConvexTest, what: str, error: BaseException, text: str
) -> None:
    planned.reset(error)
    job_id = convex.run(schedule, what=what)
    convex.advance(days=1)
    job = convex.job(job_id)
    assert job is not None
    assert (job.state.kind, planned.times) == ("failed", 1)
    assert text in str(job.state.error)


@mutation
def hang(ctx: MutationCtx) -> None:
    attempts.append("hang")
    ctx.db.add(Note(text="never"))
    while True:
        pass


@mutation
def schedule_hanging(ctx: MutationCtx) -> JobId:
    return ctx.schedule.now(hang)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_mutation_past_its_time_limit_is_a_developer_error(database: str) -> None:
    app = app_of(hang, schedule_hanging)
    with ConvexTest(app, database_url=database) as calm:
        job_id = calm.run(schedule_hanging)  # which may take longer than the limit that follows
    limit = Settings(mutation_time_limit=timedelta(seconds=0.1))
    with ConvexTest(app, database_url=database, settings=limit) as convex:
        with pytest.raises(FunctionTimeout) as late:
            convex.run(hang)
        assert code_of(late.value) == ("TIMEOUT", 408)
        convex.advance(days=1)
        assert convex.job(job_id).state.kind == "failed"  # type: ignore[union-attr]
        assert (attempts, texts(convex)) == (["hang", "hang"], [])


# ---------------------------------------------------------------------------------------------- the error itself


CODES = {
    "PARSE_ERROR": 400,
    "BAD_REQUEST": 400,
    "UNAUTHORIZED": 401,
    "PAYMENT_REQUIRED": 402,
    "FORBIDDEN": 403,
    "NOT_FOUND": 404,
    "METHOD_NOT_SUPPORTED": 405,
    "TIMEOUT": 408,
    "CONFLICT": 409,
    "PRECONDITION_FAILED": 412,
    "PAYLOAD_TOO_LARGE": 413,
    "UNSUPPORTED_MEDIA_TYPE": 415,
    "UNPROCESSABLE_CONTENT": 422,
    "PRECONDITION_REQUIRED": 428,
    "TOO_MANY_REQUESTS": 429,
    "CLIENT_CLOSED_REQUEST": 499,
    "INTERNAL_SERVER_ERROR": 500,
    "NOT_IMPLEMENTED": 501,
    "BAD_GATEWAY": 502,
    "SERVICE_UNAVAILABLE": 503,
    "GATEWAY_TIMEOUT": 504,
}


@pytest.mark.parametrize(("code", "status"), CODES.items())
def test_an_error_has_one_of_21_codes_a_message_and_data(code: Any, status: int) -> None:
    error = ConvexError(code, "what happened", data={"n": 1})
    assert (error.code, error.status, error.message, error.data) == (code, status, "what happened", {"n": 1})
    assert str(error) == f"{code}: what happened"
    assert ConvexError(code).message == code
    assert ConvexError(code).data is None


@pytest.mark.parametrize("code", ["TEAPOT", "not_found", "", 404])
def test_another_code_is_refused_with_a_list_of_those_that_exist(code: Any) -> None:
    with pytest.raises(ValueError, match="BAD_REQUEST, UNAUTHORIZED"):
        ConvexError(code)
