"""Bugs in where claims begin while another client keeps a transaction open."""

from __future__ import annotations

from typing import Final

from .bug import Bug

TESTS: Final = "tests/database/postgres/test_claim_cursor.py"
FULL: Final = f"{TESTS}::test_what_was_given_back_is_found_by_a_full_scan"

CLAIM_CURSOR: Final = (
    Bug(
        name="every claim scans the deleted rows",
        breaks="while any client keeps a transaction open, claims become slower and slower",
        file="dispatch/claim_cursor.py",
        old="        return self._last if self.is_ahead else {}\n",
        new="        return {}\n",
        tests=(FULL,),
    ),
    Bug(
        name="what was given back is left behind",
        breaks="while any client keeps a transaction open, jobs that were given back are never found",
        file="dispatch/claim_cursor.py",
        old="                self._move_back(self._scan({}), on_found)\n",
        new="                self._scan({})\n",
        tests=(FULL,),
    ),
    Bug(
        name="what the backfill finds wakes no dispatcher",
        breaks="jobs that the cursor had left behind wait until the dispatcher looks by itself",
        file="dispatch/claim_cursor.py",
        old="        if earlier:\n            on_found()\n",
        new="",
        tests=(FULL,),
    ),
    Bug(
        name="what the backfill finds is not looked for",
        breaks="jobs that the cursor had left behind wait for the next look, though the dispatcher was woken",
        file="dispatch/worker.py",
        old="        found, cursor = self.dispatcher.on_remote_commit, self.dispatcher.cursor\n",
        new="        found, cursor = self.dispatcher._wake, self.dispatcher.cursor\n",
        tests=(f"{TESTS}::test_what_the_backfill_finds_is_run_at_once",),
    ),
    Bug(
        name="what was committed late is left behind",
        breaks="while any client keeps a transaction open, a job overtaken by a millisecond waits for a full scan",
        file="dispatch/claim_cursor.py",
        old="QueuePosition(last.due_time - lateness, 0)",
        new="last",
        tests=(f"{TESTS}::test_what_was_committed_late_is_found_by_a_short_scan",),
    ),
    Bug(
        name="full scans without a pause",
        breaks="while any client keeps a transaction open, the server does little else than scan deleted rows",
        file="dispatch/claim_cursor.py",
        old="                self._next_full_scan = ended + PAUSE_TIMES * (ended - began)\n",
        new="                self._next_full_scan = ended\n",
        tests=(f"{TESTS}::test_a_long_scan_is_followed_by_a_long_pause",),
    ),
    Bug(
        name="once ahead, always ahead",
        breaks="after one long transaction the backfill scans for as long as the process lives",
        file="dispatch/claim_cursor.py",
        old="                self.is_ahead = is_long(time.monotonic() - began)\n",
        new="",
        tests=(f"{TESTS}::test_when_the_queue_is_short_again_claims_begin_at_its_start",),
    ),
    Bug(
        name="claims begin next month",
        breaks="what is scheduled for now lies before the cursor if the first job that waits is due next month",
        file="dispatch/claim_cursor.py",
        old="QueuePosition(min(due or now, now), -1)",
        new="QueuePosition(due or now, -1)",
        tests=(f"{TESTS}::test_after_a_long_scan_claims_begin_with_what_it_found_or_now",),
    ),
    Bug(
        name="an aborted scan is repeated for ever",
        breaks="a worker that starts where a scan takes longer than the server allows runs nothing at all",
        file="dispatch/claim_cursor.py",
        old="                self.is_ahead = True\n                for kind in KINDS:\n",
        new="                for kind in KINDS:\n",
        tests=(f"{TESTS}::test_a_worker_whose_scan_is_aborted_runs_what_comes_next",),
    ),
)
