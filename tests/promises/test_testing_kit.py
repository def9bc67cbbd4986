"""ConvexTest: the real engine on a throw-away database, in the time of a clock that the test moves.

These are the sentences of "Testing an app"; S1, S16 and S17 are shown with the kit in other files.
"""

from __future__ import annotations

import asyncio
import inspect
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from app.models import Base, Note, Order, User
from app.orders import get_order, process_order
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError
from stage import START, app_of

from convexpy import (
    ActionCtx,
    Convex,
    Crons,
    Identity,
    JobId,
    LoadError,
    MutationCtx,
    QueryCtx,
    ScheduledFunction,
    Settings,
    action,
    mutation,
    query,
)
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


# ---------------------------------------------------------------------------------------------- the example


def test_order_is_charged_after_five_seconds() -> None:
    with ConvexTest("app", metadata=Base.metadata) as convex:
        with convex.db() as db:
            db.add_all([User(id="u1"), Order(id="o1")])
        convex.as_user("u1").run(process_order, order_id="o1")
        assert [job.name for job in convex.jobs(state="pending")] == ["orders:charge"]
        convex.advance(seconds=5)
        assert convex.run(get_order, order_id="o1").status == "paid"


def test_its_signature_is_the_documented_one() -> None:
    parameters = inspect.signature(ConvexTest).parameters
    assert list(parameters)[:3] == ["functions", "metadata", "database_url"]
    assert parameters["metadata"].default is None
    assert parameters["database_url"].default is None


# ---------------------------------------------------------------------------------------------- the database


def test_every_kit_has_a_database_of_its_own_that_is_thrown_away() -> None:
    paths = []
    for _ in range(2):
        with ConvexTest("app", metadata=Base.metadata) as convex:
            with convex.db() as db:
                assert db.scalars(select(Note)).all() == []
                db.add(Note(text="a"))
            paths.append(Path(str(convex.convex.database.url.database)))
            assert paths[-1].exists()
    assert paths[0] != paths[1]
    assert not any(path.parent.exists() for path in paths)


def test_an_app_that_does_not_load_leaves_no_folder_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(LoadError), ConvexTest("there_is_no_such_package"):
        pass
    assert not list(tmp_path.glob("convexpy-test-*"))


def test_a_given_database_is_used_and_kept(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'mine.db'}"
    for known in ([], ["a"]):
        with ConvexTest("app", metadata=Base.metadata, database_url=url) as convex, convex.db() as db:
            assert list(db.scalars(select(Note.text))) == known
            db.merge(Note(id=1, text="a"))
    assert (tmp_path / "mine.db").exists()


def test_the_functions_are_a_package_by_name_or_as_a_module() -> None:
    import app

    for functions in ("app", app):
        with ConvexTest(functions, metadata=Base.metadata) as convex:
            assert "orders:charge" in convex.convex.registry.functions


def test_an_app_without_tables_needs_no_metadata() -> None:
    with ConvexTest(app_of(who)) as convex:
        assert convex.run(who) is None


def test_a_kit_that_was_not_entered_says_so() -> None:
    with pytest.raises(RuntimeError, match="context manager"):
        ConvexTest("app").run(who)


def test_the_session_commits_at_the_end_of_its_block_unless_it_raises(convex: ConvexTest) -> None:
    with convex.db() as db:
        note = Note(text="kept")
        db.add(note)
    assert note.text == "kept"
    with pytest.raises(IntegrityError), convex.db() as db:
        db.add_all([Note(text="not kept"), Note(text="kept")])
    db = convex.db()
    db.add(Note(text="by hand"))
    db.commit()
    assert list(convex.db().scalars(select(Note.text))) == ["kept", "by hand"]
    assert convex.db().scalars(select(ScheduledFunction)).all() == []
    assert convex.db().execute(text("SELECT count(*) FROM notes")).scalar() == 2


# ---------------------------------------------------------------------------------------------- the clock


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


def test_run_due_runs_what_is_due_and_what_that_schedules_and_moves_no_clock(convex: ConvexTest) -> None:
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


# ---------------------------------------------------------------------------------------------- calls and jobs


def test_calls_are_made_by_function_or_by_name_and_as_anybody(convex: ConvexTest) -> None:
    identity = Identity("u2", "https://issuer", {"role": "admin"})
    name = f"{__name__}:who"
    assert (convex.run(who), convex.call(name), convex.call(name, {})) == (None, None, None)
    for view, subject in ((convex.as_user("u1"), "u1"), (convex.with_identity(identity), "u2")):
        assert (view.run(who), view.call(name), view.call(name, {})) == (subject, subject, subject)
        assert view.run(schedule, minutes=1)
    assert convex.with_identity(None).run(who) is None
    assert convex.run(who) is None
    assert len(convex.jobs()) == 2


def test_calls_are_made_from_async_code_as_well(convex: ConvexTest) -> None:
    async def calls() -> list[Any]:
        return [
            await convex.run_async(who),
            await convex.as_user("u1").run_async(who),
            await convex.run_async(act),
            await convex.run_async(schedule, minutes=1),
        ]

    nobody, subject, nothing, job_id = asyncio.run(calls())
    assert (nobody, subject, nothing) == (None, "u1", None)
    assert convex.job(job_id) is not None


def test_jobs_are_listed_by_state_and_name_and_found_by_id(convex: ConvexTest) -> None:
    job_id = convex.run(schedule)
    act_id = convex.run(schedule_act)
    assert {job.id for job in convex.jobs()} == {job_id, act_id}
    assert [job.id for job in convex.jobs(name=f"{__name__}:work")] == [job_id]
    assert [job.id for job in convex.jobs("pending", f"{__name__}:act")] == [act_id]
    convex.run_due()
    assert convex.jobs(state="pending") == []
    assert len(convex.jobs(state="success", name=f"{__name__}:work")) == 2
    job = convex.job(job_id)
    assert isinstance(job, ScheduledFunction)
    assert job.state.kind == "success"
    assert convex.job(JobId("0" * 32)) is None


def test_the_engine_below_is_the_real_one(convex: ConvexTest) -> None:
    assert type(convex.convex) is Convex
    assert convex.convex.clock is convex.clock
    with ConvexTest(app_of(who), settings=Settings(max_scheduled=3)) as other:
        assert other.convex.settings.max_scheduled == 3


def test_two_kits_do_not_disturb_each_other(convex: ConvexTest) -> None:
    with ConvexTest(sys.modules[__name__], metadata=Base.metadata, now=START) as other:
        other.run(schedule)
        other.advance(hours=1)
        assert convex.now == START
        assert convex.jobs() == []
    convex.run(schedule)
    convex.run_due()
    assert len(ran) == 2
