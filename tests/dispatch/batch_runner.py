"""One thread of the mutation pool, moved by hand: what it is given runs as a batch, however slow the machine is.

Whether mutations share a transaction depends on how long they took lately. Here they are known to be quick, and with
``no_hurry`` a batch has all the time it wants, so that every machine sees the same batches.
"""

from __future__ import annotations

from typing import Any

from app.models import Note
from sqlalchemy import select

from convexpy import Convex, JobId, MutationCtx, Settings
from convexpy._system import jobs as system_jobs
from convexpy.database.claim import Claim
from convexpy.database.scheduled_function import ScheduledFunction
from convexpy.dispatch.batch import Batch
from convexpy.dispatch.dispatcher import Dispatcher
from convexpy.functions.declare import Kind
from convexpy.runtime.events import Run

QUICK_SECONDS = 0.001
# As always, only faster: no test waits for what it made go wrong.
QUICK: dict[str, Any] = {"retry_first": 0.01, "retry_longest": 0.1, "poll_interval": 0.2}


class Journal:
    """What the handlers of a test note: which function ran, in which transaction."""

    def __init__(self) -> None:
        self.entries: list[tuple[str, object]] = []

    def note(self, ctx: MutationCtx, text: str) -> None:
        self.entries.append((text, vars(ctx)["_transaction"].transaction))

    @property
    def texts(self) -> list[str]:
        return [text for text, _ in self.entries]

    @property
    def transactions(self) -> list[list[str]]:
        """The entries of each transaction, in the order in which they began."""
        by_transaction: dict[int, list[str]] = {}
        for text, transaction in self.entries:
            by_transaction.setdefault(id(transaction), []).append(text)
        return list(by_transaction.values())


class BatchRunner:
    """Claims what is due, as the dispatcher does, and runs all of it as one batch, as a thread of the pool does."""

    def __init__(self, convex: Convex, *quick: str) -> None:
        self._worker = convex.worker
        self.ended: list[Claim] = []
        self.runs: list[Run] = []
        convex.on_run(lambda run: self.runs.append(run) if run.job else None)
        for name in quick:
            self._worker.executor.policy.succeeded(name, QUICK_SECONDS, shared=False)

    def claim(self) -> list[Claim]:
        return Dispatcher.claim(self._worker.dispatcher, Kind.MUTATION, 1000)  # even where that one finds nothing

    def work(self, claims: list[Claim] | None = None) -> None:
        """Run what is due to its end."""
        self._worker.executor.perform(Batch(self.claim() if claims is None else claims), self.ended.extend)

    def outcomes(self) -> list[str]:
        """What the listeners got of each run."""
        return [run.outcome for run in self.runs]


def opened(database: str, functions: Any, **settings: Any) -> Convex:
    """An app under the real time, for `running()`."""
    wanted = Settings(**{**QUICK, "sqlite_synchronous": "NORMAL", **settings})
    return Convex(database, functions=functions, settings=wanted)


def texts(convex: Convex) -> list[str]:
    """The notes that are there, in order."""
    with convex.database.read_internal() as connection:
        return list(connection.execute(select(Note.text).order_by(Note.text)).scalars())


def jobs_of(convex: Convex) -> dict[JobId, ScheduledFunction]:
    return {job.id: job for job in convex.run(system_jobs.list, limit=10_000)}


def states(convex: Convex) -> list[str]:
    """The states of all jobs, in the order of their names and arguments."""
    return [job.state.kind for job in sorted(jobs_of(convex).values(), key=lambda job: (job.name, str(job.args)))]


def is_quiet(convex: Convex) -> bool:
    """Whether every job is over."""
    return not convex.run(system_jobs.list, state="pending", limit=1)
