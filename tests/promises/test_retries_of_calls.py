"""A direct call that meets an error of the database is run again as a whole, bounded, and then it raises a typed error.

==== ======================================================================================
S8   test_a_conflict_runs_the_whole_mutation_again
==== ======================================================================================
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from app.models import Note
from sqlalchemy import select
from support.apps import START, app_of, code_of
from support.faults import PlannedErrors, a_conflict, a_disk_error, write_lock

from convexpy import ConvexError, InternalError, MutationCtx, QueryCtx, Settings, WriteConflict, mutation, query
from convexpy.testing import ConvexTest

promise = pytest.mark.promise
planned = PlannedErrors()
attempts: list[Any] = []


@pytest.fixture(autouse=True)
def no_errors() -> None:
    planned.reset()
    attempts.clear()


@mutation
def work(ctx: MutationCtx, text: str = "work", items: list[str] | None = None) -> str:
    attempts.append(ctx.job.attempt if ctx.job else None)
    ctx.db.add(Note(text=text))
    ctx.db.flush()
    if items is not None:
        items.append(text)
        attempts.append(len(items))
    planned.raise_next()
    return "done"


@query
def read(ctx: QueryCtx) -> list[str]:
    planned.raise_next()
    return list(ctx.db.scalars(select(Note.text)))


def texts(convex: ConvexTest) -> list[str]:
    with convex.db() as db:
        return list(db.scalars(select(Note.text)))


@promise("S8")
@pytest.mark.parametrize("trouble", [a_conflict, a_disk_error])
def test_a_conflict_runs_the_whole_mutation_again(convex: ConvexTest, trouble: Any) -> None:
    planned.reset(trouble(), trouble())
    assert convex.run(work) == "done"
    assert (planned.times, texts(convex)) == (3, ["work"])


def test_every_try_sees_the_arguments_as_they_were_given(convex: ConvexTest) -> None:
    planned.reset(a_conflict(), a_conflict())
    given = ["given"]
    convex.run(work, items=given)
    assert attempts == [None, 2, None, 2, None, 2]


@mutation
def note_the_time(ctx: MutationCtx) -> None:
    attempts.append(ctx.now)
    planned.raise_next()


def test_every_try_has_a_now_of_its_own(convex: ConvexTest, monkeypatch: pytest.MonkeyPatch) -> None:
    second = timedelta(seconds=1)
    monkeypatch.setattr(convex.clock, "sleep", lambda seconds: convex.clock.move_to(convex.now + second))
    planned.reset(a_conflict(), a_conflict())
    convex.run(note_the_time)
    assert attempts == [START, START + second, START + 2 * second]


def test_every_try_begins_on_a_fresh_snapshot(convex: ConvexTest, monkeypatch: pytest.MonkeyPatch) -> None:
    def write_meanwhile(seconds: float) -> None:
        with convex.db() as db:
            db.add(Note(text=f"meanwhile {len(attempts)}"))

    @mutation
    def count(ctx: MutationCtx) -> None:
        attempts.append(len(ctx.db.scalars(select(Note)).all()))
        planned.raise_next()

    with ConvexTest(app_of(count), database_url=str(convex.convex.database.url)) as other:
        monkeypatch.setattr(other.clock, "sleep", write_meanwhile)
        planned.reset(a_conflict(), a_conflict())
        other.run(count)
    assert attempts == [0, 1, 2]


def test_the_tries_are_further_and_further_apart_with_jitter(
    convex: ConvexTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    monkeypatch.setattr(convex.clock, "sleep", waits.append)
    for _ in range(3):
        planned.reset(*(a_disk_error() for _ in range(5)))
        convex.run(work, text=f"{len(waits)}")
    assert len(set(waits)) == 15
    for index, wait in enumerate(waits):
        longest = min(0.1 * 2 ** (index % 5), 1)  # a caller waits
        assert longest / 2 <= wait <= longest


@pytest.mark.parametrize(
    ("trouble", "error", "code"),
    [(a_conflict, WriteConflict, ("CONFLICT", 409)), (a_disk_error, InternalError, ("INTERNAL_SERVER_ERROR", 500))],
)
def test_the_tries_are_bounded_and_end_in_a_typed_error(
    convex: ConvexTest, trouble: Any, error: type[ConvexError], code: tuple[str, int]
) -> None:
    planned.reset(*(trouble() for _ in range(100)))
    with pytest.raises(InternalError, match=f"{__name__}:work") as given_up:
        convex.run(work)
    assert type(given_up.value) is error
    assert code_of(given_up.value) == code
    assert (planned.times, texts(convex)) == (1 + convex.convex.settings.mutation_retries, [])


def test_how_many_tries_is_a_setting(database: str) -> None:
    planned.reset(a_conflict())
    once = Settings(mutation_retries=0)
    with ConvexTest(app_of(work), database_url=database, settings=once) as convex, pytest.raises(WriteConflict):
        convex.run(work)
    assert planned.times == 1


def test_a_query_is_run_again_as_well(convex: ConvexTest) -> None:
    planned.reset(a_disk_error())
    assert convex.run(read) == []
    assert planned.times == 2


def test_a_database_that_others_keep_locked_is_a_write_conflict(database: str) -> None:
    impatient = Settings(lock_timeout=timedelta(seconds=0.02), mutation_retries=2)
    with ConvexTest(app_of(work, read), database_url=database, settings=impatient) as convex:
        with write_lock(database):
            with pytest.raises(WriteConflict, match="3 times in a row"):
                convex.run(work)
            assert convex.run(read) == []
        assert set(attempts) <= {None}  # SQLite does not even begin
        assert convex.run(work) == "done"


def test_a_lock_that_is_let_go_in_time_is_not_noticed(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    impatient = Settings(lock_timeout=timedelta(seconds=0.02), mutation_retries=2)
    with ConvexTest(app_of(work), database_url=database, settings=impatient) as convex:
        lock = write_lock(database)
        lock.__enter__()
        monkeypatch.setattr(convex.clock, "sleep", lambda seconds: lock.__exit__(None, None, None))
        assert convex.run(work) == "done"
        assert texts(convex) == ["work"]
