"""``convex.watch``: a live query in a test, without a thread, without waiting, in the time of the test."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from app.models import Note, Order, User
from sqlalchemy import create_engine, func, select, text

from convexpy import CallNotAllowed, ConvexError, InvalidArguments, MutationCtx, QueryCtx, mutation, query
from convexpy.errors import LiveCheckError
from convexpy.testing import ConvexTest


@mutation
def add(ctx: MutationCtx, line: str) -> None:
    ctx.db.add(Note(text=line))


@mutation
def add_later(ctx: MutationCtx, seconds: int) -> None:
    for number in range(1, seconds + 1):
        ctx.schedule.after(number * 1000, add, line=str(number))


@mutation
def rename(ctx: MutationCtx, old: str, new: str) -> None:
    note = ctx.db.scalars(select(Note).where(Note.text == old)).one()
    note.text = new


@query
def lines(ctx: QueryCtx) -> list[str]:
    return list(ctx.db.scalars(select(Note.text).order_by(Note.id)))


@query
def count(ctx: QueryCtx) -> int:
    return ctx.db.scalar(select(func.count()).select_from(Note)) or 0


@query
def strict(ctx: QueryCtx) -> int:
    number = ctx.db.scalar(select(func.count()).select_from(Note)) or 0
    if number == 1:
        raise ConvexError("CONFLICT", "one is not enough")
    return number


@query
def whoami(ctx: QueryCtx) -> str | None:
    return ctx.identity.subject if ctx.identity else None


@query(refresh=timedelta(seconds=10))
def clock(ctx: QueryCtx) -> float:
    return ctx.now.timestamp()


@query
def pending(ctx: QueryCtx) -> list[str]:
    return [job.name for job in ctx.system.scheduled_functions(state="pending")]


def test_a_watch_has_the_value_now_and_all_before_it(convex: ConvexTest) -> None:
    watch = convex.watch(lines)
    assert watch.value == []
    convex.run(add, line="a")
    convex.run(add, line="b")
    assert watch.value == ["a", "b"]
    assert watch.values == [[], ["a"], ["a", "b"]]


def test_a_value_that_stays_the_same_is_there_once(convex: ConvexTest) -> None:
    watch = convex.watch(count)
    convex.run(add, line="a")
    convex.run(rename, old="a", new="b")
    assert watch.values == [0, 1]


def test_every_job_gives_a_value_of_its_own(convex: ConvexTest) -> None:
    watch, jobs = convex.watch(count), convex.watch(pending)
    convex.run(add_later, seconds=3)
    assert len(jobs.value) == 3
    convex.advance(seconds=2)
    assert watch.values == [0, 1, 2]
    convex.finish_all_scheduled()
    assert watch.values == [0, 1, 2, 3]
    assert [len(each) for each in jobs.values] == [0, 3, 2, 1, 0]


def test_a_watch_needs_no_thread(convex: ConvexTest) -> None:
    before = set(threading.enumerate())  # those of another test may be about to end
    watch = convex.watch(count)
    convex.run(add, line="a")
    assert watch.value == 1
    assert [thread.name for thread in threading.enumerate() if "live" in thread.name and thread not in before] == []


def test_what_a_test_arranges_is_seen(convex: ConvexTest) -> None:
    watch = convex.watch(lines)
    with convex.db() as db:
        db.add(Note(text="arranged"))
    assert watch.values == [[], ["arranged"]]


def test_a_query_that_raises_raises_at_value_and_leaves_no_value(convex: ConvexTest) -> None:
    watch = convex.watch(strict)
    convex.run(add, line="a")
    for _ in range(2):
        with pytest.raises(ConvexError, match="one is not enough"):
            _ = watch.value
    assert watch.values == [0]
    convex.run(add, line="b")
    assert (watch.value, watch.values) == (2, [0, 2])


def test_a_user_watches_as_that_user(convex: ConvexTest) -> None:
    assert convex.as_user("ada").watch(whoami).value == "ada"
    assert convex.as_user("bob").watch(whoami).value == "bob"
    assert convex.watch(whoami).value is None


def test_a_query_with_refresh_runs_as_time_passes(convex: ConvexTest) -> None:
    watch = convex.watch(clock)
    first = watch.value
    convex.advance(seconds=35)
    assert [value - first for value in watch.values] == [0, 10, 20, 30]


def test_a_closed_watch_runs_no_more(convex: ConvexTest) -> None:
    with convex.watch(count) as watch:
        pass
    convex.run(add, line="a")
    assert watch.values == [0]


def test_a_watch_of_what_cannot_begin_is_refused(convex: ConvexTest) -> None:
    with pytest.raises(CallNotAllowed, match="only queries"):
        convex.watch(add, line="a")  # type: ignore[arg-type]
    with pytest.raises(InvalidArguments):
        convex.watch(count, nothing=1)  # type: ignore[call-arg]


def test_a_write_past_convexpy_is_an_error_of_the_test(convex: ConvexTest) -> None:
    convex.watch(count)
    engine = create_engine(convex.convex.database.url)
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO notes (text) VALUES ('foreign')"))
    engine.dispose()
    with pytest.raises(LiveCheckError, match=r"test_watch:count|count\({}\) has changed") as raised:
        convex.run_due()
    assert "notes" in str(raised.value)
    convex.run_due()  # said once


def test_other_tables_run_nothing_again(convex: ConvexTest) -> None:
    watch = convex.watch(count)
    with convex.db() as db:
        db.add_all([User(id="u"), Order(id="o")])
    assert watch.values == [0]
