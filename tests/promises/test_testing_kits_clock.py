"""The clock of the testing kit: time stands still until a test lets it pass, and what becomes due on the way runs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from support.apps import START, app_of

from convexpy import ActionCtx, Crons, JobId, MutationCtx, QueryCtx, action, mutation, query
from convexpy.testing import ConvexTest

ran: list[tuple[str, datetime]] = []


@pytest.fixture(autouse=True)
def nothing_ran() -> None:
    ran.clear()


@mutation
def work(ctx: MutationCtx, name: str = "work") -> None:
    ran.append((name, ctx.now))


@mutation
def schedule(ctx: MutationCtx, minutes: float = 0, name: str = "work") -> JobId:
    return ctx.schedule.after(timedelta(minutes=minutes), work, name=name)


@mutation
def again_and_again(ctx: MutationCtx) -> None:
    ctx.schedule.after(1000, again_and_again)


@action
async def act(ctx: ActionCtx) -> None:
    ran.append(("act", ctx.now))
    await ctx.schedule.now(work, name="by act")


@mutation
def schedule_act(ctx: MutationCtx) -> JobId:
    return ctx.schedule.now(act)


@query
def who(ctx: QueryCtx) -> str | None:
    return ctx.identity.subject if ctx.identity else None


@query
def clock(ctx: QueryCtx) -> datetime:
    return ctx.now


def test_time_stands_still_until_it_is_advanced(convex: ConvexTest) -> None:
    assert convex.now == START == convex.run(clock)
    assert convex.now.tzinfo is UTC
    convex.advance(seconds=1, minutes=2, hours=3, days=4)
    assert convex.now == START + timedelta(days=4, hours=3, minutes=2, seconds=1) == convex.run(clock)
    convex.advance(timedelta(milliseconds=1))
    assert convex.now.microsecond == 1000
    with pytest.raises(ValueError, match="only moves forward"):
        convex.advance(seconds=-1)


def test_by_default_a_test_begins_now() -> None:
    before = datetime.now(UTC)
    with ConvexTest(app_of(who)) as convex:
        assert before - timedelta(seconds=1) <= convex.now <= datetime.now(UTC)


def test_what_becomes_due_on_the_way_runs_at_its_time_and_in_due_order(convex: ConvexTest) -> None:
    convex.run(schedule, minutes=3, name="third")
    convex.run(schedule, minutes=1, name="first")
    convex.run(schedule, minutes=2, name="second")
    convex.run(schedule, minutes=11, name="too late")
    convex.advance(minutes=10)
    assert ran == [(name, START + timedelta(minutes=n)) for n, name in enumerate(["first", "second", "third"], 1)]
    assert convex.now == START + timedelta(minutes=10)


def test_what_runs_on_the_way_may_schedule_more_for_the_way(convex: ConvexTest) -> None:
    convex.run(again_and_again)
    convex.advance(seconds=3.5)
    assert len(convex.jobs(state="success")) == 3
    assert len(convex.jobs(state="pending")) == 1


def test_crons_and_jobs_share_the_way() -> None:
    crons = Crons()
    crons.interval("every minute", timedelta(minutes=1), work, name="cron")
    with ConvexTest(app_of(work, schedule, crons=crons), now=START) as convex:
        convex.run(schedule, minutes=0.5, name="job")
        convex.advance(minutes=1)
    assert [name for name, _ in ran] == ["cron", "job", "cron"]


def test_run_due_runs_what_is_due_and_what_follows_in_no_time(convex: ConvexTest) -> None:
    convex.run(schedule_act)
    convex.run(schedule, minutes=1, name="later")
    convex.run_due()
    assert ran == [("act", START), ("by act", START)]
    assert convex.now == START
    convex.run_due()
    assert len(ran) == 2


def test_nothing_runs_by_itself(convex: ConvexTest) -> None:
    convex.run(schedule)
    assert [job.state.kind for job in convex.jobs()] == ["pending"]
    assert ran == []


def test_finishing_all_scheduled_moves_the_clock_as_far_as_it_takes(convex: ConvexTest) -> None:
    convex.run(schedule, minutes=5)
    convex.run(schedule, minutes=60 * 24 * 365)
    convex.run(schedule_act)
    convex.finish_all_scheduled()
    assert [name for name, _ in ran] == ["act", "by act", "work", "work"]
    assert convex.now == START + timedelta(days=365)
    convex.finish_all_scheduled()
    assert convex.now == START + timedelta(days=365)


def test_finishing_all_scheduled_does_not_wait_for_crons() -> None:
    crons = Crons()
    crons.interval("every minute", timedelta(minutes=1), work)
    with ConvexTest(app_of(work, schedule, crons=crons), now=START) as convex:
        convex.run(schedule, minutes=5)
        convex.finish_all_scheduled()
        assert convex.now == START + timedelta(minutes=5)


def test_an_endless_chain_is_an_error_that_names_the_function(convex: ConvexTest) -> None:
    convex.run(again_and_again)
    with pytest.raises(RuntimeError, match=f"{__name__}:again_and_again.*100 rounds"):
        convex.finish_all_scheduled()
    assert len(convex.jobs(state="success")) == 100
    with pytest.raises(RuntimeError, match="7 rounds"):
        convex.finish_all_scheduled(max_rounds=7)
    assert len(convex.jobs(state="success")) == 107


def test_the_clock_drives_retention_without_sleeping(convex: ConvexTest) -> None:
    convex.run(schedule)
    convex.run_due()
    convex.advance(days=7, seconds=1)
    assert convex.jobs() == []
