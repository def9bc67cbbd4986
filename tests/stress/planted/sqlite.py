"""Bugs in what is special to SQLite."""

from __future__ import annotations

from typing import Final

from .bug import Bug

GONE: Final = "tests/promises/test_a_database_file_that_is_gone.py"

SQLITE: Final = (
    Bug(
        name="a file that is gone is written to",
        breaks="after the database file is deleted or replaced, mutations are acknowledged and lost",
        file="database/sqlite/database_file.py",
        old="        if found == self._opened and self._lost_companion is None:\n",
        new="        if self._lost_companion is None:\n",
        tests=(f"{GONE}::test_every_call_fails_and_says_what_to_do",),
    ),
    Bug(
        name="a deleted write-ahead log is written to",
        breaks="after the log is deleted, mutations are acknowledged and lost",
        file="database/sqlite/database_file.py",
        old="            if file_id(path) != opened:\n",
        new="            if False:\n",
        tests=(f"{GONE}::test_a_deleted_log_is_noticed_and_its_commits_are_kept",),
    ),
    Bug(
        name="a missing file is an error of the job",
        breaks="jobs fail for good while the database file is away",
        file="database/errors.py",
        old="ConnectionLost | DatabaseGone | PoolTimeout",
        new="ConnectionLost | PoolTimeout",
        tests=(f"{GONE}::test_a_job_that_meets_a_missing_file_waits",),
    ),
)
