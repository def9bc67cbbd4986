"""One call is one transaction: a query reads one snapshot, a mutation writes all or nothing.

==== ======================================================================================
F1   test_a_query_reads_one_snapshot, test_every_way_of_writing_through_a_query_is_an_error
F2   test_the_framework_alone_begins_commits_and_rolls_back, test_mutations_are_serializable
S7   test_an_error_that_a_handler_swallowed_does_not_commit_half_a_mutation
S8   test_the_whole_body_is_run_again_with_nothing_left_of_the_try_before
==== ======================================================================================
"""

from __future__ import annotations

import threading
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from app.models import Base, Note, Order
from sqlalchemy import delete, func, insert, select, text, update
from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError
from sqlalchemy.orm import Session
from stage import START, Unlucky, a_conflict, app_of

from convexpy import (
    ConvexError,
    FunctionTimeout,
    JobId,
    MutationCtx,
    QueryCtx,
    ReadOnlyError,
    Settings,
    TransactionEnded,
    mutation,
    query,
)
from convexpy.testing import ConvexTest

promise = pytest.mark.promise
seen: list[Any] = []
outside: list[ConvexTest] = []
unlucky = Unlucky()


@pytest.fixture(autouse=True)
def from_outside(convex: ConvexTest) -> None:
    seen.clear()
    unlucky.reset()
    outside[:] = [convex]


@mutation
def write(ctx: MutationCtx, text: str) -> None:
    ctx.db.add(Note(text=text))


@query
def texts(ctx: QueryCtx) -> list[str]:
    return list(ctx.db.scalars(select(Note.text).order_by(Note.id)))


def assert_works(convex: ConvexTest, expected: list[str]) -> None:
    """Whatever a handler did: what is stored is this, and the next mutation is not disturbed."""
    assert convex.run(texts) == expected
    convex.run(write, text="the next one")
    assert convex.run(texts) == [*expected, "the next one"]


# ---------------------------------------------------------------------------------------------- queries


@query
def read_twice(ctx: QueryCtx) -> list[int]:
    count = select(func.count()).select_from(Note)
    first = ctx.db.scalars(count).one()
    outside[0].run(write, text="meanwhile")
    return [first, ctx.db.scalars(count).one(), ctx.db.execute(text("SELECT count(*) FROM notes")).scalar_one()]


@promise("F1")
def test_a_query_reads_one_snapshot(convex: ConvexTest) -> None:
    assert convex.run(read_twice) == [0, 0, 0]
    assert convex.run(texts) == ["meanwhile"]


@query
def begin_to_read(ctx: QueryCtx) -> list[str]:
    outside[0].run(write, text="before the first read")
    return texts(ctx)


@promise("F1")
def test_the_snapshot_is_taken_by_the_first_read_at_the_latest(convex: ConvexTest) -> None:
    assert convex.run(begin_to_read) in ([], ["before the first read"])


def change_a_row(ctx: QueryCtx) -> None:
    ctx.db.scalars(select(Note)).one().text = "changed"


def change_a_row_and_flush(ctx: QueryCtx) -> None:
    change_a_row(ctx)
    ctx.db.flush()


WRITES: dict[str, Any] = {
    "add": lambda ctx: ctx.db.add(Note(text="never")),
    "add and flush": lambda ctx: (ctx.db.add(Note(text="never")), ctx.db.flush()),
    "add and autoflush": lambda ctx: (ctx.db.add(Note(text="never")), texts(ctx)),
    "change": change_a_row,
    "change and flush": change_a_row_and_flush,
    "delete": lambda ctx: ctx.db.delete(ctx.db.scalars(select(Note)).one()),
    "merge": lambda ctx: ctx.db.merge(Note(id=1, text="merged")),
    "insert": lambda ctx: ctx.db.execute(insert(Note).values(text="never")),
    "update": lambda ctx: ctx.db.execute(update(Note).values(text="never")),
    "delete statement": lambda ctx: ctx.db.execute(delete(Note)),
    "raw insert": lambda ctx: ctx.db.execute(text("INSERT INTO notes (text) VALUES ('never')")),
    "raw returning": lambda ctx: ctx.db.execute(text("DELETE FROM notes RETURNING id")).all(),
    "raw table": lambda ctx: ctx.db.execute(text("CREATE TABLE never (id INTEGER)")),
    "connection": lambda ctx: ctx.db.connection().exec_driver_sql("DELETE FROM notes"),
    "bulk": lambda ctx: ctx.db.bulk_save_objects([Note(text="never")]),
    "savepoint": lambda ctx: ctx.db.begin_nested() and ctx.db.execute(delete(Note)),
}


@query
def write_through_a_query(ctx: QueryCtx, how: str) -> None:
    WRITES[how](ctx)


@mutation
def write_through_a_nested_query(ctx: MutationCtx, how: str) -> None:
    ctx.run_query(write_through_a_query, how=how)


@promise("F1")
@pytest.mark.parametrize("how", WRITES)
def test_every_way_of_writing_through_a_query_is_an_error(convex: ConvexTest, how: str) -> None:
    convex.run(write, text="there")
    with pytest.raises(ReadOnlyError):
        convex.run(write_through_a_query, how=how)
    with pytest.raises(ReadOnlyError):
        convex.run(write_through_a_nested_query, how=how)
    assert_works(convex, ["there"])


@mutation
def write_after_a_nested_query(ctx: MutationCtx) -> None:
    write(ctx, "before")
    assert ctx.run_query(texts) == ["before"]
    write(ctx, "after")
    ctx.db.execute(text("INSERT INTO notes (text) VALUES ('raw')"))


@promise("F2")
def test_a_mutation_writes_on_after_it_called_a_query(convex: ConvexTest) -> None:
    convex.run(write_after_a_nested_query)
    assert_works(convex, ["before", "after", "raw"])


# ---------------------------------------------------------------------------------------------- mutations


@mutation
def look_at_the_session(ctx: MutationCtx) -> None:
    assert isinstance(ctx.db, Session)
    ctx.db.add(Note(text="added"))
    assert ctx.db.scalars(select(Note)).one().text == "added"
    ctx.db.execute(insert(Note).values(text="inserted"))
    assert ctx.db.execute(update(Note).values(text=Note.text + "!")).rowcount == 2  # type: ignore[attr-defined]
    ctx.db.add(Order(id="o1"))


@promise("F2")
def test_a_mutation_has_an_ordinary_session_that_sees_its_own_writes(convex: ConvexTest) -> None:
    convex.run(look_at_the_session)
    assert_works(convex, ["added!", "inserted!"])


@query
def first_note(ctx):  # type: ignore[no-untyped-def]
    return ctx.db.scalars(select(Note)).first()


def test_a_row_that_a_handler_returns_stays_readable(convex: ConvexTest) -> None:
    convex.run(write, text="a")
    note = convex.run(first_note)
    assert (note.id, note.text) == (1, "a")


@mutation
def read_and_add_one(ctx: MutationCtx) -> None:
    order = ctx.db.get_one(Order, "counter")
    order.status = str(int(order.status) + 1)


@promise("F2")
def test_mutations_are_serializable_so_no_update_is_lost(convex: ConvexTest) -> None:
    with convex.db() as db:
        db.add(Order(id="counter", status="0"))

    def count() -> None:
        for _ in range(15):
            convex.run(read_and_add_one)

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with convex.db() as db:
        assert db.get_one(Order, "counter").status == "60"


ENDS: dict[str, Any] = {
    "commit": lambda ctx: ctx.db.commit(),
    "rollback": lambda ctx: ctx.db.rollback(),
    "connection().commit": lambda ctx: ctx.db.connection().commit(),
    "connection().rollback": lambda ctx: ctx.db.connection().rollback(),
    "the transaction of the connection": lambda ctx: ctx.db.connection().get_transaction().commit(),
    "close the connection": lambda ctx: ctx.db.connection().close(),
    "invalidate": lambda ctx: ctx.db.invalidate(),
    "COMMIT": lambda ctx: ctx.db.execute(text("COMMIT")),
    "end": lambda ctx: ctx.db.execute(text("  end transaction;")),
    "ROLLBACK": lambda ctx: ctx.db.execute(text("ROLLBACK")),
    "BEGIN": lambda ctx: ctx.db.execute(text("BEGIN")),
    "behind a comment": lambda ctx: ctx.db.execute(text("/* a */ -- b\n COMMIT")),
    "behind a semicolon": lambda ctx: ctx.db.execute(text(";COMMIT")),
}


@mutation
def end_the_transaction(ctx: MutationCtx, how: str, catch: bool) -> None:
    ctx.db.add(Note(text="never"))
    ctx.db.flush()
    ctx.schedule.now(write, text="never")
    try:
        ENDS[how](ctx)
    except ConvexError as error:
        seen.append(error)
        if not catch:
            raise


@promise("F2")
@pytest.mark.parametrize("how", ENDS)
def test_the_framework_alone_begins_commits_and_rolls_back(convex: ConvexTest, how: str) -> None:
    with pytest.raises((TransactionEnded, SQLAlchemyError)):
        convex.run(end_the_transaction, how=how, catch=False)
    assert convex.jobs() == []
    assert_works(convex, [])


@promise("F2")
@pytest.mark.parametrize("how", ENDS)
def test_a_mutation_that_catches_the_refusal_commits_as_a_whole_or_not_at_all(convex: ConvexTest, how: str) -> None:
    try:
        convex.run(end_the_transaction, how=how, catch=True)
    except (TransactionEnded, SQLAlchemyError):
        assert convex.jobs() == []
        assert_works(convex, [])
    else:
        assert len(seen) == 1
        assert len(convex.jobs()) == 1
        assert_works(convex, ["never"])


@mutation
def end_it_through_the_driver(ctx: MutationCtx) -> None:
    ctx.db.add(Note(text="before"))
    ctx.db.flush()
    ctx.db.connection().connection.driver_connection.rollback()  # type: ignore[union-attr]
    with suppress(Exception):
        ctx.db.execute(insert(Note).values(text="after"))


@promise("F2")
def test_nothing_is_written_after_a_transaction_ended_behind_our_back(convex: ConvexTest) -> None:
    """As a full disk ends one, or a driver that was asked to: what comes after it would be committed by itself."""
    with pytest.raises((TransactionEnded, SQLAlchemyError)):
        convex.run(end_it_through_the_driver)
    assert_works(convex, [])


@query
def end_the_query(ctx: QueryCtx, how: str) -> None:
    ctx.db.execute(select(Note)).all()
    ENDS[how](ctx)


@promise("F1")
@pytest.mark.parametrize("how", ENDS)
def test_a_query_cannot_end_its_snapshot_either(convex: ConvexTest, how: str) -> None:
    with pytest.raises((TransactionEnded, SQLAlchemyError)):
        convex.run(end_the_query, how=how)
    assert_works(convex, [])


# ---------------------------------------------------------------------------------------------- savepoints


def undo_a_part(ctx: MutationCtx) -> None:
    with ctx.db.begin_nested():
        ctx.db.add(Note(text="undone"))
        ctx.db.flush()
        with ctx.db.begin_nested():
            ctx.db.add(Note(text="undone with the outer one"))
        raise ValueError("undo")


@mutation
def use_savepoints(ctx: MutationCtx) -> None:
    write(ctx, "one")
    with pytest.raises(IntegrityError), ctx.db.begin_nested():
        ctx.db.add(Note(text="one"))
    with pytest.raises(ValueError, match="undo"):
        undo_a_part(ctx)
    with ctx.db.begin_nested():
        write(ctx, "two")
    point = ctx.db.begin_nested()
    write(ctx, "undone by hand")
    point.rollback()
    ctx.db.begin_nested()  # left open: it counts as done
    write(ctx, "three")


@promise("F2")
def test_a_handler_may_undo_a_part_with_a_savepoint(convex: ConvexTest) -> None:
    convex.run(use_savepoints)
    assert_works(convex, ["one", "two", "three"])


# ---------------------------------------------------------------------------------------------- swallowed errors


@mutation
def swallow(ctx: MutationCtx, what: str) -> str:
    ctx.db.add(Note(text="half"))
    ctx.db.flush()
    ctx.schedule.now(write, text="half")
    try:
        if what == "flush":
            ctx.db.add(Note(text="half"))
            ctx.db.flush()
        elif what == "statement":
            ctx.db.execute(insert(Note).values(text="half"))
        elif what == "syntax":
            ctx.db.execute(text("SELEKT 1"))
        else:
            ctx.db.execute(text("SELECT * FROM no_such_table"))
    except DBAPIError:
        seen.append("swallowed")
    return "done"


@promise("S7")
@pytest.mark.parametrize("what", ["flush", "statement", "syntax", "table"])
def test_an_error_that_a_handler_swallowed_does_not_commit_half_a_mutation(convex: ConvexTest, what: str) -> None:
    """A statement that failed has failed its transaction on PostgreSQL, so it does everywhere."""
    with pytest.raises((TransactionEnded, SQLAlchemyError)):
        convex.run(swallow, what=what)
    assert seen == ["swallowed"]
    assert convex.jobs() == []
    assert_works(convex, [])


@mutation
def swallow_an_error_of_ones_own(ctx: MutationCtx) -> None:
    ctx.db.add(Note(text="kept"))
    try:
        raise ValueError("nothing to do with the database")
    except ValueError:
        pass


def test_an_error_that_has_nothing_to_do_with_the_database_may_be_swallowed(convex: ConvexTest) -> None:
    convex.run(swallow_an_error_of_ones_own)
    assert_works(convex, ["kept"])


# ---------------------------------------------------------------------------------------------- again


@mutation
def collect(ctx: MutationCtx, items: list[str]) -> list[str]:
    assert ctx.system.scheduled_functions() == []
    assert texts(ctx) == []
    ctx.db.add(Note(text="once"))
    items.append("once")
    job_id = ctx.schedule.now(write, text="scheduled")
    ctx.schedule.cancel(job_id)
    seen.append(ctx.schedule.now(write, text="scheduled"))
    ctx.db.flush()
    unlucky.strike()
    return items


@promise("S8")
def test_the_whole_body_is_run_again_with_nothing_left_of_the_try_before(convex: ConvexTest) -> None:
    unlucky.reset(a_conflict(), a_conflict(), a_conflict())
    assert convex.run(collect, items=["given"]) == ["given", "once"]
    assert len(set(seen)) == 4
    assert [job.id for job in convex.jobs(state="pending")] == [JobId(seen[-1])]
    assert len(convex.jobs(state="canceled")) == 1
    assert_works(convex, ["once"])


@mutation
def conflict_in_a_nested_mutation(ctx: MutationCtx) -> None:
    try:
        ctx.run_mutation(collect, items=[])
    except ConvexError:
        seen.append("caught")


@promise("S8")
def test_a_conflict_in_a_nested_mutation_runs_the_whole_again(convex: ConvexTest) -> None:
    unlucky.reset(a_conflict())
    convex.run(conflict_in_a_nested_mutation)
    assert len(seen) == 2
    assert_works(convex, ["once"])


# ---------------------------------------------------------------------------------------------- time limits


@mutation
def hang(ctx: MutationCtx, catch: bool) -> None:
    try:
        ctx.db.add(Note(text="never"))
        ctx.db.flush()
        ctx.schedule.now(write, text="never")
        while True:
            pass
    except BaseException as error:
        seen.append(isinstance(error, Exception))
        if not catch:
            raise


@query
def hang_reading(ctx: QueryCtx) -> None:
    texts(ctx)
    while True:
        pass


# The interruption may strike anywhere, so also where Python can only report it.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@promise("F2", "S7")
@pytest.mark.parametrize("catch", [False, True])
def test_a_mutation_that_hangs_is_rolled_back_and_holds_up_nobody(database: str, catch: bool) -> None:
    limits = Settings(mutation_time_limit=timedelta(seconds=0.1), query_time_limit=timedelta(seconds=0.1))
    app = app_of(hang, hang_reading, write, texts)
    with ConvexTest(app, metadata=Base.metadata, database_url=database, settings=limits, now=START) as convex:
        with pytest.raises(FunctionTimeout, match=r"0\.1 s"):
            convex.run(hang, catch=catch)
        assert seen == [False]  # so that no `except Exception` of the handler holds it up
        with pytest.raises(FunctionTimeout):
            convex.run(hang_reading)
        assert convex.jobs() == []
        assert_works(convex, [])
