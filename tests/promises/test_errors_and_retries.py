"""Whose fault an error is, and what follows: the table of the documentation, cell by cell.

=================== ================================== =====================================================
                    an error of the developer          an error of the database, or a crash
=================== ================================== =====================================================
mutation, called    raised, nothing written            run again, bounded, then WriteConflict, InternalError
scheduled mutation  failed, not tried again            pending, tried again without end: exactly once
scheduled action    failed                             never run again: at most once
=================== ================================== =====================================================

==== ======================================================================================
S6   test_a_developer_error_fails_a_scheduled_mutation_at_once
S8   test_a_conflict_runs_the_whole_mutation_again, test_a_scheduled_mutation_is_tried_until_it_succeeds_once
==== ======================================================================================
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from app.models import Base, Note
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from stage import START, Unlucky, a_conflict, a_disk_error, app_of, code_of, write_lock

from convexpy import (
    ActionCtx,
    Convex,
    ConvexError,
    FunctionNotFound,
    FunctionTimeout,
    InternalError,
    InvalidArguments,
    InvalidResult,
    JobId,
    MutationCtx,
    QueryCtx,
    ScheduleLimitExceeded,
    Settings,
    SyncActionCtx,
    WriteConflict,
    action,
    mutation,
    query,
)
from convexpy.database.postgres.database import FencedHeld
from convexpy.database.sqlite.held import SQLiteHeld
from convexpy.functions.declare import Kind
from convexpy.testing import ConvexTest
from convexpy.testing.worker import VirtualWorker

promise = pytest.mark.promise
unlucky = Unlucky()
attempts: list[Any] = []


@pytest.fixture(autouse=True)
def good_luck() -> None:
    unlucky.reset()
    attempts.clear()


@mutation
def work(ctx: MutationCtx, text: str = "work", items: list[str] | None = None) -> str:
    attempts.append(ctx.job.attempt if ctx.job else None)
    ctx.db.add(Note(text=text))
    ctx.db.flush()
    if items is not None:
        items.append(text)
        attempts.append(len(items))
    unlucky.strike()
    return "done"


@query
def read(ctx: QueryCtx) -> list[str]:
    unlucky.strike()
    return list(ctx.db.scalars(select(Note.text)))


@action
async def act(ctx: ActionCtx) -> None:
    attempts.append(ctx.job.attempt if ctx.job else None)
    unlucky.strike()


@action
def act_plainly(ctx: SyncActionCtx) -> None:
    unlucky.strike()


@action
async def act_through_a_mutation(ctx: ActionCtx) -> None:
    attempts.append("action")
    await ctx.run_mutation(work, text=f"by action {attempts.count('action')}")


@mutation
def schedule(ctx: MutationCtx, what: str = "work") -> JobId:
    what_to_run: Any = {"work": work, "act": act, "act_plainly": act_plainly, "through": act_through_a_mutation}[what]
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
def test_a_developer_error_is_raised_to_the_caller_and_nothing_is_written(
    strict: ConvexTest, how: str, error: type[BaseException], text: str
) -> None:
    with pytest.raises(error):
        strict.run(misbehave, how=how)
    assert (attempts, strict.jobs(), texts(strict)) == ([how], [], [])


@promise("S6")
@pytest.mark.parametrize(("how", "error", "text"), DEVELOPER_ERRORS)
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
    assert "test_errors_and_retries.py:" in str(strict.job(job_id).state.error)  # type: ignore[union-attr]


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
def test_a_developer_error_fails_a_scheduled_action(
    convex: ConvexTest, what: str, error: BaseException, text: str
) -> None:
    unlucky.reset(error)
    job_id = convex.run(schedule, what=what)
    convex.advance(days=1)
    job = convex.job(job_id)
    assert job is not None
    assert (job.state.kind, unlucky.strikes) == ("failed", 1)
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
    limit = Settings(mutation_time_limit=timedelta(seconds=0.1))
    with ConvexTest(app_of(hang, schedule_hanging), database_url=database, settings=limit) as convex:
        with pytest.raises(FunctionTimeout) as late:
            convex.run(hang)
        assert code_of(late.value) == ("TIMEOUT", 408)
        job_id = convex.run(schedule_hanging)
        convex.advance(days=1)
        assert convex.job(job_id).state.kind == "failed"  # type: ignore[union-attr]
        assert (attempts, texts(convex)) == (["hang", "hang"], [])


# ---------------------------------------------------------------------------------------------- a direct mutation


@promise("S8")
@pytest.mark.parametrize("trouble", [a_conflict, a_disk_error])
def test_a_conflict_runs_the_whole_mutation_again(convex: ConvexTest, trouble: Any) -> None:
    unlucky.reset(trouble(), trouble())
    assert convex.run(work) == "done"
    assert (unlucky.strikes, texts(convex)) == (3, ["work"])


def test_every_try_sees_the_arguments_as_they_were_given(convex: ConvexTest) -> None:
    unlucky.reset(a_conflict(), a_conflict())
    given = ["given"]
    convex.run(work, items=given)
    assert attempts == [None, 2, None, 2, None, 2]


@mutation
def note_the_time(ctx: MutationCtx) -> None:
    attempts.append(ctx.now)
    unlucky.strike()


def test_every_try_has_a_now_of_its_own(convex: ConvexTest, monkeypatch: pytest.MonkeyPatch) -> None:
    second = timedelta(seconds=1)
    monkeypatch.setattr(convex.clock, "sleep", lambda seconds: convex.clock.move_to(convex.now + second))
    unlucky.reset(a_conflict(), a_conflict())
    convex.run(note_the_time)
    assert attempts == [START, START + second, START + 2 * second]


def test_every_try_begins_on_a_fresh_snapshot(convex: ConvexTest, monkeypatch: pytest.MonkeyPatch) -> None:
    def write_meanwhile(seconds: float) -> None:
        with convex.db() as db:
            db.add(Note(text=f"meanwhile {len(attempts)}"))

    @mutation
    def count(ctx: MutationCtx) -> None:
        attempts.append(len(ctx.db.scalars(select(Note)).all()))
        unlucky.strike()

    with ConvexTest(app_of(count), database_url=str(convex.convex.database.url)) as other:
        monkeypatch.setattr(other.clock, "sleep", write_meanwhile)
        unlucky.reset(a_conflict(), a_conflict())
        other.run(count)
    assert attempts == [0, 1, 2]


def test_the_tries_are_further_and_further_apart_with_jitter(
    convex: ConvexTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    monkeypatch.setattr(convex.clock, "sleep", waits.append)
    for _ in range(3):
        unlucky.reset(*(a_disk_error() for _ in range(5)))
        convex.run(work, text=f"{len(waits)}")
    assert len(set(waits)) == 15
    for index, wait in enumerate(waits):
        longest = min(0.1 * 2 ** (index % 5), 1)  # somebody waits for a direct call
        assert longest / 2 <= wait <= longest


@pytest.mark.parametrize(
    ("trouble", "error", "code"),
    [(a_conflict, WriteConflict, ("CONFLICT", 409)), (a_disk_error, InternalError, ("INTERNAL_SERVER_ERROR", 500))],
)
def test_the_tries_are_bounded_and_end_in_a_typed_error(
    convex: ConvexTest, trouble: Any, error: type[ConvexError], code: tuple[str, int]
) -> None:
    unlucky.reset(*(trouble() for _ in range(100)))
    with pytest.raises(InternalError, match=f"{__name__}:work") as given_up:
        convex.run(work)
    assert type(given_up.value) is error
    assert code_of(given_up.value) == code
    assert (unlucky.strikes, texts(convex)) == (1 + convex.convex.settings.mutation_retries, [])


def test_how_many_tries_is_a_setting(database: str) -> None:
    unlucky.reset(a_conflict())
    once = Settings(mutation_retries=0)
    with ConvexTest(app_of(work), database_url=database, settings=once) as convex, pytest.raises(WriteConflict):
        convex.run(work)
    assert unlucky.strikes == 1


def test_a_query_is_run_again_as_well(convex: ConvexTest) -> None:
    unlucky.reset(a_disk_error())
    assert convex.run(read) == []
    assert unlucky.strikes == 2


def test_a_database_that_others_keep_locked_is_a_write_conflict(database: str) -> None:
    impatient = Settings(lock_timeout=timedelta(seconds=0.02), mutation_retries=2)
    with ConvexTest(app_of(work, read), database_url=database, settings=impatient) as convex:
        with write_lock(database):
            with pytest.raises(WriteConflict, match="3 times in a row"):
                convex.run(work)
            assert convex.run(read) == []
        assert set(attempts) <= {None}  # SQLite does not even begin
        assert convex.run(work) == "done"


def test_a_lock_that_is_let_go_in_time_is_not_noticed(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    impatient = Settings(lock_timeout=timedelta(seconds=0.02), mutation_retries=2)
    with ConvexTest(app_of(work), database_url=database, settings=impatient) as convex:
        lock = write_lock(database)
        lock.__enter__()
        monkeypatch.setattr(convex.clock, "sleep", lambda seconds: lock.__exit__(None, None, None))
        assert convex.run(work) == "done"
        assert texts(convex) == ["work"]


def test_a_commit_that_the_database_refuses_is_tried_again(convex: ConvexTest, monkeypatch: pytest.MonkeyPatch) -> None:
    refusals = [a_conflict(), a_conflict()]
    for kind in (SQLiteHeld, FencedHeld):

        def refuse(held: Any, send: Any = kind.send_commit) -> None:
            if refusals:
                raise refusals.pop()
            send(held)

        monkeypatch.setattr(kind, "send_commit", refuse)
    assert convex.run(work) == "done"
    assert (unlucky.strikes, texts(convex)) == (3, ["work"])


# ---------------------------------------------------------------------------------------------- a scheduled mutation


@promise("S8")
@pytest.mark.parametrize("trouble", [a_conflict, a_disk_error])
def test_a_scheduled_mutation_is_tried_until_it_succeeds_once(convex: ConvexTest, trouble: Any) -> None:
    unlucky.reset(*(trouble() for _ in range(30)))
    job_id = convex.run(schedule)
    convex.run_due()
    job = convex.job(job_id)
    assert job is not None
    assert (job.state.kind, job.attempts, job.completed_time) == ("pending", 1, None)
    assert job.last_error is not None
    convex.advance(hours=1)
    job = convex.job(job_id)
    assert job is not None
    assert (job.state.kind, job.attempts) == ("success", 31)
    assert attempts == list(range(1, 32))
    assert texts(convex) == ["work"]


def test_the_tries_of_a_scheduled_mutation_are_at_most_a_minute_apart(convex: ConvexTest) -> None:
    unlucky.reset(*(a_disk_error() for _ in range(20)))
    job_id = convex.run(schedule)
    convex.run_due()
    for failures in range(1, 21):
        job = convex.job(job_id)
        assert job is not None
        assert (job.attempts, job.scheduled_time) == (failures, START)
        assert job.next_try is not None
        longest = min(timedelta(milliseconds=100) * 2 ** (failures - 1), timedelta(seconds=60))
        assert longest / 2 <= job.next_try - convex.now <= longest
        convex.advance(job.next_try - convex.now)
    assert convex.job(job_id).state.kind == "success"  # type: ignore[union-attr]


def test_the_other_jobs_do_not_wait_for_one_that_is_tried_again(convex: ConvexTest) -> None:
    unlucky.reset(*(a_conflict() for _ in range(10)))
    convex.run(schedule)
    convex.run_due()
    unlucky.reset()
    other = convex.run(schedule)
    convex.run_due()
    assert convex.job(other).state.kind == "success"  # type: ignore[union-attr]


@pytest.fixture
def another(convex: ConvexTest, request: pytest.FixtureRequest) -> Any:
    """Another process on the same database and under the same clock. It dies where the test leaves it."""
    url = str(convex.convex.database.url)
    other = Convex(url, functions=request.module, metadata=Base.metadata, clock=convex.clock)
    other.migrate()
    other.service.prepare(other.app)
    yield other
    other.close()


@promise("S18")
def test_a_mutation_whose_process_died_runs_once(convex: ConvexTest, another: Convex) -> None:
    job_id = convex.run(schedule)
    (claim,) = another.service.dispatcher.claim(Kind.MUTATION, 10)
    convex.advance(seconds=59)
    assert attempts == []
    convex.advance(seconds=2)
    convex.advance(seconds=1)
    assert convex.job(job_id).state.kind == "success"  # type: ignore[union-attr]
    # The dead one was only slow: what it still does comes too late.
    another.service.executor.exactly_once(claim)
    assert (texts(convex), attempts) == (["work"], [2])


def test_two_workers_never_have_the_same_job(convex: ConvexTest, another: Convex) -> None:
    for _ in range(5):
        convex.run(schedule)
    first = another.service.dispatcher.claim(Kind.MUTATION, 3)
    second = convex.convex.service.dispatcher.claim(Kind.MUTATION, 10)
    assert (len(first), len(second)) == (3, 2)
    assert len({claim.job_id for claim in (*first, *second)}) == 5


# ---------------------------------------------------------------------------------------------- a scheduled action


@pytest.mark.parametrize("trouble", [a_conflict, a_disk_error])
def test_a_scheduled_action_is_never_run_again_whatever_failed(convex: ConvexTest, trouble: Any) -> None:
    unlucky.reset(trouble())
    job_id = convex.run(schedule, what="act")
    convex.advance(days=1)
    assert convex.job(job_id).state.kind == "failed"  # type: ignore[union-attr]
    assert attempts == [1]


def test_the_mutations_of_an_action_are_tried_again_but_not_the_action(convex: ConvexTest) -> None:
    unlucky.reset(a_conflict(), a_conflict())
    job_id = convex.run(schedule, what="through")
    convex.advance(days=1)
    assert convex.job(job_id).state.kind == "success"  # type: ignore[union-attr]
    assert (attempts, texts(convex)) == (["action", 1, 1, 1], ["by action 1"])
    unlucky.reset(*(a_conflict() for _ in range(100)))
    job_id = convex.run(schedule, what="through")
    convex.advance(days=1)
    job = convex.job(job_id)
    assert job is not None
    assert job.state.kind == "failed"
    assert "other transactions were in the way" in str(job.state.error)
    assert attempts.count("action") == 2


def test_an_action_whose_process_died_is_failed_and_never_run_again(convex: ConvexTest, another: Convex) -> None:
    job_id = convex.run(schedule, what="act")
    (claim,) = another.service.dispatcher.claim(Kind.ACTION, 10)
    assert another.service.executor._start(claim, "token")
    convex.advance(seconds=59)
    assert convex.job(job_id).state.kind == "inProgress"  # type: ignore[union-attr]
    convex.advance(seconds=2)
    job = convex.job(job_id)
    assert job is not None
    assert job.state.kind == "failed"
    assert "died before it finished" in str(job.state.error)
    convex.advance(days=1)
    assert attempts == []
    # The dead one was only slow: its end comes too late.
    assert not another.service.executor._finish(claim, "token", None)
    assert convex.job(job_id).state.kind == "failed"  # type: ignore[union-attr]


def test_an_action_that_was_claimed_but_not_begun_runs_once(convex: ConvexTest, another: Convex) -> None:
    job_id = convex.run(schedule, what="act")
    (claim,) = another.service.dispatcher.claim(Kind.ACTION, 10)
    convex.advance(seconds=61)
    convex.advance(seconds=1)
    assert convex.job(job_id).state.kind == "success"  # type: ignore[union-attr]
    assert not another.service.executor._start(claim, "token")
    assert attempts == [2]


@pytest.mark.parametrize(("what", "kind"), [("work", Kind.MUTATION), ("act", Kind.ACTION)])
def test_an_old_claim_is_worth_nothing_once_another_worker_has_the_job(
    convex: ConvexTest, another: Convex, what: str, kind: Kind
) -> None:
    job_id = convex.run(schedule, what=what)
    (old,) = another.service.dispatcher.claim(kind, 10)
    another.service.dispatcher.unclaim([old])
    (new,) = convex.convex.service.dispatcher.claim(kind, 10)
    VirtualWorker(another).execute(old)
    assert attempts == []
    VirtualWorker(convex.convex).execute(new)
    assert attempts == [1]
    assert convex.job(job_id).state.kind == "success"  # type: ignore[union-attr]


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
