"""Commits of other processes, and connections that break."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest
from app.models import Note
from sqlalchemy import create_engine, func, select, text
from support.forks import Child
from support.waiting import PATIENCE_SECONDS, wait_until

from convexpy import Convex, MutationCtx, QueryCtx, mutation, query
from convexpy._system import live as system_live

here = sys.modules[__name__]


@mutation
def add(ctx: MutationCtx, line: str) -> None:
    ctx.db.add(Note(text=line))


@query
def count(ctx: QueryCtx) -> int:
    return ctx.db.scalar(select(func.count()).select_from(Note)) or 0


@query
def line(ctx: QueryCtx, number: int) -> str | None:
    return ctx.db.scalar(select(Note.text).where(Note.id == number))


@pytest.fixture
def live(database: str) -> Iterator[Convex]:
    with Convex(database, functions=here) as convex:
        yield convex


def add_elsewhere(database: str, *lines: str) -> None:
    """Write in another process, by an app of its own."""

    def work() -> None:
        with Convex(database, functions=here) as other:
            for each in lines:
                other.run(add, line=each)

    Child(work).result()


def test_a_commit_of_another_process_is_seen(database: str, live: Convex) -> None:
    with live.subscribe(count) as updates:
        assert updates.get(PATIENCE_SECONDS) == 0
        add_elsewhere(database, "a", "b")
        while updates.get(PATIENCE_SECONDS) != 2:
            pass


def test_a_key_that_is_read_is_what_another_process_has_to_write(database: str, live: Convex) -> None:
    with live.subscribe(line, number=2) as updates, live.subscribe(count) as counts:
        assert (updates.get(PATIENCE_SECONDS), counts.get(PATIENCE_SECONDS)) == (None, 0)
        add_elsewhere(database, "a", "b")
        assert updates.get(PATIENCE_SECONDS) == "b"
        while counts.get(PATIENCE_SECONDS) != 2:
            pass


@pytest.mark.parametrize("database", ["postgres"], indirect=True)
def test_connections_that_break_are_replaced_and_nobody_notices(database: str, live: Convex) -> None:
    killer = create_engine(database)
    end_all = text(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    with live.subscribe(count) as updates:
        assert updates.get(PATIENCE_SECONDS) == 0
        for number in range(1, 6):
            with killer.begin() as connection:
                connection.execute(end_all)
            live.run(add, line=str(number))
            assert updates.get(PATIENCE_SECONDS) == number
    killer.dispose()


def test_every_process_says_which_live_queries_it_has(database: str, live: Convex) -> None:
    def work() -> list[tuple[str, str, int]]:
        with Convex(database, functions=here) as other:
            wait_until(lambda: other.run(system_live.list) != [], "the summary")
            return [(each.function, each.arguments, each.subscribers) for each in other.run(system_live.list)]

    with live.subscribe(line, number=7) as updates, live.subscribe(line, number=7):
        assert updates.get(PATIENCE_SECONDS) is None
        wait_until(lambda: live.run(system_live.list) != [], "the summary")
        assert [each[1:] for each in Child(work).result()] == [('{"number": 7}', 2)]
        # A summary may have been written before the first run had ended.
        wait_until(
            lambda: [each.reads for each in live.run(system_live.list)] == [("notes (id = 7)",)], "what it reads"
        )
    wait_until(lambda: live.run(system_live.list) == [], "it is removed")


def test_what_a_killed_process_has_said_counts_no_more(database: str, live: Convex) -> None:
    def work() -> str:
        other = Convex(database, functions=here)
        updates = other.subscribe(count)
        updates.get(PATIENCE_SECONDS)
        wait_until(lambda: other.run(system_live.list) != [], "the summary")
        return "said"

    assert Child(work).result() == "said"  # and it is killed
    assert live.run(system_live.list) == []
