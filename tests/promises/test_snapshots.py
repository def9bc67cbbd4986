"""A query reads one snapshot, and has no way to write.

==== ======================================================================================
F1   test_a_query_reads_one_snapshot, test_every_way_of_writing_through_a_query_is_an_error
==== ======================================================================================
"""

from __future__ import annotations

from typing import Any

import pytest
from app.models import Note
from sqlalchemy import delete, func, insert, select, text, update

from convexpy import MutationCtx, QueryCtx, ReadOnlyError, mutation, query
from convexpy.testing import ConvexTest

promise = pytest.mark.promise
outside: list[ConvexTest] = []


@pytest.fixture(autouse=True)
def from_outside(convex: ConvexTest) -> None:
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
