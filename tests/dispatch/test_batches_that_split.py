"""A transaction that several mutations share and that goes wrong: nothing of it stays, and each is run again.

The one that failed runs alone and ends with its own error; the others run as if it had not been there.
"""

from __future__ import annotations

from typing import Any

import pytest
from app.models import Note, Order
from batch_runner import BatchRunner, Journal, jobs_of, texts
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError

from convexpy import JobId, MutationCtx, internal_mutation, mutation
from convexpy.database.scheduled_function import ScheduledFunction
from convexpy.testing import ConvexTest

pytestmark = pytest.mark.usefixtures("no_hurry")

journal = Journal()
outside: list[ConvexTest] = []
seen: list[Any] = []
TABLES = (
    "CREATE TABLE IF NOT EXISTS owners (id INTEGER PRIMARY KEY)",
    "CREATE TABLE IF NOT EXISTS owned (id INTEGER PRIMARY KEY,"
    " owner INTEGER REFERENCES owners (id) DEFERRABLE INITIALLY DEFERRED)",
)


@pytest.fixture(autouse=True)
def nothing_noted(convex: ConvexTest) -> None:
    journal.entries.clear()
    seen.clear()
    outside[:] = [convex]


@internal_mutation
def write(ctx: MutationCtx, text: str) -> None:
    journal.note(ctx, text)
    ctx.db.add(Note(text=text))


@internal_mutation
def write_or_raise(ctx: MutationCtx, text: str) -> None:
    """Raises after it has written and scheduled, if its text says so."""
    journal.note(ctx, text)
    ctx.db.add(Note(text=text))
    ctx.schedule.now(write, text=f"{text} child")
    ctx.db.flush()
    if text.startswith("bad"):
        raise ValueError(f"{text} on purpose")


@internal_mutation
def empty(ctx: MutationCtx, text: list[str]) -> None:
    """Changes what it was given."""
    journal.note(ctx, text[0])
    ctx.db.add(Note(text=" ".join(text)))
    text.clear()


@internal_mutation
def own(ctx: MutationCtx, text: str) -> None:
    """Its row has no owner, which COMMIT finds out."""
    journal.note(ctx, text)
    ctx.db.add(Note(text=text))
    if text.startswith("bad"):
        ctx.db.connection().exec_driver_sql("INSERT INTO owned (id, owner) VALUES (1, 1)")


@internal_mutation
def set_something(ctx: MutationCtx, text: str) -> None:
    """Sets something for its whole transaction."""
    journal.note(ctx, text)
    ctx.db.connection().exec_driver_sql(text)


@internal_mutation
def look_at_jobs(ctx: MutationCtx, text: str) -> None:
    """Notes how many jobs are over, and how many notes there are."""
    journal.note(ctx, text)
    if text == "by statement":
        ended = ctx.db.scalar(select(func.count()).where(ScheduledFunction.state_kind == "success"))
    else:
        ended = len(ctx.system.scheduled_functions(state="success"))
    seen.append((ended, ctx.db.scalar(select(func.count()).select_from(Note))))


@internal_mutation
def count_up(ctx: MutationCtx, text: str) -> None:
    """Counts, with another call counting at the same moment as often as ``seen`` says."""
    journal.note(ctx, text)
    order = ctx.db.get_one(Order, "counter")
    if seen:
        seen.pop()
        outside[0].run(count_aside)
    order.status = str(int(order.status) + 1)


@mutation
def count_aside(ctx: MutationCtx) -> None:
    order = ctx.db.get_one(Order, "counter")
    order.status = str(int(order.status) + 1)


@mutation
def begin_to_count(ctx: MutationCtx) -> None:
    ctx.db.add(Order(id="counter", status="0"))


@internal_mutation
def break_once(ctx: MutationCtx, text: str) -> None:
    """The first time, the connection breaks while it runs."""
    journal.note(ctx, text)
    ctx.db.add(Note(text=text))
    if seen:
        process = ctx.db.connection().exec_driver_sql("SELECT pg_backend_pid()").scalar()
        with outside[0].convex.database.write_internal() as connection:
            connection.exec_driver_sql(f"SELECT pg_terminate_backend({seen.pop() and process})")


@mutation
def plan(ctx: MutationCtx, works: list[tuple[str, str]]) -> list[JobId]:
    return [ctx.schedule.now(f"{__name__}:{name}", text=text) for name, text in works]  # type: ignore[arg-type]


@mutation
def plan_lists(ctx: MutationCtx) -> list[JobId]:
    return [
        ctx.schedule.now(empty, text=["a", "list"]),
        ctx.schedule.now(write_or_raise, text="bad"),
        ctx.schedule.now(empty, text=["another", "list"]),
    ]


def runner_for(convex: ConvexTest, *quick: str) -> BatchRunner:
    return BatchRunner(convex.convex, *(f"{__name__}:{name}" for name in quick))


def state(convex: ConvexTest, job_id: JobId) -> str:
    return jobs_of(convex.convex)[job_id].state.kind


def on_postgres(convex: ConvexTest) -> bool:
    return convex.convex.database.is_server


def test_one_that_raises_fails_alone_with_its_own_error_and_line(convex: ConvexTest) -> None:
    ids = convex.run(plan, works=[("write", "a"), ("write_or_raise", "bad"), ("write", "c"), ("write", "d")])
    runner = runner_for(convex, "write", "write_or_raise")
    runner.work()
    assert [state(convex, job_id) for job_id in ids] == ["success", "failed", "success", "success"]
    assert texts(convex.convex) == ["a", "c", "d"]
    error = jobs_of(convex.convex)[ids[1]].state.error
    assert error is not None
    assert error.startswith("ValueError: bad on purpose\n  at ")
    assert error.endswith(" in write_or_raise")
    assert journal.transactions == [["a", "bad"], ["a", "c", "d"], ["bad"]]
    assert sorted(runner.outcomes()) == ["failed", "success", "success", "success"]
    assert {job.attempts for job in jobs_of(convex.convex).values()} == {1}


def test_a_failing_one_leaves_nothing_and_the_others_happen(convex: ConvexTest) -> None:
    convex.run(plan, works=[("write_or_raise", name) for name in ("a", "bad b", "c", "bad d", "e", "bad f")])
    runner = runner_for(convex, "write_or_raise", "write")
    runner.work()
    runner.work()
    done = ["a", "a child", "c", "c child", "e", "e child"]
    assert texts(convex.convex) == done
    states = [job.state.kind for job in jobs_of(convex.convex).values()]
    assert (states.count("success"), states.count("failed"), len(states)) == (6, 3, 9)
    assert sorted(runner.outcomes()) == ["failed"] * 3 + ["success"] * 6


def test_a_function_that_fails_often_runs_alone(convex: ConvexTest) -> None:
    """Others that share a transaction with it would run for nothing."""
    convex.run(plan, works=[("write_or_raise", f"bad {number}") for number in range(6)])
    runner = runner_for(convex, "write", "write_or_raise")
    runner.work()
    journal.entries.clear()
    convex.run(plan, works=[("write", "a"), ("write_or_raise", "b"), ("write", "c")])
    runner.work(runner.claim()[:3])
    assert journal.transactions == [["a"], ["b"], ["c"]]


def test_every_try_sees_the_arguments_as_they_were_given(convex: ConvexTest) -> None:
    convex.run(plan_lists)
    runner_for(convex, "empty", "write_or_raise").work()
    assert journal.transactions == [["a", "bad"], ["a", "another"], ["bad"]]
    assert texts(convex.convex) == ["a list", "another list"]


def test_one_whose_writes_a_constraint_refuses_at_commit_fails_alone(convex: ConvexTest) -> None:
    with convex.convex.database.ddl() as connection:
        for table in TABLES:
            connection.exec_driver_sql(table)
    ids = convex.run(plan, works=[("own", "a"), ("own", "bad"), ("own", "c")])
    runner = runner_for(convex, "own")
    runner.work()
    assert journal.transactions[0] == ["a", "bad", "c"]
    assert [state(convex, job_id) for job_id in ids] == ["success", "failed", "success"]
    assert texts(convex.convex) == ["a", "c"]
    assert sorted(runner.outcomes()) == ["failed", "success", "success"]


@pytest.mark.parametrize("how", ["by statement", "by ctx.system"])
def test_one_that_reads_the_jobs_sees_those_before_it_ended(convex: ConvexTest, how: str) -> None:
    runner = runner_for(convex, "write", "look_at_jobs")
    for _ in range(2):  # the second time it is known
        journal.entries.clear()
        before = len(texts(convex.convex))
        works = [("write", f"a{before}"), ("look_at_jobs", how), ("write", f"b{before}")]
        convex.run(plan, works=works)
        runner.work()
        assert [how] in journal.transactions
    for ended, notes in seen[-2:]:
        assert ended >= notes  # each note was written by a job that has ended
    assert set(runner.outcomes()) == {"success"}


@pytest.mark.parametrize(
    ("place", "before"), [(0, ""), (1, ""), (2, ""), (1, "/* sorts a lot */ "), (2, "-- sorts\n ")]
)
def test_what_one_sets_for_its_transaction_is_not_set_for_others(convex: ConvexTest, place: int, before: str) -> None:
    statement = before + ("SET LOCAL work_mem = '1234kB'" if on_postgres(convex) else "PRAGMA defer_foreign_keys = ON")
    works = [("write", "a"), ("write", "b")]
    works.insert(place, ("set_something", statement))
    convex.run(plan, works=works)
    runner = runner_for(convex, "write", "set_something")
    runner.work()
    apart = [["a", "b"], [statement]]
    assert (
        journal.transactions
        == ([[statement], ["a", "b"]], [["a", statement], *apart], [["a", "b", statement], *apart])[place]
    )
    assert (texts(convex.convex), runner.outcomes()) == (["a", "b"], ["success"] * 3)
    journal.entries.clear()
    convex.run(plan, works=[("write", "c"), ("set_something", statement), ("write", "d")])
    runner.work()
    assert [statement] in journal.transactions


@pytest.mark.parametrize("database", ["postgres"], indirect=True)  # on SQLite no other transaction writes meanwhile
@pytest.mark.parametrize("conflicts", [1, 10])
def test_after_a_conflict_all_run_again_and_each_happens_once(convex: ConvexTest, conflicts: int) -> None:
    convex.run(begin_to_count)
    seen[:] = [None] * conflicts
    ids = convex.run(plan, works=[("write", "a"), ("count_up", "b"), ("write", "c")])
    runner = runner_for(convex, "write", "count_up")
    runner.work()
    shared = [texts for texts in journal.transactions if len(texts) > 1]
    assert shared == ([["a", "b"], ["a", "b", "c"]] if conflicts == 1 else [["a", "b"]] * 4)
    for _ in range(conflicts):  # alone, a job that meets a conflict is tried again a moment later
        convex.advance(minutes=1)
    assert [state(convex, job_id) for job_id in ids] == ["success"] * 3
    assert texts(convex.convex) == ["a", "c"]
    with convex.db() as db:
        assert db.get_one(Order, "counter").status == str(conflicts + 1)


@pytest.mark.parametrize("database", ["postgres"], indirect=True)
def test_a_connection_that_breaks_within_a_batch_fails_no_job(convex: ConvexTest) -> None:
    seen[:] = [True]
    ids = convex.run(plan, works=[("write", "a"), ("break_once", "b"), ("write", "c")])
    runner = runner_for(convex, "write", "break_once")
    runner.work()
    assert [state(convex, job_id) for job_id in ids] == ["success"] * 3
    assert texts(convex.convex) == ["a", "b", "c"]
    assert journal.transactions[0] == ["a", "b"]


def test_a_swallowed_error_is_the_fault_of_the_one_that_swallowed_it(convex: ConvexTest) -> None:
    ids = convex.run(plan, works=[("write", "a"), ("swallow", "bad"), ("write", "c")])
    runner = runner_for(convex, "write", "swallow")
    runner.work()
    assert journal.transactions[0] == ["a", "bad"]
    assert [state(convex, job_id) for job_id in ids] == ["success", "failed", "success"]
    assert texts(convex.convex) == ["a", "c"]


@internal_mutation
def swallow(ctx: MutationCtx, text: str) -> None:
    """Goes on after a statement that failed, as if nothing had been."""
    journal.note(ctx, text)
    ctx.db.add(Note(text=text))
    ctx.db.flush()
    try:
        send_nonsense(ctx)
    except DBAPIError:
        return


def send_nonsense(ctx: MutationCtx) -> None:
    ctx.db.execute(text("SELECT nonsense FROM nowhere"))
