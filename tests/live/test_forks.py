"""A child that was forked has no subscriptions; its parent keeps them."""

from __future__ import annotations

import os
import sys

import pytest
from app.models import Note
from sqlalchemy import func, select
from support.forks import Child
from support.waiting import PATIENCE_SECONDS

from convexpy import Convex, MutationCtx, QueryCtx, mutation, query

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")


@mutation
def add(ctx: MutationCtx, line: str) -> None:
    ctx.db.add(Note(text=line))


@query
def count(ctx: QueryCtx) -> int:
    return ctx.db.scalar(select(func.count()).select_from(Note)) or 0


def test_a_child_begins_without_subscriptions_and_may_have_its_own(database: str) -> None:
    with Convex(database, functions=sys.modules[__name__]) as convex, convex.subscribe(count) as updates:
        assert updates.get(PATIENCE_SECONDS) == 0

        def work() -> tuple[list[int], int, int]:
            inherited = list(updates)
            with convex.subscribe(count) as own:
                first = own.get(PATIENCE_SECONDS)
                convex.run(add, line="by the child")
                return inherited, first, own.get(PATIENCE_SECONDS)

        assert Child(work).result() == ([], 0, 1)
        convex.run(add, line="by the parent")
        seen = 0
        while seen != 2:  # the child's commit may have come first
            seen = updates.get(PATIENCE_SECONDS)
