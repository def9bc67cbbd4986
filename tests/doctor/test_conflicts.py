"""Who lost to whom: noticed, explained, remembered and shown."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType

import pytest
from servers.shared import drop, new_database
from sqlalchemy import select, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from convexpy import Convex, MutationCtx, Settings, WriteConflict, internal_mutation, mutation
from convexpy._system import conflicts
from convexpy.cli.conflicts import ConflictLines
from convexpy.database.conflicts import ConflictRecord, add_conflicts, list_conflicts, purge_conflicts
from convexpy.runtime.conflicts import RECENT, Attempt, CommittedTransaction, FailedAttempt, likeliest


class Base(DeclarativeBase):
    pass


class Item(Base):
    __tablename__ = "items"
    id: Mapped[int] = mapped_column(primary_key=True)
    stock: Mapped[int]


class Visit(Base):
    __tablename__ = "visits"
    id: Mapped[int] = mapped_column(primary_key=True)


class Gate:
    """Holds a mutation open in the middle of its first try."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self.open = threading.Event()

    def hold(self) -> None:
        if not self.reached.is_set():
            self.reached.set()
            assert self.open.wait(30)


gate = Gate()


@mutation
def place(ctx: MutationCtx) -> None:
    item = ctx.db.get_one(Item, 1)
    gate.hold()
    item.stock -= 1


@mutation
def place_on_what_it_saw(ctx: MutationCtx) -> None:
    total = sum(item.stock for item in ctx.db.scalars(select(Item)))
    gate.hold()
    ctx.db.get_one(Item, 2).stock = total


@mutation
def take(ctx: MutationCtx) -> None:
    stock = sum(item.stock for item in ctx.db.scalars(select(Item)))
    ctx.db.get_one(Item, 1).stock = stock


@mutation
def visit(ctx: MutationCtx) -> None:
    ctx.db.add(Visit())


@internal_mutation
def swallow(ctx: MutationCtx) -> None:
    ctx.db.execute(text("UPDATE items SET stock = stock + 1"))


APP = ModuleType("shop_of_conflicts")
vars(APP).update(place=place, place_on_what_it_saw=place_on_what_it_saw, take=take, visit=visit, swallow=swallow)


@pytest.fixture
def postgres() -> Iterator[Convex]:
    url = new_database()
    with opened(url.render_as_string(hide_password=False)) as convex:
        yield convex
    drop(url)


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[Convex]:
    with opened(f"sqlite:///{tmp_path / 'app.db'}") as convex:
        yield convex


def opened(url: str, **settings: object) -> Convex:
    global gate
    gate = Gate()
    convex = Convex(url, functions=APP, metadata=Base.metadata, settings=Settings(**settings))  # type: ignore[arg-type]
    convex.migrate()
    with convex.database.ddl() as connection:
        Base.metadata.create_all(connection)
        connection.execute(text("INSERT INTO items (id, stock) VALUES (1, 5), (2, 5)"))
    return convex


def while_open(convex: Convex, function: object, *meanwhile: object) -> None:
    """Run a mutation, and others while its first try is open."""
    thread = threading.Thread(target=lambda: convex.run(function))  # type: ignore[arg-type]
    thread.start()
    assert gate.reached.wait(30)
    for each in meanwhile:
        convex.run(each)  # type: ignore[arg-type]
    gate.open.set()
    thread.join()


def pairs(convex: Convex) -> list[tuple[str, str | None, str | None, int]]:
    convex.calls.transactions.conflicts.flush()
    return [(each.function, each.other, each.table, each.times) for each in convex.run(conflicts.list)]


def test_two_that_write_the_same_row(postgres: Convex) -> None:
    while_open(postgres, place, take, visit)
    assert pairs(postgres) == [("shop_of_conflicts:place", "shop_of_conflicts:take", "items", 1)]


def test_two_whose_reads_and_writes_exclude_each_other(postgres: Convex) -> None:
    while_open(postgres, place_on_what_it_saw, take, visit)
    assert pairs(postgres) == [("shop_of_conflicts:place_on_what_it_saw", "shop_of_conflicts:take", "items", 1)]


def test_a_transaction_of_another_program_is_not_blamed_on_a_function(postgres: Convex) -> None:
    thread = threading.Thread(target=lambda: postgres.run(place))
    thread.start()
    assert gate.reached.wait(30)
    with postgres.database.write_internal() as connection:
        connection.execute(text("UPDATE items SET stock = 0"))
    postgres.run(visit)
    gate.open.set()
    thread.join()
    assert pairs(postgres) == [("shop_of_conflicts:place", None, "items", 1)]


def test_a_job_that_another_process_ran_is_found_by_its_row(postgres: Convex) -> None:
    url = postgres.database.url.render_as_string(hide_password=False)
    with Convex(url, functions=APP, metadata=Base.metadata) as other:
        postgres.run(swallow)  # so that this process knows what it does
        thread = threading.Thread(target=lambda: postgres.run(place))
        thread.start()
        assert gate.reached.wait(30)
        done = threading.Event()
        other.on_run(lambda run: done.set() if run.job_id else None)
        schedule(other)
        with other.running():
            assert done.wait(30)
        gate.open.set()
        thread.join()
    assert pairs(postgres) == [("shop_of_conflicts:place", "shop_of_conflicts:swallow", "items", 1)]


def schedule(convex: Convex) -> None:
    from convexpy.database.jobs import NewJob, insert_jobs
    from convexpy.database.types import new_job_id

    now = convex.database.clock.now()
    with convex.database.write_internal() as connection:
        job = NewJob(new_job_id(), "shop_of_conflicts:swallow", "mutation", "{}", now)
        insert_jobs(connection, [job], now)


def test_whoever_held_the_turn_on_sqlite(tmp_path: Path) -> None:
    settings = {"lock_timeout": timedelta(milliseconds=50), "mutation_retries": 0}
    with opened(f"sqlite:///{tmp_path / 'app.db'}", **settings) as convex:
        thread = threading.Thread(target=lambda: convex.run(place))
        thread.start()
        assert gate.reached.wait(30)
        with pytest.raises(WriteConflict):
            convex.run(visit)
        gate.open.set()
        thread.join()
        assert pairs(convex) == [("shop_of_conflicts:visit", "shop_of_conflicts:place", None, 1)]


def test_listeners_hear_of_it_and_it_is_written_down_without_being_asked(postgres: Convex) -> None:
    heard: list[ConflictRecord] = []
    told = threading.Event()
    postgres.on_conflict(lambda records: (heard.append(records), told.set()))  # type: ignore[func-returns-value]
    while_open(postgres, place, take)
    assert told.wait(30)
    assert [(each.function, each.other, each.times) for each in heard] == [
        ("shop_of_conflicts:place", "shop_of_conflicts:take", 1)
    ]


def test_what_is_left_is_written_when_the_process_stops(tmp_path: Path) -> None:
    url = new_database()
    shown = url.render_as_string(hide_password=False)
    convex = opened(shown)
    while_open(convex, place, take)
    convex.close()
    with Convex(shown, functions=APP) as later:
        assert [each.times for each in later.run(conflicts.list)] == [1]
    drop(url)


def test_a_failure_to_write_keeps_what_was_counted(sqlite: Convex) -> None:
    conflicts = sqlite.calls.transactions.conflicts
    with sqlite.database.ddl() as connection:
        connection.execute(text("ALTER TABLE _convexpy_conflicts RENAME TO elsewhere"))
    conflicts._failed.append(failed())
    with pytest.raises(Exception, match="no such table"):
        conflicts.flush()
    with sqlite.database.ddl() as connection:
        connection.execute(text("ALTER TABLE elsewhere RENAME TO _convexpy_conflicts"))
    conflicts._failed.append(failed())
    assert pairs(sqlite) == [("a", None, None, 2)]


NOW = datetime(2030, 1, 7, 12, tzinfo=UTC)


def failed(*statements: str, table: str | None = None) -> FailedAttempt:
    return FailedAttempt(attempt("a", 0, 10, *(statements or ("SELECT 1",))), table)


def attempt(function: str, began: float, ended: float, *statements: str) -> Attempt:
    return Attempt(function, statements, NOW + timedelta(seconds=began), NOW + timedelta(seconds=ended))


READS = "SELECT * FROM items JOIN orders ON true"


@pytest.mark.parametrize(
    ("others", "table", "expected"),
    [
        ([attempt("b", 1, 2, "UPDATE items SET id = 1")], None, ("b", "items")),
        ([attempt("b", 1, 2, "SELECT * FROM items")], None, (None, None)),
        ([attempt("b", 1, 2, "UPDATE others SET id = 1")], None, (None, None)),
        ([attempt("b", 1, 2, "DELETE FROM items"), attempt("c", 1, 3, "DELETE FROM orders")], None, ("c", "orders")),
        (
            [attempt("b", 1, 2, "DELETE FROM items"), attempt("c", 1, 3, "DELETE FROM orders")],
            "items",
            ("b", "items"),
        ),
    ],
)
def test_the_likeliest_other_function(
    others: list[Attempt], table: str | None, expected: tuple[str | None, str | None]
) -> None:
    assert likeliest(failed(READS, table=table), others) == expected


def test_the_tables_of_the_framework_come_last() -> None:
    both = failed("UPDATE _convexpy_queue SET x = 1", READS)
    others = [
        attempt("b", 1, 2, "DELETE FROM items", "DELETE FROM _convexpy_queue"),
        attempt("c", 1, 3, "DELETE FROM _convexpy_queue"),
    ]
    assert likeliest(both, others) == ("b", "items")
    assert likeliest(both, others[1:]) == ("c", "_convexpy_queue")


def test_what_is_kept_is_bounded(sqlite: Convex) -> None:
    conflicts = sqlite.calls.transactions.conflicts
    for _ in range(RECENT + 10):
        conflicts.recent.append(CommittedTransaction({"b": {"SELECT 1"}}, NOW, NOW))
    assert len(conflicts.recent) == RECENT


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_rows_are_added_up_and_old_ones_forgotten(kind: str, request: pytest.FixtureRequest) -> None:
    convex: Convex = request.getfixturevalue(kind)
    first, second = (
        ConflictRecord("a", "b", "items", 2, NOW),
        ConflictRecord("a", None, None, 1, NOW - timedelta(days=8)),
    )
    with convex.database.write_internal() as connection:
        add_conflicts(connection, [first, second])
        add_conflicts(connection, [ConflictRecord("a", "b", "items", 3, NOW + timedelta(seconds=1))])
        assert list_conflicts(connection) == [ConflictRecord("a", "b", "items", 5, NOW + timedelta(seconds=1)), second]
        purge_conflicts(connection, NOW - timedelta(days=7))
        assert [each.times for each in list_conflicts(connection)] == [5]


def test_one_line_for_many_conflicts() -> None:
    lines = ConflictLines()

    def line(seconds: float, times: int = 1, other: str | None = "stock:take") -> str | None:
        return lines.line(ConflictRecord("orders:place", other, "items", times, NOW + timedelta(seconds=seconds)))

    assert line(0) == 'conflict   orders:place lost to stock:take on "items" and ran again (once in the last minute)'
    assert line(1) is None
    assert line(9, times=4) is None
    assert line(10) == (
        'conflict   orders:place lost to stock:take on "items" and ran again (7 times in the last minute)'
    )
    assert line(100) == (
        'conflict   orders:place lost to stock:take on "items" and ran again (once in the last minute)'
    )
    assert (line(100, other=None) or "").startswith('conflict   orders:place lost to another transaction on "items"')
