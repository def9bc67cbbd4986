"""``Metrics``: what a process runs, counted by ``prometheus-client``, if that is installed.

Several processes share their counts if ``PROMETHEUS_MULTIPROC_DIR`` names a folder.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from ..database.conflicts import ConflictRecord
from .events import Run

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry, Counter, Histogram

PACKAGE: Final = "prometheus_client"
FOLDER: Final = "PROMETHEUS_MULTIPROC_DIR"
BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""The upper bounds of durations that are told apart, in seconds."""


def is_installed() -> bool:
    """Whether the package is there that counts."""
    return find_spec(PACKAGE) is not None


@contextmanager
def shared_by_children() -> Iterator[None]:
    """Let the processes that are started in this block share their counts, unless a folder is named already."""
    if not is_installed() or os.environ.get(FOLDER):
        yield
        return
    with TemporaryDirectory(prefix="convexpy-metrics-") as folder:
        os.environ[FOLDER] = folder
        try:
            yield
        finally:
            del os.environ[FOLDER]


def forget_dead(folder: Path) -> None:
    """Forget the gauges of processes that have ended. What they counted stays."""
    from prometheus_client.multiprocess import mark_process_dead

    for path in folder.glob("gauge_live*_*.db"):
        pid = int(path.stem.rpartition("_")[2])
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            mark_process_dead(pid)  # type: ignore[no-untyped-call]
        except PermissionError:
            pass


class Metrics:
    """The counts of one app. They begin with the process, and only grow, but for the open sockets."""

    def __init__(self) -> None:
        from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

        self._registry = CollectorRegistry()
        self._runs = Counter(
            "convexpy_runs",
            "Runs of functions: direct calls, and attempts of jobs.",
            ["function", "kind", "outcome"],
            registry=self._registry,
        )
        self._seconds = Histogram(
            "convexpy_run_seconds",
            "How long runs took, in seconds.",
            ["function"],
            registry=self._registry,
            buckets=BUCKETS,
        )
        self._conflicts = Counter(
            "convexpy_conflicts",
            "Times that a mutation was rolled back by a conflict, and on which table it was, where that is known.",
            ["function", "table"],
            registry=self._registry,
        )
        self.sockets = Gauge(
            "convexpy_sockets", "Open WebSockets.", registry=self._registry, multiprocess_mode="livesum"
        )
        # To find a metric by its labels takes longer than to count.
        self._known: dict[tuple[str, str, str], tuple[Counter, Histogram]] = {}

    def on_run(self, run: Run) -> None:
        """A function has run."""
        key = run.name, run.kind.value, run.outcome
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = self._runs.labels(*key), self._seconds.labels(run.name)
        runs, seconds = known
        runs.inc()
        seconds.observe(run.seconds)

    def on_conflict(self, conflict: ConflictRecord) -> None:
        """A mutation has conflicted."""
        self._conflicts.labels(conflict.function, conflict.table or "").inc(conflict.times)

    def registry(self) -> CollectorRegistry:
        """What is counted, of this process or of all that share a folder. Other metrics may be added to it."""
        from prometheus_client import CollectorRegistry
        from prometheus_client.multiprocess import MultiProcessCollector

        registry = CollectorRegistry()
        if folder := os.environ.get(FOLDER):
            forget_dead(Path(folder))
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        else:
            registry.register(self._registry)
        return registry
