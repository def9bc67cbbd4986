"""A COMMIT that the database refuses is a failed attempt like any other: the whole mutation runs again."""

from __future__ import annotations

from typing import Any

import pytest
from app.models import Note
from sqlalchemy import select
from support.faults import a_conflict

from convexpy import MutationCtx, mutation
from convexpy.database.postgres.transaction import LoggedTransaction
from convexpy.database.sqlite.database import SQLiteTransaction
from convexpy.testing import ConvexTest

attempts: list[str] = []


@mutation
def work(ctx: MutationCtx) -> str:
    attempts.append("work")
    ctx.db.add(Note(text="work"))
    return "done"


def test_a_commit_that_the_database_refuses_is_tried_again(convex: ConvexTest, monkeypatch: pytest.MonkeyPatch) -> None:
    refusals = [a_conflict(), a_conflict()]
    for kind in (SQLiteTransaction, LoggedTransaction):

        def refuse(transaction: Any, send: Any = kind.send_commit) -> None:
            if refusals:
                raise refusals.pop()
            send(transaction)

        monkeypatch.setattr(kind, "send_commit", refuse)
    attempts.clear()
    assert convex.run(work) == "done"
    with convex.db() as db:
        assert (len(attempts), db.scalars(select(Note.text)).all()) == (3, ["work"])
