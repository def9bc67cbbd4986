"""The row of a job says what scheduled it: a job, a cron, or a request, and then which call of whom."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import select
from support.faults import PlannedErrors, a_conflict

from convexpy import ActionCtx, Identity, JobId, MutationCtx, action, mutation
from convexpy.clock import unix_milliseconds
from convexpy.database import tables
from convexpy.database.statement import CompiledStatement
from convexpy.runtime.admin import Admin
from convexpy.runtime.call import RequestId
from convexpy.testing import ConvexTest

planned = PlannedErrors()


@pytest.fixture(autouse=True)
def no_errors_are_planned() -> None:
    planned.reset()


@mutation
def work(ctx: MutationCtx) -> None: ...


@mutation
def plan(ctx: MutationCtx, again: bool = False) -> JobId:
    planned.raise_next()
    return ctx.schedule.now(plan if again else work)


@action
async def act(ctx: ActionCtx) -> list[JobId]:
    return [await ctx.run_mutation(plan), await ctx.schedule.now(work)]


def row_of(convex: ConvexTest, job_id: JobId) -> Any:
    with convex.convex.database.read_internal() as connection:
        return connection.execute(select(tables.jobs).where(tables.jobs.c.id == job_id)).one()


def origin_of(convex: ConvexTest, job_id: JobId) -> dict[str, Any]:
    origin: dict[str, Any] = json.loads(row_of(convex, job_id).origin)
    return origin


def test_a_direct_call_is_the_origin_of_what_it_schedules(convex: ConvexTest) -> None:
    job_id = convex.run(plan)
    row = row_of(convex, job_id)
    assert (len(row.request), row.parent) == (16, None)
    started = unix_milliseconds(convex.now)
    assert origin_of(convex, job_id) == {"function": f"{__name__}:plan", "caller": "python", "started": started}


def test_an_origin_names_the_client_the_key_and_the_attempt(convex: ConvexTest) -> None:
    calls, request = convex.convex.calls, RequestId("the request", "http")
    identity = Identity("ada", "https://issuer.example\0")
    planned.reset(a_conflict())
    job_id = calls.run(replace(calls.bind(plan, (), {}, identity), request=request, admin=Admin("ops")))
    origin = origin_of(convex, job_id)
    assert row_of(convex, job_id).request == "the request"
    assert (origin["caller"], origin["actor"]) == ("http", "ops")
    assert "ada" not in str(origin)
    assert origin["attempt"] == 2
    job_id = calls.run(replace(calls.bind(plan, (), {}), admin=Admin("dev", is_dashboard=True)))
    assert origin_of(convex, job_id)["caller"] == "dashboard"


def test_what_an_action_schedules_has_the_action_as_its_origin(convex: ConvexTest) -> None:
    by_mutation, by_itself = convex.run(act)
    rows = [row_of(convex, job_id) for job_id in (by_mutation, by_itself)]
    assert {json.loads(row.origin)["function"] for row in rows} == {f"{__name__}:act"}
    assert len({row.request for row in rows}) == 1


def test_what_a_job_schedules_has_the_job_as_its_parent(convex: ConvexTest) -> None:
    job_id = convex.run(plan, again=True)
    convex.run_due()
    (child,) = [job for job in convex.jobs() if job.parent == job_id]
    assert (child.request, child.origin) == (None, None)


def test_an_origin_costs_no_statement(convex: ConvexTest, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[str] = []
    execute = CompiledStatement.execute

    def noted(self: CompiledStatement, *args: Any) -> Any:
        sent.append(self.sql)
        return execute(self, *args)

    monkeypatch.setattr(CompiledStatement, "execute", noted)
    convex.run(plan)
    inserted = ["_scheduled_functions", "_convexpy_queue"]
    is_one = convex.convex.database.is_server  # then both tables are in it
    assert len(sent) == (1 if is_one else 2)
    assert all(table in "".join(sent) for table in inserted)
