"""One failover under load, and what became of every order and every job."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from servers.postgres import Server

from convexpy import Settings
from convexpy.app import Convex
from convexpy.errors import ConvexError
from stress.faults.checker import Verdict, check_effects, check_orders, check_stuck
from stress.faults.child_process import wait_until

from .app.models import Base
from .network import Host
from .pair import Pair, ask

HERE = Path(__file__).parent
WORKERS = 3
CALLERS = 2
PAYS, SENDS = 3, 1
PAUSE_SECONDS = 0.1  # between two orders of a caller, so that the workers keep up
PATIENCE_SECONDS = 180.0


@dataclass
class CallLog:
    """The answers that the callers got."""

    acknowledged: dict[str, int] = field(default_factory=dict)
    failed: Counter[str] = field(default_factory=Counter)


@dataclass
class FailoverResult:
    """The result of one failover."""

    verdict: Verdict
    calls: CallLog
    pending: int
    """How many jobs were not over when the primary stopped."""
    outage: float
    """Seconds from the stop of the primary to the first order that was acknowledged afterwards."""


def run(
    servers: Pair, folder: Path, orders: int, *, behind: bool = False, machines: Sequence[Host] = ()
) -> FailoverResult:
    """Work until so many orders were acknowledged, stop the primary, work on until there are as many more.

    ``machines``: the workers run there, one each. ``behind``: the standby misses the last of the orders. That loses
    them, which the verdict must say.
    """
    journal = folder / "journal"
    journal.touch()
    os.environ["CONVEXPY_TEST_JOURNAL"] = str(journal)
    settings = Settings(retry_first=0.05, retry_longest=1.0, commit_timeout=30)  # type: ignore[arg-type]
    with Convex(servers.url(), functions=f"{__package__}.app", metadata=Base.metadata, settings=settings) as convex:
        make_tables(convex, servers)
        with workers(servers, folder, machines), subscriber(convex) as counts:
            wait_until(lambda: registered(servers.primary) == WORKERS, "all workers are there", PATIENCE_SECONDS)
            with callers(convex) as calls:
                wait_until(lambda: len(calls.acknowledged) >= orders, "orders before the failover", PATIENCE_SECONDS)
                wait_until(lambda: finished(servers.primary) > 0, "jobs that are done before it", PATIENCE_SECONDS)
                if behind:
                    servers.fall_behind()
                    missed = len(calls.acknowledged) + orders
                    wait_until(lambda: len(calls.acknowledged) >= missed, "orders that it misses", PATIENCE_SECONDS)
                pending = waiting(servers.primary)
                stopped, before = time.monotonic(), len(calls.acknowledged)
                servers.fail_over()
                wait_until(lambda: len(calls.acknowledged) > before, "an order after the failover", PATIENCE_SECONDS)
                outage = time.monotonic() - stopped
                wait_until(lambda: len(calls.acknowledged) >= before + orders, "as many orders again", PATIENCE_SECONDS)
            if not behind:
                wait_until(lambda: waiting(servers.standby) == 0, "all jobs are over", PATIENCE_SECONDS)
                wait_until(lambda: counts[-1] == effects(servers.standby), "all are seen", PATIENCE_SECONDS)
        if behind:
            # A worker has forgotten what it ended in the history that is lost, and which counts as held by it now.
            with workers(servers, folder):
                wait_until(lambda: registered(servers.standby) == WORKERS, "all workers are back", PATIENCE_SECONDS)
                wait_until(lambda: waiting(servers.standby) == 0, "all jobs are over", PATIENCE_SECONDS)
    verdict = judge(servers.standby, journal, calls.acknowledged)
    if not behind and counts != sorted(set(counts)):
        verdict.broken.append(f"a live query went back, or said the same twice: {counts}")
    return FailoverResult(verdict, calls, pending, outage)


def make_tables(convex: Convex, servers: Pair) -> None:
    convex.migrate()
    with convex.database.ddl() as connection:
        Base.metadata.create_all(connection)


@contextmanager
def workers(servers: Pair, folder: Path, machines: Sequence[Host] = ()) -> Iterator[None]:
    """Processes of ``convexpy worker``, stopped by SIGTERM at the end."""
    command = [sys.executable, "-m", "convexpy", "worker", "--project", str(HERE), "--database", servers.url()]
    with (folder / "workers.log").open("ab") as log:
        there = [machine.prefix() for machine in machines] or [[]] * WORKERS
        started = [subprocess.Popen([*prefix, *command], stdout=log, stderr=log) for prefix in there]
        try:
            yield
            ended = [process.pid for process in started if process.poll() is not None]
            assert not ended, f"ended by itself: {ended}\n{(folder / 'workers.log').read_text()[-4000:]}"
            for process in started:
                process.send_signal(signal.SIGTERM)
            ends = {process.wait(PATIENCE_SECONDS) for process in started}
            assert ends <= {0, -signal.SIGTERM}, f"{ends}: 0 is a clean stop, the signal one before it had begun"
        finally:
            for process in started:
                process.kill()
                process.wait()


@contextmanager
def callers(convex: Convex) -> Iterator[CallLog]:
    """Threads that place one order after the other, whatever happens."""
    calls, over = CallLog(), threading.Event()

    def call(caller: int) -> None:
        number = 0
        while not over.is_set():
            label, number = f"{caller}-{number}", number + 1
            try:
                calls.acknowledged[label] = convex.call("work:order", {"label": label, "pays": PAYS, "sends": SENDS})
            except ConvexError as error:
                calls.failed[type(error).__name__] += 1
            over.wait(PAUSE_SECONDS)

    threads = [threading.Thread(target=call, args=(n,)) for n in range(CALLERS)]
    for thread in threads:
        thread.start()
    try:
        yield calls
    finally:
        over.set()
        for thread in threads:
            thread.join()


@contextmanager
def subscriber(convex: Convex) -> Iterator[list[int]]:
    """How many effects a live query has seen, one value after the other. They only grow."""
    counts: list[int] = []
    with convex.subscribe("work:effects") as updates:
        thread = threading.Thread(target=lambda: counts.extend(updates))
        thread.start()
        yield counts
    thread.join()


def registered(server: Server) -> int:
    return int(ask(server, "SELECT count(*) AS number FROM _convexpy_workers")[0]["number"])


def waiting(server: Server) -> int:
    return int(ask(server, "SELECT count(*) AS number FROM _convexpy_queue")[0]["number"])


def effects(server: Server) -> int:
    return int(ask(server, "SELECT count(*) AS number FROM effects")[0]["number"])


def finished(server: Server) -> int:
    return int(ask(server, "SELECT count(*) AS number FROM _convexpy_finished")[0]["number"])


def judge(server: Server, journal: Path, acknowledged: dict[str, int]) -> Verdict:
    """From the tables and the journal alone."""
    verdict = Verdict()
    jobs = {row["id"]: row for row in ask(server, "SELECT * FROM _scheduled_functions")}
    effects = ask(server, "SELECT label, job, pid FROM effects")
    ended = Counter(row["job_id"] for row in ask(server, "SELECT job_id FROM _convexpy_finished"))
    verdict.jobs = len(jobs)
    verdict.states.update(row["state_kind"] for row in jobs.values())
    verdict.processes.update(row["pid"] for row in effects if row["job"] is not None)
    check_stuck(verdict, jobs, ask(server, "SELECT * FROM _convexpy_queue"), ended)
    check_effects(verdict, jobs, effects, journal)
    check_orders(verdict, jobs, effects, acknowledged)
    return verdict
