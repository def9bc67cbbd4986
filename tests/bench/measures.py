"""How each kind of speed is measured, alike for every system: a function each. All check their counts."""

from __future__ import annotations

import statistics
import time
from pathlib import Path

from .backends import Backends
from .config import Config
from .process import AdapterProcess, MeasurementFailed, closing
from .starts import StartReader
from .systems import System

Figures = dict[str, float]
DRAIN_TIMEOUT = 120.0


def drain(backends: Backends, system: System, job: str, jobs: int) -> Figures:
    """Jobs a second of jobs enqueued before, from the first job's first line until the queue is empty."""
    with system.fresh(backends) as config:
        client = system.client(config)
        with closing(client):
            client.request("prepare")
            return drain_prepared(backends, system, config, client, job, jobs)


def drain_prepared(
    backends: Backends, system: System, config: Config, client: AdapterProcess, job: str, jobs: int
) -> Figures:
    jobs = max(10, round(jobs * system.share))
    client.request("fill", job, jobs)
    backends.checkpoint(config)
    reader = StartReader(Path(config.starts))
    workers = system.workers(config)
    with closing(*workers):
        for worker in workers:
            worker.send("go")
        wait_until_empty(reader, workers, client, jobs)
        seconds = time.monotonic() - reader.first()
        check(backends, config, client, reader, jobs if job == "work" else 0, jobs)
    return {"jobs/s": jobs / seconds}


def wait_until_empty(reader: StartReader, workers: list[AdapterProcess], client: AdapterProcess, jobs: int) -> None:
    deadline = time.monotonic() + DRAIN_TIMEOUT
    # Counting the queue disturbs the workers, and says nothing before all jobs have started.
    while reader.jobs() < jobs or client.request("left"):
        time.sleep(0.01)
        for worker in workers:
            worker.check_alive()
        if time.monotonic() > deadline:
            raise MeasurementFailed(f"{reader.jobs()} of {jobs} jobs were started within {DRAIN_TIMEOUT:.0f} seconds")


def check(
    backends: Backends, config: Config, client: AdapterProcess, reader: StartReader, effects: int, jobs: int
) -> None:
    """Check that every effect is there exactly once, and that every job has run.

    Raises:
        MeasurementFailed: The counts are wrong.
    """
    found = backends.effects(config)
    if found != (effects, effects, effects):
        raise MeasurementFailed(
            f"wrong counts: {effects} effects expected, found {found[0]} updates and {found[1]} inserts"
        )
    if reader.jobs() < jobs:
        raise MeasurementFailed(f"wrong counts: {jobs} jobs expected, {reader.jobs()} were started")
    done = client.request("done")
    if done is not None and done != jobs:
        raise MeasurementFailed(f"wrong counts: {jobs} jobs expected, {done} have succeeded")


def drain_beside(backends: Backends, system: System, job: str, jobs: int, state: str, rows: int) -> Figures:
    """A drain in a database that also holds many jobs of that state, none of which is due."""
    template = f"bench_{system.database}_{state}"
    if state != "none" and not backends.has_template(template):
        with system.fresh(backends) as config:
            client = system.client(config)
            with closing(client):
                client.request("prepare")
                client.request("backlog", state, rows)
            backends.checkpoint(config)
            backends.save_template(config, template)
    with system.fresh(backends, template=None if state == "none" else template) as config:
        client = system.client(config)
        with closing(client):
            client.request("prepare")
            return drain_prepared(backends, system, config, client, job, jobs)


def calls(backends: Backends, system: System, count: int) -> Figures:
    """Transactions a second from one client, each of which saves one row and enqueues one job."""
    count = max(10, count)
    with system.fresh(backends) as config:
        client = system.client(config)
        with closing(client):
            client.request("prepare")
            seconds = client.request("calls", count)
            _, rows, distinct = backends.effects(config)
            left = client.request("pending")
        if not rows == distinct == left == count:
            raise MeasurementFailed(f"wrong counts: {count} expected, found {rows} rows and {left} jobs")
        return {"calls/s": (count - 1) / seconds}


def latency(backends: Backends, system: System, samples: int) -> Figures:
    """Milliseconds to the handler's first line: from the return of COMMIT, and from the call that enqueues."""
    with system.fresh(backends) as config:
        client = system.client(config)
        with closing(client):
            client.request("prepare")
            StartReader(Path(config.starts))
            workers = [] if config.options.get("inside") else system.workers(config)
            with closing(*workers):
                for worker in workers:
                    worker.send("go")
                time.sleep(2)
                found = client.request("latencies", max(10, samples))
    since_commit, since_call = (
        statistics.quantiles(values, n=100, method="inclusive") for values in zip(*found, strict=True)
    )
    return {"p50": since_commit[49], "p99": since_commit[98], "call p50": since_call[49], "call p99": since_call[98]}


def direct(backends: Backends, system: System, count: int) -> Figures:
    """Microseconds of a direct mutation and of a bare Session with the same statements, in alternating blocks."""
    with system.fresh(backends) as config:
        client = system.client(config)
        with closing(client):
            client.request("prepare")
            found: Figures = client.request("direct", max(40, count))
        effects, expected = backends.effects(config), int(found.pop("effects"))
        if effects[:2] != (expected, expected):
            raise MeasurementFailed(f"wrong counts: {expected} effects expected, found {effects}")
        return found


def idle(backends: Backends, system: System, seconds: float) -> Figures:
    """Statements and processor time of a worker without jobs."""
    with system.fresh(backends) as config:
        client = system.client(config)
        with closing(client):
            client.request("prepare")
            found: Figures = client.request("idle", max(3.0, seconds))
            return found


def live(backends: Backends, system: System, queries: int, subscribers: int, rate: int, seconds: float) -> Figures:
    """Milliseconds from the return of COMMIT in one process to a subscriber's new value in another one."""
    with system.fresh(backends) as config:
        if config.database == "postgres":  # one writer that waits for the disk commits less often than this
            backends.execute(f"ALTER DATABASE {config.name.rpartition('/')[2]} SET synchronous_commit = off")
        writer, follower = system.client(config), system.client(config)
        with closing(writer, follower):
            writer.request("prepare")
            follower.request("follow", queries, subscribers)
            writer.request("post", queries, rate, min(2.0, seconds))  # what compiles and loads has done so
            commits = writer.request("post", queries, rate, seconds)
            figures: Figures = follower.request("followed", commits)
        return figures
