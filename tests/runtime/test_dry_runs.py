"""A dry run says what a mutation would do: its result, rows, jobs. Nothing of it is kept, told or counted."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from app.models import Note, Order, Subscription, User
from sqlalchemy import delete, func, insert, select, text, update

from convexpy import ActionCtx, ConvexError, MutationCtx, QueryCtx, action, mutation, query
from convexpy.errors import CallNotAllowed
from convexpy.runtime.dry_run import DryRun
from convexpy.runtime.events import Run
from convexpy.testing import ConvexTest

Shown = tuple[str, str, str, Any, Any]


@mutation
def work(ctx: MutationCtx, label: str = "") -> None: ...


@action
async def charge(ctx: ActionCtx) -> None: ...


@query
def count(ctx: QueryCtx) -> int:
    return ctx.db.scalar(select(func.count()).select_from(Note)) or 0


@mutation
def place(ctx: MutationCtx, order_id: str) -> dict[str, str]:
    order = Order(id=order_id)
    ctx.db.add(order)
    ctx.db.flush()
    order.status = "processing"
    ctx.schedule.after(timedelta(seconds=5), charge)
    ctx.schedule.cancel(ctx.schedule.now(work))
    return {"id": order.id}


@mutation
def change_by_objects(ctx: MutationCtx) -> None:
    ctx.db.get_one(Order, "o1").status = "paid"
    ctx.db.delete(ctx.db.get_one(Order, "o2"))
    ctx.db.add_all([Note(text="a"), Note(text="b")])


@mutation
def change_by_statements(ctx: MutationCtx) -> None:
    ctx.db.execute(update(Order).where(Order.id.in_(["o1", "none"])).values(status="paid"))
    ctx.db.execute(delete(Order).where(Order.status == "new", Order.id == "o2"))
    ctx.db.execute(insert(Note), [{"text": "a"}, {"text": "b"}])


@mutation
def change_by_text(ctx: MutationCtx) -> None:
    ctx.db.execute(text("UPDATE orders SET status = 'paid' WHERE id = :id"), {"id": "o1"})
    ctx.db.execute(text("DELETE FROM orders WHERE id = 'o2'"))
    ctx.db.execute(text("INSERT INTO notes (text) SELECT 'a' UNION SELECT 'b'"))


@mutation
def undo_a_part(ctx: MutationCtx) -> None:
    with ctx.db.begin_nested() as point:
        ctx.db.execute(update(Order).values(status="lost"))
        ctx.db.add(Note(text="lost"))
        ctx.schedule.now(work)
        ctx.db.flush()
        point.rollback()
    ctx.db.execute(update(Order).where(Order.id == "o2").values(status="kept"))


@mutation
def call_others(ctx: MutationCtx) -> None:
    ctx.run_mutation(place, order_id="o3")
    try:
        ctx.run_mutation(fail, reason="caught")
    except ConvexError:
        ctx.db.add(User(id="ada"))


@mutation
def fail(ctx: MutationCtx, reason: str) -> None:
    ctx.db.add(Order(id="o9"))
    ctx.db.flush()
    raise ConvexError("CONFLICT", reason, {"order": "o9"})


@mutation
def change_and_change_back(ctx: MutationCtx) -> None:
    order = ctx.db.get_one(Order, "o1")
    order.status = "paid"
    ctx.db.flush()
    order.status = "new"


@mutation
def update_same_statement_twice(ctx: MutationCtx) -> None:
    for each in ("o1", "o2"):
        ctx.db.execute(update(Order).where(Order.id == each).values(status=each))


@pytest.fixture
def shop(convex: ConvexTest) -> ConvexTest:
    with convex.db() as db:
        db.add_all([Order(id="o1"), Order(id="o2"), Subscription(id=7, user_id="u", plan="p")])
    return convex


def dry(convex: ConvexTest, function: Any, **args: Any) -> DryRun:
    calls = convex.convex.calls
    return calls.run_dry(calls.bind(function, (), args))


def shown(run: DryRun) -> list[Shown]:
    return sorted(
        (changes.table, row.action, row.key, row.before, row.after)
        for changes in run.report.changes
        for row in changes.rows
    )


def everything(convex: ConvexTest) -> list[Any]:
    """All that a run could have left: rows, jobs, the queue, the commit log."""
    tables = ("orders", "notes", "users", "_scheduled_functions", "_convexpy_queue", "_convexpy_commits")
    with convex.convex.database.read_internal() as connection:
        return [sorted(map(repr, connection.execute(text(f"SELECT * FROM {table}")))) for table in tables]


def test_the_result_the_rows_and_the_jobs_are_told(shop: ConvexTest) -> None:
    run = dry(shop, place, order_id="o3")
    assert (run.value, run.error) == ({"id": "o3"}, None)
    assert shown(run) == [("orders", "inserted", '"o3"', None, {"id": '"o3"', "status": '"processing"'})]
    (job,) = run.scheduled
    assert (job.name, job.scheduled_time) == (charge.name, shop.now + timedelta(seconds=5))
    assert run.report.unknown == []
    assert [each.text.split()[0] for each in run.report.statements] == ["INSERT", "UPDATE"]
    assert {each.rows for each in run.report.statements} == {1}


@pytest.mark.parametrize("function", [change_by_objects, change_by_statements, change_by_text])
def test_rows_are_found_however_they_are_written(shop: ConvexTest, function: Any) -> None:
    run = dry(shop, function)
    assert run.error is None
    rows = shown(run)
    assert rows[2:] == [
        ("orders", "deleted", '"o2"', {"id": '"o2"', "status": '"new"'}, None),
        ("orders", "updated", '"o1"', {"status": '"new"'}, {"status": '"paid"'}),
    ]
    assert [(table, what, after["text"]) for table, what, _, _, after in rows[:2]] == [
        ("notes", "inserted", '"a"'),
        ("notes", "inserted", '"b"'),
    ]
    assert run.report.unknown == []


def test_what_a_savepoint_undoes_is_no_change(shop: ConvexTest) -> None:
    run = dry(shop, undo_a_part)
    assert shown(run) == [("orders", "updated", '"o2"', {"status": '"new"'}, {"status": '"kept"'})]
    assert run.scheduled == []


def test_calls_of_other_mutations_belong_to_it(shop: ConvexTest) -> None:
    run = dry(shop, call_others)
    assert [(table, what, key) for table, what, key, _, _ in shown(run)] == [
        ("orders", "inserted", '"o3"'),
        ("users", "inserted", '"ada"'),
    ]
    assert [job.name for job in run.scheduled] == [charge.name]


def test_an_error_is_told_with_what_was_written_before(shop: ConvexTest) -> None:
    run = dry(shop, fail, reason="out of stock")
    assert isinstance(run.error, ConvexError)
    assert (run.error.code, run.value) == ("CONFLICT", None)
    assert [(table, what, key) for table, what, key, _, _ in shown(run)] == [("orders", "inserted", '"o9"')]


def test_a_row_that_is_as_before_is_no_change(shop: ConvexTest) -> None:
    assert shown(dry(shop, change_and_change_back)) == []


def test_a_cached_statement_is_read_with_the_values_of_its_own_run(shop: ConvexTest) -> None:
    rows = shown(dry(shop, update_same_statement_twice))
    assert [(key, after) for _, _, key, _, after in rows] == [
        ('"o1"', {"status": '"o1"'}),
        ('"o2"', {"status": '"o2"'}),
    ]


@pytest.mark.parametrize(
    "function", [change_by_objects, change_by_statements, change_by_text, undo_a_part, call_others]
)
def test_nothing_of_it_is_kept_told_or_counted(shop: ConvexTest, function: Any) -> None:
    seen = shop.watch(count)
    told: list[object] = []
    runs: list[Run] = []
    shop.convex.on_run(runs.append)
    shop.convex.database.commits.listen(told.append)
    before, conflicts = everything(shop), len(shop.convex.calls.transactions.conflicts.recent)
    assert dry(shop, function).error is None
    assert everything(shop) == before
    assert (told, runs, seen.values) == ([], [], [0])
    assert len(shop.convex.calls.transactions.conflicts.recent) == conflicts
    shop.run_due()
    assert runs == []
    shop.run(change_by_objects)  # and the next one is a run like any other
    assert everything(shop) != before


@mutation
def write_many(ctx: MutationCtx) -> None:
    ctx.db.execute(update(Note).values(text=Note.text + "!"))


@mutation
def write_many_by_text(ctx: MutationCtx) -> None:
    ctx.db.execute(text("UPDATE notes SET text = text || '!'"))


@pytest.mark.parametrize("function", [write_many, write_many_by_text])
def test_many_rows_are_bounded_and_it_is_said(shop: ConvexTest, function: Any) -> None:
    with shop.db() as db:
        db.execute(insert(Note), [{"text": f"n{number}"} for number in range(1200)])
    run = dry(shop, function)
    found = {changes.table: len(changes.rows) for changes in run.report.changes}
    (unknown,) = run.report.unknown
    if function is write_many:
        assert found == {"notes": 100}
        assert unknown == "notes: a statement writes more than 100 rows, of which these are the first"
    else:
        assert found == {}
        assert unknown == "notes: it has more than 1,000 rows, and which of them were written is not known"


def test_what_a_trigger_writes_is_known_to_be_unknown(shop: ConvexTest) -> None:
    with shop.convex.database.ddl() as connection:
        body = "INSERT INTO users (id, role) VALUES ('by trigger', 'x')"
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql(f"CREATE TRIGGER t AFTER INSERT ON orders BEGIN {body}; END")
        else:
            connection.exec_driver_sql(
                f"CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN {body.replace(chr(39), chr(39) * 2)}; "
                "RETURN NEW; END'"
            )
            connection.exec_driver_sql("CREATE TRIGGER t AFTER INSERT ON orders FOR EACH ROW EXECUTE FUNCTION f()")
    run = dry(shop, place, order_id="o3")
    assert [table for table, *_ in shown(run)] == ["orders"]
    assert run.report.unknown == [
        "users: rows of it were written by a trigger, a cascade or a function, and are not shown"
    ]


@mutation
def break_a_key(ctx: MutationCtx) -> None:
    ctx.db.add(Order(id="o1"))


def test_an_error_of_the_database_is_the_outcome(shop: ConvexTest) -> None:
    run = dry(shop, break_a_key)
    assert type(run.error).__name__ == "IntegrityError"
    assert shop.run(count) == 0


@pytest.mark.parametrize(("function", "why"), [(charge, "could not be rolled back"), (count, "writes nothing")])
def test_only_mutations_are_run_dry(shop: ConvexTest, function: Callable[..., Any], why: str) -> None:
    with pytest.raises(CallNotAllowed, match=why):
        dry(shop, function)
