"""What reaches the disk before it counts, at either setting of ``sqlite_synchronous``."""

from __future__ import annotations

from typing import Any, Literal

import pytest
from support.apps import app_of

from convexpy import ActionCtx, MutationCtx, Settings, internal_action, mutation
from convexpy.database import jobs
from convexpy.testing import ConvexTest

FULL, NORMAL = 2, 1


@internal_action
async def act(ctx: ActionCtx) -> None: ...


@mutation
def begin(ctx: MutationCtx) -> int:
    ctx.schedule.now(act)
    synchronous: int = ctx.db.connection().exec_driver_sql("PRAGMA synchronous").scalar_one()
    return synchronous


@pytest.mark.parametrize("setting", ["FULL", "NORMAL"])
def test_the_note_that_an_action_started_is_forced_to_the_disk(
    setting: Literal["FULL", "NORMAL"], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Any] = []
    start = jobs.start

    def noted(connection: Any, *rest: Any) -> bool:
        seen.append(connection.exec_driver_sql("PRAGMA synchronous").scalar())
        return start(connection, *rest)

    monkeypatch.setattr(jobs, "start", noted)
    with ConvexTest(app_of(act, begin), settings=Settings(sqlite_synchronous=setting)) as convex:
        convex.run(begin)
        convex.run_due()
    assert seen == [FULL]


@pytest.mark.parametrize(("setting", "expected"), [("FULL", FULL), ("NORMAL", NORMAL)])
def test_a_mutation_commits_as_the_setting_says(setting: Literal["FULL", "NORMAL"], expected: int) -> None:
    with ConvexTest(app_of(act, begin), settings=Settings(sqlite_synchronous=setting)) as convex:
        assert convex.run(begin) == expected
