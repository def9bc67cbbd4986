"""Figures: how soon a job starts, what slow actions do to the others, and what an idle process costs."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import checker
from .child_process import ChildProcess, Sandbox, wait_until
from .job_moves import VICTIM

# No job waits for a poll while its delay is measured.
NO_POLL: dict[str, Any] = {"poll_interval": 60.0}
# Bookkeeping of a transaction; a query is anything else.
BRACKETS = ("BEGIN", "COMMIT", "ROLLBACK")


def percentile(values: list[float], percent: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, round(len(ordered) * percent / 100))]


@dataclass
class Delays:
    """Seconds from the COMMIT that scheduled a job to the job's first line."""

    mutations: list[float]
    actions: list[float]

    def __str__(self) -> str:
        parts = []
        for what, values in (("mutations", self.mutations), ("actions", self.actions)):
            if values:
                p50, p99, worst = (percentile(values, p) * 1000 for p in (50, 99, 100))
                parts.append(f"{what} p50 {p50:.1f} p99 {p99:.1f} max {worst:.1f} ms")
        return ", ".join(parts)


def start_delays(sandbox: Sandbox, child: ChildProcess, orders: int, name: str = "") -> Delays:
    """Give orders of one mutation each, and of one action each, one after the other."""
    for n in range(orders):
        for kind in ("pays", "sends"):
            child.call("work:order", label=f"{VICTIM}-{name}-{kind}-{n}", **{kind: 1})
            wait_until(lambda: checker.is_quiet(sandbox.database), "it is over")
    return delays_of(child.ask("steps"), name)


def delays_of(steps: list[tuple[str, str, str, int]], name: str) -> Delays:
    committed = {
        json.loads(label)["label"]: nanoseconds
        for move, moment, label, nanoseconds in steps
        if (move, moment) == ("insert", "after")
    }
    found = Delays([], [])
    for move, moment, label, nanoseconds in steps:
        if (move, moment) == ("first line", "done") and f"{VICTIM}-{name}-" in label and label in committed:
            delays = found.mutations if "/pay" in label else found.actions
            delays.append((nanoseconds - committed[label]) / 1e9)
    return found


def delays_when_idle(folder: Path, orders: int) -> Delays:
    sandbox = Sandbox(folder)
    with sandbox.child(record_times=True, settings=NO_POLL) as child:
        child.ready()
        start_delays(sandbox, child, 2, "warm")
        return start_delays(sandbox, child, orders, "idle")


def delays_across(folder: Path, orders: int) -> Delays:
    """One process schedules mutations, one after the other, and another runs them, which looks for none by itself."""
    sandbox = Sandbox(folder)
    with (
        sandbox.child(record_times=True, runs=False) as caller,
        sandbox.child(record_times=True, settings={"poll_interval": 3600.0}) as worker,
    ):
        caller.ready()
        worker.ready()
        for n in range(orders):
            caller.call("work:order", label=f"{VICTIM}-across-{n}", pays=1)
            done = "SELECT count(*) FROM _scheduled_functions WHERE state_kind = 'success'"
            wait_until(lambda: checker.value(sandbox.database, done) == n + 1, "it is over")  # noqa: B023
        return delays_of(caller.ask("steps") + worker.ask("steps"), "across")


@dataclass
class SlowActionsResult:
    """What goes on while slow actions fill their pool."""

    delays: list[float]
    cron_delays: list[float]
    skipped_slots: int
    running: int


def delays_beside_slow_actions(
    folder: Path, orders: int, *, slow: int = 100, blocking: bool = False
) -> SlowActionsResult:
    """Half of the slow actions are async and half are not; with ``blocking`` one of them stops the event loop too."""
    sandbox = Sandbox(folder)
    settings = {**NO_POLL, "min_cron_interval": 0.1}
    with sandbox.child(record_times=True, settings=settings, environ={"FAULTS_CRON_SECONDS": "0.25"}) as child:
        child.ready().call("work:order_held", label="slow", gate="gate", sends=slow // 2)
        child.call("work:order_held", label="slow-sync", gate="gate", sends=slow - slow // 2, sync=True)
        wait_until(lambda: len(sandbox.lines("start")) >= min(slow, 64), "the slow actions run")
        if blocking:
            child.call("bad:plan", function="bad:action_blocks_the_event_loop_at_a_gate", label="blocking")
        for n in range(orders):
            child.call("work:order", label=f"{VICTIM}-result-pays-{n}", pays=1)
            done = "SELECT count(*) FROM _scheduled_functions WHERE name = 'work:pay' AND state_kind = 'success'"
            wait_until(lambda: checker.value(sandbox.database, done) == n + 1, "it is over")  # noqa: B023
        delays = delays_of(child.ask("steps"), "result").mutations
        ticks = (
            "SELECT (completed_time - scheduled_time) / 1e6, state_kind FROM _scheduled_functions"
            " WHERE cron IS NOT NULL AND state_kind != 'pending'"
        )
        wait_until(lambda: len(checker.rows(sandbox.database, ticks)) >= 4, "the cron fires")
        running = "SELECT count(*) FROM _scheduled_functions WHERE state_kind = 'inProgress'"
        busy = checker.value(sandbox.database, running)
        child.open("gate")
        ended = "SELECT count(*) FROM _scheduled_functions WHERE name LIKE 'work:send%' AND state_kind = 'success'"
        wait_until(lambda: checker.value(sandbox.database, ended) == slow, "the slow actions end", 60.0)
        found = checker.rows(sandbox.database, ticks)
    late = [row[0] for row in found if row[1] == "success"]
    return SlowActionsResult(delays, late, sum(row[1] == "canceled" for row in found), busy)


@dataclass
class Idle:
    """What a process costs that has nothing to do."""

    seconds: float
    queries: int
    statements: int
    cpu_seconds: float
    kinds: list[str]

    def __str__(self) -> str:
        return (
            f"{self.queries / self.seconds:.2f} queries/s, {self.statements / self.seconds:.2f} with BEGIN and COMMIT, "
            f"{1000 * self.cpu_seconds / self.seconds:.1f} ms CPU/s"
        )


def idle_cost(folder: Path, seconds: float) -> Idle:
    """Count what an idle process, with a cron that is due much later and default settings, executes on its database."""
    sandbox = Sandbox(folder)
    defaults = {"retry_first": 0.1, "retry_longest": 60.0, "poll_interval": 5.0}
    with sandbox.child(settings=defaults, environ={"FAULTS_CRON_SECONDS": "86400"}) as child:
        child.ready().call("work:order", label="once", pays=1, sends=1)
        wait_until(lambda: checker.is_quiet(sandbox.database, 3), "it has nothing to do any more")
        child.ask("trace")
        started, (before, _) = time.monotonic(), child.ask("usage")
        wait_until(lambda: time.monotonic() - started > seconds, "time to pass", 2 * seconds)
        after, _ = child.ask("usage")
        statements: list[str] = child.ask("statements")
    queries = [text for text in statements if not text.startswith(BRACKETS)]
    kinds = sorted({" ".join(text.split())[:90] for text in queries})
    return Idle(seconds, len(queries), len(statements), after - before, kinds)
