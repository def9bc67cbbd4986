"""Bugs in how a job is inserted, claimed, run, finished and canceled."""

from __future__ import annotations

from typing import Final

from .bug import Bug

CANCELING: Final = "tests/promises/test_canceling.py"
CANCELING_WHAT_RUNS: Final = "tests/promises/test_canceling_what_runs.py"
RETRIES: Final = "tests/promises/test_retries_of_jobs.py"
KILL: Final = "tests/stress/faults/test_kill.py::test_a_process_killed_here_loses_and_doubles_nothing"

JOBS: Final = (
    Bug(
        name="an action ends whoever holds it",
        breaks="a canceled action, or one that was given up, becomes a success after all",
        file="database/jobs.py",
        old="""\
    if sql.TAKE_RUN.execute(connection, {"of_job": job_id, "of_run": run_token}).rowcount != 1:
        return has_ended(connection, job_id, error)
    return _end(connection, sql.END_STARTED, job_id, error, now)
""",
        new="""\
    sql.TAKE_RUN.execute(connection, {"of_job": job_id, "of_run": run_token})
    values = {"state_kind": "success" if error is None else "failed", "state_error": error, "completed_time": now}
    return connection.execute(update(jobs).where(jobs.c.id == job_id).values(values)).rowcount == 1
""",
        tests=(
            f"{CANCELING_WHAT_RUNS}::test_a_running_action_is_canceled_at_once_and_runs_on_for_nothing",
            "tests/dispatch/test_job_claims.py::test_an_action_whose_process_died_is_failed_and_never_run_again",
        ),
    ),
    Bug(
        name="late end of a given-up action counts",
        breaks="an action that was failed because its process seemed dead turns into a success when that wakes",
        file="database/jobs.py",
        old="""\
        return has_ended(connection, job_id, error)
    return _end(connection, sql.END_STARTED, job_id, error, now)
""",
        new="""\
        connection.execute(update(jobs).where(jobs.c.id == job_id).values(state_kind="success", state_error=None))
        return True
    return _end(connection, sql.END_STARTED, job_id, error, now)
""",
        tests=("tests/dispatch/test_job_claims.py::test_an_action_whose_process_died_is_failed_and_never_run_again",),
    ),
    Bug(
        name="an old claim counts",
        breaks="a worker that was given up starts what others have claimed, and whoever dies then leaves it stuck",
        file="database/job_statements.py",
        old="""\
    & (queue.c.claim_token == bindparam("of_claim"))
""",
        new="""\
    & (bindparam("of_claim").is_not(None))
""",
        tests=(
            "tests/dispatch/test_job_claims.py::test_an_old_claim_is_worth_nothing_once_another_worker_has_the_job",
        ),
    ),
    Bug(
        name="claimed jobs are claimed again",
        breaks="two workers run the same job, and one of them for nothing",
        file="database/job_statements.py",
        old="""\
        queue.c.worker.is_(None),
        queue.c.due_time <= bindparam("now"),
""",
        new="""\
        queue.c.due_time <= bindparam("now"),
""",
        tests=("tests/dispatch/test_job_claims.py::test_two_workers_never_have_the_same_job",),
    ),
    Bug(
        name="claim without skip locked",
        breaks="two workers that claim at the same moment wait for each other, and one steals the claims of the other",
        file="database/job_statements.py",
        old="    .with_for_update(skip_locked=True)\n",
        new="",
        tests=("tests/database/postgres/test_claims.py",),
    ),
    Bug(
        name="claimed before its time",
        breaks="a job scheduled for next month runs today, along with another one",
        file="database/jobs.py",
        old='"now": now, "room": room',
        new='"now": datetime.max.replace(tzinfo=now.tzinfo), "room": room',
        tests=("tests/database/postgres/test_time.py::test_a_machine_whose_clock_is_a_day_ahead_runs_nothing_early",),
    ),
    Bug(
        name="a past time jumps the queue",
        breaks="who schedules for last year is served before all who have waited",
        file="database/jobs.py",
        old="    due = max(job.scheduled_time, now)\n",
        new="    due = job.scheduled_time\n",
        tests=("tests/promises/test_times_of_jobs.py::test_a_past_time_does_not_jump_the_queue",),
    ),
    Bug(
        name="mutation completed in another transaction",
        breaks="a crash between the two runs the mutation a second time: the customer pays twice",
        file="dispatch/executor.py",
        old="""\
                report.tell("success", done=self._calls.attempt(call, claim, on_late))
""",
        new="""\
                done = self._calls.attempt(call, None, on_late)
                if not self._change(
                    lambda c, now: jobs.take(c, claim) and jobs.finish_taken(c, claim, None, now)
                ):
                    raise JobLost
                report.tell("success", done=done)
""",
        tests=("tests/stress/simulation/test_seeds.py::test_no_promise_is_broken",),
    ),
    Bug(
        name="end of a job on another connection",
        breaks="a COMMIT that fails leaves a job that counts as done and did nothing",
        file="runtime/call.py",
        old="                done = self.settle(call, held, own_claims, self._end_of(claim, held), on_late)\n",
        new="""\
                def end_elsewhere() -> bool:
                    with self.database.write_internal() as connection:
                        return jobs.finish_taken(connection, claim, None, self.clock.now())

                done = self.settle(call, held, own_claims, end_elsewhere if claim else None, on_late)
""",
        tests=("tests/database/postgres/test_unknown_commit.py::test_a_job_whose_own_commit_breaks_happens_once",),
    ),
    Bug(
        name="action started without a record",
        breaks="an action whose process dies runs again: the bank is called twice",
        file="dispatch/executor.py",
        old="""\
        return self._change(lambda connection, now: jobs.start(connection, claim, token, now), sync="always")

    def _finish(self, claim: Claim, token: str, error: str | None) -> bool:
""",
        new="""\
        return True

    def _finish(self, claim: Claim, token: str, error: str | None) -> bool:
        self._change(lambda connection, now: jobs.start(connection, claim, token, now), sync="always")
""",
        tests=(f"{KILL}[action: inside the handler]",),
    ),
    Bug(
        name="start record not forced to the disk",
        breaks="after a power cut an action runs that had already begun",
        file="dispatch/executor.py",
        old='jobs.start(connection, claim, token, now), sync="always")',
        new="jobs.start(connection, claim, token, now))",
        tests=("tests/dispatch/test_durability.py",),
    ),
    Bug(
        name="start record not known again",
        breaks="an action whose start was committed but not answered never runs, and is in progress for ever",
        file="database/jobs.py",
        old="""\
        return sql.IS_STARTED.execute(connection, {"of_job": claim.job_id, "of_run": run_token}).rows != []
""",
        new="""\
        return False
""",
        tests=("tests/database/postgres/test_unknown_commit.py::test_an_action_whose_own_start_breaks_starts_once",),
    ),
    Bug(
        name="attempts not counted",
        breaks="a job that fails for the hundredth time is tried again as soon as after the first",
        file="database/job_statements.py",
        old='.values(attempts=jobs.c.attempts + 1, last_error=bindparam("error"), next_try=bindparam("new_due"))',
        new='.values(last_error=bindparam("error"), next_try=bindparam("new_due"))',
        tests=(f"{RETRIES}::test_the_tries_of_a_scheduled_mutation_are_at_most_a_minute_apart",),
    ),
    Bug(
        name="an internal error fails the job",
        breaks="a job is lost because the database was away for a moment",
        file="dispatch/executor.py",
        old="report.tell(self.insist(lambda: self._try_again(claim, text, conflict)), text)",
        new="self._end_badly(claim, fault, report)",
        tests=(f"{RETRIES}::test_a_scheduled_mutation_is_tried_until_it_succeeds_once",),
    ),
    Bug(
        name="cancel without a guard",
        breaks="canceling a job that has run makes it look as if it had not",
        file="database/jobs.py",
        old="""\
    if connection.execute(delete(queue).where(queue.c.job_id == job_id)).rowcount != 1:
        return False
    unfinished = jobs.c.state_kind.in_(("pending", "inProgress"))
    values = {"state_kind": "canceled", "completed_time": now, "next_try": None}
    connection.execute(update(jobs).where(jobs.c.id == job_id, unfinished).values(values))
""",
        new="""\
    connection.execute(delete(queue).where(queue.c.job_id == job_id))
    values = {"state_kind": "canceled", "completed_time": now, "next_try": None}
    connection.execute(update(jobs).where(jobs.c.id == job_id).values(values))
""",
        tests=(f"{CANCELING}::test_canceling_what_is_over_changes_nothing",),
    ),
    Bug(
        name="a canceled action still schedules",
        breaks="what a canceled action schedules runs, though nobody wants it any more",
        file="runtime/schedule.py",
        old="        if not is_canceled(connection, self._job.id):\n",
        new="        if True:\n",
        tests=(f"{CANCELING_WHAT_RUNS}::test_a_running_action_is_canceled_at_once_and_runs_on_for_nothing",),
    ),
)
