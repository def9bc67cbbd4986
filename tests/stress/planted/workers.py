"""Bugs in what a worker does besides running jobs: its heartbeat, the recovery of dead workers' jobs, its stop."""

from __future__ import annotations

from typing import Final

from .bug import Bug

CLAIMS: Final = "tests/dispatch/test_job_claims.py"
RESCUE: Final = "tests/database/postgres/test_job_recovery.py"
SEVERAL: Final = "tests/dispatch/test_several_workers.py"
VERSIONS: Final = "tests/dispatch/test_two_versions.py"
WRONG_CLOCK: Final = "tests/dispatch/test_wrong_clock.py"

WORKERS: Final = (
    Bug(
        name="a lost action runs again",
        breaks="an action that was running when its process died is started a second time",
        file="database/workers.py",
        old="""\
            if finish(connection, [ClaimKey(row.job_id, row.run_token)], LOST_ACTION, now):
                started = row.started_time or now
                failed.append(LostAction(row.job_id, row.name, row.attempts, row.cron, started))
            continue
""",
        new="""\
            connection.execute(jobs.update().where(jobs.c.id == row.job_id).values(state_kind="pending"))
            free = {"worker": None, "claim_token": None, "run_token": None}
            connection.execute(queue.update().where(queue.c.job_id == row.job_id).values(free))
            continue
""",
        tests=(f"{CLAIMS}::test_an_action_whose_process_died_is_failed_and_never_run_again",),
    ),
    Bug(
        name="what a dead worker claimed stays claimed",
        breaks="a job is lost with the process that was about to run it",
        file="database/workers.py",
        old="        if release(connection, ClaimKey(row.job_id, row.claim_token), row.kind, LOST_CLAIM, due):\n",
        new="        if True:\n",
        tests=(f"{CLAIMS}::test_a_mutation_whose_process_died_runs_once",),
    ),
    Bug(
        name="a heartbeat in the future is silence at once",
        breaks="a worker whose clock is behind gives up others that are busy for the length of a heartbeat",
        file="dispatch/recovery.py",
        old="            if suspect.is_gone or (is_silent and (not is_ahead or now - since > timeout)):\n",
        new="            if suspect.is_gone or is_silent:\n",
        tests=(f"{WRONG_CLOCK}::test_a_worker_whose_own_clock_is_behind_derives_nothing_afresh",),
    ),
    Bug(
        name="silent once is dead",
        breaks="when the clock of the database jumps, every running action is failed though no worker died",
        file="dispatch/recovery.py",
        old="            if suspect.is_gone or (is_silent and (not is_ahead or now - since > timeout)):\n",
        new="            if True:\n",
        tests=(f"{SEVERAL}::test_a_clock_that_jumps_gives_up_no_worker_that_is_alive",),
    ),
    Bug(
        name="given up in spite of a heartbeat",
        breaks="a worker that woke up in time is given up all the same, and its running actions fail",
        file="database/workers.py",
        old="delete(workers).where(workers.c.id == worker, workers.c.heartbeat_time == heartbeat_time)",
        new="delete(workers).where(workers.c.id == worker)",
        tests=(f"{RESCUE}::test_a_worker_with_a_heartbeat_meanwhile_is_not_given_up",),
    ),
    Bug(
        name="recovered without waiting for a start",
        breaks="an action that starts just while its worker is given up is in progress for ever",
        file="database/workers.py",
        old="connection.execute(held.with_for_update(of=queue))",
        new="connection.execute(held)",
        tests=(f"{RESCUE}::test_an_action_that_starts_while_its_worker_is_given_up_fails",),
    ),
    Bug(
        name="recovered before it is given up",
        breaks="what a worker claims just while it is given up is never recovered",
        file="dispatch/recovery.py",
        old="""\
            if heartbeat_time is not None and not workers.give_up(connection, worker, heartbeat_time):
                return
            failed, freed = recover_jobs(connection, worker, now, self._settings, only)
""",
        new="""\
            failed, freed = recover_jobs(connection, worker, now, self._settings, only)
            if heartbeat_time is not None and not workers.give_up(connection, worker, heartbeat_time):
                return
""",
        tests=(f"{RESCUE}::test_what_a_dead_worker_is_claiming_is_recovered_with_the_rest",),
    ),
    Bug(
        name="left in the middle of a claim",
        breaks="what a stopping worker was still claiming is never recovered",
        file="database/workers.py",
        old="    connection.execute(select(workers.c.id).where(workers.c.id == worker).with_for_update())\n",
        new="",
        tests=(f"{RESCUE}::test_a_worker_that_leaves_while_it_claims_stays_registered",),
    ),
    Bug(
        name="a worker that was given up claims under its old id",
        breaks="what it claims and runs is recovered by the others, to which it is dead",
        file="dispatch/heartbeat.py",
        old="return worker if workers.is_known(connection, worker) else self._register_anew(connection)",
        new="return worker",
        tests=(f"{SEVERAL}::test_a_worker_that_was_given_up_claims_under_a_new_id",),
    ),
    Bug(
        name="untracked jobs are not reclaimed",
        breaks="a job whose claim was committed but not answered waits for a restart",
        file="dispatch/recovery.py",
        old="        confirmed, self._untracked = untracked & self._untracked, untracked\n",
        new="        confirmed, self._untracked = untracked - untracked, untracked\n",
        tests=(f"{SEVERAL}::test_an_untracked_claim_is_given_back_at_the_second_round",),
    ),
    Bug(
        name="reclaimed after one round",
        breaks="a job that is just on its way from its claim to its pool is given back, and runs for nothing",
        file="dispatch/recovery.py",
        old="        confirmed, self._untracked = untracked & self._untracked, untracked\n",
        new="        confirmed, self._untracked = untracked, untracked\n",
        tests=(f"{SEVERAL}::test_an_untracked_claim_is_given_back_at_the_second_round",),
    ),
    Bug(
        name="running jobs are reclaimed",
        breaks="an action that takes longer than two heartbeats is failed though it runs",
        file="dispatch/recovery.py",
        old="jobs_of_worker(connection, self._heartbeat.worker) - self.tracked()",
        new="jobs_of_worker(connection, self._heartbeat.worker)",
        tests=(f"{SEVERAL}::test_a_tracked_claim_is_left_to_its_worker",),
    ),
    Bug(
        name="jobs of unknown workers are kept",
        breaks="what a worker held whose row was deleted by hand is never run",
        file="dispatch/recovery.py",
        old="        for worker in unknown:\n",
        new="        for worker in unknown[:0]:\n",
        tests=(f"{SEVERAL}::test_the_jobs_of_a_worker_that_is_not_registered_are_run_by_others",),
    ),
    Bug(
        name="claims kept at a stop",
        breaks="what a stopped process had claimed waits until it counts as dead",
        file="dispatch/worker.py",
        old="        try_to(lambda: self.dispatcher.unclaim(untried))\n",
        new="",
        tests=(
            "tests/stress/faults/test_stop.py::test_claims_are_given_back_at_once_and_not_after_the_grace_of_actions",
        ),
    ),
    Bug(
        name="an unknown function fails at once",
        breaks="during a deployment, old workers fail the jobs of functions that only the new ones have",
        file="dispatch/executor.py",
        old="isinstance(error, FunctionNotFound) and self.insist(lambda: self._unknown.leave(claim))",
        new="False",
        tests=(f"{SEVERAL}::test_a_job_that_another_worker_knows_is_left_to_it",),
    ),
    Bug(
        name="an unknown function is left to others for ever",
        breaks="a job whose function was deleted waits for a worker that knows it, and never fails",
        file="dispatch/unknown_functions.py",
        old="            for claim in claims:\n                fail(claim)\n",
        new="",
        tests=(f"{SEVERAL}::test_a_job_that_no_worker_knows_fails_after_the_patience",),
    ),
    Bug(
        name="claims include functions that the worker does not know",
        breaks="beside an old worker, jobs of new functions are claimed and given back without end",
        file="dispatch/dispatcher.py",
        old="            now, worker, left_out = self._clock.now(), self._heartbeat.worker, self._unknown.names\n",
        new="            now, worker, left_out = self._clock.now(), self._heartbeat.worker, ()\n",
        tests=(f"{VERSIONS}::test_a_worker_claims_no_more_of_a_function_that_it_does_not_know",),
    ),
    Bug(
        name="the patience with unknown functions counts from when a job is due",
        breaks="an old worker fails what the new ones have not come to yet",
        file="database/unclaimed.py",
        old='    left_time = case((_is_left, jobs.c.next_try)).label("left_time")\n',
        new='    left_time = queue.c.due_time.label("left_time")\n',
        tests=(f"{VERSIONS}::test_what_was_due_for_long_is_still_left_for_the_whole_patience",),
    ),
    Bug(
        name="unknown functions are left out when no other worker lives",
        breaks="a job whose function was deleted stays pending for as long as the last worker runs",
        file="dispatch/unknown_functions.py",
        old="            self.forget()\n            on_found()\n",
        new="            on_found()\n",
        tests=(f"{VERSIONS}::test_what_was_left_is_claimed_when_the_others_are_gone",),
    ),
    Bug(
        name="a cron waits for the time of a clock that was ahead",
        breaks="after a clock was 400 days ahead for two seconds, an hourly cron does not run for 400 days",
        file="dispatch/cron_scheduler.py",
        old="        far = [row for row in rows if row.next_time > parse(row.schedule).latest_next(now)]\n",
        new="        far: list[Any] = []\n",
        tests=(f"{WRONG_CLOCK}::test_a_cron_goes_on",),
    ),
    Bug(
        name="a clock that is set back a little fires slots again",
        breaks="a cron runs twice for a slot when NTP sets the clock back by half a minute",
        file="dispatch/cron_scheduler.py",
        old="            if stored.is_taken(connection, row.name, row.next_time):\n",
        new="            if False:\n",
        tests=(f"{WRONG_CLOCK}::test_a_clock_that_is_set_back_a_little_fires_no_slot_twice",),
    ),
    Bug(
        name="a worker whose clock is behind derives slots afresh",
        breaks="of several workers, one with a wrong clock fires slots a second time",
        file="dispatch/cron_scheduler.py",
        old="            if workers.has_ahead(connection, self._heartbeat.worker, now):\n                return\n",
        new="",
        tests=(f"{WRONG_CLOCK}::test_a_worker_whose_own_clock_is_behind_derives_nothing_afresh",),
    ),
    Bug(
        name="retries wait for the time of a clock that was ahead",
        breaks="a job that met a conflict while the clock was ahead is not tried again for as long",
        file="database/misdated.py",
        old="    return list(connection.execute(waiting.where(or_(first_try, retry)).limit(MOST)))\n",
        new="    return list(connection.execute(waiting.where(first_try).limit(MOST)))\n",
        tests=(f"{WRONG_CLOCK}::test_a_retry_goes_on",),
    ),
    Bug(
        name="what waits for the time of a clock that was ahead is due at once",
        breaks="a slot that a clock ahead has fired too early runs half an hour before its time",
        file="database/misdated.py",
        old='    due = [{"of_job": job.job_id, "due": max(job.scheduled_time, now)} for job in found]\n',
        new='    due = [{"of_job": job.job_id, "due": now} for job in found]\n',
        tests=(f"{WRONG_CLOCK}::test_a_cron_goes_on",),
    ),
    Bug(
        name="a heartbeat in the future is a sign of life",
        breaks="the jobs of a worker that died while the clock was ahead are never recovered on another machine",
        file="database/workers.py",
        old="if each.is_gone or abs(now - each.heartbeat_time) > timeout]\n",
        new="if each.is_gone or now - each.heartbeat_time > timeout]\n",
        tests=(f"{WRONG_CLOCK}::test_a_worker_that_died_under_a_clock_ahead_is_given_up",),
    ),
    Bug(
        name="a restarted worker still counts as stopping",
        breaks="an app that is stopped and started again gives up at the first error of the database",
        file="dispatch/worker.py",
        old="        self.executor.start()\n",
        new="",
        tests=(
            "tests/promises/test_the_app_from_python.py::test_an_app_that_is_started_again_is_no_longer_about_to_leave",
        ),
    ),
)
