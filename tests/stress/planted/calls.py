"""Bugs in one call: its transaction, its schedules, its retries, its time limit; and in transactions on SQLite."""

from __future__ import annotations

from typing import Final

from .bug import Bug

ATOMIC: Final = "tests/promises/test_scheduling_is_atomic.py"
CLEAN: Final = "tests/promises/test_clean_connections.py"
RETRIES: Final = "tests/promises/test_retries_of_calls.py"
SAVEPOINTS: Final = "tests/promises/test_savepoints.py"
SNAPSHOTS: Final = "tests/promises/test_snapshots.py"
STORED: Final = "tests/promises/test_stored_arguments.py"
TRANSACTIONS: Final = "tests/promises/test_transactions.py"
UNAWAITED: Final = "tests/promises/test_unawaited_work.py"

CALLS: Final = (
    Bug(
        name="an equal argument counts as the same",
        breaks="a named tuple arrives as a list, and a time in Berlin at the offset of another season",
        file="functions/round_trip.py",
        old="    if kind is not type(after):\n",
        new="    if before == after:\n        return None\n    if kind is not type(after):\n",
        tests=(f"{STORED}::test_what_would_not_come_back_the_same_is_refused_when_scheduling",),
    ),
    Bug(
        name="schedule buffer survives a retry",
        breaks="a mutation that met a conflict schedules its e-mail twice",
        file="runtime/transaction.py",
        old="""\
            return ScheduleBuffer(app.registry, self._database.new_job_id, now, limits, call, finishes_job)
""",
        new="""\
            made = ScheduleBuffer(app.registry, self._database.new_job_id, now, limits, call, finishes_job)
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
        file="database/savepoints.py",
        old="            self._work.undo_to(self._parts.pop(part))\n",
        new="            self._parts.pop(part)\n",
        tests=(f"{SAVEPOINTS}::test_rows_that_were_never_sent_take_their_schedules_along",),
    ),
    Bug(
        name="savepoint of SQL keeps its schedules",
        breaks="a part that was undone by a savepoint of another session, or by SQL, still charges the customer later",
        file="database/savepoints.py",
        old="        self._work.undo_to(savepoint.mark)\n",
        new="",
        tests=(f"{SAVEPOINTS}::test_a_savepoint_undoes_its_schedules_and_cancels_whatever_made_it",),
    ),
    Bug(
        name="savepoint of another call",
        breaks="a call undoes what an earlier call of its batch wrote, and the job of that call counts as done",
        file="runtime/session.py",
        old="        self.savepoints = transaction.savepoints = Savepoints(self, transaction.dialect)\n",
        new="        self.savepoints = vars(transaction).setdefault('first', Savepoints(self, transaction.dialect))\n"
        "        transaction.savepoints = self.savepoints\n",
        tests=("tests/dispatch/test_batches.py::test_a_call_cannot_go_back_to_a_savepoint_of_another_call",),
    ),
    Bug(
        name="an undone session commits",
        breaks="rows that a caught error took back are lost, and what was scheduled for them runs",
        file="runtime/session.py",
        old="        session.is_undone = True\n",
        new="        session.is_undone = False\n",
        tests=(f"{SAVEPOINTS}::test_an_error_in_a_flush_that_sent_nothing_is_not_ignored",),
    ),
    Bug(
        name="connection keeps what a call left",
        breaks="a lock that a handler forgot is held for ever, and its pragma switches off another call's checks",
        file="database/transaction.py",
        old="                self.broken = self.leaves_state or not self.is_reusable()\n",
        new="                self.broken = not self.is_reusable()\n",
        tests=(CLEAN,),
    ),
    Bug(
        name="session keeps its settings",
        breaks="a call runs as the tenant of an earlier one, and row-level security shows it the other's rows",
        file="database/postgres/begin.py",
        old='RESET: Final = "; RESET ALL; RESET ROLE"\n',
        new='RESET: Final = ""\n',
        tests=(f"{CLEAN}::test_a_session_of_postgres_is_clean_for_the_next_call",),
    ),
    Bug(
        name="coroutine as a result",
        breaks="an action that never ran is recorded as a success, because a decorator around it does not await",
        file="runtime/handler.py",
        old="    if value is not None and inspect.isawaitable(value):\n",
        new="    if False:\n",
        tests=(f"{UNAWAITED}::test_a_handler_that_returns_what_it_should_await_fails",),
    ),
    Bug(
        name="forgotten await",
        breaks="an action whose mutation never ran is a success",
        file="runtime/actions.py",
        old="        async_caller.check_awaited(call)\n",
        new="",
        tests=(f"{UNAWAITED}::test_an_action_that_forgets_to_await_a_call_fails",),
    ),
    Bug(
        name="context variables of the thread",
        breaks="a mutation runs as the user whom the one before it on the same thread had set",
        file="runtime/transaction.py",
        old="        return watched.run(lambda: context.run(self._invoke, call, part))\n",
        new="        return watched.run(lambda: self._invoke(call, part))\n",
        tests=("tests/promises/test_context_variables.py",),
    ),
    Bug(
        name="context variables of the scheduler",
        breaks="an action that is a job sees what an earlier job on the event loop has set",
        file="dispatch/executor.py",
        old="self._calls.actions.run_async(call, context)",
        new="self._calls.actions.run_async(call)",
        tests=(
            "tests/promises/test_context_variables.py::test_a_job_sees_none_of_its_scheduler_and_none_of_another_job",
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
        file="runtime/session.py",
        old='        return {"identity": call.identity, "now": self.began}\n',
        new='        return {"identity": globals().setdefault("first", call.identity), "now": self.began}\n',
        tests=(
            "tests/promises/test_identity_is_not_carried.py::test_a_scheduled_run_has_no_identity_of_its_scheduler",
        ),
    ),
    Bug(
        name="arguments shared between attempts",
        breaks="what a first attempt did to its arguments is seen by the second one",
        file="runtime/call_executor.py",
        old="        return deepcopy(value, memo)\n",
        new="        return value\n",
        tests=(f"{RETRIES}::test_every_try_sees_the_arguments_as_they_were_given",),
    ),
    Bug(
        name="defaults shared between attempts",
        breaks="a list that is a default holds what earlier attempts and earlier calls appended to it",
        file="functions/defaults.py",
        old="each.name: deepcopy(each.value)",
        new="each.name: each.value",
        tests=("tests/promises/test_defaults.py",),
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
    Bug(
        name="an action on the loop of its caller",
        breaks="a client with pooled connections fails: they belong to the event loop of another run",
        file="runtime/call_executor.py",
        old="await self.actions.run_for(call)",
        new="await self.actions.run_async(call)",
        tests=("tests/promises/test_one_event_loop.py::test_every_run_of_an_async_action_is_on_one_loop",),
    ),
)
