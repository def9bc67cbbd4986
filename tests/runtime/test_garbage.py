"""What a call held is freed as it ends: a cycle of references would wait for the garbage collector, at its cost."""

from __future__ import annotations

import gc
from collections import Counter
from uuid import uuid4

from app.models import Note
from sqlalchemy import select, text

from convexpy import MutationCtx, QueryCtx, mutation, query
from convexpy.testing import ConvexTest

CALLS = 5


@mutation
def write(ctx: MutationCtx) -> None:
    ctx.db.add(Note(text=uuid4().hex))
    with ctx.db.begin_nested():
        ctx.db.execute(text("INSERT INTO notes (text) VALUES (:text)"), {"text": uuid4().hex})


@mutation
def schedule(ctx: MutationCtx) -> None:
    ctx.schedule.now(write)


@query
def read(ctx: QueryCtx) -> list[str]:
    return list(ctx.db.scalars(select(Note.text)))


def calls_and_jobs(convex: ConvexTest) -> None:
    for _ in range(CALLS):
        convex.run(write)
        convex.run(schedule)
        convex.run(read)
    convex.finish_all_scheduled()


def test_a_call_leaves_nothing_to_the_garbage_collector(convex: ConvexTest) -> None:
    calls_and_jobs(convex)  # the first fill caches
    gc.collect()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        calls_and_jobs(convex)
        gc.collect()
        found = Counter(type(each).__name__ for each in gc.garbage if type(each).__module__.startswith("convexpy."))
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
    assert not {name: count for name, count in found.items() if count >= CALLS}, found
