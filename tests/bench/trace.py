"""What one call passes: files and functions of the package, and threads, until all that it causes is finished.

    python -m tests.bench.trace                        on SQLite
    python -m tests.bench.trace --database postgres    on a PostgreSQL from a wheel
    python -m tests.bench.trace --verbose              also the files, and the calls of each thread

A sample counts what the package executes in every thread, the caller's included: from the call until it has returned,
the run of the job that it scheduled has been reported (``Convex.on_run``), and every thread waits again. Generators and
comprehensions count as calls, as far as this version of Python makes them so. One-time work (imports, compiled
statements, first connections) has been done by earlier calls of the same kind, and what runs by the clock (heartbeat,
purge) has intervals of an hour. Of several samples the table shows the one whose number of calls is the most frequent:
a tick that happens by chance does not repeat itself.
"""

from __future__ import annotations

import argparse
import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from types import CodeType, FrameType
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1]))  # as pytest does

from servers.postgres import server
from sqlalchemy import create_engine

import convexpy
from convexpy import Convex, Settings

from . import app
from .app import traced
from .app.models import Base

PACKAGE = Path(convexpy.__file__).parent
PREFIX = f"{PACKAGE}{os.sep}"
FOLDERS = ("functions", "runtime", "dispatch", "database")
HOUR = timedelta(hours=1)
INTERVALS = {"poll_interval": HOUR, "heartbeat_interval": HOUR, "heartbeat_timeout": 3 * HOUR}
SETTINGS = Settings(mutation_time_limit=HOUR, query_time_limit=HOUR, **INTERVALS)
# Longer than the framework delays anything on purpose.
QUIET_SECONDS = 0.15
# What is called, and the job to wait for.
KINDS: dict[str, tuple[Any, Any]] = {
    "query": (traced.read, None),
    "direct mutation": (traced.insert, None),
    "schedule.now + run": (traced.insert_now, traced.insert),
    "schedule.after + run": (traced.insert_after, traced.insert),
    "direct action": (traced.act, None),
    "schedule.now + action": (traced.act_now, traced.act),
}


class Step(NamedTuple):
    """One call into a function of the package."""

    thread: str
    depth: int
    code: CodeType

    @property
    def file(self) -> str:
        return self.code.co_filename.removeprefix(PREFIX)


Sample = list[Step]


class Recorder:
    """Records calls into the package, by this thread and by those that start while it is installed."""

    def __init__(self) -> None:
        self._sample: Sample | None = None
        self._depths: Counter[str] = Counter()

    @contextmanager
    def installed(self) -> Iterator[None]:
        before = sys.getprofile()
        threading.setprofile(self._profile)
        sys.setprofile(self._profile)
        try:
            yield
        finally:
            sys.setprofile(before)
            threading.setprofile(None)

    def start(self) -> None:
        self._depths.clear()
        self._sample = []

    def stop(self) -> Sample:
        """Return when no thread has called anything for a while."""
        sample, seen = self._sample, -1
        assert sample is not None
        while seen < len(sample):
            seen = len(sample)
            time.sleep(QUIET_SECONDS)
        self._sample = None
        return sample

    def _profile(self, frame: FrameType, event: str, argument: object) -> None:
        sample = self._sample
        if sample is None or event not in ("call", "return") or not frame.f_code.co_filename.startswith(PREFIX):
            return
        thread = threading.current_thread().name
        if event == "call":
            sample.append(Step(thread, self._depths[thread], frame.f_code))
        self._depths[thread] = max(0, self._depths[thread] + (1 if event == "call" else -1))


def trace(url: str, kinds: list[str], samples: int, warm_up: int) -> dict[str, Sample]:
    """The usual sample of each kind of call, on a new database."""
    engine = create_engine(url)
    Base.metadata.create_all(engine)
    engine.dispose()
    recorder, reported = Recorder(), threading.Event()
    with recorder.installed(), Convex(url, functions=app, settings=SETTINGS) as convex:
        convex.migrate()

        def once(function: Any, job: Any) -> Sample:
            reported.clear()
            recorder.start()
            convex.run(function)
            if job is not None and not reported.wait(30):
                raise TimeoutError(f"{job.name} has not run within 30 seconds")
            return recorder.stop()

        convex.on_run(lambda run: reported.set() if run.job else None)
        found = {}
        with convex.running():
            for kind in kinds:
                taken = [once(*KINDS[kind]) for _ in range(warm_up + samples)][warm_up:]
                found[kind] = usual(taken)
    return found


def usual(samples: list[Sample]) -> Sample:
    calls = Counter(len(sample) for sample in samples)
    return min(samples, key=lambda sample: (-calls[len(sample)], len(sample)))


def table(found: dict[str, Sample]) -> Iterator[str]:
    yield f"{'call':24}{'files':>7}{'calls':>7}{'threads':>9}"
    for kind, sample in found.items():
        files, by_thread = {step.file for step in sample}, Counter(step.thread for step in sample)
        names = ", ".join(f"{name} {calls}" for name, calls in by_thread.items())
        yield f"{kind:24}{len(files):7}{len(sample):7}{len(by_thread):9}  {names}"


def details(found: dict[str, Sample]) -> Iterator[str]:
    for kind, sample in found.items():
        yield f"\n{kind}: {', '.join(sorted({step.file for step in sample}))}"
        for thread in dict.fromkeys(step.thread for step in sample):
            steps = [step for step in sample if step.thread == thread]
            yield f"  {thread}"
            yield from (f"    {'  ' * step.depth}{step.code.co_qualname}  {step.file}" for step in steps)


def size() -> str:
    """Files and lines of what is below the command line."""
    paths = [*PACKAGE.glob("*.py"), *(path for folder in FOLDERS for path in (PACKAGE / folder).rglob("*.py"))]
    lines = sum(len(path.read_text("utf-8").splitlines()) for path in paths)
    return f"below the command line (root, {', '.join(FOLDERS)}): {len(paths)} files, {lines:,} lines"


@contextmanager
def new_database(kind: str) -> Iterator[str]:
    if kind == "sqlite":
        with TemporaryDirectory(prefix="convexpy-trace-") as folder:
            yield f"sqlite:///{folder}/trace.db"
    else:
        with server() as started:
            yield started.url().replace("postgresql://", "postgresql+psycopg://")


def main(arguments: list[str] | None = None, say: Callable[[str], None] = print) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.trace", description="What one call passes.")
    parser.add_argument("--database", choices=("sqlite", "postgres"), default="sqlite")
    parser.add_argument("--only", nargs="+", choices=KINDS, default=list(KINDS), metavar="CALL", help=", ".join(KINDS))
    parser.add_argument("--samples", type=int, default=9, help="how often each call is traced (9)")
    parser.add_argument("--warm-up", type=int, default=10, help="how often it is called before (10)")
    parser.add_argument("--verbose", action="store_true", help="also the calls of each thread, and the files")
    wanted = parser.parse_args(arguments)
    with new_database(wanted.database) as url:
        found = trace(url, wanted.only, wanted.samples, wanted.warm_up)
    for line in (*table(found), "", size(), *(details(found) if wanted.verbose else ())):
        say(line)


if __name__ == "__main__":
    main()
