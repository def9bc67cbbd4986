"""Bugs in the commit log and in what a commit publishes: lost answers, wakes that are lost or come too early."""

from __future__ import annotations

from typing import Final

from .bug import Bug

UNKNOWN: Final = "tests/database/postgres/test_unknown_commit.py"
POLLING: Final = "tests/database/postgres/test_polling.py"
PUBLISHED: Final = "tests/database/test_commits.py"
DUE: Final = "tests/dispatch/test_due_times.py"

COMMIT_BUGS: Final = (
    Bug(
        name="unknown COMMIT tried again without a lookup",
        breaks="an order is placed twice because the answer to its COMMIT was lost",
        file="database/postgres/transaction.py",
        old="            if not is_unknown(error) or not self._is_committed(self._commit_id, error):\n",
        new="            if True:\n",
        tests=(f"{UNKNOWN}::test_a_direct_mutation_happens_once",),
    ),
    Bug(
        name="unknown COMMIT taken for done",
        breaks="a call says that an order was placed which never reached the database",
        file="database/postgres/transaction.py",
        old="            if not is_unknown(error) or not self._is_committed(self._commit_id, error):\n",
        new="            if not is_unknown(error):\n",
        tests=(f"{UNKNOWN}::test_a_direct_mutation_happens_once",),
    ),
    Bug(
        name="commit not logged",
        breaks="after a lost answer the lookup finds no row, and the call is run again",
        file="database/postgres/transaction.py",
        old="self.send_with_commit(self.log_statement(self._commit_id))",
        new='self.send_with_commit("SELECT 1")',
        tests=(f"{UNKNOWN}::test_a_direct_mutation_happens_once",),
    ),
    Bug(
        name="the fence is not committed",
        breaks="a COMMIT that was only late arrives after the call has run again, and both count",
        file="database/postgres/database.py",
        old="""\
                    if committed is False:
                        transaction.commit()
""",
        new="",
        tests=(f"{UNKNOWN}::test_a_fenced_commit_can_no_longer_arrive",),
    ),
    Bug(
        name="an open transaction counts as not committed",
        breaks="a COMMIT that takes a second longer is done again, and both count",
        file="database/commit_log.py",
        old="            return None\n",
        new="            return False\n",
        tests=(f"{UNKNOWN}::test_a_transaction_that_is_still_open_is_waited_for",),
    ),
    Bug(
        name="a fence counts as the transaction's row",
        breaks="a call is reported as committed that never was, if the answer to the fence's COMMIT was lost as well",
        file="database/commit_log.py",
        old="            self._fences.add(fence)\n",
        new="",
        tests=(f"{UNKNOWN}::test_a_lost_answer_to_the_lookup_does_not_change_it",),
    ),
    Bug(
        name="an action's schedule is not logged",
        breaks="what an action schedules is scheduled twice after a lost answer",
        file="runtime/actions.py",
        old='executor.database.write_internal(sync="as set", logged=True)',
        new='executor.database.write_internal(sync="as set")',
        tests=(f"{UNKNOWN}::test_what_an_action_schedules_exists_once",),
    ),
    Bug(
        name="a commit publishes nothing",
        breaks="what is scheduled for now starts seconds later",
        file="database/transaction.py",
        old="            self._publish(self.changes, self.driver)  # while the connection is still at hand\n",
        new="            pass\n",
        tests=(f"{POLLING}::test_a_commit_wakes_the_dispatcher_of_its_own_process",),
    ),
    Bug(
        name="a commit is published before COMMIT",
        breaks="the dispatcher looks before the job is there, and finds it seconds later",
        file="database/transaction.py",
        old="""\
        try:
            self.send_commit()
        except BaseException:
            self.is_open = True  # so that close() rolls back whatever is left
            raise
        if self._publish is not None:
            self._publish(self.changes, self.driver)  # while the connection is still at hand
""",
        new="""\
        if self._publish is not None:
            self._publish(self.changes, self.driver)
        try:
            self.send_commit()
        except BaseException:
            self.is_open = True  # so that close() rolls back whatever is left
            raise
""",
        tests=(f"{PUBLISHED}::test_a_commit_is_published_when_its_rows_can_be_seen",),
    ),
    Bug(
        name="a rollback is published",
        breaks="listeners learn of jobs and rows that were never committed",
        file="database/transaction.py",
        old="                if was_open:\n                    self.roll_back()\n",
        new="""\
                if was_open:
                    self.roll_back()
                    if self._publish is not None:
                        self._publish(self.changes, self.driver)
""",
        tests=(f"{PUBLISHED}::test_a_rollback_publishes_nothing",),
    ),
    Bug(
        name="a failing listener fails the call",
        breaks="a call whose transaction was committed raises, and its caller does it again",
        file="database/commits.py",
        old="        except Exception:\n",
        new="        except MemoryError:\n",
        tests=(f"{PUBLISHED}::test_a_listener_that_fails_does_not_fail_the_call",),
    ),
    Bug(
        name="commits are kept from other processes",
        breaks="what the web server schedules starts seconds later on the workers",
        file="database/commits.py",
        old="                self._notifier.notify(driver)\n",
        new="",
        tests=(f"{POLLING}::test_a_commit_wakes_the_dispatchers_of_other_processes",),
    ),
    Bug(
        name="every commit notifies other processes",
        breaks="each mutation takes the lock that NOTIFY needs for its whole server, though it schedules nothing",
        file="database/commits.py",
        old="                self._notifier.notify(driver)\n",
        new="            self._notifier.notify(driver)\n",
        tests=(f"{PUBLISHED}::test_a_mutation_that_only_writes_rows_is_published_here_only",),
    ),
    Bug(
        name="a released job is not published",
        breaks="a job that is to be retried in 10 ms is retried seconds later",
        file="database/jobs.py",
        old="    changes.scheduled.append(QueuedJob(key.job_id, kind, due))\n",
        new="",
        tests=(f"{DUE}::test_a_job_that_is_released_is_expected_when_it_is_due_again",),
    ),
    Bug(
        name="notifications are the only truth",
        breaks="a job whose notification was lost waits until something else happens",
        file="dispatch/dispatcher.py",
        old="        self._poll_seconds = settings.poll_interval.total_seconds()\n",
        new="        self._poll_seconds = 1e6\n",
        tests=(f"{POLLING}::test_what_another_process_schedules_is_found_without_a_notification",),
    ),
    Bug(
        name="a commit does not wake the dispatcher",
        breaks="a job that is due before the next look starts seconds later",
        file="dispatch/dispatcher.py",
        old="        if sum(self._expect(kind, due) for kind, due in soonest.items()):\n            self._wake()\n",
        new="        for kind, due in soonest.items():\n            self._expect(kind, due)\n",
        tests=(f"{POLLING}::test_a_commit_wakes_the_dispatcher_of_its_own_process",),
    ),
    Bug(
        name="only the first kind of a commit is expected",
        breaks="of a mutation and an action that are scheduled together, one starts seconds later",
        file="dispatch/dispatcher.py",
        old="        if sum(self._expect(kind, due) for",
        new="        if any(self._expect(kind, due) for",
        tests=(f"{DUE}::test_every_kind_of_a_commit_is_expected",),
    ),
    Bug(
        name="a later job hides an earlier one",
        breaks="a job for now waits until the job that was scheduled for tomorrow is due",
        file="dispatch/dispatcher.py",
        old="            if kind not in self._due or due >= self._due[kind]:\n",
        new="            if kind not in self._due:\n",
        tests=(f"{DUE}::test_a_later_job_does_not_hide_an_earlier_one",),
    ),
    Bug(
        name="a commit during a claim is lost",
        breaks="what is committed while the dispatcher claims starts seconds later",
        file="dispatch/dispatcher.py",
        old="""\
        self._due[pool.kind] = NEVER  # before the claim: a commit from here on sets it again
        try:
            claims = self.claim(pool.kind, capacity)
""",
        new="""\
        try:
            claims = self.claim(pool.kind, capacity)
            self._due[pool.kind] = NEVER
""",
        tests=(f"{DUE}::test_a_commit_during_a_claim_is_not_lost",),
    ),
    Bug(
        name="a failed claim is not repeated",
        breaks="after one error of the database, what was due starts seconds later",
        file="dispatch/dispatcher.py",
        old="            self._expect(pool.kind, self._clock.now())\n            raise\n",
        new="            raise\n",
        tests=(f"{DUE}::test_a_claim_that_failed_is_repeated",),
    ),
    Bug(
        name="a pool with new capacity is not filled",
        breaks="of more jobs than there are threads, the rest starts seconds later",
        file="dispatch/dispatcher.py",
        old="        if kind in self._starved:\n            self._wake()\n",
        new="        pass\n",
        tests=(f"{DUE}::test_a_full_pool_wakes_the_dispatcher_when_it_has_capacity",),
    ),
    Bug(
        name="hints from other processes are not looked into",
        breaks="on SQLite, what another process schedules starts seconds later",
        file="dispatch/dispatcher.py",
        old="        self._next_look = 0.0\n        self._wake()\n",
        new="        self._wake()\n",
        tests=(f"{DUE}::test_a_hint_from_another_process_is_looked_into",),
    ),
)
