"""Bugs in one call: its transaction, its schedules, its retries, its time limit; and in transactions on SQLite."""

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
        file="runtime/transaction.py",
        old="""\
            return ScheduleBuffer(app.registry, self._database.new_job_id, now, limits, call.job, finishes_job)
""",
        new="""\
            made = ScheduleBuffer(app.registry, self._database.new_job_id, now, limits, call.job, finishes_job)
            made._steps = vars(self).setdefault("steps", {}).setdefault(call.function.name, [])
            return made
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
        old="        session.part.undo_to(session.marks.pop(transaction))\n",
        new="        session.marks.pop(transaction)\n",
        tests=(
            f"{ATOMIC}::test_a_nested_mutation_that_raises_drops_only_its_own_schedules",
            "tests/promises/test_savepoints_and_order.py",
        ),
    ),
    Bug(
        name="jobs inserted on another connection",
        breaks="the charge of an order is scheduled though the order was never saved",
        file="runtime/session.py",
        old="            self._buffer.write(self.transaction.connection, self._clock.now())\n",
        new="""\
            with self._database.write_internal() as connection:
                self._buffer.write(connection, self._clock.now())
""",
        tests=("tests/database/postgres/test_unknown_commit.py::test_what_it_schedules_exists_once",),
    ),
    Bug(
        name="identity carried into jobs",
        breaks="a job runs with the rights of an earlier caller",
        file="runtime/call_executor.py",
        old='            "identity": call.identity,\n',
        new='            "identity": vars(self).setdefault("first", call.identity),\n',
        tests=(
            "tests/promises/test_identity_is_not_carried.py::test_a_scheduled_run_has_no_identity_of_its_scheduler",
        ),
    ),
    Bug(
        name="arguments shared between attempts",
        breaks="what a first attempt did to its arguments is seen by the second one",
        file="runtime/call_executor.py",
        old="return replace(call, values=deepcopy(call.values))",
        new="return call",
        tests=(f"{RETRIES}::test_every_try_sees_the_arguments_as_they_were_given",),
    ),
    Bug(
        name="now of the first attempt",
        breaks="a mutation that waited for others schedules from a moment that is long over, and stamps it on its rows",
        file="runtime/transaction.py",
        old="        part = CallTransaction(self._database, app, transaction, self._clock, new_buffer)\n",
        new="""\
        part = CallTransaction(self._database, app, transaction, self._clock, new_buffer)
        part.now = vars(self).setdefault("moments", {}).setdefault(call.function.name, part.now)
""",
        tests=(f"{RETRIES}::test_every_try_has_a_now_of_its_own",),
    ),
    Bug(
        name="swallowed conflict counts as success",
        breaks="a handler with `except Exception` turns a conflict into an error that is not retried",
        file="runtime/transaction.py",
        old="    cause = transaction.internal_error if transaction is not None else None\n",
        new="    cause = None\n",
        tests=(
            "tests/stress/faults/test_bad_handlers.py::test_a_caught_database_error_half_writes_nothing_and_is_retried",
        ),
    ),
    Bug(
        name="swallowed error counts as success",
        breaks="half of a mutation is committed after a statement of it failed",
        file="database/transaction.py",
        old="    transaction.failed = error\n    if transaction.internal_error",
        new="    if transaction.internal_error",
        tests=(f"{TRANSACTIONS}::test_an_error_that_a_handler_swallowed_does_not_commit_half_a_mutation",),
    ),
    Bug(
        name="time limit not enforced",
        breaks="a handler that hangs holds its locks for as long as it likes",
        file="runtime/transaction.py",
        old="part.transaction, limit.total_seconds(), on_expire)",
        new="part.transaction, limit.total_seconds() + 60, on_expire)",
        tests=("tests/database/postgres/test_network.py::test_a_handler_past_its_limit_releases_its_locks[in SQL]",),
    ),
    Bug(
        name="no limit rolls back",
        breaks="a handler past its time limit is interrupted, and its transaction stays open with all of its locks",
        file="database/transaction.py",
        old="            self.expired = True\n            with suppress",
        new="            return False\n            with suppress",
        tests=("tests/database/postgres/test_network.py::test_a_handler_past_its_limit_releases_its_locks[in SQL]",),
    ),
    Bug(
        name="a query writes",
        breaks="a query changes the database",
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
        name="statements continue after the transaction ended",
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
)
