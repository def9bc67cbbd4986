"""The adapter of a system: a script that answers commands on standard input, or runs jobs until it is terminated.

python -m tests.bench.adapters.huey CONFIG client    reads commands, a JSON list a line, and answers each with a line
python -m tests.bench.adapters.huey CONFIG worker    prints "ready", waits for a line, and runs jobs
"""

from __future__ import annotations

import json
import os
import random
import sqlite3
import sys
import time
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from ..config import Config
from ..starts import FOLDER, StartReader

WARM_UP = 5


class Adapter:
    """One system on one database. The benchmark calls these methods by name."""

    LEFT: ClassVar[str] = ""
    """SQL that counts the unfinished jobs."""
    DONE: ClassVar[str] = ""
    """SQL that counts the jobs that have succeeded, if the system keeps them."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.options = config.options

    def prepare(self) -> None:
        """Create the queue's own tables."""

    def fill(self, job: str, jobs: int) -> None:
        """Enqueue this many jobs in the system's fastest way; ``job`` is "nothing" or "work"."""
        raise NotImplementedError

    def work(self) -> None:
        """Run jobs until the process is terminated."""
        raise NotImplementedError

    def left(self) -> int:
        return self.count(self.LEFT)

    def pending(self) -> int:
        """How many jobs are in the queue."""
        return self.left()

    def done(self) -> int | None:
        return self.count(self.DONE) if self.DONE else None

    def caller(self) -> Callable[[int], object]:
        """A function that saves one row and enqueues one job in one transaction."""
        raise NotImplementedError

    def sender(self) -> Callable[[int], object]:
        """A function that enqueues the job that records the start of a sample, and returns after its COMMIT."""
        raise NotImplementedError

    def calls(self, calls: int) -> float:
        """Seconds of this many calls, one after the other."""
        call = self.caller()
        call(0)
        started_at = time.monotonic()
        for i in range(1, calls):
            call(i)
        return time.monotonic() - started_at

    def latencies(self, samples: int) -> list[tuple[float, float]]:
        """Milliseconds to the first line of the handler on an idle system, since COMMIT returned and since the call.

        The first favours a system that wakes its worker before COMMIT returns; the second includes the transaction.
        """
        reader = StartReader(Path(self.config.starts))
        send = self.sender()
        found = []
        for i in range(samples + WARM_UP):
            time.sleep(random.uniform(0.005, 0.035))
            called = time.monotonic()
            send(i)
            committed = time.monotonic()
            while (started := reader.sample(i)) is None:
                time.sleep(0.0002)
                if time.monotonic() - committed > 20:
                    raise TimeoutError(f"sample {i} did not start within 20 seconds")
            found.append(((started - committed) * 1000, (started - called) * 1000))
        return found[WARM_UP:]

    def count(self, statement: str) -> int:
        """The number that a statement returns."""
        (row,) = self._connection.execute(statement)
        return int(row[0] or 0)

    @cached_property
    def _connection(self) -> Any:
        if self.config.database == "sqlite":
            return sqlite3.connect(self.config.name, isolation_level=None, timeout=30)
        import psycopg

        return psycopg.connect(self.config.name, autocommit=True)


def run_adapter(kind: Callable[[Config], Adapter]) -> None:
    """Run as a client or a worker, as the command line says."""
    config = Config.from_json(sys.argv[1])
    os.environ[FOLDER] = config.starts
    # Answers have a descriptor of their own: libraries may print.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    adapter = kind(config)
    if sys.argv[2] == "worker":
        print("ready", file=answers)
        sys.stdin.readline()
        adapter.work()
        return
    for line in sys.stdin:
        command, *arguments = json.loads(line)
        try:
            answer = {"result": getattr(adapter, command)(*arguments)}
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"[:500]}
        print(json.dumps(answer), file=answers)
