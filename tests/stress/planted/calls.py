"""Bugs in one call: its transaction, its schedules, its tries, its time limit; and in transactions on SQLite."""

from __future__ import annotations

from typing import Final

from .bug import Bug

ATOMIC: Final = "tests/promises/test_scheduling_is_atomic.py"
RETRIES: Final = "tests/promises/test_retries_of_calls.py"
SNAPSHOTS: Final = "tests/promises/test_snapshots.py"
TRANSACTIONS: Final = "tests/promises/test_transactions.py"

CALLS: Final = (
    Bug(
        name="schedule buffer survives a retry",
        breaks="a mutation that met a conflict schedules its e-mail twice",
        file="runtime/call.py",
        old="""\
        transaction = Transaction(self.database, self.app, held, self.clock, now, buffer)
""",
        new="""\
        buffer._steps = vars(self).setdefault("steps", {}).setdefault(call.function.name, [])
        transaction = Transaction(self.database, self.app, held, self.clock, now, buffer)
""",
        tests=(
            f"{ATOMIC}::test_a_mutation_that_is_run_again_schedules_once",
            f"{ATOMIC}::test_a_scheduled_mutation_that_is_run_again_schedules_once",
        ),
    ),
    Bug(
        name="savepoint keeps its schedules",
        breaks="a part that was undone still charges the customer later",
        file="runtime/session.py",
        old="        session.buffer.undo_to(session.marks.pop(transaction))\n",
        new="        session.marks.pop(transaction)\n",
        tests=(
            f"{ATOMIC}::test_a_nested_mutation_that_raises_drops_only_its_own_schedules",
            "tests/promises/test_savepoints_and_order.py",
        ),
    ),
    Bug(
        name="jobs inserted on another connection",
        breaks="the charge of an order is scheduled though the order was never saved",
        file="runtime/transaction.py",
        old="            self.buffer.write(self.held.connection, self._clock.now(), claimant)\n",
        new="""\
            with self._database.write_internal() as connection:
                self.buffer.write(connection, self._clock.now(), claimant)
""",
        tests=("tests/database/postgres/test_unknown_commit.py::test_what_it_schedules_exists_once",),
    ),
    Bug(
        name="identity carried into jobs",
        breaks="a job runs with the rights of whoever happened to call before",
        file="runtime/call.py",
        old='            "identity": call.identity,\n',
        new='            "identity": vars(self).setdefault("who", call.identity),\n',
        tests=(
            "tests/promises/test_identity_is_not_carried.py::test_a_scheduled_run_has_no_identity_of_its_scheduler",
        ),
    ),
    Bug(
        name="arguments shared between tries",
        breaks="what a first try did to a list that it was given is seen by the second one",
        file="runtime/call.py",
        old="return replace(call, values=deepcopy(call.values))",
        new="return call",
        tests=(f"{RETRIES}::test_every_try_sees_the_arguments_as_they_were_given",),
    ),
    Bug(
        name="now of the first try",
        breaks="a mutation that waited for others schedules from a moment that is long over, and stamps it on its rows",
        file="runtime/call.py",
        old="        now = self.clock.now()\n        limits, ",
        new="""\
        now = vars(self).setdefault("moments", {}).setdefault(call.function.name, self.clock.now())
        limits, """,
        tests=(f"{RETRIES}::test_every_try_has_a_now_of_its_own",),
    ),
    Bug(
        name="swallowed conflict counts as success",
        breaks="a handler with `except Exception` turns a conflict into an error that nobody tries again",
        file="runtime/call.py",
        old="    cause = held.internal_error if held is not None else None\n",
        new="    cause = None\n",
        tests=(
            "tests/stress/faults/test_bad_handlers.py::test_a_database_error_that_is_caught_half_writes_nothing_and_the_job_runs_again",
        ),
    ),
    Bug(
        name="swallowed error counts as success",
        breaks="half of a mutation is committed after a statement of it failed",
        file="database/statement_guard.py",
        old="    transaction.failed = error\n    if transaction.internal_error",
        new="    if transaction.internal_error",
        tests=(f"{TRANSACTIONS}::test_an_error_that_a_handler_swallowed_does_not_commit_half_a_mutation",),
    ),
    Bug(
        name="time limit not enforced",
        breaks="a handler that hangs holds its locks for as long as it likes",
        file="runtime/time_limit.py",
        old="watched = Watched(held, time.monotonic() + seconds, on_late)",
        new="watched = Watched(held, time.monotonic() + seconds + 60, on_late)",
        tests=("tests/database/postgres/test_network.py::test_a_handler_past_its_limit_lets_go_of_its_locks[in SQL]",),
    ),
    Bug(
        name="no limit rolls back",
        breaks="a handler past its time limit is interrupted, and its transaction stays open with all of its locks",
        file="database/transaction.py",
        old="            self.expired = True\n            with suppress",
        new="            return False\n            with suppress",
        tests=("tests/database/postgres/test_network.py::test_a_handler_past_its_limit_lets_go_of_its_locks[in SQL]",),
    ),
    Bug(
        name="lane that is waited for without end",
        breaks="one call that hangs stops every later call of its function, in this process, for ever",
        file="runtime/lanes.py",
        old="        taken = lane.acquire(timeout=self._patience)\n",
        new="        taken = lane.acquire()\n",
        tests=("tests/runtime/test_concurrency_limiter.py",),
    ),
    Bug(
        name="lane that is not let go",
        breaks="after one error of a busy function, its next calls wait in vain for their turn",
        file="runtime/lanes.py",
        old="            if taken:\n",
        new="            if not taken:\n",
        tests=("tests/runtime/test_concurrency_limiter.py",),
    ),
    Bug(
        name="a query writes",
        breaks="a query that is only to look changes the database",
        file="database/sqlite/database.py",
        old="""f"query_only = {'ON' if read_only else 'OFF'}",""",
        new="",
        tests=(f"{SNAPSHOTS}::test_every_way_of_writing_through_a_query_is_an_error",),
    ),
    Bug(
        name="SQLite begins without a lock",
        breaks="other programs write between what a mutation reads and what it writes, and it is run again and again",
        file="database/sqlite/database.py",
        old='BEGIN_WRITING: Final = "BEGIN IMMEDIATE"',
        new='BEGIN_WRITING: Final = "BEGIN"',
        tests=("tests/promises/test_foreign_writers.py",),
    ),
    Bug(
        name="going on after the transaction ended",
        breaks="a full disk ends the transaction, and what comes after it is committed without what came before",
        file="database/sqlite/database.py",
        old="""\
        return bool(self.driver.in_transaction)

    def is_fine(self) -> bool:
        try:
            return bool(self.driver.in_transaction)
""",
        new="""\
        return True

    def is_fine(self) -> bool:
        try:
            return True
""",
        tests=(f"{TRANSACTIONS}::test_nothing_is_written_after_a_transaction_ended_behind_our_back[sqlite]",),
    ),
    Bug(
        name="commit announced to nobody",
        breaks="what is scheduled for now starts seconds later",
        file="runtime/own_claims.py",
        old="            announce()\n",
        new="            pass\n",
        tests=("tests/database/postgres/test_polling.py::test_a_commit_wakes_the_dispatcher_of_its_own_process",),
    ),
)
