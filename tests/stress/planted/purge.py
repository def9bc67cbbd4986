"""Bugs in how what is old is purged."""

from __future__ import annotations

from typing import Final

from .bug import Bug

RETENTION: Final = "tests/promises/test_retention.py"
BEHIND: Final = "test_with_somebodys_transaction_open_the_last_batch_is_as_quick_as_the_first"

PURGE: Final = (
    Bug(
        name="purge looks at the due time",
        breaks="a job that waited for a week because nothing was running is forgotten instead of run",
        file="database/retention.py",
        old="delete(jobs).where(jobs.c.id.in_(_OLD.with_only_columns(finished.c.job_id)))",
        new='delete(jobs).where(jobs.c.scheduled_time < bindparam("before", type_=Timestamp))',
        tests=(
            "tests/dispatch/test_purging.py::test_a_job_that_is_overdue_for_longer_than_the_retention_is_not_purged",
        ),
    ),
    Bug(
        name="purge a day too early",
        breaks="whoever asks on the seventh day what became of a job hears that there was none",
        file="dispatch/retention.py",
        old="before = self._clock.now() - self._settings.retention",
        new="before = self._clock.now() - self._settings.retention * 6 / 7",
        tests=(f"{RETENTION}::test_finished_jobs_are_kept_for_seven_days_and_pending_ones_for_ever",),
    ),
    Bug(
        name="one batch of the purge a minute",
        breaks="whoever finishes more than a thousand jobs a minute has tables that grow for ever",
        file="dispatch/retention.py",
        old="            return time.monotonic() - began\n",
        new="            return LOOK_EVERY.total_seconds()\n",
        tests=("tests/dispatch/test_purging.py::test_much_is_purged_a_batch_at_a_time_with_pauses_between",),
    ),
    Bug(
        name="the purge leaves nobody time",
        breaks="on SQLite, others wait for the turn to write until all of a busy week is purged",
        file="dispatch/retention.py",
        old="            return time.monotonic() - began\n",
        new="            return 0.0\n",
        tests=("tests/dispatch/test_purging.py::test_much_is_purged_a_batch_at_a_time_with_pauses_between",),
    ),
    Bug(
        name="a purge goes on behind what failed",
        breaks="what was in a batch that was rolled back is passed by as long as there is more behind it",
        file="dispatch/retention.py",
        old="        reached, self._reached = self._reached, {}  # after an error from the beginning\n",
        new="        reached = self._reached\n",
        tests=("tests/dispatch/test_purging.py::test_a_purge_that_failed_begins_anew",),
    ),
    Bug(
        name="every batch of the purge begins at the beginning",
        breaks="while somebody's transaction is open, each batch walks over all that was purged since",
        file="dispatch/retention.py",
        old="        self._reached = reached\n",
        new="",
        tests=(f"tests/database/postgres/test_purge.py::{BEHIND}",),
    ),
    Bug(
        name="purges wait for one another",
        breaks="of several workers all but one stand still while one purges",
        file="database/retention.py",
        old=".with_for_update(skip_locked=True)",
        new=".with_for_update()",
        tests=("tests/database/postgres/test_purge.py::test_what_another_worker_is_just_purging_is_passed_by",),
    ),
)
