"""A commit is an event: what a transaction changed, published to this process at once and to others as a hint to look.

The tables are the truth. A lost notification only delays what would be found a few seconds later.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from ..fork import in_child
from .footprint import Footprint, footprint_of_all
from .notifier import Notifier
from .tables import jobs
from .types import JobId
from .write_set import WriteSet

logger = logging.getLogger("convexpy.database")


class QueuedJob(NamedTuple):
    """A job that a commit made claimable, and when it is due."""

    id: JobId
    kind: str
    due_time: datetime


@dataclass(slots=True)
class Commit:
    """What one transaction has changed, as far as that is known without asking the database."""

    scheduled: list[QueuedJob] = field(default_factory=list)
    """The jobs that it inserted or gave back to the queue."""
    ended: list[JobId] = field(default_factory=list)
    """The jobs that it finished or canceled."""
    writes: WriteSet = field(default_factory=WriteSet)
    """The tables that it wrote, the jobs among them, and keys of the rows: what the commit log says of it."""
    statements: dict[str, set[str]] = field(default_factory=dict)
    """The texts of its statements, up to a number, by the function that sent them."""

    began: datetime | None = None
    """When the mutations began whose jobs it finished. None: they were actions, whose start is stored."""
    then: Callable[[], None] | None = None
    """Called once it is committed, before anything else is told of it. It must return at once."""

    @property
    def function(self) -> str | None:
        """The function whose call it was, the first one of a batch. None: the framework's own transaction."""
        return next(iter(self.statements), None)

    def change_jobs(self, ids: Collection[JobId]) -> None:
        """Rows of jobs were written, so ``ctx.system`` may show something else."""
        self.writes.add(jobs.name, {"id": ids})

    def footprint(self) -> Footprint:
        """The tables that it read and wrote, by its statements."""
        return footprint_of_all(statement for texts in self.statements.values() for statement in texts)


# Takes the commit and the driver's connection, which is still at hand.
Publish = Callable[[Commit, Any], None]
Listener = Callable[[Commit], None]


class CommitFeed:
    """Commits of this process reach every listener at once; those of others are announced by the notifier."""

    def __init__(self, notifier: Notifier) -> None:
        self._notifier = notifier
        self._listeners: list[Listener] = []
        self._job_listeners: list[Listener] = []
        self._remote_listeners: list[Callable[[], None]] = []
        in_child.add(self._forget_worker)

    def listen(self, listener: Listener) -> None:
        """Call this after every commit of this process, on the thread that committed. It must return at once."""
        self._listeners.append(listener)

    def forget(self, listener: Listener) -> None:
        """Call it no more."""
        self._listeners.remove(listener)

    def listen_to_jobs(self, listener: Listener, remote: Callable[[], None]) -> None:
        """Call this after every commit of this process that made jobs claimable, and ``remote`` when another process
        may have committed some. The first must return at once, the second may take a moment."""
        self._job_listeners.append(listener)
        self._remote_listeners.append(remote)

    def forget_jobs(self, listener: Listener, remote: Callable[[], None]) -> None:
        """Call them no more."""
        self._job_listeners.remove(listener)
        self._remote_listeners.remove(remote)

    def publish(self, commit: Commit, driver: Any = None) -> None:
        """A transaction of this process was committed. Never fails: an error would make the caller do it again."""
        try:
            if commit.then is not None:
                commit.then()
            if commit.scheduled:
                # This process first: what it starts need not wait for the message to the others.
                for listener in tuple(self._job_listeners):
                    listener(commit)
                self._notifier.notify(driver)
            for listener in tuple(self._listeners):
                listener(commit)
        except Exception:
            logger.exception("a commit could not be announced; what it scheduled is found later")

    def watch(self) -> None:
        """Begin to notice the commits of other processes."""
        self._notifier.listen(self._notify_remote)

    def stop(self) -> None:
        """Notice them no more."""
        self._notifier.stop()

    def _forget_worker(self) -> None:
        """In a child: the worker runs in the parent."""
        self._job_listeners.clear()
        self._remote_listeners.clear()

    def _notify_remote(self) -> None:
        for listener in tuple(self._remote_listeners):
            listener()
