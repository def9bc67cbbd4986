"""Bugs in what is said of failures: in rows, logs, listeners and documents for clients."""

from __future__ import annotations

from typing import Final

from .bug import Bug

WITHOUT_TEXT = "tests/promises/test_errors_without_a_text.py"
HIDDEN = "tests/promises/test_hidden_values.py"
SEEN = "tests/promises/test_failed_jobs_are_seen.py"
DATABASES = "tests/cli/test_databases.py"
CLAIMS = "tests/dispatch/test_job_claims.py"

FAILURES: Final = (
    Bug(
        name="an-error-without-a-text-is-retried",
        breaks="a mutation that raises an error whose text cannot be made runs for ever",
        file="runtime/transaction.py",
        old="        super().__init__(error)\n",
        new="        super().__init__(str(error))\n",
        tests=(WITHOUT_TEXT,),
    ),
    Bug(
        name="an-errors-attributes-are-asked-for",
        breaks="an error whose attributes cannot be asked for counts as a failure of the framework",
        file="database/errors.py",
        old='hasattr(type(found), "sqlstate")',
        new='hasattr(found, "sqlstate")',
        tests=(WITHOUT_TEXT,),
    ),
    Bug(
        name="a-rollback-does-not-wait-for-begin",
        breaks="on PostgreSQL, a job whose first statement has values that cannot be bound runs for ever",
        file="database/transaction.py",
        old="            transaction.wait_for_begin()  # values that cannot be bound fail before anything is sent\n",
        new="            pass\n",
        tests=(HIDDEN,),
    ),
    Bug(
        name="values-of-parameters-are-shown",
        breaks="passwords and addresses stand in logs, and in rows that clients may read",
        file="database/postgres/connection.py",
        old="hide_parameters=not settings.debug",
        new="hide_parameters=False",
        tests=(HIDDEN,),
    ),
    Bug(
        name="what-the-server-quotes-is-shown",
        breaks="the values of a row that a constraint refused stand in logs, and in rows that clients may read",
        file="database/hidden_values.py",
        old="    if message is None or is_internal(error):\n",
        new="    if message is not None:\n",
        tests=(HIDDEN,),
    ),
    Bug(
        name="a-failed-job-is-not-logged",
        breaks="a job fails, and no log and no Sentry knows",
        file="runtime/events.py",
        old='if self._listeners.exist() or (outcome == "failed" and self._job is not None):',
        new="if self._listeners.exist():",
        tests=(SEEN,),
    ),
    Bug(
        name="a-row-loses-its-traceback",
        breaks="of a failed job only its last line is known",
        file="dispatch/executor.py",
        old="jobs.finish(connection, [key], error, now, trace)",
        new="jobs.finish(connection, [key], error, now)",
        tests=(SEEN,),
    ),
    Bug(
        name="clients-see-every-error",
        breaks="the texts of plain exceptions, which may hold secrets, reach clients",
        file="runtime/call_executor.py",
        old="        self.redacts_errors = not settings.debug\n",
        new="        self.redacts_errors = False\n",
        tests=(SEEN,),
    ),
    Bug(
        name="a-lost-action-is-not-announced",
        breaks="an action fails with its process, and no listener is told",
        file="dispatch/recovery.py",
        old="        self._listeners.notify(*(run_of(lost, now) for lost in failed))\n",
        new="",
        tests=(f"{CLAIMS}::test_an_action_whose_process_died_is_announced_and_logged",),
    ),
    Bug(
        name="a-password-among-the-options-is-shown",
        breaks="an error of the command line shows the password of the database",
        file="database/url.py",
        old='"***" if SECRET.search(name) else value',
        new="value",
        tests=(DATABASES,),
    ),
    Bug(
        name="a-part-of-a-password-is-taken-for-the-host",
        breaks="an error of the command line shows what follows an @ in the password of the database",
        file="database/url.py",
        old='    if "@" in (parsed.host or ""):\n',
        new="    if False:\n",
        tests=(DATABASES,),
    ),
    Bug(
        name="jobs-are-listed-by-state",
        breaks="the newest failure is behind all successes, out of sight",
        file="database/job_queries.py",
        old="    return found + sorted(latest, key=listing_order)[:room]\n",
        new="    return found + latest[:room]\n",
        tests=("tests/promises/test_lists_of_jobs.py",),
    ),
    Bug(
        name="a-nested-call-is-another-request",
        breaks="the lines of one request cannot be found together in the log",
        file="runtime/call_executor.py",
        old="parent.identity, parent.job, request=parent.request, admin=parent.admin)",
        new="parent.identity, parent.job, admin=parent.admin)",
        tests=("tests/promises/test_log_lines.py",),
    ),
)
