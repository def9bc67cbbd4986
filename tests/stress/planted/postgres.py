"""Bugs that only a server can have: isolation, BEGIN, errors and connections, clocks that differ."""

from __future__ import annotations

from typing import Final

from .bug import Bug

BEGIN: Final = "tests/database/postgres/test_begin.py"
LIMIT: Final = (
    "tests/database/postgres/test_serializable_limit.py"
    "::test_with_the_limit_one_of_them_is_run_again_and_sees_the_other"
)

POSTGRES: Final = (
    Bug(
        name="mutations are READ COMMITTED",
        breaks="of two additions to the same number at the same time, one is lost",
        file="database/postgres/begin.py",
        old='self._begin("SERIALIZABLE READ WRITE"',
        new='self._begin("READ COMMITTED READ WRITE"',
        tests=("tests/promises/test_transactions.py::test_mutations_are_serializable_so_no_update_is_lost[postgres]",),
    ),
    Bug(
        name="mutations are REPEATABLE READ",
        breaks="two doctors go home at the same time, because each saw the other one stay",
        file="database/postgres/begin.py",
        old='self._begin("SERIALIZABLE READ WRITE"',
        new='self._begin("REPEATABLE READ READ WRITE"',
        tests=(f"{LIMIT}[0]",),
    ),
    Bug(
        name="queries are READ COMMITTED",
        breaks="a query sees money leave one account and not yet arrive in the other",
        file="database/postgres/begin.py",
        old='self.read = self._begin("REPEATABLE READ READ ONLY"',
        new='self.read = self._begin("READ COMMITTED READ ONLY"',
        tests=("tests/promises/test_snapshots.py::test_a_query_reads_one_snapshot[postgres]",),
    ),
    Bug(
        name="the serializable limit is not checked",
        breaks="a mutation that stayed open while very many others finished commits in spite of a conflict",
        file="database/postgres/database.py",
        old="        if time.monotonic() - transaction.opened > self._serializable_limit.seconds:\n",
        new="        if time.monotonic() < transaction.opened:\n",
        tests=(LIMIT,),
    ),
    Bug(
        name="due by the clock of the worker",
        breaks="a machine whose clock is a day ahead runs tomorrow's jobs",
        file="database/postgres/clock.py",
        old="        return shown + timedelta(seconds=steady() - at)\n",
        new="        return super().now()\n",
        tests=("tests/database/postgres/test_time.py::test_a_machine_whose_clock_is_a_day_ahead_runs_nothing_early",),
    ),
    Bug(
        name="statements continue after the server's transaction ended",
        breaks="what a handler writes after its transaction is gone is committed by itself, line by line",
        file="database/postgres/transaction.py",
        old="        return self._status() not in (IDLE, UNKNOWN)\n",
        new="        return True\n",
        tests=(
            "tests/promises/test_transactions.py"
            "::test_nothing_is_written_after_a_transaction_ended_behind_our_back[postgres]",
        ),
    ),
    Bug(
        name="connections to a standby are kept",
        breaks="after a failover, a worker goes on asking the old primary, which only reads",
        file="database/postgres/transaction.py",
        old=" and (error is None or not is_lost(error))\n",
        new="\n",
        tests=(
            "tests/database/postgres/test_connections.py::test_a_connection_to_a_server_that_only_reads_is_not_used_again",
        ),
    ),
    Bug(
        name="a standby's refusal is the developer's error",
        breaks="during a failover, every job that runs is failed for good",
        file="database/postgres_errors.py",
        old='    "25006",  # the server only reads',
        new="    # the server only reads",
        tests=("tests/database/postgres/test_faults.py::test_an_error_is_classified[a server that only reads]",),
    ),
    Bug(
        name="a deadlock is the developer's error",
        breaks="two mutations that lock the same rows the other way round fail instead of being run again",
        file="database/postgres_errors.py",
        old='{"40001", "40P01", "40000", "55P03"}',
        new='{"40001", "40000", "55P03"}',
        tests=("tests/database/postgres/test_faults.py::test_an_error_is_classified[deadlock]",),
    ),
    Bug(
        name="the start of an action does not wait for the server's disk",
        breaks="after a crash of the server, an action runs that had already begun",
        file="database/postgres/begin.py",
        old='"always": "" if waits_for_disk else "; SET LOCAL synchronous_commit = on"',
        new='"always": ""',
        tests=("tests/database/postgres/test_connections.py::test_the_start_of_an_action_always_waits_for_the_disk",),
    ),
    Bug(
        name="the driver is used before it has an answer",
        breaks="SQL of the user's own on the driver fails now and then, because BEGIN is not over",
        file="runtime/session.py",
        old="            transaction.wait_for_begin()\n",
        new="            pass\n",
        tests=(f"{BEGIN}::test_the_drivers_connection_is_in_the_transaction",),
    ),
    Bug(
        name="whether BEGIN succeeded is not checked",
        breaks="where BEGIN was not carried out, every statement is committed by itself",
        file="database/postgres/transaction.py",
        old="                check_begun(self.driver)\n",
        new="",
        tests=(f"{BEGIN}::test_a_transaction_that_did_not_begin_is_an_internal_error",),
    ),
    Bug(
        name="a failed BEGIN is not recorded",
        breaks="a job is failed for good though the server began no transaction for it",
        file="database/postgres/transaction.py",
        old="        except Exception as error:\n            self.internal_error = error\n            raise\n",
        new="        except Exception:\n            raise\n",
        tests=(f"{BEGIN}::test_a_handler_that_swallows_a_failed_begin_is_run_again",),
    ),
    Bug(
        name="claims are planned each time",
        breaks="a claim takes the server four times as long",
        file="database/postgres/begin.py",
        old='        "plan_cache_mode = force_generic_plan",\n',
        new="",
        tests=(f"{BEGIN}::test_a_claim_is_planned_once",),
    ),
    Bug(
        name="a query discards prepared statements",
        breaks="after every query, each statement of its connection is planned anew",
        file="database/postgres/transaction.py",
        old="        if self.read_only and self.is_fine():\n",
        new="        if False:\n",
        tests=(f"{BEGIN}::test_a_query_keeps_the_drivers_prepared_statements",),
    ),
    Bug(
        name="a database that is late is the handler's fault",
        breaks="a job is failed for good because the server did not answer before its time was up",
        file="runtime/handler.py",
        old="            if is_late and self._database_is_late:\n",
        new="            if False:\n",
        tests=(f"{BEGIN}::test_a_begin_that_takes_too_long_is_an_internal_error",),
    ),
)
