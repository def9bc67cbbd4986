"""Bugs in where claims begin while somebody keeps a transaction open."""

from __future__ import annotations

from typing import Final

from .bug import Bug

TESTS: Final = "tests/database/postgres/test_frontier.py"
BACK: Final = f"{TESTS}::test_what_was_given_back_is_found_by_a_look_from_the_beginning"
LONG: Final = f"{TESTS}::test_after_a_long_look_claims_begin_with_what_it_found_or_with_what_is_due_from_now_on"

FRONTIER: Final = (
    Bug(
        name="every claim walks over what is over",
        breaks="while anybody keeps a transaction open, claims become slower and slower",
        file="dispatch/claim_cursor.py",
        old="        return self._last if self.is_far else {}\n",
        new="        return {}\n",
        tests=(BACK,),
    ),
    Bug(
        name="what was given back is left behind",
        breaks="while anybody keeps a transaction open, jobs that were given back are never found",
        file="dispatch/stragglers.py",
        old="            self._look_from_the_beginning()\n",
        new="            pass\n",
        tests=(BACK,),
    ),
    Bug(
        name="what was committed late is left behind",
        breaks="while anybody keeps a transaction open, what others overtook by a millisecond waits for a long look",
        file="dispatch/stragglers.py",
        old="        self._look(self._frontier.before(self._lateness))\n",
        new="        self._look(self._frontier.places())\n",
        tests=(f"{TESTS}::test_what_was_committed_late_is_found_by_a_short_look_back",),
    ),
    Bug(
        name="looks from the beginning without a pause",
        breaks="while anybody keeps a transaction open, the server does little else than walk over what is over",
        file="dispatch/stragglers.py",
        old="            self._next_long_look = ended + PAUSE_TIMES * (ended - began)\n",
        new="            self._next_long_look = ended\n",
        tests=(f"{TESTS}::test_a_long_look_is_followed_by_a_long_pause",),
    ),
    Bug(
        name="once far, always far",
        breaks="after somebody's long transaction two looks go back for as long as the process lives",
        file="dispatch/stragglers.py",
        old="            self._frontier.is_far = self._frontier.is_long(time.monotonic() - began)\n",
        new="",
        tests=(f"{TESTS}::test_when_the_queue_is_short_again_claims_begin_at_its_beginning",),
    ),
    Bug(
        name="claims begin next month",
        breaks="what is scheduled for now is behind the frontier if the first that waits is due next month",
        file="dispatch/claim_cursor.py",
        old="QueuePosition(min(due or now, now), -1)",
        new="QueuePosition(due or now, -1)",
        tests=(LONG,),
    ),
    Bug(
        name="a look that is broken off is made again for ever",
        breaks="a worker that starts where a look takes longer than the server allows runs nothing at all",
        file="dispatch/dispatcher.py",
        old="                self.frontier.gave_up(self._clock.now())\n",
        new="                pass\n",
        tests=(f"{TESTS}::test_a_worker_whose_look_is_broken_off_runs_what_comes_next",),
    ),
)
