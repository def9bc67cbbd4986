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
        old="        if found is not None and found.visibility is Visibility.PUBLIC:\n",
        new="        if found is not None:\n",
        tests=(f"{PUBLIC}::test_an_internal_function_is_answered_as_an_unknown_one",),
    ),
    Bug(
        name="the public door finds every function",
        breaks="a client on the internet lists and cancels jobs through the framework's own functions",
        file="runtime/call_executor.py",
        old="self._bind_json(self.app.registry.find_public(name), values, identity)",
        new="self._bind_json(self.app.registry.find(name), values, identity)",
        tests=(f"{PUBLIC}::test_an_internal_function_is_answered_as_an_unknown_one",),
    ),
    Bug(
        name="an internal name in a hint",
        breaks="a client that guesses names learns those of internal functions",
        file="functions/registry.py",
        old="{nearest(name, public)}",
        new="{nearest(name, self.functions) if public else ''}",
        tests=(f"{PUBLIC}::test_a_hint_names_public_functions_only",),
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
