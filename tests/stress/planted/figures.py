"""Bugs in what is summed up of runs, and in what a job's row says of where it came from."""

from __future__ import annotations

from typing import Final

from .bug import Bug

COLLECTOR: Final = "tests/runtime/test_run_collector.py"
ERRORS: Final = "tests/_system/test_system_errors.py"
ATTEMPTS: Final = "tests/dispatch/test_attempts.py"
ORIGINS: Final = "tests/runtime/test_job_origins.py"
CRON_RUNS: Final = "tests/dispatch/test_cron_runs.py"

FIGURES: Final = (
    Bug(
        name="a failed flush forgets its sums",
        breaks="while the database is away, the figures of those minutes are lost",
        file="runtime/collected_runs.py",
        old="            store_minutes(connection, self._rows())\n",
        new="""\
            rows = list(self._rows())
            self._changed.clear()
            store_minutes(connection, rows)
""",
        tests=(f"{COLLECTOR}::test_a_flush_that_fails_loses_nothing",),
    ),
    Bug(
        name="a minute is forgotten as soon as it is stored",
        breaks="of each minute only the last ten seconds are counted",
        file="runtime/collected_runs.py",
        old="if each + GRACE < now]",
        new="if each <= now]",
        tests=(f"{COLLECTOR}::test_a_minute_that_is_stored_again_is_not_counted_twice",),
    ),
    Bug(
        name="all processes have one row",
        breaks="of several servers the figures show the one that stored last",
        file="runtime/run_collector.py",
        old="UnstoredRuns(secrets.token_hex(16))",
        new='UnstoredRuns("process")',
        tests=(f"{COLLECTOR}::test_sums_of_processes_add_up",),
    ),
    Bug(
        name="attempts count as calls",
        breaks="a function that meets conflicts seems to be called more often than it is",
        file="runtime/collected_runs.py",
        old="            sums.retries += 1\n            return\n",
        new="            sums.retries += 1\n",
        tests=(f"{COLLECTOR}::test_an_attempt_that_is_made_again_is_no_call",),
    ),
    Bug(
        name="a dashboard that is open keeps the process writing",
        breaks="an idle app writes to its database for as long as somebody looks at it",
        file="runtime/run_collector.py",
        old='if run.outcome == "lost" or run.name.startswith(SYSTEM):',
        new='if run.outcome == "lost":',
        tests=(f"{COLLECTOR}::test_an_idle_process_plans_nothing_and_stores_nothing",),
    ),
    Bug(
        name="errors of all places are one group",
        breaks="a new error hides in the group of an old one",
        file="runtime/failure_origin.py",
        old="    return FailureOrigin(function, exception, place or None), message\n",
        new="    return FailureOrigin(function, exception, None), message\n",
        tests=(f"{ERRORS}::test_failures_are_grouped_by_function_exception_and_place",),
    ),
    Bug(
        name="a replay runs what was replayed",
        breaks="a second press of the button runs jobs a third time, that have succeeded meanwhile",
        file="_system/errors.py",
        old="[job for job in jobs if replayed <= job.completed_time < before]",
        new="[job for job in jobs if job.completed_time < before]",
        tests=(f"{ERRORS}::test_a_group_is_replayed_after_a_while_and_only_once",),
    ),
    Bug(
        name="a replay that was undone counts",
        breaks="after an undo the jobs of a group cannot be run again",
        file="_system/errors.py",
        old='frozenset({"pending", "success"})',
        new='frozenset({"pending", "success", "canceled"})',
        tests=(f"{ERRORS}::test_a_replay_that_is_undone_leaves_everything_to_be_replayed",),
    ),
    Bug(
        name="attempts of lost workers leave no trace",
        breaks="the time line of a job has a hole where its first worker died",
        file="database/workers.py",
        old="            add_attempt(connection, lost)\n",
        new="            assert lost\n",
        tests=(f"{ATTEMPTS}::test_a_lost_worker_leaves_an_attempt_of_what_it_had_claimed",),
    ),
    Bug(
        name="what an action schedules comes from its mutations",
        breaks="the tree of a request does not begin with the function that was called",
        file="runtime/origin.py",
        old='"function": request.function or call.function.name,',
        new='"function": call.function.name,',
        tests=(f"{ORIGINS}::test_what_an_action_schedules_has_the_action_as_its_origin",),
    ),
    Bug(
        name="every run of a cron is kept",
        breaks="the table of runs grows for ever",
        file="database/cron_runs.py",
        old="table.c.slot_time < oldest",
        new="table.c.slot_time > oldest, table.c.slot_time < oldest",
        tests=(f"{CRON_RUNS}::test_the_last_thirty_are_kept_of_each",),
    ),
)
