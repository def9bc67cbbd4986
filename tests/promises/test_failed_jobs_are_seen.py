"""A failed job is an ERROR of the log; its row keeps the traceback, listeners get the exception, clients get little."""

from __future__ import annotations

import json
import logging
import threading
from typing import Any

import pytest
from sqlalchemy import select

from convexpy import (
    ActionCtx,
    Convex,
    ConvexError,
    JobId,
    MutationCtx,
    QueryCtx,
    ScheduledFunction,
    Settings,
    SyncActionCtx,
    action,
    mutation,
    query,
)
from convexpy.testing import ConvexTest


class Refused(Exception):
    pass


def refuse(how: str) -> None:
    if how == "meant for the caller":
        raise ConvexError("CONFLICT", "There are no cups left")
    if how == "long":
        raise Refused("x" * 100_000)
    try:
        raise KeyError("the cause")
    except KeyError as error:
        raise Refused("no money, says /srv/bank.py") from error


@mutation
def write(ctx: MutationCtx, how: str) -> None:
    refuse(how)


@action
async def send(ctx: ActionCtx, how: str) -> None:
    refuse(how)


@action
def send_on_a_thread(ctx: SyncActionCtx, how: str) -> None:
    refuse(how)


FUNCTIONS = {"write": write, "send": send, "send_on_a_thread": send_on_a_thread}


@mutation
def schedule(ctx: MutationCtx, name: str, how: str = "plain") -> JobId:
    job_id: JobId = ctx.schedule.now(FUNCTIONS[name], how=how)
    return job_id


@query
def status(ctx: QueryCtx, job_id: JobId) -> ScheduledFunction | None:
    return ctx.system.get(job_id)


@query
def statuses(ctx: QueryCtx) -> list[dict[str, ScheduledFunction]]:
    return [{"job": job} for job in ctx.db.scalars(select(ScheduledFunction)).all()]


def errors_of(caplog: pytest.LogCaptureFixture) -> list[Any]:
    return [record for record in caplog.records if record.levelno >= logging.ERROR]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_failed_job_is_one_error_of_the_log(convex: ConvexTest, caplog: pytest.LogCaptureFixture, name: str) -> None:
    job_id = convex.run(schedule, name=name)
    convex.run_due()
    [record] = errors_of(caplog)
    assert record.name == "convexpy.run"
    assert (record.function, record.job, record.attempt) == (f"{status.name.partition(':')[0]}:{name}", job_id, 1)
    assert isinstance(record.exc_info[1], Refused)
    assert f"job {job_id}, attempt 1: Refused: no money" in record.getMessage()
    assert "the cause" in caplog.text


def test_it_is_where_an_app_runs_its_own_jobs(
    request: pytest.FixtureRequest, database: str, caplog: pytest.LogCaptureFixture
) -> None:
    ended = threading.Event()
    with Convex(database, functions=request.module) as convex, convex.running():
        convex.on_run(lambda run: ended.set() if run.job else None)
        convex.run(schedule, name="write")
        assert ended.wait(60)
    [record] = errors_of(caplog)
    assert isinstance(record.exc_info[1], Refused)


def test_a_direct_call_raises_to_its_caller_instead(convex: ConvexTest, caplog: pytest.LogCaptureFixture) -> None:
    runs: list[Any] = []
    convex.convex.on_run(runs.append)
    with pytest.raises(Refused) as caught:
        convex.run(write, how="plain")
    assert errors_of(caplog) == []
    assert runs[0].exception is caught.value
    assert "the cause" in runs[0].trace


@pytest.mark.parametrize("name", FUNCTIONS)
def test_its_row_keeps_the_traceback_with_its_causes(convex: ConvexTest, name: str) -> None:
    job_id = convex.run(schedule, name=name)
    convex.run_due()
    job = convex.job(job_id)
    assert job is not None
    assert job.state.trace is not None
    assert "KeyError: 'the cause'" in job.state.trace
    assert "direct cause" in job.state.trace
    assert job.state.trace.endswith("Refused: no money, says /srv/bank.py\n")
    [listed] = convex.jobs(state="failed")
    assert listed.state.trace == job.state.trace
    assert "trace" not in json.dumps([job.to_json(), convex.call("_system/jobs:list"), call_status(convex, job_id)])


def test_a_traceback_is_cut_to_16_kib(convex: ConvexTest) -> None:
    job_id = convex.run(schedule, name="write", how="long")
    convex.run_due()
    job = convex.job(job_id)
    assert job is not None
    assert job.state.trace is not None
    assert 16_000 < len(job.state.trace.encode()) <= 16 * 1024
    assert job.state.trace.startswith("Traceback")


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_listener_gets_the_exception_itself(convex: ConvexTest, name: str) -> None:
    runs: list[Any] = []
    convex.convex.on_run(runs.append)
    convex.run(schedule, name=name)
    convex.run_due()
    [run] = [run for run in runs if run.outcome == "failed"]
    assert isinstance(run.exception, Refused)
    assert isinstance(run.exception.__cause__, KeyError)
    assert "the cause" in run.trace


@pytest.mark.parametrize("debug", [False, True])
def test_clients_see_what_was_meant_for_them_and_the_rest_in_debug_mode(
    request: pytest.FixtureRequest, convex: ConvexTest, database: str, debug: bool
) -> None:
    plain = convex.run(schedule, name="write")
    known = convex.run(schedule, name="write", how="meant for the caller")
    convex.run_due()
    with Convex(database, functions=request.module, settings=Settings(debug=debug)) as app:
        plain_error, known_error = (call_status(app, job_id)["state"]["error"] for job_id in (plain, known))
        listed = json.dumps(app.call(statuses.name))
    assert known_error.startswith("CONFLICT: There are no cups left")
    if debug:
        assert plain_error.startswith("Refused: no money")
    else:
        assert plain_error == "INTERNAL_SERVER_ERROR: the function failed"
    assert ("no money" in listed) is debug
    assert "no cups left" in listed


def call_status(convex: Convex | ConvexTest, job_id: JobId) -> Any:
    return convex.call(status.name, {"job_id": job_id})
