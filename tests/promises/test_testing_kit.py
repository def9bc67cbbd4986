"""ConvexTest: the real engine on a throw-away database, in the time of a clock that the test moves.

These are the sentences of "Testing an app"; S1, S16 and S17 are shown with the kit in other files.
"""

from __future__ import annotations

import asyncio
import inspect
import sys
import tempfile
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from app.models import Base, Note, Order, User
from app.orders import get_order, process_order
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError
from support.apps import START, app_of

from convexpy import (
    ActionCtx,
    Convex,
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


# ---------------------------------------------------------------------------------------------- calls and jobs


def test_calls_are_made_by_function_or_by_name_and_for_any_identity(convex: ConvexTest) -> None:
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

    anonymous, subject, nothing, job_id = asyncio.run(calls())
    assert (anonymous, subject, nothing) == (None, "u1", None)
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
