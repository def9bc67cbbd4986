"""Bugs in what mutations that share a transaction have for themselves, and in claims from birth."""

from __future__ import annotations

from typing import Final

from .bug import Bug

TOGETHER: Final = "tests/dispatch/test_batches.py"
APART: Final = "tests/dispatch/test_batches_that_split.py"
OTHERS: Final = "tests/dispatch/test_batches_and_others.py"
LOST: Final = "tests/database/postgres/test_groups.py"
OWN: Final = "tests/promises/test_own_claims.py"

GROUPS: Final = (
    Bug(
        name="nobody counts what a group has ended",
        breaks="a job that was canceled while it waited for its turn takes effect all the same",
        file="runtime/together.py",
        old="                if claims and not jobs.finish_all(held.connection, claims, self._calls.clock.now()):\n",
        new="                if jobs.finish_all(held.connection, claims, self._calls.clock.now()) is None:\n",
        tests=(f"{TOGETHER}::test_one_canceled_after_its_claim_does_not_happen_the_others_do",),
    ),
    Bug(
        name="ended whoever holds it",
        breaks="a worker that had given jobs back ends them in a file all the same, while another one runs them",
        file="database/job_statements.py",
        old='        _pair.in_(select(values_of("pairs"))),\n',
        new="",
        tests=(f"{TOGETHER}::test_what_others_have_claimed_meanwhile_is_ended_by_them[sqlite]",),
    ),
    Bug(
        name="a token that fits another job",
        breaks="a worker that was frozen ends a job under a claim that others took away, next to one of its new claims",
        file="database/jobs.py",
        old="[claim.job_id + claim.token for claim in claims]",
        new="[claim.job_id + other.token for claim in claims for other in claims]",
        tests=(f"{TOGETHER}::test_a_job_claimed_again_is_not_ended_under_its_old_claim",),
    ),
    Bug(
        name="nobody counts what was taken off the queue",
        breaks="jobs that others hold by now are ended in a file, and stay in its queue",
        file="database/jobs.py",
        old="    if sql.TAKE_ALL.execute(connection, values).rowcount != len(claims):\n",
        new="    if sql.TAKE_ALL.execute(connection, values).rowcount > len(claims):\n",
        tests=(f"{TOGETHER}::test_what_others_have_claimed_meanwhile_is_ended_by_them[sqlite]",),
    ),
    Bug(
        name="done though it fell apart",
        breaks="jobs of which nothing was committed are taken for done, and wait until a restart",
        file="dispatch/batch_runner.py",
        old="            company.again(begun)\n            company.later(guilty)\n",
        new="            self._on_end([member.claim for member in begun])\n            company.later(guilty)\n",
        tests=(f"{APART}::test_one_that_raises_fails_alone_with_its_own_error_and_line",),
    ),
    Bug(
        name="all are guilty",
        breaks="one bad job costs all of its companions the COMMIT that they shared",
        file="dispatch/batch_runner.py",
        old="            company.again(begun)\n            company.later(guilty)\n",
        new="""\
            for member in begun:
                member.alone = True
            company.again(begun)
            company.later(guilty)
""",
        tests=(f"{APART}::test_one_that_raises_fails_alone_with_its_own_error_and_line",),
    ),
    Bug(
        name="the wrong one is blamed",
        breaks="the job before a bad one is run alone, and the bad one takes the others down again and again",
        file="dispatch/batch_runner.py",
        old="            guilty = begun.pop(apart.place)\n",
        new="            guilty = begun.pop(max(0, apart.place - 1))\n",
        tests=(f"{APART}::test_one_that_raises_fails_alone_with_its_own_error_and_line",),
    ),
    Bug(
        name="a group that does not end",
        breaks="a direct call waits until a queue of thousands has been worked off",
        file="runtime/together.py",
        old="                    if held.not_batchable or time.monotonic() >= until:\n",
        new="                    if held.not_batchable or until < 0:\n",
        tests=(f"{TOGETHER}::test_a_batch_ends_when_its_time_is_over",),
    ),
    Bug(
        name="one session for all of a group",
        breaks="a job sees, and flushes, what another one has left in its session",
        file="runtime/transaction.py",
        old="            self._db = TransactionSession(self.held.connection, self.buffer)\n",
        new="""\
            self._db = vars(self.held).setdefault("session", TransactionSession(self.held.connection, self.buffer))
""",
        tests=(f"{TOGETHER}::test_each_has_a_session_a_job_and_arguments_of_its_own",),
    ),
    Bug(
        name="arguments of the first try of a group",
        breaks="a job whose companion failed runs with a list that its first try has emptied",
        file="dispatch/batch.py",
        old="                member.call = None  # a handler may have changed its arguments\n",
        new="                pass\n",
        tests=(f"{APART}::test_every_try_sees_the_arguments_as_they_were_given",),
    ),
    Bug(
        name="SET LOCAL for all of a group",
        breaks="a setting that one handler makes for itself counts for whatever runs after it",
        file="runtime/together.py",
        old="                    if held.not_batchable and done:\n",
        new="                    if not held and done:\n",
        tests=(f"{APART}::test_what_one_sets_for_its_transaction_is_not_set_for_others",),
    ),
    Bug(
        name="others come after a SET LOCAL",
        breaks="the first of a group sets something, and all that follow run with it",
        file="runtime/together.py",
        old="                    if held.not_batchable or time.monotonic() >= until:\n",
        new="                    if time.monotonic() >= until:\n",
        tests=(f"{APART}::test_what_one_sets_for_its_transaction_is_not_set_for_others[sqlite-0-]",),
    ),
    Bug(
        name="jobs seen half ended",
        breaks="a job that looks at the jobs sees one as pending whose effects are there",
        file="database/statement_guard.py",
        old="""    r"|_scheduled_functions|_convexpy_",\n""",
        new="""    r"|_convexpy_",\n""",
        tests=(f"{APART}::test_one_that_reads_the_jobs_sees_those_before_it_ended",),
    ),
    Bug(
        name="a lost answer to a shared COMMIT is a lost job",
        breaks="jobs that were committed are reported as lost to another worker",
        file="dispatch/batch_runner.py",
        old="            member.maybe_done = apart.is_internal and not apart.is_conflict\n",
        new="",
        tests=(f"{LOST}::test_each_job_of_a_commit_without_an_answer_happens_once[after COMMIT]",),
    ),
    Bug(
        name="conflicts without end",
        breaks="a group that meets others at every try is never done",
        file="dispatch/batch_runner.py",
        old="        if apart.is_conflict and tries < MOST_TRIES:\n",
        new="        if apart.is_conflict and tries < 100:\n",
        tests=(f"{APART}::test_after_a_conflict_all_run_again_and_each_happens_once",),
    ),
    Bug(
        name="who fails often stays in company",
        breaks="jobs run again and again for nothing because one among them fails every second time",
        file="dispatch/batch_policy.py",
        old="        self.apart_until = time.monotonic() + APART_SECONDS\n",
        new="        self.apart_until = 0.0\n",
        tests=(f"{APART}::test_a_function_that_fails_often_runs_alone",),
    ),
    Bug(
        name="companions of one that hangs are forgotten",
        breaks="jobs that shared a transaction with one that hangs wait until a restart",
        file="dispatch/mutation_pool.py",
        old="        for member in others:\n            self._waiting.put(member.claim)\n",
        new="",
        tests=(f"{OTHERS}::test_one_that_hangs_fails_alone_and_the_others_run_meanwhile[sqlite]",),
    ),
    Bug(
        name="behind a slow one",
        breaks="jobs wait behind one that takes long, though other threads have nothing to do",
        file="dispatch/mutation_pool.py",
        old="        for member in hand.company.take_rest() if hand.company else ():\n",
        new="        for member in ():\n",
        tests=(f"{OTHERS}::test_what_waits_behind_a_slow_one_is_run_by_other_threads",),
    ),
    Bug(
        name="a free thread does not ask",
        breaks="while slow mutations run, a thread that is free waits for others to end before it gets the next one",
        file="dispatch/mutation_pool.py",
        old="        return inside <= max(self._size() // 2, self._threads - 1)\n",
        new="        return inside * 2 <= self._size()\n",
        tests=(f"{OTHERS}::test_the_next_slow_one_begins_as_soon_as_one_has_ended",),
    ),
    Bug(
        name="one that hangs stops all",
        breaks="a handler that waits for a lock holds up every quick mutation of the process",
        file="dispatch/turns.py",
        old="        oldest = time.monotonic() - PATIENCE_SECONDS\n",
        new="        oldest = time.monotonic() - 1e6\n",
        tests=(f"{OTHERS}::test_slow_functions_still_run_side_by_side",),
    ),
    Bug(
        name="given up though it came back",
        breaks="a job that has just begun is failed for the one before it, which was late",
        file="dispatch/batch.py",
        old="            begun, self.begun = self.begun, []\n            self.late_since = None\n",
        new="            begun, self.begun = self.begun, []\n",
        tests=(f"{OTHERS}::test_a_thread_that_comes_back_at_the_last_moment_is_kept",),
    ),
)

OWN_CLAIMS: Final = (
    Bug(
        name="claimed from birth before its time",
        breaks="a job for next month runs at once",
        file="runtime/own_claims.py",
        old="        if job.canceled or job.scheduled_time > now or not self._places.keep(job.kind):\n",
        new="        if job.canceled or not self._places.keep(job.kind):\n",
        tests=(f"{OWN}::test_what_is_due_later_is_claimed_by_whoever_looks",),
    ),
    Bug(
        name="places kept after a rollback",
        breaks="after some calls that failed, nothing starts at once any more, and rooms count as full",
        file="runtime/own_claims.py",
        old="        self._places.give_back([claim.kind for claim in self._claims])\n",
        new="",
        tests=(
            f"{OWN}::test_places_are_free_again_after_a_rollback",
            f"{OWN}::test_places_are_free_again_when_a_group_falls_apart",
        ),
    ),
    Bug(
        name="a claim from birth in doubt is kept",
        breaks="what a COMMIT without an answer has scheduled waits until this worker looks at all that it holds",
        file="runtime/own_claims.py",
        old="            self._places.doubt(self._worker, self._token)\n",
        new="            pass\n",
        tests=(f"{LOST}::test_what_was_claimed_from_birth_in_doubt_is_given_back_at_the_next_look",),
    ),
    Bug(
        name="claimed for a room that is closed",
        breaks="what is committed while its process stops waits until that counts as dead",
        file="dispatch/places.py",
        old="        try_to(lambda: self._unclaim(claims))\n",
        new="",
        tests=(f"{OWN}::test_what_was_claimed_before_the_stop_and_committed_after_it_is_given_back",),
    ),
    Bug(
        name="places that do not close",
        breaks="what is scheduled during a stop enters a room that nobody works in",
        file="dispatch/places.py",
        old="            self._closed = True\n",
        new="            self._closed = False\n",
        tests=(f"{OWN}::test_what_was_claimed_before_the_stop_and_committed_after_it_is_given_back",),
    ),
    Bug(
        name="what had no place is told to nobody",
        breaks="of a hundred jobs the first few start at once, and the others seconds later",
        file="runtime/own_claims.py",
        old="        if scheduled <= len(self._claims):\n",
        new="        if not scheduled or self._claims:\n",
        tests=(f"{OWN}::test_others_are_told_of_what_was_not_claimed",),
    ),
    Bug(
        name="more from birth than there is room",
        breaks="a process takes thousands of jobs that other workers could be running",
        file="dispatch/mutation_pool.py",
        old="            if self._inside.total() + self._kept >= self.AT_HAND * self._threads:\n",
        new="            if self._kept < 0:\n",
        tests=(f"{OWN}::test_no_more_is_claimed_than_there_are_free_places",),
    ),
)
