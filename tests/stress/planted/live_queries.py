"""Bugs in subscriptions: changes that are missed, values of two snapshots, and what one query does to another."""

from __future__ import annotations

from typing import Final

from .bug import Bug

PROMISES: Final = "tests/promises/test_live_queries.py"
ROUNDS: Final = "tests/live/test_rounds.py"
INDEX: Final = "tests/live/test_index.py::test_it_finds_what_each_set_says_is_touched"

LIVE_QUERIES: Final = (
    Bug(
        name="a key that a commit does not name touches nobody",
        breaks="a list stays as it was after a bulk update",
        file="live/index.py",
        old="                    found.update(*values.values())\n",
        new="                    pass\n",
        tests=("tests/live/test_index.py::test_a_column_that_a_commit_does_not_name_may_have_any_value",),
    ),
    Bug(
        name="a commit without keys touches only readers of the whole table",
        breaks="a channel stays as it was after a write by SQL",
        file="live/index.py",
        old="                found |= index.readers\n",
        new="                found |= index.whole\n",
        tests=(INDEX,),
    ),
    Bug(
        name="values are delivered before all have run",
        breaks="a total does not fit the list beside it",
        file="live/subscription.py",
        old="            if not query.is_current or query.outcome is None:\n",
        new="            if query.outcome is None:\n",
        tests=(f"{ROUNDS}::test_a_subscriber_never_gets_values_of_two_snapshots",),
    ),
    Bug(
        name="what a round had no time for is forgotten",
        breaks="a subscriber waits for its first value without end",
        file="live/group.py",
        old="                self._backlog.setdefault(subscription)\n        self._urgent.clear()\n",
        new="                pass\n        self._urgent.clear()\n",
        tests=(f"{ROUNDS}::test_what_a_round_has_no_time_for_runs_later",),
    ),
    Bug(
        name="one run counts for every user",
        breaks="a user sees the orders of another one",
        file="live/runner.py",
        old="            if not run.depends.identity:\n",
        new="            if True:\n",
        tests=(f"{PROMISES}::test_a_query_that_reads_the_identity_runs_for_each_user",),
    ),
    Bug(
        name="a setting outlives its run",
        breaks="row security shows a query the rows of the user before",
        file="database/postgres/transaction.py",
        old='            execute(self.driver, f"ROLLBACK TO {ROUND}")\n            super().undo_run()\n',
        new="            super().undo_run()\n",
        tests=(f"{PROMISES}::test_a_setting_of_one_query_is_not_met_by_another[postgres]",),
    ),
    Bug(
        name="equal values are delivered",
        breaks="a page is drawn again at every write of others",
        file="live/updates.py",
        old="            self._update = None if update.digest == self._taken else update\n",
        new="            self._update = update\n",
        tests=("tests/live/test_updates.py::test_a_value_that_came_back_before_it_was_taken_is_none",),
    ),
    Bug(
        name="closing wakes no thread",
        breaks="a thread that iterates hangs when its app stops",
        file="live/updates.py",
        old="            self.is_closed, self._update = True, None\n",
        new="            self.is_closed, self._update, self._waiting = True, None, []\n",
        tests=("tests/promises/test_live_iterations.py::test_closing_ends_iterations_that_wait",),
    ),
    Bug(
        name="a reload runs nothing again",
        breaks="after a deployment subscribers see what the old code made",
        file="app.py",
        old="        self.live.reset(RELOAD)\n",
        new="",
        tests=("tests/live/test_reloaded_queries.py",),
    ),
    Bug(
        name="what a query reads is registered once",
        breaks="a query that took another branch is never run again for what it reads there",
        file="live/group.py",
        old="        self._index.replace(query, query.reads)\n",
        new="        if query not in self._index._reads:\n            self._index.replace(query, query.reads)\n",
        tests=("tests/live/test_rounds.py::test_what_the_latest_run_has_read_counts",),
    ),
)
