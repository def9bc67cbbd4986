"""Bugs in what a worker does besides running jobs: dispatching, its heartbeat, and what it does for dead ones."""

from __future__ import annotations

from typing import Final

from .bug import Bug

RETRIES: Final = "tests/promises/test_errors_and_retries.py"

WORKERS: Final = (
    Bug(
        name="a lost action runs again",
        breaks="an action that was running when its process died is started a second time",
        file="database/jobs.py",
        old="""\
            lost += finish_started(connection, row.job_id, row.run_token, LOST_ACTION, now)
            continue
""",
        new="""\
            connection.execute(update(jobs).where(jobs.c.id == row.job_id).values(state_kind="pending"))
            free = {"worker": None, "claim_token": None, "run_token": None}
            connection.execute(update(queue).where(queue.c.job_id == row.job_id).values(free))
            continue
""",
        tests=(f"{RETRIES}::test_an_action_whose_process_died_is_failed_and_never_run_again",),
    ),
    Bug(
        name="what a dead worker claimed stays claimed",
        breaks="a job is lost with the process that was about to run it",
        file="database/jobs.py",
        old="        if connection.execute(sql.POSTPONE, claim).rowcount == 1:\n",
        new="        if not claim:\n",
        tests=(f"{RETRIES}::test_a_mutation_whose_process_died_runs_once",),
    ),
    Bug(
        name="silent once is dead",
        breaks="when the clock of the database jumps, every running action is failed though nobody died",
        file="dispatch/maintenance.py",
        old="            if suspect.is_gone or before.get(suspect.id) == suspect.heartbeat_time:\n",
        new="            if suspect.is_gone or before is not None:\n",
        tests=("tests/promises/test_workers.py::test_a_clock_that_jumps_buries_nobody_who_is_alive",),
    ),
    Bug(
        name="a buried worker goes on under its old name",
        breaks="jobs that it claims and then dies with are never found again",
        file="dispatch/worker.py",
        old="        if not workers.is_known(connection, self.id):\n",
        new="        if False:\n",
        tests=("tests/faults/test_frozen.py::test_a_process_that_was_given_up_claims_nothing_under_its_old_name",),
    ),
    Bug(
        name="notifications are the only truth",
        breaks="a job whose notification was lost waits until something else happens",
        file="dispatch/dispatcher.py",
        old="        self._longest = settings.poll_interval.total_seconds()\n",
        new="        self._longest = 1e6\n",
        tests=("tests/postgres/test_polling.py",),
    ),
    Bug(
        name="a claim in doubt is kept",
        breaks="jobs whose claim was committed but not answered run only when this process is restarted",
        file="dispatch/dispatcher.py",
        old="            self._doubts.append((self._worker.id, token, time.monotonic() + DOUBT_SECONDS))\n",
        new="",
        tests=("tests/postgres/test_unknown_commit.py::test_a_job_happens_once",),
    ),
    Bug(
        name="claims kept at a stop",
        breaks="what a stopped process had claimed waits until it counts as dead",
        file="dispatch/service.py",
        old="        try_to(lambda: self.dispatcher.unclaim(untried))\n",
        new="",
        tests=("tests/faults/test_stop.py::test_claims_are_given_back_at_once_and_not_after_the_grace_of_actions",),
    ),
    Bug(
        name="an unknown function fails at once",
        breaks="during a deployment, old workers fail the jobs of functions that only the new ones have",
        file="dispatch/execute.py",
        old="isinstance(error, FunctionNotFound) and self.insist(lambda: self._strangers.leave(claim, text))",
        new="False",
        tests=("tests/promises/test_workers.py::test_a_job_that_another_worker_knows_is_left_to_it",),
    ),
    Bug(
        name="an unknown function is left for ever",
        breaks="a job whose function was deleted is handed around between workers and never fails",
        file="dispatch/strangers.py",
        old="            waited = now - since >= self._settings.unknown_function_patience\n",
        new="            waited = False\n",
        tests=("tests/promises/test_workers.py::test_a_job_that_nobody_knows_fails_after_the_patience",),
    ),
)
