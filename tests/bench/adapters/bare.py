"""No queue: the same statements in a loop, one transaction a job. An interrupted job is lost or runs twice."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable
from itertools import count

from ..app.models import COUNTERS
from ..starts import starts
from .adapter import Adapter, run_adapter
from .session import Work


class BareAdapter(Adapter):
    def prepare(self) -> None:
        self.run("CREATE TABLE todo (jobs integer NOT NULL)")

    def fill(self, job: str, jobs: int) -> None:
        self.run(f"INSERT INTO todo VALUES ({jobs})")

    def left(self) -> int:
        return self.count("SELECT (SELECT jobs FROM todo) - (SELECT count(*) FROM entry)")

    def work(self) -> None:
        jobs, numbers = self.count("SELECT jobs FROM todo"), count()
        job = self.driver_work() if self.options.get("driver") else Work(self.config, self.threads())

        def loop() -> None:
            while (i := next(numbers)) < jobs:
                starts.job()
                job(i)

        for _ in range(self.threads()):
            threading.Thread(target=loop).start()
        time.sleep(3600)

    def threads(self) -> int:
        return int(self.options.get("threads", 1))

    def driver_work(self) -> Callable[[int], None]:
        """The same, without SQLAlchemy."""
        connection = sqlite3.connect(self.config.name, isolation_level=None, check_same_thread=False, timeout=30)
        execute = connection.execute
        execute(f"PRAGMA synchronous = {self.config.synchronous}")

        def work(i: int) -> None:
            execute("BEGIN IMMEDIATE")
            execute("UPDATE counter SET n = n + 1 WHERE id = ?", (i % COUNTERS,))
            execute("INSERT INTO entry (job, note) VALUES (?, 'x')", (i,))
            execute("COMMIT")

        return work

    def run(self, statement: str) -> None:
        self._connection.execute(statement)


if __name__ == "__main__":
    run_adapter(BareAdapter)
