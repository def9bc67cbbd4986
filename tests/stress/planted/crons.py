"""Bugs in crons: slots that fire twice, at once, or not at all."""

from __future__ import annotations

from typing import Final

from .bug import Bug

SLOTS: Final = "tests/promises/test_crons_fire_once_a_slot.py"

CRONS: Final = (
    Bug(
        name="a slot for every worker",
        breaks="with two workers, the invoices of the month are sent twice",
        file="database/crons.py",
        old="update(crons).where(crons.c.name == name, crons.c.next_time == slot)",
        new="update(crons).where(crons.c.name == name)",
        tests=("tests/dispatch/test_cron_scheduler.py::test_each_slot_fires_once_however_many_workers_there_are",),
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
        old="                elif row.schedule != cron.timetable.text:\n",
        new="                elif row.schedule:\n",
        tests=(f"{SLOTS}::test_after_downtime_the_stored_slot_runs_once",),
    ),
)
