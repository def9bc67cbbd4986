"""Advice: what makes a conflict rarer, and a live query cheaper."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from sqlalchemy import select

from convexpy import MutationCtx, QueryCtx, mutation, query
from convexpy._system.live_advice import advice_for
from convexpy.database.conflict_advice import ConflictStatements, conflict_advice, shown, statements_about
from convexpy.database.conflicts import ConflictRecord, add_conflicts, list_conflicts
from convexpy.database.scheduled_function import ScheduledFunction
from convexpy.live.summary import summary_of
from convexpy.testing import ConvexTest

WHOLE = "SELECT items.id, items.stock FROM items"
BY_KEY = "SELECT items.stock FROM items WHERE items.id = %(id_1)s"
ROW = "UPDATE items SET stock = %(stock)s WHERE items.id = %(items_id)s"
MANY = "DELETE FROM items WHERE items.expires < %(expires_1)s"


@query
def pending(ctx: QueryCtx) -> int:
    return len(ctx.system.scheduled_functions(state="pending"))


@mutation
def place(ctx: MutationCtx) -> None:
    ctx.db.scalars(select(ScheduledFunction))


@pytest.mark.parametrize(
    ("other", "lost", "won", "expected"),
    [
        ("b", [WHOLE], [ROW], "a reads `items` as a whole"),
        ("b", [BY_KEY], [MANY], "b changes many rows of `items` at once"),
        ("b", [BY_KEY], ["DELETE FROM items"], "b changes many rows"),
        ("b", [BY_KEY, ROW], [ROW], "a and b read and change the same rows of `items`"),
        ("a", [BY_KEY, ROW], [ROW], "Calls of a meet each other on `items`"),
        (None, [BY_KEY], [], "a lost to a transaction that is not known here"),
        ("b", [], [], "a and b read and change"),
    ],
)
def test_a_conflict_is_explained_by_its_statements(
    other: str | None, lost: Sequence[str], won: Sequence[str], expected: str
) -> None:
    assert conflict_advice("a", other, "items", ConflictStatements(lost, won), is_postgres=True).startswith(expected)


def test_on_sqlite_and_on_our_own_tables_it_is_another_matter() -> None:
    known = ConflictStatements([WHOLE], [MANY])
    assert "one mutation writes at a time" in conflict_advice("a", "b", "items", known, is_postgres=False)
    assert "nothing to change" in conflict_advice("a", "b", "_convexpy_queue", known, is_postgres=True)


def test_statements_are_those_about_the_table_without_values() -> None:
    texts = [WHOLE, ROW, "UPDATE visits SET at = 1", "SELECT 1"]
    assert statements_about(texts, "items", writes=False) == [WHOLE, ROW]
    assert statements_about(texts, "items", writes=True) == [ROW]
    assert statements_about(texts, None, writes=True) == [ROW, "UPDATE visits SET at = 1"]
    assert "secret" not in shown("SELECT * FROM users\n WHERE token = 'a secret'")
    assert len(shown("SELECT " + "x, " * 1000)) <= 501


def test_statements_are_kept_with_the_conflict(convex: ConvexTest) -> None:
    known, when = ConflictStatements([WHOLE], [ROW]), convex.now
    with convex.convex.database.write_internal() as connection:
        add_conflicts(connection, [ConflictRecord("a", "b", "items", 1, when, known)])
        add_conflicts(connection, [ConflictRecord("a", "b", "items", 2, when)])
        (record,) = list_conflicts(connection)
    assert (record.times, record.statements) == (3, known)
    (found,) = convex.call("_system/conflicts:list")
    assert (found["lost"], found["won"]) == ([WHOLE], [ROW])


QUERY = {"runs": 0, "unchanged": 0, "milliseconds": 1.0, "footprint": [], "readsEverything": False}


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, []),
        ({"runs": 100, "unchanged": 71}, ["71 of 100 runs changed nothing"]),
        ({"runs": 5, "unchanged": 5}, []),
        ({"milliseconds": 48.0}, ["It takes 48 ms"]),
        ({"milliseconds": None}, []),
        ({"readsNow": True}, ["It reads `ctx.now`"]),
        ({"readsNow": True, "refresh": 60.0}, []),
        ({"readsEverything": True}, ["It may read any table"]),
        ({"footprint": [{"table": "items", "isWhole": True, "keys": 0}]}, ["It reads `items` as a whole"]),
        ({"footprint": [{"table": "items", "isWhole": False, "keys": 3}]}, []),
        ({"footprint": [{"table": "items", "isWhole": False, "keys": 300}]}, ["It reads 300 keys of `items`"]),
    ],
)
def test_a_dear_live_query_is_explained(changed: dict[str, Any], expected: list[str]) -> None:
    found = list(advice_for({**QUERY, **changed}))
    assert [text[: len(start)] for text, start in zip(found, expected, strict=True)] == expected


def test_a_live_query_says_what_it_depends_on(convex: ConvexTest) -> None:
    convex.watch(pending)
    (live,) = convex._running_watches._group.queries.values()
    summary = summary_of(live, 1)
    assert summary["runs"] == 1
    assert summary["spent"] >= 0
    assert [part["isWhole"] for part in summary["footprint"]] == [True] * len(summary["footprint"])
