"""A worker that never runs out of jobs, and the feeder that enqueues them."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from bench.starts import FOLDER, StartReader

from convexpy import Convex
from convexpy.database.jobs import NewJob, insert_jobs

HERE = Path(__file__).parent
BATCH = 1_000
PAUSE_SECONDS = 0.05
PATIENCE_SECONDS = 60.0


class Feeder:
    """Keeps so many jobs waiting, or more."""

    def __init__(self, convex: Convex, starts: StartReader, ahead: int) -> None:
        self._convex = convex
        self._observed = starts
        self._ahead = ahead
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._feed, name="feeder")
        self.fed = 0
        self.error: Exception | None = None

    def __enter__(self) -> Feeder:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._over.set()
        self._thread.join()

    def _feed(self) -> None:
        try:
            while not self._over.wait(PAUSE_SECONDS):
                while self.fed - self._observed.jobs() < self._ahead and not self._over.is_set():
                    enqueue(self._convex, BATCH)
                    self.fed += BATCH
        except Exception as error:
            self.error = error


def enqueue(convex: Convex, many: int) -> None:
    """So many jobs that are due, in one transaction."""
    database, now = convex.database, convex.clock.now()
    new = [NewJob(database.new_job_id(), "work:count", "mutation", "{}", now) for _ in range(many)]
    with database.write_internal() as connection:
        insert_jobs(connection, new, now)


@contextmanager
def worker(url: str, folder: Path, retention_seconds: float) -> Iterator[subprocess.Popen[bytes]]:
    """``convexpy worker``, stopped by SIGTERM."""
    command = [sys.executable, "-m", "convexpy", "worker", "--project", str(HERE), "--database", url]
    path = os.pathsep.join([str(HERE.parents[1]), str(HERE.parents[2]), os.environ.get("PYTHONPATH", "")])
    more = {"PYTHONPATH": path, "CONVEXPY_RETENTION": str(retention_seconds), FOLDER: str(folder)}
    with (folder / "worker.log").open("ab") as log:
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=log, env={**os.environ, **more})
        try:
            yield process
            process.terminate()
            if code := process.wait(PATIENCE_SECONDS):
                raise RuntimeError(f"the worker ended with {code}; see {folder / 'worker.log'}")
        finally:
            with suppress(ProcessLookupError):
                process.kill()
            process.wait()
