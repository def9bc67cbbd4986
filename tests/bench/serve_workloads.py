"""The workloads of servers: requests, values that are pushed to sockets, idle sockets, and jobs beside them."""

from __future__ import annotations

from collections.abc import Iterator

from . import serving
from .backends import Backends
from .config import Database
from .figures import Metric, Target
from .measures import Figures
from .systems import EXACTLY, Convexpy, System
from .workload import Run, Workload

REQUESTS = (Metric("requests/s", higher_is_better=True), Metric("CPU ms"), Metric("p50"), Metric("p99"))
PUSHES = (Metric("p50"), Metric("p99"), Metric("CPU ms/commit"))
IDLE = (Metric("KB/socket"), Metric("CPU %"))
JOBS = (Metric("jobs/s", higher_is_better=True),)

OURS = Convexpy(
    "convexpy",
    "serializable, again after a conflict; arguments and results checked",
    "ours_server",
    options={
        "writer": "live",
        "bodies": {
            "query": '{"path":"live:newest","args":{"channel":NUMBER},"format":"json"}',
            "mutation": '{"path":"jobs:direct","args":{"i":NUMBER},"format":"json"}',
        },
    },
)
FASTAPI = System(
    "FastAPI",
    "the same",
    "fastapi",
    options={"writer": "ours", "bodies": {"query": '{"channel":NUMBER}', "mutation": '{"i":NUMBER}'}},
)
BY_HAND = System(
    "LISTEN/NOTIFY by hand",
    "what is announced is seen, unless a connection breaks",
    "push_by_hand",
    options={"writer": "live_notify", "by_hand": True},
)
PUSHED = OURS.with_(guarantee="every commit is seen; one snapshot a socket")


def requests(kind: str, seconds: float) -> Run:
    return lambda backends, system, scale: serving.requests(backends, system, kind, max(0.3, seconds * scale))


def pushes(queries: int, sockets: int, rate: int, seconds: float) -> Run:
    return lambda backends, system, scale: serving.pushes(backends, system, queries, sockets, rate, seconds * scale)


def idle(sockets: int, seconds: float) -> Run:
    return lambda backends, system, scale: serving.idle_sockets(
        backends, system, system.options["queries"], sockets, seconds * scale
    )


def jobs(count: int) -> Run:
    def run(backends: Backends, system: System, scale: float) -> Figures:
        sockets, rate = system.options["beside"]
        return serving.jobs_beside(backends, system, round(count * scale), sockets, rate)

    return run


def on(database: Database, *systems: System) -> tuple[System, ...]:
    """NORMAL: where every commit waits for the disk, the disk is all that can be seen."""
    return tuple(system.with_(database=database, synchronous="NORMAL") for system in systems)


def workloads(database: Database) -> Iterator[Workload]:
    for kind, what in (("query", "a SELECT of ten rows"), ("mutation", "an UPDATE and an INSERT")):
        yield Workload(
            f"serve-{kind}-{database}",
            f"/api/{kind}, {what}, 16 connections, {database}",
            REQUESTS,
            on(database, OURS, FASTAPI),
            (Target("requests/s", "convexpy", ("FastAPI",), at_least=1.0),),
            requests(kind, 6),
        )
    pushing = on(database, PUSHED, *((BY_HAND,) if database == "postgres" else ()))
    soon = (Target("p50", "convexpy", at_most=5), Target("p99", "convexpy", at_most=25))
    for name, queries, sockets, rate in (
        ("1", 1, 1, 100),
        ("100", 100, 100, 100),
        ("1000", 1_000, 1_000, 100),
        ("shared-100", 1, 100, 50),
        ("shared-1000", 1, 1_000, 10),
    ):
        what = f"{sockets:,} sockets" + (" on one query" if queries < sockets else "")
        yield Workload(
            f"serve-push-{name}-{database}",
            f"COMMIT to client, ms, {what}, {rate} commits/s, {database}",
            PUSHES,
            pushing,
            soon,
            pushes(queries, sockets, rate, 10),
        )
    for sockets in (1_000, 5_000):
        each = PUSHED.with_(name="convexpy, a query each", options={"queries": sockets})
        shared = PUSHED.with_(name="convexpy, one query", options={"queries": 1})
        by_hand = (BY_HAND.with_(options={"queries": 1}),) if database == "postgres" else ()
        yield Workload(
            f"serve-idle-{sockets}-{database}",
            f"{sockets:,} sockets, nothing is written, {database}",
            IDLE,
            on(database, each, shared, *by_hand),
            (),
            idle(sockets, 30),
        )
    besides = {
        "convexpy, alone": (0, 0),
        "convexpy, 1,000 sockets": (1_000, 0),
        "convexpy, 1,000 sockets, 20 values/s": (1_000, 20),
    }
    yield Workload(
        f"serve-jobs-{database}",
        f"drain, UPDATE + INSERT, beside a server process, {database}",
        JOBS,
        on(
            database,
            *(OURS.with_(name=name, guarantee=EXACTLY, options={"beside": each}) for name, each in besides.items()),
        ),
        (Target("jobs/s", "convexpy, 1,000 sockets", ("convexpy, alone",), at_least=0.9),),
        jobs(5_000),
    )


SERVE_WORKLOADS = (*workloads("postgres"), *workloads("sqlite"))
