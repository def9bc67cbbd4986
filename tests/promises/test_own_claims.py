"""What a process schedules for now and has a place for is its own from birth: it starts without being looked for."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from app.models import Note
from crew import PATIENCE_SECONDS, Crew, is_quiet, jobs_of, opened, texts, wait_until

from convexpy import ActionCtx, Convex, JobId, MutationCtx, action, internal_mutation, mutation
from convexpy.dispatch.mutation_pool import MutationPool
from convexpy.dispatch.places import KeptPlaces
from convexpy.runtime.own_claims import NoPlaces

NEVER = 600.0
may_go = threading.Event()
arrived = threading.Event()
TABLES = (
    "CREATE TABLE owners (id INTEGER PRIMARY KEY)",
    "CREATE TABLE owned (id INTEGER, owner INTEGER REFERENCES owners (id) DEFERRABLE INITIALLY DEFERRED)",
)


@pytest.fixture(autouse=True)
def closed_gate() -> Iterator[None]:
    may_go.clear()
    arrived.clear()
    yield
    may_go.set()


@internal_mutation
def write(ctx: MutationCtx, text: str) -> None:
    ctx.db.add(Note(text=text))


@action
async def act(ctx: ActionCtx, text: str) -> None:
    await ctx.run_mutation(write, text=text)


@internal_mutation
def hold(ctx: MutationCtx, text: str) -> None:
    arrived.set()
    may_go.wait(PATIENCE_SECONDS)


@mutation
def plan(ctx: MutationCtx, text: str, delay: int = 0, times: int = 1) -> list[JobId]:
    return [ctx.schedule.after(delay, write, text=f"{text} {number:02}") for number in range(times)]


@mutation
def plan_action(ctx: MutationCtx, text: str) -> JobId:
    return ctx.schedule.now(act, text=text)


@mutation
def plan_and_cancel(ctx: MutationCtx) -> JobId:
    job_id = ctx.schedule.now(write, text="canceled")
    ctx.schedule.cancel(job_id)
    return job_id


@mutation
def plan_one_more(ctx: MutationCtx, text: str) -> None:
    ctx.schedule.now(plan_child, text=text)


@internal_mutation
def plan_child(ctx: MutationCtx, text: str) -> None:
    ctx.schedule.now(write, text=f"child of {text}")
    if text == "bad":
        raise ValueError(text)


@mutation
def plan_and_break(ctx: MutationCtx) -> None:
    """Schedules, and is refused at COMMIT."""
    ctx.db.connection().exec_driver_sql("INSERT INTO owned (id, owner) VALUES (1, 1)")
    ctx.schedule.now(write, text="never")


@mutation
def plan_late(ctx: MutationCtx, text: str) -> JobId:
    """Schedules when it may go on."""
    arrived.set()
    may_go.wait(PATIENCE_SECONDS)
    return ctx.schedule.now(write, text=text)


@contextmanager
def finding_nothing(convex: Convex) -> Iterator[None]:
    """It runs, and whenever it looks into the queue it finds nothing there."""
    dispatcher: Any = convex.worker.dispatcher
    dispatcher.claim = lambda *asked: []
    try:
        with convex.running():
            yield
    finally:
        del dispatcher.claim


@pytest.fixture
def convex(database: str) -> Iterator[Convex]:
    with opened(database, sys.modules[__name__], poll_interval=NEVER) as convex:
        yield convex


def claimed(convex: Convex) -> list[bool]:
    """Of each job in the queue, whether somebody has claimed it."""
    with convex.database.read_internal() as connection:
        found = connection.exec_driver_sql("SELECT worker IS NOT NULL FROM _convexpy_queue ORDER BY position")
        return [bool(is_claimed) for (is_claimed,) in found.all()]


def kept(convex: Convex) -> dict[str, int]:
    """How many places are kept in each room."""
    return {room.kind.value: room._kept for room in convex.worker.dispatcher.rooms}  # type: ignore[attr-defined]


def test_a_job_that_is_due_at_once_runs_though_nobody_looks_for_it(convex: Convex) -> None:
    with finding_nothing(convex):
        convex.run(plan, text="mutation")
        convex.run(plan_action, text="action")
        wait_until(lambda: is_quiet(convex) and not claimed(convex), "both have run")
        assert kept(convex) == {"mutation": 0, "action": 0}
    assert texts(convex) == ["action", "mutation 00"]
    assert {(job.state.kind, job.attempts) for job in jobs_of(convex).values()} == {("success", 1)}


def test_so_does_what_a_job_schedules(convex: Convex) -> None:
    with finding_nothing(convex):
        convex.run(plan_one_more, text="job")
        wait_until(lambda: is_quiet(convex), "both have run")
    assert texts(convex) == ["child of job"]
    assert {(job.state.kind, job.attempts) for job in jobs_of(convex).values()} == {("success", 1)}


@pytest.mark.usefixtures("no_hurry")
def test_so_does_what_a_group_schedules(convex: Convex) -> None:
    for text in ("a", "b"):
        convex.run(plan_one_more, text=text)
    with finding_nothing(convex):
        Crew(convex, f"{__name__}:plan_child").work()
        wait_until(lambda: is_quiet(convex), "their children have run")
        assert kept(convex)["mutation"] == 0
    assert texts(convex) == ["child of a", "child of b"]


def test_what_is_due_later_is_claimed_by_whoever_looks(convex: Convex) -> None:
    with finding_nothing(convex):
        convex.run(plan, text="later", delay=20)
        assert (claimed(convex), kept(convex)["mutation"]) == ([False], 0)


def test_what_was_canceled_in_the_same_call_takes_no_place_and_does_not_run(convex: Convex) -> None:
    with finding_nothing(convex):
        for _ in range(5):  # more than there are places
            job_id = convex.run(plan_and_cancel)
        assert (claimed(convex), kept(convex)["mutation"]) == ([], 0)
        convex.run(plan, text="after")
        wait_until(lambda: is_quiet(convex), "there is a place for it")
    assert jobs_of(convex)[job_id].state.kind == "canceled"
    assert texts(convex) == ["after 00"]


def test_no_more_is_claimed_than_there_are_free_places(convex: Convex) -> None:
    with finding_nothing(convex):
        convex.run(plan, text="many", times=50)
        wait_until(lambda: not any(claimed(convex)), "those that had a place have run")
        places = MutationPool.AT_HAND * convex.database.writers
        assert texts(convex) == [f"many {number:02}" for number in range(places)]
        assert len(claimed(convex)) == 50 - places
    with convex.running():
        wait_until(lambda: is_quiet(convex), "the others have run as well")
    assert len(texts(convex)) == 50


def test_places_are_free_again_after_a_rollback(convex: Convex) -> None:
    with convex.database.ddl() as connection:
        for table in TABLES:
            connection.exec_driver_sql(table)
    with finding_nothing(convex):
        for _ in range(20):  # more than there are places
            with pytest.raises(Exception, match=r"(?i)foreign key"):
                convex.run(plan_and_break)
            assert kept(convex) == {"mutation": 0, "action": 0}
        convex.run(plan, text="after")
        wait_until(lambda: is_quiet(convex), "there is a place for it")
    assert texts(convex) == ["after 00"]


@pytest.mark.usefixtures("no_hurry")
def test_places_are_free_again_when_a_group_falls_apart(convex: Convex) -> None:
    for text in ("a", "bad", "b"):
        convex.run(plan_one_more, text=text)
    with finding_nothing(convex):
        crew = Crew(convex, f"{__name__}:plan_child")
        crew.work()
        own = [run.outcome for run in crew.runs if run.name.endswith(":plan_child")]
        assert own == ["success", "success", "failed"]
        wait_until(lambda: is_quiet(convex), "what they schedule has run")
        assert kept(convex)["mutation"] == 0
    assert texts(convex) == ["child of a", "child of b"]


def test_a_process_that_runs_no_jobs_claims_nothing(convex: Convex) -> None:
    convex.run(plan, text="before it has begun")
    with finding_nothing(convex):
        pass
    convex.run(plan, text="after it has stopped")
    assert claimed(convex) == [False, False]


def test_others_are_told_of_what_was_not_claimed(convex: Convex, database: str) -> None:
    """Neither of them looks by itself within this test."""
    with convex.running():
        convex.run(plan, text="later", delay=50)
        wait_until(lambda: is_quiet(convex), "its own dispatcher was told of what is due later")
    with (
        opened(database, sys.modules[__name__], poll_interval=NEVER) as other,
        other.running(),
        finding_nothing(convex),
    ):
        convex.run(plan, text="many", times=50)
        wait_until(lambda: is_quiet(convex), "the other one was told of what had no place here")
    assert len(texts(convex)) == 51


def test_what_commits_while_its_process_stops_is_run_by_the_next_one_at_once(convex: Convex, database: str) -> None:
    convex.start()
    calling = threading.Thread(target=lambda: convex.run(plan_late, text="late"))
    calling.start()
    assert arrived.wait(PATIENCE_SECONDS)
    stopping = threading.Thread(target=convex.stop)
    stopping.start()
    wait_until(lambda: isinstance(convex.calls.places, NoPlaces), "nobody gets in any more")
    may_go.set()
    for thread in (calling, stopping):
        thread.join(PATIENCE_SECONDS)
    assert claimed(convex) == [False]
    with opened(database, sys.modules[__name__], poll_interval=NEVER) as other, other.running():
        wait_until(lambda: is_quiet(convex), "it has run")
    assert texts(convex) == ["late"]


def test_what_was_claimed_before_the_stop_and_committed_after_it_is_given_back(
    convex: Convex, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    enter = KeptPlaces.enter

    def enter_too_late(places: KeptPlaces, claims: Any) -> None:
        assert claimed(convex) == [True]
        convex.stop()  # between the COMMIT and the room
        enter(places, claims)

    with opened(database, sys.modules[__name__], poll_interval=NEVER) as other, other.running():
        monkeypatch.setattr(KeptPlaces, "enter", enter_too_late)
        convex.start()
        convex.run(plan, text="late")
        wait_until(lambda: is_quiet(convex), "the other process was told, and has run it")
    assert texts(convex) == ["late 00"]


@pytest.mark.parametrize("database", ["postgres"], indirect=True)  # on SQLite nobody can schedule while one writes
def test_what_waits_in_a_room_that_closes_is_given_back(convex: Convex, database: str) -> None:
    """A claim from birth waits in the same queue as any other."""
    with opened(database, sys.modules[__name__], poll_interval=NEVER, stop_grace=0.0) as stopping:
        stopping.start()
        for _ in range(stopping.database.writers):
            stopping.run(plan_hold)
        assert arrived.wait(PATIENCE_SECONDS)
        stopping.run(plan, text="waits")
        stopping.stop()
        assert claimed(convex)[-1] is False
        assert not texts(convex)
        may_go.set()
        hands = [thread for thread in threading.enumerate() if thread.name == "convexpy-mutations"]
        for hand in hands:  # each has its connection until then
            hand.join(PATIENCE_SECONDS)


@mutation
def plan_hold(ctx: MutationCtx) -> None:
    ctx.schedule.now(hold, text="")
