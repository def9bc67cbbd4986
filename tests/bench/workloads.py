"""The workloads: which systems run, what is measured, and the targets."""

from __future__ import annotations

from typing import Any

from . import measures, systems
from .config import Database
from .figures import Metric, Target
from .serve_workloads import SERVE_WORKLOADS
from .systems import System
from .workload import Run, Workload

JOBS = Metric("jobs/s", higher_is_better=True)
CALLS = Metric("calls/s", higher_is_better=True)
PERCENTILES = (Metric("p50"), Metric("p99"), Metric("call p50"), Metric("call p99"))
PAIRED = (Metric("ratio"), Metric("own us"), Metric("convexpy us"), Metric("bare us"))
LIVE = (Metric("p50"), Metric("p99"), Metric("runs/commit"), Metric("CPU ms/commit"), Metric("MB"))
COST = (Metric("queries/s"), Metric("CPU %"))


def drain(job: str, jobs: int) -> Run:
    return lambda backends, system, scale: measures.drain(backends, system, job, round(jobs * scale))


def backlog(jobs: int, rows: int) -> Run:
    return lambda backends, system, scale: measures.drain_beside(
        backends, system, "nothing", round(jobs * scale), system.options["backlog"], max(10, round(rows * scale))
    )


def calls(count: int) -> Run:
    return lambda backends, system, scale: measures.calls(backends, system, round(count * scale))


def latency(samples: int) -> Run:
    return lambda backends, system, scale: measures.latency(backends, system, round(samples * scale))


def direct(count: int) -> Run:
    return lambda backends, system, scale: measures.direct(backends, system, round(count * scale))


def idle(seconds: float) -> Run:
    return lambda backends, system, scale: measures.idle(backends, system, seconds * scale)


def live(queries: int, subscribers: int, rate: int) -> Run:
    return lambda backends, system, scale: measures.live(
        backends, system, max(1, round(queries * scale)), max(10, round(subscribers * scale)), rate, 20 * scale
    )


QUEUES = ("PgQueuer", "Oban", "Procrastinate", "Celery + Redis", "Dramatiq + Redis")
# Only these enqueue in the caller's transaction.
TRANSACTIONAL = ("PgQueuer", "Oban", "Procrastinate", "DBOS")
PEERS = (systems.DBOS, systems.PGQUEUER, systems.OBAN, systems.PROCRASTINATE, systems.CELERY, systems.DRAMATIQ)


def by_driver(system: System, **changes: Any) -> System:
    """The same system with a handler of plain SQL through the driver."""
    return system.with_(name=f"{system.name}, driver SQL", options={"job": "driver"}, **changes)


def faster(figure: str, theirs: tuple[str, ...], times: float, ours: str = "convexpy") -> Target:
    return Target(figure, ours, theirs, at_least=times)


def drain_on_sqlite(synchronous: str, raw: float) -> Workload:
    """A drain in which the commits of all systems are equally durable."""
    level = "FULL" if synchronous == "full" else "NORMAL"
    drained = (
        systems.CONVEXPY_SQLITE,
        systems.CONVEXPY_SQLITE_DRIVER,
        systems.BARE_SQLITE.with_(share=1 if level == "FULL" else 3),
        systems.BARE_SQLITE_SESSION,
        systems.HUEY_SQLITE,
        systems.HUEY_SQLITE_SESSION,
        systems.DBOS_SQLITE,
        by_driver(systems.DBOS_SQLITE),
    )
    return Workload(
        f"sqlite-{synchronous}",
        f"drain, UPDATE + INSERT, SQLite, synchronous={level}",
        (JOBS,),
        tuple(system.with_(synchronous=level) for system in drained),
        (
            faster("jobs/s", ("Huey",), 2, ours="convexpy, driver SQL"),
            faster("jobs/s", ("Huey, Session",), 2),
            faster("jobs/s", ("DBOS",), 30),
            faster("jobs/s", ("DBOS, driver SQL",), 30, ours="convexpy, driver SQL"),
            faster("jobs/s", ("raw sqlite3",), raw, ours="convexpy, driver SQL"),
        ),
        drain("work", 6_000),
    )


def backlogs(database: str) -> Workload:
    base = systems.CONVEXPY if database == "postgres" else systems.CONVEXPY_SQLITE
    names = {"none": "convexpy", "far": "convexpy, 1M far-future", "done": "convexpy, 1M finished"}
    return Workload(
        f"backlog-{database}",
        f"drain, no-op, beside 1,000,000 other rows (times the scale), {database}",
        (JOBS,),
        tuple(base.with_(name=name, options={"backlog": state}) for state, name in names.items()),
        tuple(faster("jobs/s", ("convexpy",), 0.9, ours=names[state]) for state in ("far", "done")),
        backlog(6_000, 1_000_000),
    )


def latencies(name: str, title: str, systems: tuple[System, ...], targets: tuple[Target, ...]) -> Workload:
    return Workload(
        f"latency-{name}",
        f"latency, COMMIT to first line, ms, {title}",
        PERCENTILES,
        systems,
        targets,
        latency(300),
    )


def inside(system: System) -> tuple[System, ...]:
    return (system.with_(options={"inside": True}),)


def live_workloads(database: Database, p50: float, p99: float) -> tuple[Workload, ...]:
    """Distinct queries, and one that many subscribe to."""
    all_systems = (systems.LIVE, systems.POLLING, *((systems.BY_HAND,) if database == "postgres" else ()))
    chosen = tuple(system.with_(database=database, synchronous="NORMAL") for system in all_systems)

    def workload(name: str, title: str, targets: tuple[Target, ...], run: Run) -> Workload:
        return Workload(
            f"live-{name}-{database}", f"COMMIT to callback, ms, {title}, {database}", LIVE, chosen, targets, run
        )

    soon = (Target("p50", "convexpy", at_most=p50), Target("p99", "convexpy", at_most=p99))
    one = Target("runs/commit", "convexpy", at_most=1.0)
    shared = (Target("p50", "convexpy", at_most=100), Target("p99", "convexpy", at_most=250), one)
    return (
        workload("1000", "1,000 queries, 500 commits/s", soon, live(1_000, 1_000, 500)),
        workload("10000", "10,000 queries, 500 commits/s", soon, live(10_000, 10_000, 500)),
        workload("shared", "one query with 10,000 subscribers, 300 commits/s", shared, live(1, 10_000, 300)),
    )


SOON = (Target("p50", "convexpy", at_most=1.0), Target("p99", "convexpy", at_most=5.0))
PEER_NAMES = tuple(system.name for system in PEERS)
BOTH = {"postgres": systems.CONVEXPY, "sqlite": systems.CONVEXPY_SQLITE}

WORKLOADS = (
    Workload(
        "drain",
        "drain, UPDATE + INSERT, PostgreSQL",
        (JOBS,),
        (systems.CONVEXPY, systems.CONVEXPY_2, systems.BARE, systems.BARE_SINGLE, *PEERS),
        (
            faster("jobs/s", ("DBOS",), 15),
            faster("jobs/s", QUEUES, 1.2),
            faster("jobs/s", (systems.BARE.name,), 1.2),
            faster("jobs/s", (systems.BARE_SINGLE.name,), 1.2),
            faster("jobs/s", ("convexpy",), 1.4, ours=systems.CONVEXPY_2.name),
        ),
        drain("work", 5_000),
    ),
    Workload(
        "drain-driver",
        "drain, UPDATE + INSERT as plain SQL, PostgreSQL",
        (JOBS,),
        (
            systems.CONVEXPY_DRIVER.with_(share=2),
            systems.CONVEXPY_DRIVER_2.with_(share=2),
            systems.BARE_DRIVER,
            systems.BARE_DRIVER_SINGLE,
            *(by_driver(system) for system in PEERS),
        ),
        (
            faster("jobs/s", ("DBOS, driver SQL",), 15, ours=systems.CONVEXPY_DRIVER.name),
            faster("jobs/s", tuple(f"{name}, driver SQL" for name in QUEUES), 1.2, ours=systems.CONVEXPY_DRIVER.name),
            faster("jobs/s", (systems.BARE_DRIVER.name,), 1.2, ours=systems.CONVEXPY_DRIVER.name),
            faster("jobs/s", (systems.BARE_DRIVER_SINGLE.name,), 1.2, ours=systems.CONVEXPY_DRIVER.name),
            faster("jobs/s", (systems.CONVEXPY_DRIVER.name,), 1.4, ours=systems.CONVEXPY_DRIVER_2.name),
        ),
        drain("work", 5_000),
    ),
    Workload(
        "drain-noop",
        "drain, no-op, PostgreSQL",
        (JOBS,),
        (
            systems.CONVEXPY,
            systems.CONVEXPY_2,
            systems.PGQUEUER,
            systems.OBAN.with_(share=0.2),
            systems.PROCRASTINATE.with_(share=0.04),
            systems.DBOS.with_(options={"threads": 16}),
            systems.CELERY.with_(share=0.05),
            systems.DRAMATIQ.with_(share=0.1),
        ),
        (
            faster("jobs/s", (*QUEUES, "DBOS"), 1.5),
            faster("jobs/s", ("convexpy",), 1.4, ours=systems.CONVEXPY_2.name),
        ),
        drain("nothing", 20_000),
    ),
    drain_on_sqlite("full", 1.0),
    drain_on_sqlite("normal", 0.5),
    Workload(
        "enqueue",
        "one mutation that writes a row and schedules a job, PostgreSQL, one client",
        (CALLS,),
        (
            systems.CONVEXPY,
            systems.CONVEXPY_DRIVER,
            systems.PGQUEUER,
            systems.OBAN,
            systems.PROCRASTINATE,
            systems.DBOS,
        ),
        (
            faster("calls/s", TRANSACTIONAL, 1.1),
            faster("calls/s", TRANSACTIONAL, 1.1, ours=systems.CONVEXPY_DRIVER.name),
        ),
        calls(1_500),
    ),
    *(latencies(f"inside-{name}", f"same process, {name}", inside(system), SOON) for name, system in BOTH.items()),
    latencies(
        "postgres",
        "other process, PostgreSQL",
        (systems.CONVEXPY, systems.NOTIFY, *(system.with_(options={"poll": 0.01}) for system in PEERS)),
        (
            Target("p50", "convexpy", (systems.NOTIFY.name,), at_most=2.0),
            Target("p99", "convexpy", (systems.NOTIFY.name,), at_most=2.0),
            Target("call p50", "convexpy", (systems.NOTIFY.name,), at_most=2.0),
            Target("p50", "convexpy", PEER_NAMES, at_most=1.0),
            Target("p99", "convexpy", PEER_NAMES, at_most=1.0),
        ),
    ),
    latencies(
        "sqlite",
        "other process, SQLite",
        (
            systems.CONVEXPY_SQLITE,
            systems.HUEY_SQLITE.with_(options={"poll": 0.005}),
            systems.DBOS_SQLITE.with_(options={"poll": 0.01}),
        ),
        (Target("p50", "convexpy", ("Huey", "DBOS"), at_most=1.0),),
    ),
    *(
        Workload(
            f"direct-{name}",
            f"one direct mutation and a bare Session transaction, {name}",
            PAIRED,
            # NORMAL: where every commit waits for the disk, the disk is all that can be seen.
            (system.with_(name="convexpy and bare, in turns", synchronous="NORMAL"),),
            (
                Target("ratio", "convexpy and bare, in turns", at_most=1.15),
                Target("own us", "convexpy and bare, in turns", at_most=60),
            ),
            direct(3_000),
        )
        for name, system in BOTH.items()
    ),
    *(backlogs(name) for name in BOTH),
    *(
        Workload(
            f"idle-{name}",
            f"a process that has nothing to do, {name}",
            COST,
            (system,),
            (Target("queries/s", "convexpy", at_most=1.0), Target("CPU %", "convexpy", at_most=0.5)),
            idle(20),
        )
        for name, system in BOTH.items()
    ),
    *live_workloads("postgres", 5, 15),
    *live_workloads("sqlite", 2, 6),
    *SERVE_WORKLOADS,
)
