"""One call is one transaction, whatever its handler does to it: a mutation writes all or nothing.

==== ======================================================================================
F1   test_a_query_cannot_end_its_snapshot_either
F2   test_the_framework_alone_begins_commits_and_rolls_back, test_mutations_are_serializable
S7   test_an_error_that_a_handler_swallowed_does_not_commit_half_a_mutation
==== ======================================================================================
"""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import Any

import pytest
from app.models import Note, Order
from sqlalchemy import insert, select, text, update
from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError
from sqlalchemy.orm import Session

from convexpy import ConvexError, MutationCtx, QueryCtx, TransactionEnded, mutation, query
from convexpy.testing import ConvexTest

promise = pytest.mark.promise
seen: list[Any] = []


@pytest.fixture(autouse=True)
def nothing_seen() -> None:
    seen.clear()


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
def test_a_mutation_that_catches_the_refusal_commits_all_or_nothing(convex: ConvexTest, how: str) -> None:
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


def test_an_error_that_is_not_the_databases_may_be_swallowed(convex: ConvexTest) -> None:
    convex.run(swallow_an_error_of_ones_own)
    assert_works(convex, ["kept"])
