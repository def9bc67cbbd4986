"""What is measured, one function each. Every one checks its own counts and returns one figure per run."""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import create_engine, event, func, select, update
from sqlalchemy.orm import Session

from convexpy import Convex, Settings
from convexpy.database.jobs import NewJob, insert_jobs, new_job_id
from convexpy.runtime.run import Run

from . import app
from .app import COUNTERS, Base, Counter, Entry


@contextmanager
def opened(synchronous: str) -> Iterator[Convex]:
    """A fresh database with the app's tables and its counters."""
    with tempfile.TemporaryDirectory(prefix="convexpy-bench-") as folder:
        url = f"sqlite:///{Path(folder) / 'bench.db'}"
        settings = Settings.model_validate({"sqlite_synchronous": synchronous})
        with Convex(url, functions=app, metadata=Base.metadata, settings=settings) as convex:
            convex.migrate()
            with convex.database.internal() as connection:
                Base.metadata.create_all(connection)
            with convex.database.internal() as connection:
                connection.execute(Counter.__table__.insert(), [{"id": i, "n": 0} for i in range(COUNTERS)])
            yield convex


def drain(function: str, synchronous: str, jobs: int) -> float:
    """Jobs per second while the dispatcher empties a queue of due mutations."""
    with opened(synchronous) as convex:
        now = convex.clock.now()
        new = [NewJob(new_job_id(), f"app:{function}", "mutation", f'{{"i":{i}}}', now) for i in range(jobs)]
        with convex.database.internal() as connection:
            insert_jobs(connection, new, now)
        left, empty = [jobs], threading.Event()

        def count(run: Run) -> None:
            left[0] -= 1
            if left[0] == 0:
                empty.set()

        convex.on_run(count)
        begun = time.perf_counter()
        with convex.running():
            if not empty.wait(120):
                raise AssertionError(f"{left[0]} of {jobs} jobs were not run")
            seconds = time.perf_counter() - begun
        check_work(convex, jobs if function == "work" else 0)
        return jobs / seconds


def latency(synchronous: str, samples: int) -> list[float]:
    """Milliseconds from the return of a mutation that schedules to the first line of what it scheduled, idle."""
    found = []
    with opened(synchronous) as convex, convex.running():
        for _ in range(samples):
            convex.run(app.schedule_probe)
            committed = time.perf_counter()
            found.append((app.started.get(timeout=10) - committed) * 1000)
    return found


def direct(synchronous: str, calls: int) -> float:
    """Microseconds of one direct call of the mutation that updates and inserts."""
    with opened(synchronous) as convex:
        for i in range(50):
            convex.run(app.work, i=i)
        begun = time.perf_counter()
        for i in range(calls):
            convex.run(app.work, i=i)
        seconds = time.perf_counter() - begun
        check_work(convex, calls + 50)
        return seconds / calls * 1e6


def bare(synchronous: str, calls: int) -> float:
    """Microseconds of the same statements in a plain Session transaction on the same kind of connection."""
    with opened(synchronous) as convex:
        engine = create_engine(convex.database.url)

        @event.listens_for(engine, "connect")
        def prepare(driver: object, record: object) -> None:
            driver.isolation_level = None  # type: ignore[attr-defined]
            driver.execute(f"PRAGMA synchronous = {synchronous}")  # type: ignore[attr-defined]

        @event.listens_for(engine, "begin")
        def begin(connection: object) -> None:
            connection.exec_driver_sql("BEGIN IMMEDIATE")  # type: ignore[attr-defined]

        def once(i: int) -> None:
            with Session(engine) as session, session.begin():
                session.execute(update(Counter).where(Counter.id == i % COUNTERS).values(n=Counter.n + 1))
                session.add(Entry(job=i, note="x"))

        for i in range(50):
            once(i)
        begun = time.perf_counter()
        for i in range(calls):
            once(i)
        seconds = time.perf_counter() - begun
        engine.dispose()
        check_work(convex, calls + 50)
        return seconds / calls * 1e6


def check_work(convex: Convex, times: int) -> None:
    """Every effect is there, exactly once."""
    with convex.database.read() as held:
        updates = held.connection.execute(select(func.sum(Counter.n))).scalar()
        inserts = held.connection.execute(select(func.count(Entry.id))).scalar()
    if (updates, inserts) != (times, times):
        raise AssertionError(f"expected {times} effects, found {updates} updates and {inserts} inserts")
