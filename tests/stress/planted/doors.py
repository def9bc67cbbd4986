"""Bugs in the doors: what clients reach, and what the framework's own functions do."""

from __future__ import annotations

from typing import Final

from .bug import Bug

PUBLIC: Final = "tests/_system/test_public_door.py"

DOORS: Final = (
    Bug(
        name="an internal function behind the public door",
        breaks="any client can refund an order",
        file="functions/registry.py",
        old="(with_internal or found.visibility is Visibility.PUBLIC)",
        new="(with_internal or found.visibility in Visibility)",
        tests=(f"{PUBLIC}::test_an_internal_function_is_answered_as_an_unknown_one",),
    ),
    Bug(
        name="every client is an admin",
        breaks="a client on the internet lists and cancels jobs through the framework's own functions",
        file="runtime/call_executor.py",
        old="with_internal=admin is not None",
        new="with_internal=True",
        tests=(f"{PUBLIC}::test_an_internal_function_is_answered_as_an_unknown_one",),
    ),
    Bug(
        name="a float that JSON has no form for",
        breaks="a client gets null for NaN, or cannot read the answer",
        file="functions/encoding.py",
        old="        if is_special(value):\n",
        new="        if is_special(value) and value == 0:\n",
        tests=("tests/functions/test_encoding.py::test_each_type_has_its_form",),
    ),
    Bug(
        name="a page that forgets where it ended",
        breaks="a message is in two pages, or between two, once another one has come",
        file="runtime/transaction.py",
        old="        run.journal = part.end_of_page(call)\n",
        new="",
        tests=("tests/runtime/test_pages.py::test_pages_have_no_gap_and_no_overlap_while_rows_change",),
    ),
    Bug(
        name="rows without a value where the database puts them",
        breaks="on PostgreSQL, pages leave rows out",
        file="runtime/keyset.py",
        old="return ordered.nulls_first() if self.nulls_first else ordered.nulls_last()",
        new="return ordered",
        tests=("tests/runtime/test_pages.py::test_pages_are_all_rows_in_their_order",),
    ),
    Bug(
        name="a cursor of any query",
        breaks="a client makes up a cursor, and the query begins wherever it says",
        file="runtime/cursors.py",
        old="return data if is_signed and",
        new="return data if",
        tests=("tests/runtime/test_pages.py::test_broken_and_forged_cursors_are_refused",),
    ),
    Bug(
        name="a cron run by hand beside its run",
        breaks="a report that takes an hour runs twice at once, after an impatient second click",
        file="_system/crons.py",
        old="        if row is not None and stored.is_running(connection, row.last_job):\n",
        new="        if False:\n",
        tests=("tests/_system/test_system_crons.py::test_a_cron_is_run_by_hand_once_at_a_time_and_keeps_its_slots",),
    ),
    Bug(
        name="a retry of a job that is not finished",
        breaks="a charge that waits for its retry is charged twice",
        file="_system/jobs.py",
        old="    if old.completed_time is None:\n",
        new="    if False:\n",
        tests=("tests/_system/test_system_jobs.py::test_a_finished_job_is_tried_again_as_a_new_one",),
    ),
    Bug(
        name="what the database said in an answer",
        breaks="a client of a web app reads SQL, and the values of another user in it",
        file="web.py",
        old="    if isinstance(error, REDACTED):\n",
        new="    if False:\n",
        tests=("tests/web/test_error_response.py::test_no_client_reads_what_the_database_said",),
    ),
)
