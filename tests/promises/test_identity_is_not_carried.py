"""The identity of the caller is known to a call and to what it calls, and to nothing that runs later.

==== ======================================================================================
S15  every test of this file
==== ======================================================================================
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from app.builders import UserMutationCtx, auth_mutation
from app.models import Order, User
from sqlalchemy import text
from support.apps import START, app_of

from convexpy import (
    ActionCtx,
    Crons,
    Identity,
    JobId,
    MutationCtx,
    QueryCtx,
    action,
    internal_mutation,
    mutation,
    query,
)
from convexpy.testing import ConvexTest

pytestmark = pytest.mark.promise("S15")
seen: list[Identity | None] = []
CALLER = Identity("u1", issuer="https://issuer", claims={"email": "u1@example.com"})


@pytest.fixture(autouse=True)
def nothing_seen() -> None:
    seen.clear()


@query
def look(ctx: QueryCtx) -> None:
    seen.append(ctx.identity)


@mutation
def look_and_call(ctx: MutationCtx) -> None:
    seen.append(ctx.identity)
    ctx.run_query(look)


@action
async def look_around(ctx: ActionCtx) -> None:
    seen.append(ctx.identity)
    await ctx.run_mutation(look_and_call)
    await ctx.run_action(look_outside)


@action
async def look_outside(ctx: ActionCtx) -> None:
    seen.append(ctx.identity)


@mutation
def schedule_all(ctx: MutationCtx) -> None:
    seen.append(ctx.identity)
    ctx.schedule.now(look_and_call)
    ctx.schedule.now(look_around)


@action
async def schedule_all_outside(ctx: ActionCtx) -> None:
    await ctx.schedule.now(look_and_call)
    await ctx.schedule.now(look_around)


@auth_mutation
def needs_a_user(ctx: UserMutationCtx) -> None:
    seen.append(ctx.identity)


@mutation
def schedule_one_that_needs_a_user(ctx: MutationCtx) -> JobId:
    return ctx.schedule.now(needs_a_user)


def test_a_call_and_what_it_calls_know_who_called(convex: ConvexTest) -> None:
    convex.with_identity(CALLER).run(look_around)
    assert seen == [CALLER] * 4
    assert convex.with_identity(None).run(look) is None
    convex.run(look)
    assert seen[4:] == [None, None]


@pytest.mark.parametrize("function", [schedule_all, schedule_all_outside])
def test_a_scheduled_run_has_no_identity_of_its_scheduler(convex: ConvexTest, function: Any) -> None:
    convex.with_identity(CALLER).run(function)
    seen.clear()
    convex.run_due()
    assert seen == [None] * 6
    assert {job.state.kind for job in convex.jobs()} == {"success"}


def test_a_cron_has_no_identity() -> None:
    crons = Crons()
    crons.interval("look", timedelta(minutes=1), look_and_call)
    with ConvexTest(app_of(look, look_and_call, crons=crons), now=START) as convex:
        convex.run_due()
    assert seen == [None, None]


def test_a_scheduled_function_that_needs_a_user_fails_as_unauthorized(convex: ConvexTest) -> None:
    with convex.db() as db:
        db.add(User(id="u1"))
    job_id = convex.as_user("u1").run(schedule_one_that_needs_a_user)
    convex.run_due()
    job = convex.job(job_id)
    assert job is not None
    assert job.state.kind == "failed"
    assert job.state.error is not None
    assert "UNAUTHORIZED: Not authenticated" in job.state.error
    assert seen == []


def test_nothing_of_an_identity_is_written_to_the_database(convex: ConvexTest) -> None:
    convex.with_identity(Identity("a-very-rare-subject")).run(schedule_all)
    with convex.db() as db:
        for table in ("_scheduled_functions", "_convexpy_queue"):
            assert "a-very-rare-subject" not in str(db.execute(text(f"SELECT * FROM {table}")).all())


def test_what_a_scheduled_function_must_know_is_passed_as_an_argument(convex: ConvexTest) -> None:
    @internal_mutation
    def work(ctx: MutationCtx, user_id: str) -> None:
        ctx.db.add(Order(id=user_id))

    @mutation
    def start(ctx: MutationCtx) -> None:
        assert ctx.identity is not None
        ctx.schedule.now(work, user_id=ctx.identity.subject)

    with ConvexTest(app_of(work, start), database_url=str(convex.convex.database.url), now=START) as other:
        other.as_user("u1").run(start)
        other.run_due()
        with other.db() as db:
            assert db.get(Order, "u1") is not None


@pytest.mark.parametrize("subject", [None, "", 1])
def test_an_identity_without_a_subject_is_refused(subject: Any) -> None:
    with pytest.raises(TypeError, match="pass None in place of an Identity"):
        Identity(subject)
