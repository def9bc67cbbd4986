"""Every statement that runs all day: the moves of a job, the lists, the crons."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, event

from convexpy import JobId, Settings
from convexpy.database import (
    attempts,
    cron_runs,
    crons,
    due_times,
    error_groups,
    job_counts,
    job_delays,
    job_queries,
    job_search,
    job_tree,
    jobs,
    log_pruning,
    minutes,
    retention,
    workers,
)
from convexpy.database.claim import Claim, ClaimKey
from convexpy.database.job_filter import JobFilter
from convexpy.database.job_scans import Place
from convexpy.database.job_search import Cursor
from convexpy.database.jobs import NewJob
from convexpy.database.transaction import OPEN_TRANSACTION

NOW = datetime(2030, 1, 7, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
JOB = JobId("0" * 32)
CURSORS = [Cursor("pending", Place(NOW, 1, JOB)), Cursor("finished", Place(NOW, JOB, JOB))]
CLAIM = Claim(JOB, "token", "f:f", "mutation", "{}", 1, NOW, None, 0, NOW)
OWN_TABLES = ("_scheduled_functions", "_convexpy_queue", "_convexpy_finished", "_convexpy_crons", "_convexpy_commits")
OLD = (minutes.OLD_MINUTES, error_groups.OLD_ERRORS, error_groups.OLD_ERROR_MINUTES, attempts.OLD_ATTEMPTS)

MOVES: dict[str, Callable[[Connection], Any]] = {
    "insert": lambda c: jobs.insert_jobs(c, [NewJob(JOB, "f:f", "mutation", "{}", NOW)], NOW),
    "next due": lambda c: jobs.next_due(c),
    "next due of known functions": lambda c: jobs.next_due(c, left_out={"g:g"}),
    "claim": lambda c: claim(c, 10),
    "claim of known functions": lambda c: claim(c, 10, left_out={"g:g"}),
    "start": lambda c: jobs.start(c, CLAIM, "run", NOW),
    "finish": lambda c: jobs.finish(c, [CLAIM], None, NOW),
    "finish several": lambda c: jobs.finish(c, [CLAIM, CLAIM._replace(job_id=JobId("2" * 32))], None, NOW),
    "finish a run": lambda c: jobs.finish(c, [ClaimKey(JOB, "run")], "an error", NOW),
    "release": lambda c: jobs.release(c, CLAIM, "mutation", "error", NOW),
    "unclaim": lambda c: jobs.unclaim(c, [CLAIM]),
    "cancel": lambda c: jobs.cancel(c, JOB, NOW),
    "recover": lambda c: workers.recover_jobs(c, "worker", NOW, Settings()),
    "unknown owners": lambda c: workers.find_unknown(c),
    "purge": lambda c: retention.purge_jobs(c, "success", NOW - timedelta(days=1), NOW, 1000),
    "status": lambda c: job_queries.find_job(c, JOB),
    "list": lambda c: job_queries.list_jobs(c),
    "list pending": lambda c: job_queries.list_jobs(c, "pending"),
    "list running": lambda c: job_queries.list_jobs(c, "inProgress"),
    "list failed": lambda c: job_queries.list_jobs(c, "failed"),
    "list by name": lambda c: job_queries.list_jobs(c, None, "f:f"),
    "list by cron": lambda c: job_queries.list_jobs(c, None, None, "nightly"),
    "purge commits": lambda c: [log_pruning.prune_commits(c, NOW + n * timedelta(minutes=5), 1000) for n in range(4)],
    "next slot": lambda c: crons.next_slot(c),
    "due crons": lambda c: crons.due_crons(c, NOW),
    "advance": lambda c: crons.advance(c, "nightly", NOW, NOW),
    "sums by minute": lambda c: minutes.sums_by_minute(c, NOW),
    "sums of a function by minute": lambda c: minutes.sums_by_minute(c, NOW, 60, "f:f"),
    "sums by function": lambda c: minutes.sums_by_function(c, NOW),
    "latest errors": lambda c: error_groups.recent_errors(c, NOW),
    "errors by minute": lambda c: error_groups.error_times(c, NOW),
    "failed jobs of a function": lambda c: error_groups.failed_jobs(c, "f:f"),
    "jobs by id": lambda c: job_queries.find_jobs(c, [JOB]),
    "attempts of jobs": lambda c: attempts.attempts_of(c, [JOB]),
    "runs of a cron": lambda c: cron_runs.recent_runs(c, "nightly"),
    "purge of what was seen": lambda c: [old.delete(c, NOW, 1000) for old in OLD],
    "search": lambda c: job_search.search(c, JobFilter(), NOW),
    "search a page on": lambda c: [job_search.search(c, JobFilter(), NOW, cursor) for cursor in CURSORS],
    "search of functions": lambda c: job_search.search(c, JobFilter(functions=("f:f", "f:f7")), NOW),
    "search of functions, a page on": lambda c: [
        job_search.search(c, JobFilter(functions=("f:f7",)), NOW, cursor) for cursor in CURSORS
    ],
    "search of a cron": lambda c: job_search.search(c, JobFilter(cron="nightly"), NOW),
    "search in a time": lambda c: job_search.search(c, JobFilter(since=NOW - HOUR, until=NOW + HOUR), NOW),
    "search of failed ones": lambda c: job_search.search(c, JobFilter(states=("failed",)), NOW),
    "counts": lambda c: job_counts.counts(c, JobFilter(), NOW),
    "counts of a function": lambda c: job_counts.counts(c, JobFilter(functions=("f:f7",)), NOW),
    "due between": lambda c: job_counts.due_between(c, NOW, NOW + HOUR, 1000),
    "oldest due": lambda c: job_delays.oldest_due(c),
    "delays": lambda c: job_delays.delays_of(c, [NOW - HOUR, NOW - timedelta(minutes=1)]),
    "tree": lambda c: job_tree.tree_of(c, JOB),
    "children": lambda c: job_tree.children_of(c, JOB),
    "retries": lambda c: job_tree.retries_of(c, JOB),
    "holder": lambda c: job_tree.holder_of(c, JOB),
    "due at another time": lambda c: due_times.make_due(c, [JOB, JobId("2" * 32)], NOW, NOW),
}


def claim(connection: Connection, limit: int, left_out: Collection[str] = ()) -> list[Claim]:
    """Claim for a worker that is known."""
    if not workers.is_known(connection, "worker"):
        workers.register(connection, "worker", NOW, workers.Version(NOW, {}))
    return jobs.claim(connection, "mutation", "worker", NOW, limit, left_out=left_out)


@contextmanager
def statements_of(connection: Connection) -> Iterator[list[tuple[str, Any]]]:
    """What is sent to the database within the block, with one set of parameters each."""
    statements: list[tuple[str, Any]] = []

    def note(connection: Connection, cursor: object, statement: str, parameters: Any, *rest: object) -> None:
        statements.append((statement, parameters[0] if isinstance(parameters, list) else parameters))

    event.listen(connection, "before_cursor_execute", note)
    held = connection.info.pop(OPEN_TRANSACTION, None)  # or the framework's own statements would go past SQLAlchemy
    try:
        yield statements
    finally:
        if held is not None:
            connection.info[OPEN_TRANSACTION] = held
        event.remove(connection, "before_cursor_execute", note)
