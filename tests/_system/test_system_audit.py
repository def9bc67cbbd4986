"""``_system/audit``: a change and its row in the log are one transaction, and rows are read page by page."""

from __future__ import annotations

import json

import pytest

from convexpy import MutationCtx, mutation
from convexpy._system import audit as system
from convexpy._system.context import SystemMutationCtx, system_mutation
from convexpy.database.tables import audit as table
from convexpy.errors import InvalidArguments, ReadOnlyError
from convexpy.runtime.admin import Admin
from convexpy.testing import ConvexTest


@system_mutation
def change(ctx: SystemMutationCtx, target: str = "order o1", details: str | None = None, fails: bool = False) -> None:
    with ctx.framework_tables():
        system.audit(ctx, "change", target, details)
        system.audit(ctx, "note", target, {"now": ctx.now, "n": 1})
    if fails:
        raise ValueError


@mutation
def change_later(ctx: MutationCtx) -> None:
    ctx.schedule.now(change)


@system_mutation
def forge(ctx: SystemMutationCtx) -> None:
    system.audit(ctx, "change", "order o1")
    ctx.db.execute(table.delete())


def test_a_change_is_written_down_with_its_actor(convex: ConvexTest) -> None:
    convex.run(change, details="from 1 to 2")
    calls = convex.convex.calls
    for admin in (Admin("ops"), Admin("ada", is_dashboard=True)):
        calls.run(calls.bind_client(change.name, {}, None, admin=admin))
    convex.run(change_later)
    convex.finish_all_scheduled()
    (job,) = convex.jobs()
    found = [entry for entry in convex.run(system.list).entries if entry.action == "change"]
    assert [entry.actor for entry in found] == [f"job {job.id}", "ada", "ops", "local"]
    assert (found[-1].target, found[-1].details, found[-1].time) == ("order o1", "from 1 to 2", convex.now)


def test_details_are_a_text_or_json_and_not_too_long(convex: ConvexTest) -> None:
    convex.run(change, details="x" * 100_000)
    note, entry = convex.run(system.list).entries
    assert note.details is not None
    assert json.loads(note.details)["n"] == 1
    assert entry.details is not None
    assert len(entry.details) == system.MOST_DETAILS + 1


def test_a_change_that_is_rolled_back_leaves_no_row(convex: ConvexTest) -> None:
    with pytest.raises(ValueError):
        convex.run(change, fails=True)
    assert convex.run(system.list).entries == []


def test_a_handler_cannot_change_the_log(convex: ConvexTest) -> None:
    with pytest.raises(ReadOnlyError):
        convex.run(forge)
    assert convex.run(system.list).entries == []


def test_the_log_is_read_page_by_page_the_newest_first(convex: ConvexTest) -> None:
    for number in range(4):
        convex.run(change, target=f"order {number}")
    seen, cursor = [], None
    while True:
        page = convex.run(system.list, limit=3, cursor=cursor)
        seen += [(entry.action, entry.target) for entry in page.entries]
        cursor = page.cursor
        if cursor is None:
            break
    assert seen == [(action, f"order {number}") for number in (3, 2, 1, 0) for action in ("note", "change")]
    with pytest.raises(InvalidArguments):
        convex.call("_system/audit:list", {"limit": 0})
