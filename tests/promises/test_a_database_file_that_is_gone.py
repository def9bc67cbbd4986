"""A SQLite file that is deleted, moved or replaced while it is in use: nothing is acknowledged that could not be read.

An open file outlives its name, so SQLite itself goes on as if nothing had happened.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from app.models import Base, Order
from sqlalchemy import create_engine, func, select
from support.apps import app_of
from support.waiting import PATIENCE_SECONDS, wait_until

from convexpy import Convex, DatabaseError, MutationCtx, QueryCtx, SyncActionCtx, action, mutation, query

Damage = Callable[[Path], None]


@mutation
def add(ctx: MutationCtx, order_id: str) -> None:
    ctx.db.add(Order(id=order_id))


@mutation
def add_later(ctx: MutationCtx, order_id: str) -> None:
    ctx.schedule.after(500, add, order_id=order_id)


@query
def count(ctx: QueryCtx) -> int:
    return ctx.db.scalar(select(func.count()).select_from(Order)) or 0


@action
def add_from_action(ctx: SyncActionCtx, order_id: str) -> None:
    ctx.run_mutation(add, order_id=order_id)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "test.db"
    engine = create_engine(f"sqlite:///{path}")
    Base.metadata.create_all(engine)
    engine.dispose()
    with Convex(f"sqlite:///{path}", functions=app_of()) as convex:
        convex.migrate()
    return path


@pytest.fixture
def convex(file: Path) -> Iterator[Convex]:
    with Convex(f"sqlite:///{file}", functions=app_of(add, add_later, count, add_from_action)) as convex:
        convex.run(add, order_id="before")
        assert convex.run(count) == 1
        yield convex


def delete(file: Path) -> None:
    file.unlink()


def move(file: Path) -> None:
    file.rename(file.with_name("moved.db"))


def move_folder(file: Path) -> None:
    file.parent.rename(file.parent.with_name("moved"))


def replace_it(file: Path) -> None:
    shutil.copy(file, file.with_name("backup.db"))
    file.with_name("backup.db").replace(file)


def restore(file: Path) -> None:
    """As a backup is restored by hand."""
    shutil.copy(file, file.with_name("backup.db"))
    for name in (file.name, f"{file.name}-wal", f"{file.name}-shm"):
        file.with_name(name).unlink()
    shutil.copy(file.with_name("backup.db"), file)


def link_elsewhere(file: Path) -> None:
    """The name becomes a link to another database, as a deploy does with its folder of data."""
    shutil.copy(file, file.with_name("other.db"))
    file.unlink()
    file.symlink_to(file.with_name("other.db"))


@pytest.mark.parametrize("damage", [delete, move, move_folder, replace_it, restore, link_elsewhere])
def test_every_call_fails_and_says_what_to_do(convex: Convex, file: Path, damage: Damage) -> None:
    damage(file)
    existed = file.exists()
    for call in (
        lambda: convex.run(add, order_id="after"),
        lambda: convex.run(count),
        lambda: convex.run(add_from_action, order_id="after"),
        lambda: convex.run(add_later, order_id="after"),
        convex.migrate,
    ):
        with pytest.raises(DatabaseError, match=r"test.db is (gone|another file).*[Rr]estart this process"):
            call()
    assert file.exists() is existed, "no empty file is made in its place"


def test_a_file_replaced_before_the_first_call_is_noticed(file: Path) -> None:
    with Convex(f"sqlite:///{file}", functions=app_of(add)) as convex:
        replace_it(file)
        with pytest.raises(DatabaseError, match="another file"):
            convex.run(add, order_id="after")


def test_a_file_that_is_put_back_is_used_again_and_no_job_is_lost(convex: Convex, file: Path) -> None:
    with convex.running():
        convex.run(add_later, order_id="later")
        file.rename(file.with_name("moved.db"))
        with pytest.raises(DatabaseError, match="is gone"):
            convex.run(count)
        file.with_name("moved.db").rename(file)
        wait_until(lambda: convex.run(count) == 2, "the job runs")


def test_a_job_that_meets_a_missing_file_waits(file: Path) -> None:
    runs: list[Any] = []
    moved = threading.Event()

    @mutation
    def add_and_count(ctx: MutationCtx) -> None:
        ctx.db.add(Order(id="job"))
        if not moved.is_set():
            file.rename(file.with_name("moved.db"))
            try:
                convex.run(count)
            finally:
                moved.set()  # not before it has failed: the test moves the file back

    @mutation
    def start(ctx: MutationCtx) -> None:
        ctx.schedule.now(add_and_count)

    with Convex(f"sqlite:///{file}", functions=app_of(add_and_count, start, count)) as convex:
        convex.on_run(lambda run: runs.append(run) if run.job else None)
        with convex.running():
            convex.run(start)
            assert moved.wait(PATIENCE_SECONDS)
            with pytest.raises(DatabaseError, match="is gone"):
                convex.run(count)
            file.with_name("moved.db").rename(file)
            wait_until(lambda: len(runs) >= 2, "the job is run again")
        assert [run.outcome for run in runs] == ["retry", "success"]
        assert convex.run(count) == 1


@pytest.mark.parametrize("suffix", ["-wal", "-shm"])
def test_a_deleted_log_is_noticed_and_its_commits_are_kept(convex: Convex, file: Path, suffix: str) -> None:
    os.unlink(f"{file}{suffix}")
    acknowledged = 1
    raised: list[DatabaseError] = []

    def fails() -> bool:
        nonlocal acknowledged
        try:
            convex.run(add, order_id=str(acknowledged))
        except DatabaseError as error:
            raised.append(error)
        else:
            acknowledged += 1
        return bool(raised)

    wait_until(fails, "a mutation fails")
    assert f"{suffix} was deleted or replaced" in str(raised[0])
    with pytest.raises(DatabaseError, match="Stop every process"):
        convex.run(count)
    convex.close()
    with closing(sqlite3.connect(file)) as other:
        assert other.execute("SELECT count(*) FROM orders").fetchone()[0] == acknowledged
