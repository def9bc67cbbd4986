"""How each kind of speed is measured: the same way for every contestant. One function each; all check what they got."""

from __future__ import annotations

import statistics
import time
from pathlib import Path

from .child import Child, Failed, ended
from .contestants import Contestant
from .marks import Observed
from .place import Place
from .stage import Stage

Figures = dict[str, float]
DRAIN_PATIENCE = 120.0


def drain(stage: Stage, contestant: Contestant, job: str, jobs: int) -> Figures:
    """Jobs a second from the first job's first line until the queue is empty, of jobs that were enqueued before."""
    with contestant.place(stage) as place:
        clerk = contestant.clerk(place)
        with ended(clerk):
            clerk.ask("prepare")
            return drain_prepared(stage, contestant, place, clerk, job, jobs)


def drain_prepared(stage: Stage, contestant: Contestant, place: Place, clerk: Child, job: str, jobs: int) -> Figures:
    jobs = max(10, round(jobs * contestant.share))
    clerk.ask("fill", job, jobs)
    stage.settle(place)
    observed = Observed(Path(place.marks))
    workers = contestant.workers(place)
    with ended(*workers):
        for worker in workers:
            worker.tell("go")
        wait_until_empty(observed, workers, clerk, jobs)
        seconds = time.monotonic() - observed.first()
        check(stage, place, clerk, observed, jobs if job == "work" else 0, jobs)
    return {"jobs/s": jobs / seconds}


def wait_until_empty(observed: Observed, workers: list[Child], clerk: Child, jobs: int) -> None:
    deadline = time.monotonic() + DRAIN_PATIENCE
    # Before all jobs have begun there is no use in asking the queue whether it is empty.
    while observed.jobs() < jobs or clerk.ask("left"):
        time.sleep(0.01)
        for worker in workers:
            worker.check_alive()
        if time.monotonic() > deadline:
            raise Failed(f"{observed.jobs()} of {jobs} jobs were started within {DRAIN_PATIENCE:.0f} seconds")


def check(stage: Stage, place: Place, clerk: Child, observed: Observed, effects: int, jobs: int) -> None:
    """Every effect is there, exactly once, and every job has been run.

    Raises:
        Failed: Not so.
    """
    found = stage.effects(place)
    if found != (effects, effects, effects):
        raise Failed(f"wrong counts: {effects} effects expected, found {found[0]} updates and {found[1]} inserts")
    if observed.jobs() < jobs:
        raise Failed(f"wrong counts: {jobs} jobs expected, {observed.jobs()} were started")
    done = clerk.ask("done")
    if done is not None and done != jobs:
        raise Failed(f"wrong counts: {jobs} jobs expected, {done} have succeeded")


def drain_beside(stage: Stage, contestant: Contestant, job: str, jobs: int, state: str, rows: int) -> Figures:
    """The same, in a database that also holds many jobs of that state, none of which is due."""
    template = f"bench_{contestant.database}_{state}"
    if state != "none" and not stage.has(template):
        with contestant.place(stage) as place:
            clerk = contestant.clerk(place)
            with ended(clerk):
                clerk.ask("prepare")
                clerk.ask("backlog", state, rows)
            stage.settle(place)
            stage.keep(place, template)
    with contestant.place(stage, template=None if state == "none" else template) as place:
        clerk = contestant.clerk(place)
        with ended(clerk):
            clerk.ask("prepare")
            return drain_prepared(stage, contestant, place, clerk, job, jobs)


def calls(stage: Stage, contestant: Contestant, count: int) -> Figures:
    """Transactions a second, each of which saves one row and enqueues one job, from one client."""
    count = max(10, count)
    with contestant.place(stage) as place:
        clerk = contestant.clerk(place)
        with ended(clerk):
            clerk.ask("prepare")
            seconds = clerk.ask("calls", count)
            _, rows, different = stage.effects(place)
            left = clerk.ask("pending")
        if not rows == different == left == count:
            raise Failed(f"wrong counts: {count} expected, found {rows} rows and {left} jobs")
        return {"calls/s": (count - 1) / seconds}


def latency(stage: Stage, contestant: Contestant, samples: int) -> Figures:
    """Milliseconds to the handler's first line: from the return of COMMIT, and from the call that enqueues."""
    with contestant.place(stage) as place:
        clerk = contestant.clerk(place)
        with ended(clerk):
            clerk.ask("prepare")
            Observed(Path(place.marks))
            workers = [] if place.options.get("inside") else contestant.workers(place)
            with ended(*workers):
                for worker in workers:
                    worker.tell("go")
                time.sleep(2)
                found = clerk.ask("latencies", max(10, samples))
    since_commit, since_call = (
        statistics.quantiles(values, n=100, method="inclusive") for values in zip(*found, strict=True)
    )
    return {"p50": since_commit[49], "p99": since_commit[98], "call p50": since_call[49], "call p99": since_call[98]}


def direct(stage: Stage, contestant: Contestant, count: int) -> Figures:
    """Microseconds of a direct mutation and of a bare Session with the same statements, in turns of a few calls."""
    with contestant.place(stage) as place:
        clerk = contestant.clerk(place)
        with ended(clerk):
            clerk.ask("prepare")
            found: Figures = clerk.ask("direct", max(40, count))
        effects, expected = stage.effects(place), int(found.pop("effects"))
        if effects[:2] != (expected, expected):
            raise Failed(f"wrong counts: {expected} effects expected, found {effects}")
        return found


def idle(stage: Stage, contestant: Contestant, seconds: float) -> Figures:
    """What a process costs that has nothing to do."""
    with contestant.place(stage) as place:
        clerk = contestant.clerk(place)
        with ended(clerk):
            clerk.ask("prepare")
            found: Figures = clerk.ask("idle", max(3.0, seconds))
            return found
