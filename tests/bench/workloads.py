"""Every workload: who takes part, what is measured, and what is to be reached."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from . import contestants as c
from . import measures
from .contestants import Peer
from .figures import Measure, Target
from .stage import Stage

Run = Callable[[Stage, Peer, float], measures.Figures]

JOBS = Measure("jobs/s", higher_is_better=True)
CALLS = Measure("calls/s", higher_is_better=True)
PERCENTILES = (Measure("p50"), Measure("p99"), Measure("call p50"), Measure("call p99"))
PAIRED = (Measure("ratio"), Measure("own us"), Measure("convexpy us"), Measure("bare us"))
COST = (Measure("queries/s"), Measure("CPU %"))


@dataclass(frozen=True)
class Workload:
    name: str
    title: str
    figures: tuple[Measure, ...]
    contestants: tuple[Peer, ...]
    targets: tuple[Target, ...]
    run: Run

    def measure(self, figure: str) -> Measure:
        return next(measure for measure in self.figures if measure.name == figure)


def drain(job: str, jobs: int) -> Run:
    return lambda stage, who, scale: measures.drain(stage, who, job, round(jobs * scale))


def backlog(jobs: int, rows: int) -> Run:
    return lambda stage, who, scale: measures.drain_beside(
        stage, who, "nothing", round(jobs * scale), who.options["backlog"], max(10, round(rows * scale))
    )


def calls(count: int) -> Run:
    return lambda stage, who, scale: measures.calls(stage, who, round(count * scale))


def latency(samples: int) -> Run:
    return lambda stage, who, scale: measures.latency(stage, who, round(samples * scale))


def direct(count: int) -> Run:
    return lambda stage, who, scale: measures.direct(stage, who, round(count * scale))


def idle(seconds: float) -> Run:
    return lambda stage, who, scale: measures.idle(stage, who, seconds * scale)


QUEUES = ("PgQueuer", "Oban", "Procrastinate", "Celery + Redis", "Dramatiq + Redis")
# Enqueueing in the caller's transaction is what only these can.
TRANSACTIONAL = ("PgQueuer", "Oban", "Procrastinate", "DBOS")
PEERS = (c.DBOS, c.PGQUEUER, c.OBAN, c.PROCRASTINATE, c.CELERY, c.DRAMATIQ)


def by_driver(who: Peer, **changes: Any) -> Peer:
    """The same contestant, whose handler is plain SQL through the driver."""
    return who.with_(name=f"{who.name}, driver SQL", options={"job": "driver"}, **changes)


def quicker(figure: str, theirs: tuple[str, ...], times: float, ours: str = "convexpy") -> Target:
    return Target(figure, ours, theirs, at_least=times)


def drain_on_sqlite(synchronous: str, raw: float) -> Workload:
    """A drain in which everybody's commits are equally durable."""
    level = "FULL" if synchronous == "full" else "NORMAL"
    everybody = (
        c.CONVEXPY_SQLITE,
        c.CONVEXPY_SQLITE_DRIVER,
        c.BARE_SQLITE.with_(share=1 if level == "FULL" else 3),
        c.BARE_SQLITE_SESSION,
        c.HUEY_SQLITE,
        c.HUEY_SQLITE_SESSION,
        c.DBOS_SQLITE,
        by_driver(c.DBOS_SQLITE),
    )
    return Workload(
        f"sqlite-{synchronous}",
        f"drain, UPDATE + INSERT, SQLite, synchronous={level}",
        (JOBS,),
        tuple(who.with_(synchronous=level) for who in everybody),
        (
            quicker("jobs/s", ("Huey",), 2, ours="convexpy, driver SQL"),
            quicker("jobs/s", ("Huey, Session",), 2),
            quicker("jobs/s", ("DBOS",), 30),
            quicker("jobs/s", ("DBOS, driver SQL",), 30, ours="convexpy, driver SQL"),
            quicker("jobs/s", ("raw sqlite3",), raw, ours="convexpy, driver SQL"),
        ),
        drain("work", 6_000),
    )


def backlogs(database: str) -> Workload:
    base = c.CONVEXPY if database == "postgres" else c.CONVEXPY_SQLITE
    names = {"none": "convexpy", "far": "convexpy, 1M far-future", "done": "convexpy, 1M finished"}
    return Workload(
        f"backlog-{database}",
        f"drain, no-op, beside 1,000,000 other rows (times the scale), {database}",
        (JOBS,),
        tuple(base.with_(name=name, options={"backlog": state}) for state, name in names.items()),
        tuple(quicker("jobs/s", ("convexpy",), 0.9, ours=names[state]) for state in ("far", "done")),
        backlog(6_000, 1_000_000),
    )


def latencies(name: str, title: str, contestants: tuple[Peer, ...], targets: tuple[Target, ...]) -> Workload:
    return Workload(
        f"latency-{name}",
        f"latency, COMMIT to first line, ms, {title}",
        PERCENTILES,
        contestants,
        targets,
        latency(300),
    )


def inside(who: Peer) -> tuple[Peer, ...]:
    return (who.with_(options={"inside": True}),)


SOON = (Target("p50", "convexpy", at_most=1.0), Target("p99", "convexpy", at_most=5.0))
WAITING_PEERS = tuple(who.name for who in PEERS)
BOTH = {"postgres": c.CONVEXPY, "sqlite": c.CONVEXPY_SQLITE}

WORKLOADS = (
    Workload(
        "drain",
        "drain, UPDATE + INSERT, PostgreSQL",
        (JOBS,),
        (c.CONVEXPY, c.CONVEXPY_2, c.BARE, c.BARE_SINGLE, *PEERS),
        (
            quicker("jobs/s", ("DBOS",), 15),
            quicker("jobs/s", QUEUES, 1.2),
            quicker("jobs/s", (c.BARE.name,), 1.2),
            quicker("jobs/s", (c.BARE_SINGLE.name,), 1.2),
            quicker("jobs/s", ("convexpy",), 1.4, ours=c.CONVEXPY_2.name),
        ),
        drain("work", 5_000),
    ),
    Workload(
        "drain-driver",
        "drain, UPDATE + INSERT as plain SQL, PostgreSQL",
        (JOBS,),
        (
            c.CONVEXPY_DRIVER.with_(share=2),
            c.CONVEXPY_DRIVER_2.with_(share=2),
            c.BARE_DRIVER,
            c.BARE_DRIVER_SINGLE,
            *(by_driver(who) for who in PEERS),
        ),
        (
            quicker("jobs/s", ("DBOS, driver SQL",), 15, ours=c.CONVEXPY_DRIVER.name),
            quicker("jobs/s", tuple(f"{name}, driver SQL" for name in QUEUES), 1.2, ours=c.CONVEXPY_DRIVER.name),
            quicker("jobs/s", (c.BARE_DRIVER.name,), 1.2, ours=c.CONVEXPY_DRIVER.name),
            quicker("jobs/s", (c.BARE_DRIVER_SINGLE.name,), 1.2, ours=c.CONVEXPY_DRIVER.name),
            quicker("jobs/s", (c.CONVEXPY_DRIVER.name,), 1.4, ours=c.CONVEXPY_DRIVER_2.name),
        ),
        drain("work", 5_000),
    ),
    Workload(
        "drain-noop",
        "drain, no-op, PostgreSQL",
        (JOBS,),
        (
            c.CONVEXPY,
            c.CONVEXPY_2,
            c.PGQUEUER,
            c.OBAN.with_(share=0.2),
            c.PROCRASTINATE.with_(share=0.04),
            c.DBOS.with_(options={"threads": 16}),
            c.CELERY.with_(share=0.05),
            c.DRAMATIQ.with_(share=0.1),
        ),
        (
            quicker("jobs/s", (*QUEUES, "DBOS"), 1.5),
            quicker("jobs/s", ("convexpy",), 1.4, ours=c.CONVEXPY_2.name),
        ),
        drain("nothing", 20_000),
    ),
    drain_on_sqlite("full", 1.0),
    drain_on_sqlite("normal", 0.5),
    Workload(
        "enqueue",
        "one mutation that writes a row and schedules a job, PostgreSQL, one client",
        (CALLS,),
        (c.CONVEXPY, c.CONVEXPY_DRIVER, c.PGQUEUER, c.OBAN, c.PROCRASTINATE, c.DBOS),
        (
            quicker("calls/s", TRANSACTIONAL, 1.1),
            quicker("calls/s", TRANSACTIONAL, 1.1, ours=c.CONVEXPY_DRIVER.name),
        ),
        calls(1_500),
    ),
    *(latencies(f"inside-{name}", f"same process, {name}", inside(who), SOON) for name, who in BOTH.items()),
    latencies(
        "postgres",
        "other process, PostgreSQL",
        (c.CONVEXPY, c.NOTIFY, *(who.with_(options={"poll": 0.01}) for who in PEERS)),
        (
            Target("p50", "convexpy", (c.NOTIFY.name,), at_most=2.0),
            Target("p99", "convexpy", (c.NOTIFY.name,), at_most=2.0),
            Target("call p50", "convexpy", (c.NOTIFY.name,), at_most=2.0),
            Target("p50", "convexpy", WAITING_PEERS, at_most=1.0),
            Target("p99", "convexpy", WAITING_PEERS, at_most=1.0),
        ),
    ),
    latencies(
        "sqlite",
        "other process, SQLite",
        (
            c.CONVEXPY_SQLITE,
            c.HUEY_SQLITE.with_(options={"poll": 0.005}),
            c.DBOS_SQLITE.with_(options={"poll": 0.01}),
        ),
        (Target("p50", "convexpy", ("Huey", "DBOS"), at_most=1.0),),
    ),
    *(
        Workload(
            f"direct-{name}",
            f"one direct mutation and a bare Session transaction, {name}",
            PAIRED,
            # NORMAL: where every commit waits for the disk, the disk is all that can be seen.
            (who.with_(name="convexpy and bare, in turns", synchronous="NORMAL"),),
            (
                Target("ratio", "convexpy and bare, in turns", at_most=1.15),
                Target("own us", "convexpy and bare, in turns", at_most=60),
            ),
            direct(3_000),
        )
        for name, who in BOTH.items()
    ),
    *(backlogs(name) for name in BOTH),
    *(
        Workload(
            f"idle-{name}",
            f"a process that has nothing to do, {name}",
            COST,
            (who,),
            (Target("queries/s", "convexpy", at_most=1.0), Target("CPU %", "convexpy", at_most=0.5)),
            idle(20),
        )
        for name, who in BOTH.items()
    ),
)
