"""Notifications are hints: jobs are found without them, only later."""

from __future__ import annotations

import sys
import time
from typing import Any

from sqlalchemy import URL

from convexpy import Convex, MutationCtx, Settings, internal_mutation, mutation

from .conftest import QUICK, rows


@mutation
def plan(ctx: MutationCtx) -> None:
    # What is due at once is claimed by its own process, and nobody has to be told of it.
    ctx.schedule.after(10, nothing)


@internal_mutation
def nothing(ctx: MutationCtx) -> None:
    """It runs."""


ROUNDS = 10
PATIENCE_SECONDS = 10.0


def run_one_after_the_other(planning: Convex, url: URL) -> None:
    """Schedule a job when the one before is over, again and again."""
    for number in range(1, ROUNDS + 1):
        planning.run(plan)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not rows(url, f"SELECT 1 WHERE (SELECT count(*) FROM _convexpy_finished) = {number}"):
            assert time.monotonic() < deadline, f"job {number} was not found"


def worker_with(url: URL, **settings: Any) -> Convex:
    text = url.render_as_string(hide_password=False)
    return Convex(text, functions=sys.modules[__name__], settings=Settings(**{**QUICK, **settings}))


def test_what_another_process_schedules_is_found_without_a_notification(near: Convex, url: URL) -> None:
    with worker_with(url, listen_notify=False) as worker, worker.running():
        run_one_after_the_other(near, url)


def test_a_commit_wakes_the_dispatcher_of_its_own_process(url: URL) -> None:
    with worker_with(url, listen_notify=False, poll_interval=600) as worker, worker.running():
        run_one_after_the_other(worker, url)


def test_a_commit_wakes_the_dispatchers_of_other_processes(near: Convex, url: URL) -> None:
    with worker_with(url, poll_interval=600) as worker, worker.running():
        run_one_after_the_other(near, url)
