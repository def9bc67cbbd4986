"""Bugs in how a job is inserted, claimed, started, finished, released and canceled."""

from __future__ import annotations

from typing import Final

from .bug import Bug

CANCELING: Final = "tests/promises/test_canceling.py"
CANCELING_WHAT_RUNS: Final = "tests/promises/test_canceling_what_runs.py"
CLAIMS: Final = "tests/dispatch/test_job_claims.py"
RETRIES: Final = "tests/promises/test_retries_of_jobs.py"
BATCHES: Final = "tests/dispatch/test_batches.py"
SEVERAL: Final = "tests/dispatch/test_several_workers.py"
UNKNOWN: Final = "tests/database/postgres/test_unknown_commit.py"
KILL: Final = "tests/stress/faults/test_kill.py::test_a_process_killed_here_loses_and_doubles_nothing"

JOBS: Final = (
    Bug(
        name="an action ends without its run token",
        breaks="a canceled action, or one that was given up, becomes a success after all",
        file="dispatch/executor.py",
        old="""\
            return jobs.finish(connection, [key], error, now, trace) or jobs.has_ended(connection, key.job_id, error)
""",
        new="""\
            from ..database.tables import jobs as rows

            jobs.finish(connection, [key], error, now, trace)
            values = {"state_kind": "success" if error is None else "failed", "state_error": error}
            return connection.execute(rows.update().where(rows.c.id == key.job_id).values(values)).rowcount == 1
""",
        tests=(
            f"{CANCELING_WHAT_RUNS}::test_a_running_action_is_canceled_at_once_and_runs_on_for_nothing",
            f"{CLAIMS}::test_an_action_whose_process_died_is_failed_and_never_run_again",
        ),
    ),
    Bug(
        name="late end of a given-up action counts",
        breaks="an action that was failed because its process seemed dead turns into a success when that wakes",
        file="database/jobs.py",
        old="""\
    return ("success" if error is None else "failed", error) in sql.STATE.execute(connection, {"of_job": job_id}).rows
""",
        new="""\
    connection.execute(update(jobs).where(jobs.c.id == job_id).values(state_kind="success", state_error=None))
    return True
""",
        tests=(f"{CLAIMS}::test_an_action_whose_process_died_is_failed_and_never_run_again",),
    ),
    Bug(
        name="an old claim counts",
        breaks="a worker that was given up starts what others have claimed, and a crash of it leaves the job stuck",
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
        tests=(f"{CLAIMS}::test_two_workers_never_have_the_same_job",),
    ),
    Bug(
        name="claim without skip locked",
        breaks="two workers that claim at the same moment wait for each other, and one steals the claims of the other",
        file="database/job_statements.py",
        old="    .with_for_update(skip_locked=True)\n",
        new="",
        tests=("tests/database/postgres/test_concurrent_claims.py",),
    ),
    Bug(
        name="a worker that was given up claims",
        breaks="on SQLite, what a worker claims after it was given up belongs to no registered worker",
        file="database/job_statements.py",
        old="""\
        select(workers.c.id).where(workers.c.id == bindparam("by_worker")).exists(),
""",
        new="",
        tests=(f"{SEVERAL}::test_a_worker_that_was_given_up_claims_under_a_new_id[sqlite]",),
    ),
    Bug(
        name="claimed before its time",
        breaks="a job scheduled for next month runs today, along with another one",
        file="database/jobs.py",
        old='"now": now, "limit": limit',
        new='"now": datetime.max.replace(tzinfo=now.tzinfo), "limit": limit',
        tests=("tests/database/postgres/test_time.py::test_a_machine_whose_clock_is_a_day_ahead_runs_nothing_early",),
    ),
    Bug(
        name="a past time jumps the queue",
        breaks="a job that is scheduled for last year is served before all that wait",
        file="database/jobs.py",
        old='"due_time": max(job.scheduled_time, now)',
        new='"due_time": job.scheduled_time',
        tests=("tests/promises/test_times_of_jobs.py::test_a_past_time_does_not_jump_the_queue",),
    ),
    Bug(
        name="mutation finished in another transaction",
        breaks="a crash between the two runs the mutation a second time: the customer pays twice",
        file="runtime/transaction.py",
        old="""\
                if claims and not jobs.finish(transaction.connection, claims, None, self._clock.now()):
                    raise JobLost
                if (watch := first[0].commit_watch) is not None:
                    transaction.changes.then = watch.committed
                    watch.begins()
                transaction.commit()
""",
        new="""\
                transaction.commit()
            with self._database.write_internal() as connection:
                if claims and not jobs.finish(connection, claims, None, self._clock.now()):
                    raise JobLost
""",
        tests=("tests/stress/simulation/test_seeds.py::test_no_promise_is_broken",),
    ),
    Bug(
        name="end of a job on another connection",
        breaks="a COMMIT that fails leaves a job that counts as done and did nothing",
        file="runtime/transaction.py",
        old="""\
                if claims and not jobs.finish(transaction.connection, claims, None, self._clock.now()):
                    raise JobLost
                if (watch := first[0].commit_watch) is not None:
                    transaction.changes.then = watch.committed
                    watch.begins()
                transaction.commit()
""",
        new="""\
                if claims:
                    with self._database.write_internal() as connection:
                        if not jobs.finish(connection, claims, None, self._clock.now()):
                            raise JobLost
                if (watch := first[0].commit_watch) is not None:
                    transaction.changes.then = watch.committed
                    watch.begins()
                transaction.commit()
""",
        tests=(f"{UNKNOWN}::test_a_job_whose_own_commit_breaks_happens_once",),
    ),
    Bug(
        name="the number of finished jobs is not compared",
        breaks="a job that was canceled while it waited takes effect all the same",
        file="runtime/transaction.py",
        old="                if claims and not jobs.finish(transaction.connection, claims, None, self._clock.now()):\n",
        new="""\
                if claims and jobs.finish(transaction.connection, claims, None, self._clock.now()) is None:
""",
        tests=(f"{BATCHES}::test_one_canceled_after_its_claim_does_not_happen_the_others_do",),
    ),
    Bug(
        name="finish ends jobs under any token",
        breaks="on SQLite, a worker that has lost its claims ends the jobs all the same, while another one runs them",
        file="database/job_statements.py",
        old="""queue.c.job_id.in_(select(values_of("ids"))), _pair.in_(select(values_of("pairs"))))""",
        new="""queue.c.job_id.in_(select(values_of("ids"))))""",
        tests=(f"{BATCHES}::test_what_others_have_claimed_meanwhile_is_ended_by_them[sqlite]",),
    ),
    Bug(
        name="finish on the server ends jobs under any token",
        breaks="a worker that has lost its claims ends the jobs all the same, while another one runs them",
        file="database/job_statements.py",
        old=".where(queue.c.job_id == any_(_ids), _pair.in_(_pairs).is_(true()))",
        new=".where(queue.c.job_id == any_(_ids))",
        tests=(f"{BATCHES}::test_what_others_have_claimed_meanwhile_is_ended_by_them[postgres]",),
    ),
    Bug(
        name="a token that fits another job",
        breaks="a worker that was frozen ends a job under a claim that it has lost, next to one of its new claims",
        file="database/jobs.py",
        old="[key.job_id + key.token for key in keys]",
        new="[key.job_id + other.token for key in keys for other in keys]",
        tests=(f"{BATCHES}::test_a_job_claimed_again_is_not_ended_under_its_old_claim",),
    ),
    Bug(
        name="the number of dequeued jobs is not compared",
        breaks="on SQLite, jobs that others hold by now are ended, and stay in the queue",
        file="database/jobs.py",
        old="    if sql.DEQUEUE.execute(connection, values).rowcount != len(keys):\n",
        new="    if sql.DEQUEUE.execute(connection, values).rowcount > len(keys):\n",
        tests=(f"{BATCHES}::test_what_others_have_claimed_meanwhile_is_ended_by_them[sqlite]",),
    ),
    Bug(
        name="the server's number of finished jobs is not compared",
        breaks="a mutation is committed although its job was canceled or belongs to another worker",
        file="database/jobs.py",
        old=".rows[0].finished == len(keys))",
        new=".rows[0].finished <= len(keys))",
        tests=(f"{BATCHES}::test_what_others_have_claimed_meanwhile_is_ended_by_them[postgres]",),
    ),
    Bug(
        name="action started without a record",
        breaks="an action whose process dies runs again: the bank is called twice",
        file="dispatch/executor.py",
        old="""\
        call = await in_thread(threads, lambda: self._started(claim, run.token, recorder))
        if call is None:
            return
        result, why, context = CallResult(None), None, self._calls.transactions.new_context()
        if is_traced():
            await in_thread(threads, lambda: self._calls.job_spans.begin(call, context))
        try:
            result = await self._calls.actions.run_async(call, context)
""",
        new="""\
        call = await in_thread(threads, lambda: self._call(claim, Kind.ACTION, recorder))
        if call is None:
            return
        result, why, context = CallResult(None), None, self._calls.transactions.new_context()
        if is_traced():
            await in_thread(threads, lambda: self._calls.job_spans.begin(call, context))
        try:
            result = await self._calls.actions.run_async(call, context)
            await in_thread(threads, lambda: self.insist(lambda: self._start(claim, run.token)))
""",
        tests=(f"{KILL}[action: inside the handler]",),
    ),
    Bug(
        name="start record not forced to the disk",
        breaks="after a power cut an action runs that had already begun",
        file="dispatch/executor.py",
        old='jobs.start(connection, claim, run_token, now), sync="always")',
        new="jobs.start(connection, claim, run_token, now))",
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
        tests=(f"{UNKNOWN}::test_an_action_whose_own_start_breaks_starts_once",),
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
        name="the end of an action counts its attempt again",
        breaks="an action that ran once is shown with two attempts",
        file="database/job_statements.py",
        old="""jobs.c.state_kind == literal_column("'pending'"), 1), else_=0)""",
        new="""jobs.c.state_kind == literal_column("'pending'"), 1), else_=1)""",
        tests=(f"{UNKNOWN}::test_an_action_whose_own_start_breaks_starts_once",),
    ),
    Bug(
        name="an internal error fails the job",
        breaks="a job is lost because the database was away for a moment",
        file="dispatch/executor.py",
        old="""\
            recorder.report(self.insist(lambda: self._try_again(claim, attempt)), why)
""",
        new="""\
            self._fail(claim, failure.cause, recorder)
""",
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
        breaks="what a canceled action schedules runs, though it is not wanted any more",
        file="runtime/schedule.py",
        old="        if not is_canceled(connection, self._job.id):\n",
        new="        if True:\n",
        tests=(f"{CANCELING_WHAT_RUNS}::test_a_running_action_is_canceled_at_once_and_runs_on_for_nothing",),
    ),
)
