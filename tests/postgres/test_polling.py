"""Notifications are hints: where none arrives, jobs are found by looking."""

from __future__ import annotations

import sys
import time

from sqlalchemy import URL

from convexpy import Convex, MutationCtx, Settings, internal_mutation, mutation

from .conftest import QUICK, rows


@mutation
def plan(ctx: MutationCtx) -> None:
    ctx.schedule.now(nothing)


@internal_mutation
def nothing(ctx: MutationCtx) -> None:
    """It runs."""


def test_what_another_process_schedules_is_found_without_a_notification(near: Convex, url: URL) -> None:
    deaf = Settings(**{**QUICK, "listen_notify": False})
    text = url.render_as_string(hide_password=False)
    with Convex(text, functions=sys.modules[__name__], settings=deaf) as worker, worker.running():
        for number in range(1, 6):
            near.run(plan)
            deadline = time.monotonic() + 10
            while not rows(url, f"SELECT 1 WHERE (SELECT count(*) FROM _convexpy_finished) = {number}"):
                assert time.monotonic() < deadline, f"job {number} was not found"
