"""Bugs in crons: slots that fire twice, at once, or not at all."""

from __future__ import annotations

from typing import Final

from .bug import Bug

VERSIONS: Final = "tests/dispatch/test_crons_of_two_versions.py"
SLOTS: Final = "tests/promises/test_crons_fire_once_a_slot.py"

CRONS: Final = (
    Bug(
        name="a slot for every worker",
        breaks="a worker that was frozen takes a slot of long ago, and the cron's next slots are decided anew",
        file="database/crons.py",
        old="update(crons).where(crons.c.name == name, crons.c.next_time == slot)",
        new="update(crons).where(crons.c.name == name)",
        tests=(
            "tests/dispatch/test_cron_scheduler.py::test_a_worker_that_looked_long_ago_takes_no_slot_and_moves_none",
        ),
    ),
    Bug(
        name="crons adopted without a lock",
        breaks="of two workers that start at the same moment, one fails to start",
        file="database/crons.py",
        old='    if connection.dialect.name == "postgresql":\n',
        new='    if connection.dialect.name == "":\n',
        tests=("tests/database/postgres/test_stored_crons.py",),
    ),
    Bug(
        name="two runs of a cron at a time",
        breaks="a report that takes longer than its interval runs beside itself, and once more, and once more",
        file="dispatch/cron_scheduler.py",
        old="            if stored.is_running(connection, row.last_job):\n",
        new="            if False:\n",
        tests=(f"{SLOTS}::test_a_cron_never_runs_twice_at_a_time_and_says_what_it_skipped",),
    ),
    Bug(
        name="every missed slot fires",
        breaks="after a night off, an hourly cron runs eight times in a row",
        file="dispatch/cron_scheduler.py",
        old="        following = timetable.after(row.next_time, now)\n",
        new="        following = timetable.after(row.next_time, row.next_time)\n",
        tests=(f"{SLOTS}::test_after_downtime_the_stored_slot_runs_once",),
    ),
    Bug(
        name="a changed function moves the slot",
        breaks="the slot that came while a new version was being deployed is never fired",
        file="dispatch/cron_scheduler.py",
        old="            elif row.schedule != cron.schedule:\n",
        new="            elif row.schedule:\n",
        tests=(f"{VERSIONS}::test_a_slot_that_came_during_a_deploy_is_kept",),
    ),
    Bug(
        name="a start removes what other versions declare",
        breaks="in a rolling deploy the old version restarts once more, and the new version's crons are gone for ever",
        file="database/crons.py",
        old="        return None\n    return {name: DeclaredCron(*each) for row in rows for",
        new="        return None\n    return {name: DeclaredCron(*each) for row in rows[-1:] for",
        tests=(f"{VERSIONS}::test_a_restart_of_the_old_version_takes_no_cron_away",),
    ),
    Bug(
        name="the earliest start decides",
        breaks="a new version's timetable counts only after the last old worker is gone",
        file="database/crons.py",
        old=".order_by(workers.c.started_time, workers.c.id)",
        new=".order_by(workers.c.started_time.desc(), workers.c.id)",
        tests=(f"{VERSIONS}::test_where_two_versions_differ_the_latest_start_decides",),
    ),
    Bug(
        name="a worker that was given up judges crons",
        breaks="a laptop wakes up, and the crons of its only worker begin anew, all at once",
        file="database/crons.py",
        old="    if worker not in {row.id for row in rows}:\n",
        new="    if worker not in {row.id for row in rows} and rows:\n",
        tests=(f"{VERSIONS}::test_a_worker_that_was_given_up_removes_nothing",),
    ),
)
