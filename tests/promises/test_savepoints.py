"""What was scheduled and canceled in a savepoint goes with it, whatever made it; no lost row leaves a job."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from app.models import Note
from sqlalchemy import event, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from convexpy import ConvexError, MutationCtx, QueryCtx, TransactionEnded, mutation, query
from convexpy.testing import ConvexTest


class Undo(Exception):
    """Raised in a part that is to be undone."""


@mutation
def work(ctx: MutationCtx) -> None:
    ctx.db.add(Note(text="worked"))


@mutation
def schedule_later(ctx: MutationCtx) -> str:
    return ctx.schedule.after(3000, work)


@query
def texts(ctx: QueryCtx) -> list[str]:
    return list(ctx.db.scalars(select(Note.text).order_by(Note.id)))


# ---------------------------------------------------------------------------------------------- followed


@contextmanager
def by_sql(ctx: MutationCtx, begin: str = "SAVEPOINT a", back: str = "ROLLBACK TO a") -> Iterator[Session]:
    ctx.db.execute(text(begin))
    yield ctx.db
    ctx.db.execute(text(back))


@contextmanager
def by_the_driver_of_sqlalchemy(ctx: MutationCtx) -> Iterator[Session]:
    ctx.db.connection().exec_driver_sql("-- a comment\nSAVEPOINT a")
    yield ctx.db
    ctx.db.connection().exec_driver_sql("/* another */ rollback to savepoint A ; -- and a third")


@contextmanager
def by_the_connection(ctx: MutationCtx) -> Iterator[Session]:
    point = ctx.db.connection().begin_nested()
    yield ctx.db
    point.rollback()


@contextmanager
def by_another_session(ctx: MutationCtx, *, end: Callable[[Session], object] = Session.rollback) -> Iterator[Session]:
    with Session(ctx.db.connection(), join_transaction_mode="create_savepoint") as other:
        other.execute(text("SELECT 1"))
        yield other
        other.flush()
        end(other)


@contextmanager
def by_an_error_in_another_session(ctx: MutationCtx) -> Iterator[Session]:
    with (
        suppress(Undo),
        Session(ctx.db.connection(), join_transaction_mode="create_savepoint") as other,
        other.begin(),
    ):
        yield other
        other.flush()
        raise Undo


@contextmanager
def by_the_session(ctx: MutationCtx) -> Iterator[Session]:
    with suppress(Undo), ctx.db.begin_nested():
        yield ctx.db
        raise Undo


WAYS: dict[str, Callable[[MutationCtx], Any]] = {
    "SQL": by_sql,
    "SQL, in other words": lambda ctx: by_sql(ctx, 'SAVEPOINT "my point"', ' ; ROLLBACK TO SAVEPOINT "my point" ;'),
    "exec_driver_sql": by_the_driver_of_sqlalchemy,
    "the connection's begin_nested": by_the_connection,
    "another session": by_another_session,
    "another session that is closed": lambda ctx: by_another_session(ctx, end=Session.close),
    "another session that raises": by_an_error_in_another_session,
    "the session's begin_nested": by_the_session,
}


@mutation
def undo_a_part(ctx: MutationCtx, way: str, stored: str) -> None:
    ctx.db.add(Note(text="before"))
    ctx.schedule.after(1000, work)
    with WAYS[way](ctx) as session:
        session.add(Note(text="undone"))
        ctx.schedule.after(500, work)
        ctx.schedule.cancel(stored)  # type: ignore[arg-type]
        with session.begin_nested():
            session.add(Note(text="undone too"))
            ctx.schedule.after(500, work)
    ctx.db.add(Note(text="after"))
    ctx.schedule.after(2000, work)


@pytest.mark.parametrize("way", WAYS)
def test_a_savepoint_undoes_its_schedules_and_cancels_whatever_made_it(convex: ConvexTest, way: str) -> None:
    stored = convex.run(schedule_later)
    convex.run(undo_a_part, way=way, stored=stored)
    assert convex.run(texts) == ["before", "after"]
    assert waits(convex) == [1, 2, 3]


@mutation
def keep_a_part(ctx: MutationCtx) -> None:
    ctx.db.execute(text("SAVEPOINT a"))
    with Session(ctx.db.connection(), join_transaction_mode="create_savepoint") as other:
        other.add(Note(text="another session's"))
        ctx.schedule.after(1000, work)
        other.commit()
    ctx.db.execute(text("RELEASE a"))
    ctx.db.execute(text("SAVEPOINT a"))
    ctx.schedule.after(2000, work)
    ctx.db.execute(text("SAVEPOINT b"))
    ctx.schedule.after(2500, work)
    ctx.db.execute(text("ROLLBACK TO b"))
    ctx.schedule.after(2600, work)
    ctx.db.execute(text("ROLLBACK TO b"))
    ctx.schedule.after(3000, work)


def test_what_is_kept_keeps_its_schedules(convex: ConvexTest) -> None:
    convex.run(keep_a_part)
    assert convex.run(texts) == ["another session's"]
    assert waits(convex) == [1, 2, 3]


@mutation
def write_past_the_session(ctx: MutationCtx) -> None:
    connection = ctx.db.connection()
    with suppress(Undo), ctx.db.begin_nested():
        connection.execute(text("INSERT INTO notes (text) VALUES ('past the session')"))
        ctx.schedule.after(500, work)
        raise Undo
    ctx.db.add(Note(text="sent within another session's savepoint"))
    ctx.schedule.after(1000, work)
    with Session(connection, join_transaction_mode="create_savepoint") as other:
        other.add(Note(text="undone"))
        other.flush()
        ctx.db.flush()
        other.rollback()


def test_a_savepoint_undoes_exactly_what_came_after_it(convex: ConvexTest) -> None:
    convex.run(write_past_the_session)
    assert convex.run(texts) == ["sent within another session's savepoint"]
    assert waits(convex) == [1]


@mutation
def change_in_a_savepoint(ctx: MutationCtx) -> list[str]:
    note = ctx.db.scalars(select(Note)).one()
    ctx.db.execute(text("SAVEPOINT a"))
    note.text = "changed"
    ctx.db.execute(text("ROLLBACK TO a"))
    return [note.text]


def test_objects_show_what_is_there_after_a_savepoint_is_rolled_back(convex: ConvexTest) -> None:
    convex.run(work)
    assert convex.run(change_in_a_savepoint) == ["worked"]
    assert convex.run(texts) == ["worked"]


UNSENT: dict[str, Callable[[MutationCtx], Any]] = {
    "the session's begin_nested": by_the_session,
    "rolled back": lambda ctx: unsent(ctx, Session.rollback),
    "closed": lambda ctx: unsent(ctx, Session.close),
    "left": lambda ctx: unsent(ctx, lambda other: None),
}


@contextmanager
def unsent(ctx: MutationCtx, end: Callable[[Session], object]) -> Iterator[Session]:
    with Session(ctx.db.connection(), join_transaction_mode="create_savepoint") as other:
        yield other
        end(other)


@mutation
def undo_unsent_rows(ctx: MutationCtx, way: str) -> None:
    with UNSENT[way](ctx) as session:
        session.add(Note(text="never sent"))
        ctx.schedule.after(500, work)
    ctx.schedule.after(1000, work)


@pytest.mark.parametrize("way", UNSENT)
def test_rows_that_were_never_sent_take_their_schedules_along(convex: ConvexTest, way: str) -> None:
    convex.run(undo_unsent_rows, way=way)
    assert convex.run(texts) == []
    assert waits(convex) == [1]


@mutation
def go_on_after_a_failed_statement(ctx: MutationCtx) -> None:
    ctx.db.execute(text("SAVEPOINT a"))
    ctx.schedule.after(500, work)
    with suppress(DBAPIError):
        ctx.db.execute(text("SELECT * FROM no_such_table"))
    ctx.db.execute(text("ROLLBACK TO a"))
    ctx.db.add(Note(text="goes on"))
    ctx.schedule.after(1000, work)


def test_a_savepoint_of_sql_heals_a_failed_statement(convex: ConvexTest) -> None:
    convex.run(go_on_after_a_failed_statement)
    assert convex.run(texts) == ["goes on"]
    assert waits(convex) == [1]


# ---------------------------------------------------------------------------------------------- refused


def use_as_a_block(ctx: MutationCtx) -> None:
    with ctx.db as db:
        db.add(Note(text="lost"))


def begin_and_raise(ctx: MutationCtx) -> None:
    with suppress(Undo), ctx.db.begin():
        ctx.db.add(Note(text="lost"))
        raise Undo


REFUSED: dict[str, Callable[[MutationCtx], object]] = {
    "with ctx.db": use_as_a_block,
    "with ctx.db.begin()": begin_and_raise,
    "close": lambda ctx: ctx.db.close(),
    "reset": lambda ctx: ctx.db.reset(),
    "invalidate": lambda ctx: ctx.db.invalidate(),
    "an unknown savepoint": lambda ctx: ctx.db.execute(text("ROLLBACK TO nowhere")),
    "one that is released": lambda ctx: [
        ctx.db.execute(text(each)) for each in ("SAVEPOINT a", "RELEASE a", "ROLLBACK TO a")
    ],
    "several statements": lambda ctx: ctx.db.execute(text("SAVEPOINT a; SELECT 1")),
    "behind another statement": lambda ctx: ctx.db.execute(text("SELECT ';'; /* ; */ ROLLBACK TO a")),
    "a commit behind another statement": lambda ctx: ctx.db.execute(text("SELECT 1; COMMIT")),
}


@mutation
def do_what_is_refused(ctx: MutationCtx, how: str, catch: bool) -> None:
    ctx.schedule.after(1000, work)
    ctx.db.add(Note(text="kept"))
    try:
        REFUSED[how](ctx)
    except ConvexError:
        if not catch:
            raise


@pytest.mark.parametrize("how", REFUSED)
def test_what_cannot_be_followed_is_refused(convex: ConvexTest, how: str) -> None:
    with pytest.raises(TransactionEnded, match=r"begin_nested|Remove the call|no savepoint"):
        convex.run(do_what_is_refused, how=how, catch=False)
    assert convex.run(texts) == []
    assert convex.jobs() == []


@pytest.mark.parametrize("how", REFUSED)
def test_a_refusal_that_is_caught_has_undone_nothing(convex: ConvexTest, how: str) -> None:
    convex.run(do_what_is_refused, how=how, catch=True)
    assert convex.run(texts) == ["kept"]
    assert waits(convex) == [1]


@mutation
def fail_before_anything_is_sent(ctx: MutationCtx) -> None:
    def fail(*_: object) -> None:
        raise Undo

    ctx.schedule.after(1000, work)
    ctx.db.add(Note(text="lost"))
    event.listen(ctx.db, "after_begin", fail, once=True)
    with suppress(Undo):
        ctx.db.flush()


@mutation
def roll_the_session_back_by_hand(ctx: MutationCtx) -> None:
    ctx.schedule.after(1000, work)
    ctx.db.add(Note(text="lost"))
    transaction = ctx.db.get_transaction()
    assert transaction is not None
    transaction.rollback()


@pytest.mark.parametrize("function", [fail_before_anything_is_sent, roll_the_session_back_by_hand])
def test_an_error_in_a_flush_that_sent_nothing_is_not_ignored(convex: ConvexTest, function: Any) -> None:
    with pytest.raises(TransactionEnded, match=r"ended|begin_nested"):
        convex.run(function)
    assert convex.run(texts) == []
    assert convex.jobs() == []


def test_the_body_of_a_function_is_no_statement_of_the_transaction(convex: ConvexTest) -> None:
    convex.run(create_a_body)


@mutation
def create_a_body(ctx: MutationCtx) -> None:
    if ctx.db.connection().dialect.name == "sqlite":
        body = "CREATE TRIGGER t AFTER INSERT ON notes BEGIN UPDATE notes SET text = 'x' WHERE 0; END"
        ctx.db.execute(text(body))
    else:
        ctx.db.execute(text("DO $x$ BEGIN PERFORM 1; END; $x$"))
        ctx.db.execute(text("CREATE FUNCTION f() RETURNS int LANGUAGE SQL BEGIN ATOMIC SELECT 1; END"))


def waits(convex: ConvexTest) -> list[float]:
    return [(job.scheduled_time - convex.now).total_seconds() for job in convex.jobs(state="pending")]
