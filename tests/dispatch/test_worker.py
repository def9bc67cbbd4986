"""The worker of a process: its threads while it is idle, and those that start when there is work."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable, Iterator

import pytest
from batch_runner import is_quiet, opened
from support.waiting import PATIENCE_SECONDS, wait_until

from convexpy import ActionCtx, MutationCtx, action, internal_mutation, mutation

# The threads of an idle worker; a timer comes with the first deadline.
IDLE = ["convexpy-dispatcher", "convexpy-heartbeat", "convexpy-housekeeping", "convexpy-listener"]
TIMER = "convexpy-timer"

may_end = threading.Event()


@pytest.fixture(autouse=True)
def nothing_waits() -> Iterator[None]:
    may_end.clear()
    yield
    may_end.set()


@internal_mutation
def work(ctx: MutationCtx) -> None:
    assert may_end.wait(PATIENCE_SECONDS)


@action
async def act(ctx: ActionCtx) -> None:
    await asyncio.to_thread(may_end.wait, PATIENCE_SECONDS)


@mutation
def plan(ctx: MutationCtx, mutations: int = 0, actions: int = 0) -> None:
    for _ in range(mutations):
        ctx.schedule.now(work)
    for _ in range(actions):
        ctx.schedule.now(act)


@pytest.fixture
def threads() -> Callable[[], list[str]]:
    """The names of the threads that have started since, without the timer and the senders of notifications."""
    before = set(threading.enumerate())

    def names() -> list[str]:
        started = [thread.name for thread in threading.enumerate() if thread not in before]
        return sorted(name for name in started if name not in (TIMER, "convexpy-notify", "convexpy-touches"))

    return names


def test_an_idle_worker_has_five_threads(database: str) -> None:
    before = set(threading.enumerate())
    with opened(database, sys.modules[__name__]) as convex, convex.running():
        convex.database.timer.call_later(10 * PATIENCE_SECONDS, lambda: None)
        wait_until(lambda: convex.worker.dispatcher._next_look > 0, "the dispatcher has looked")
        names = sorted(thread.name for thread in threading.enumerate() if thread not in before)
        assert names == sorted([*IDLE, TIMER])


def test_an_app_that_only_answers_calls_has_no_thread_of_the_worker(
    database: str, threads: Callable[[], list[str]]
) -> None:
    with opened(database, sys.modules[__name__]) as convex:
        convex.run(plan)
        assert threads() == []


def test_mutations_bring_threads_of_the_pool(database: str, threads: Callable[[], list[str]]) -> None:
    with opened(database, sys.modules[__name__], mutation_concurrency=3) as convex, convex.running():
        convex.run(plan, mutations=5)
        most = convex.database.writers
        expected = sorted([*IDLE, *["convexpy-mutations"] * most])
        wait_until(lambda: threads() == expected, f"{most} threads run mutations")
        may_end.set()
        wait_until(lambda: is_quiet(convex), "all jobs are over")


def test_an_action_brings_the_event_loop_and_its_threads(database: str, threads: Callable[[], list[str]]) -> None:
    with opened(database, sys.modules[__name__]) as convex, convex.running():
        convex.run(plan, actions=1)
        wait_until(lambda: "convexpy-actions" in threads(), "the event loop runs")
        assert "convexpy-mutations" not in threads()
        may_end.set()
        wait_until(lambda: is_quiet(convex), "all jobs are over")


def test_a_stopped_app_leaves_no_thread(database: str) -> None:
    before = set(threading.enumerate())
    with opened(database, sys.modules[__name__]) as convex:
        may_end.set()
        with convex.running():
            convex.run(plan, mutations=3)
            wait_until(lambda: is_quiet(convex), "all jobs are over")
    wait_until(lambda: not set(threading.enumerate()) - before, "every thread has ended")


def test_a_worker_that_is_running_cannot_be_started_again(database: str) -> None:
    with opened(database, sys.modules[__name__]) as convex:
        with convex.running(), pytest.raises(RuntimeError, match="already running"):
            convex.start()
        assert not convex.worker.is_running
        convex.stop()  # once more is no error
