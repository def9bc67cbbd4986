"""``python -m tests.stress.chaos.syscalls``: ``kill -9`` at each message between a worker and its PostgreSQL server.

For each thread that a job passes through, the worker dies on entering that thread's first call that sends or receives,
then its second, and so on, until a job comes to its end. Then another worker takes over, and every effect is counted.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import psycopg

sys.path.insert(0, str(Path(__file__).parents[2]))  # as pytest does

from servers.postgres import QUICK, Server, server

from convexpy import Settings
from convexpy.app import Convex
from stress.faults.strace import Traced, is_possible

from .postgres_setup import APP_USER, DATABASE, PLAIN, create_database
from .process_config import APP, SETTINGS, ProcessConfig
from .processes import ChildProcess, ProcessGone
from .run_database import RunDatabase
from .worker import work

CALLS: Final = ("sendto", "recvfrom")
THREADS: Final = ("convexpy-dispatcher", "convexpy-mutations", "convexpy-database")
MOST: Final = 200
SETTLED_SECONDS: Final = 60.0
ONE_AT_A_TIME: Final[dict[str, Any]] = {
    **SETTINGS,
    "mutation_concurrency": 1,
    "action_concurrency": 1,
    "listen_notify": False,
    "poll_interval": 0.2,
}
# Of one call: three mutations, a child of the first, and an action, whose own child may be or not.
CHILDREN: Final = 4
MUTATIONS: Final = 4


@dataclass
class Boundary:
    """A worker that died on entering the nth call of a thread, or did not, and what was wrong afterwards."""

    killed: bool
    wrong: str


class KillTester:
    """A server, a client that schedules, and workers that come and go."""

    def __init__(self, folder: Path, url: str, client: Convex, connection: psycopg.Connection[Any]) -> None:
        self._folder = folder
        self._url = url
        self._client = client
        self._connection = connection
        self._starts = 0

    def boundaries(self, thread: str, call: str) -> Iterator[Boundary]:
        """Every boundary of a thread, one worker each."""
        for number in range(1, MOST):
            boundary = self._die_at(thread, call, number)
            yield boundary
            if not boundary.killed:
                return

    def _die_at(self, thread: str, call: str, number: int) -> Boundary:
        name = f"{thread}-{call}-{number}"
        worker = self._worker()
        try:
            self._schedule(f"{name}-warm")
            self._settle(lambda: self._left() == 0, "the first jobs are over")
            with Traced(self._thread(worker, thread), call, number):
                self._schedule(name)
                self._settle(lambda: not worker.is_alive or self._left() == 0, "it is over, or dead")
            killed = not worker.is_alive
        finally:
            worker.kill()
        successor = self._worker()
        try:
            self._settle(lambda: self._left() == 0, "everything is over")
        finally:
            successor.kill()
        return Boundary(killed, self._wrong(name))

    def _worker(self) -> ChildProcess:
        self._starts += 1
        config = ProcessConfig(f"w0-{self._starts}", self._url, self._folder, "", settings=ONE_AT_A_TIME, crons=False)
        process = ChildProcess(config.name, work, config)
        self._settle(process.is_ready, "a worker comes up")
        return process

    def _thread(self, worker: ChildProcess, name: str) -> int:
        threads: dict[str, int] = worker.ask("threads", None)
        return next(number for thread, number in threads.items() if thread.startswith(name))

    def _schedule(self, call: str) -> None:
        self._client.call("work:fan_out", {"call": call, "children": CHILDREN, "grandchildren": 1})

    def _left(self) -> int:
        return self._number("SELECT count(*) FROM _convexpy_queue")

    def _wrong(self, call: str) -> str:
        """Of the call itself and its mutations one effect each; of its action at most one."""
        like = f"{call}/%"
        twice = "SELECT count(*) - count(DISTINCT call) FROM effects WHERE call LIKE %s"
        of_call = (
            "SELECT count(*) FROM _scheduled_functions AS j WHERE kind = 'mutation' AND args::json ->> 'call' LIKE %s"
        )
        done = " AND state_kind = 'success' AND EXISTS (SELECT FROM effects AS e WHERE e.job = j.id)"
        seen = {
            "doubled": self._number(twice, like),
            "mutations": self._number(of_call, like),
            "done": self._number(of_call + done, like),
        }
        whole = seen["doubled"] == 0 and seen["mutations"] == seen["done"] >= MUTATIONS
        return "" if whole else f"{call}: {seen}"

    def _number(self, query: str, *values: str) -> int:
        row = self._connection.execute(query, values or None).fetchone()
        assert row is not None
        return int(row[0])

    def _settle(self, condition: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + SETTLED_SECONDS
        while not condition():
            if time.monotonic() > deadline:
                raise TimeoutError(f"not within {SETTLED_SECONDS:g} s: {what}")
            time.sleep(0.01)


@contextmanager
def kill_tester() -> Iterator[KillTester]:
    """A server of its own, for the length of the block."""
    with server(QUICK) as made, TemporaryDirectory(prefix="chaos-syscalls-") as folder:
        create_database(made)
        url = url_of(made)
        RunDatabase(Path(folder), url, ONE_AT_A_TIME).prepare()
        settings = Settings(**ONE_AT_A_TIME)
        with (
            Convex(url, functions=APP, settings=settings) as client,
            psycopg.connect(made.dsn(DATABASE), autocommit=True) as connection,
        ):
            yield KillTester(Path(folder), url, client, connection)


def url_of(made: Server) -> str:
    return f"postgresql://{APP_USER}@127.0.0.1:{made.port}/{DATABASE}?{PLAIN}"


def main() -> int:
    if not is_possible():
        print("not possible here: there is no strace")
        return 2
    logging.disable()
    wrong = 0
    with kill_tester() as tester:
        for thread in THREADS:
            for call in CALLS:
                began, kills, found = time.monotonic(), 0, []
                try:
                    for boundary in tester.boundaries(thread, call):
                        kills += boundary.killed
                        found += [boundary.wrong] if boundary.wrong else []
                except (ProcessGone, TimeoutError) as error:
                    found.append(f"{thread}, {call} {kills + 1}: {error}")
                seconds = time.monotonic() - began
                print(f"{thread:<20} {call:<9} {kills} kills, wrong {len(found)}, took {seconds:.0f} s", flush=True)
                for text in found:
                    print(f"    BROKEN {text}")
                wrong += len(found)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
