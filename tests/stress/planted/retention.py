"""Bugs in how old jobs and commits are purged."""

from __future__ import annotations

from typing import Final

from .bug import Bug

RETENTION: Final = "tests/promises/test_retention.py"
PURGING: Final = "tests/dispatch/test_purging.py"
BEHIND: Final = "test_beside_an_open_transaction_the_last_batch_is_as_fast_as_the_first"

RETENTION_BUGS: Final = (
    Bug(
        name="purge by the due time",
        breaks="a job that waited for a week because nothing was running is purged instead of run",
        file="database/retention.py",
        old="delete(jobs).where(jobs.c.id.in_(_OLD.with_only_columns(finished.c.job_id)))",
        new='delete(jobs).where(jobs.c.scheduled_time < bindparam("before", type_=Timestamp))',
        tests=(
            "tests/dispatch/test_purging.py::test_a_job_that_is_overdue_for_longer_than_the_retention_is_not_purged",
        ),
    ),
    Bug(
        name="purge a day too early",
        breaks="a job that ended seven days ago is unknown",
        file="dispatch/retention.py",
        old="before = now - self._settings.retention",
        new="before = now - self._settings.retention * 6 / 7",
        tests=(f"{RETENTION}::test_finished_jobs_are_kept_for_seven_days_and_pending_ones_for_ever",),
    ),
    Bug(
        name="one batch of the purge a minute",
        breaks="where more than a thousand jobs finish a minute, the tables grow for ever",
        file="dispatch/retention.py",
        old="time.monotonic() - began if self.purge() else INTERVAL.total_seconds()",
        new="INTERVAL.total_seconds() if self.purge() else INTERVAL.total_seconds()",
        tests=(f"{PURGING}::test_much_is_purged_a_batch_at_a_time_with_pauses_between",),
    ),
    Bug(
        name="a purge without pauses",
        breaks="on SQLite, others wait for the write lock until all of a busy week is purged",
        file="dispatch/retention.py",
        old="time.monotonic() - began if self.purge() else INTERVAL.total_seconds()",
        new="0.0 if self.purge() else began",
        tests=(f"{PURGING}::test_much_is_purged_a_batch_at_a_time_with_pauses_between",),
    ),
    Bug(
        name="a purge goes on behind what failed",
        breaks="what was in a batch that was rolled back is skipped as long as there is more after it",
        file="dispatch/retention.py",
        old="        reached, self._reached = self._reached, {}  # after an error from the beginning\n",
        new="        reached = self._reached\n",
        tests=(f"{PURGING}::test_a_purge_that_failed_begins_anew",),
    ),
    Bug(
        name="every batch of the purge begins at the beginning",
        breaks="while another client's transaction is open, each batch scans all that was purged since",
        file="dispatch/retention.py",
        old="        self._reached = reached\n",
        new="",
        tests=(f"tests/database/postgres/test_purge.py::{BEHIND}",),
    ),
    Bug(
        name="purges wait for one another",
        breaks="of several workers all but one wait while one purges",
        file="database/retention.py",
        old=".with_for_update(skip_locked=True)",
        new=".with_for_update()",
        tests=("tests/database/postgres/test_purge.py::test_what_another_worker_is_purging_is_skipped",),
    ),
)
