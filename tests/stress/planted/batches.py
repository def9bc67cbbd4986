"""Bugs in mutations that share a transaction: the batch, its policy, and what happens when it fails."""

from __future__ import annotations

from typing import Final

from .bug import Bug

BATCHES: Final = "tests/dispatch/test_batches.py"
SPLIT: Final = "tests/dispatch/test_batches_that_split.py"
OTHERS: Final = "tests/dispatch/test_batches_and_others.py"
LOST: Final = "tests/database/postgres/test_batch_commits.py"

BATCH_BUGS: Final = (
    Bug(
        name="rolled back and not run again",
        breaks="jobs whose batch was rolled back by a later one stay claimed until a restart",
        file="dispatch/executor.py",
        old="""\
                item.maybe_done = failure.cause is not None and not failure.is_conflict
        batch.again(items)
""",
        new="""\
                item.maybe_done = failure.cause is not None and not failure.is_conflict
""",
        tests=(f"{SPLIT}::test_one_that_raises_fails_alone_with_its_own_error_and_line",),
    ),
    Bug(
        name="every job of a failed batch runs alone",
        breaks="one bad job costs the other jobs of its batch the COMMIT that they shared",
        file="dispatch/executor.py",
        old="            failed.alone = True\n",
        new="""\
            failed.alone = True
            for item in items:
                item.alone = True
""",
        tests=(f"{SPLIT}::test_one_that_raises_fails_alone_with_its_own_error_and_line",),
    ),
    Bug(
        name="the wrong job of a batch is blamed",
        breaks="the job before a bad one is run alone, and the bad one rolls the others back again and again",
        file="dispatch/executor.py",
        old="            failed = items.pop(failure.index)\n",
        new="            failed = items.pop(max(0, failure.index - 1))\n",
        tests=(f"{SPLIT}::test_one_that_raises_fails_alone_with_its_own_error_and_line",),
    ),
    Bug(
        name="a batch without a time limit",
        breaks="a direct call waits until a queue of thousands has been worked off",
        file="runtime/transaction.py",
        old="                    if transaction.not_batchable or time.monotonic() >= until:\n",
        new="                    if transaction.not_batchable or until < 0:\n",
        tests=(f"{BATCHES}::test_a_batch_ends_when_its_time_is_over",),
    ),
    Bug(
        name="one session for a whole batch",
        breaks="a job sees, and flushes, what another one has left in its session",
        file="runtime/session.py",
        old="            self._db = TransactionSession(self)\n",
        new="""\
            self._db = vars(self.transaction).setdefault("session", TransactionSession(self))
            self._db.is_over = False
""",
        tests=(f"{BATCHES}::test_each_has_a_session_a_job_and_arguments_of_its_own",),
    ),
    Bug(
        name="arguments of the first attempt of a batch",
        breaks="a job whose batch failed runs with a list that its first attempt has emptied",
        file="dispatch/executor.py",
        old="        values = function.arguments.load(function.name, claim.args)\n",
        new="""\
        loaded = function.arguments.load(function.name, claim.args)
        values = vars(self).setdefault("loaded", {}).setdefault(claim.job_id, loaded)
""",
        tests=(f"{SPLIT}::test_every_try_sees_the_arguments_as_they_were_given",),
    ),
    Bug(
        name="SET LOCAL for a whole batch",
        breaks="a setting that one handler makes for itself applies to whatever runs after it",
        file="runtime/transaction.py",
        old="                    if transaction.not_batchable and index:\n",
        new="                    if transaction.not_batchable and index < 0:\n",
        tests=(f"{SPLIT}::test_what_one_sets_for_its_transaction_is_not_set_for_others",),
    ),
    Bug(
        name="a batch goes on after a SET LOCAL",
        breaks="the first job of a batch sets something, and all that follow run with it",
        file="runtime/transaction.py",
        old="                    if transaction.not_batchable or time.monotonic() >= until:\n",
        new="                    if time.monotonic() >= until:\n",
        tests=(f"{SPLIT}::test_what_one_sets_for_its_transaction_is_not_set_for_others[sqlite-0-]",),
    ),
    Bug(
        name="jobs seen half ended",
        breaks="a job that reads the jobs sees one as pending whose effects are there",
        file="database/verdict.py",
        old="""    r"|_scheduled_functions|_convexpy_",\n""",
        new="""    r"|_convexpy_",\n""",
        tests=(f"{SPLIT}::test_one_that_reads_the_jobs_sees_those_before_it_ended",),
    ),
    Bug(
        name="a lost answer to a shared COMMIT is a lost job",
        breaks="jobs that were committed are reported as lost to another worker",
        file="dispatch/executor.py",
        old="                item.maybe_done = failure.cause is not None and not failure.is_conflict\n",
        new="",
        tests=(f"{LOST}::test_each_job_of_a_commit_without_an_answer_happens_once[after COMMIT]",),
    ),
    Bug(
        name="a batch repeats after every conflict",
        breaks="a batch that conflicts at every attempt is never done",
        file="dispatch/executor.py",
        old="batch.conflicts < MOST_CONFLICTS:",
        new="batch.conflicts < 100:",
        tests=(f"{SPLIT}::test_after_a_conflict_all_run_again_and_each_happens_once",),
    ),
    Bug(
        name="a function that often fails stays in batches",
        breaks="jobs run again and again for nothing because one among them fails every second time",
        file="dispatch/batch_policy.py",
        old="        self.alone_until = time.monotonic() + ALONE_SECONDS\n",
        new="        self.alone_until = 0.0\n",
        tests=(f"{SPLIT}::test_a_function_that_fails_often_runs_alone",),
    ),
    Bug(
        name="a thread is given up though its handler came back",
        breaks="a job that has just begun is failed for the one before it, which was late",
        file="dispatch/batch.py",
        old="            begun, self._begun = self._begun, []\n            self._late_since = None\n",
        new="            begun, self._begun = self._begun, []\n",
        tests=(f"{OTHERS}::test_a_thread_that_comes_back_at_the_last_moment_is_kept",),
    ),
)
