"""Bugs in what a forked process does with what its parent made."""

from __future__ import annotations

from typing import Final

from .bug import Bug

FORK: Final = "tests/promises/test_forked_processes.py"

FORKS: Final = (
    Bug(
        name="a child writes to its parent's connections",
        breaks="after a fork, statements of two processes mix on one connection",
        file="database/postgres/sockets.py",
        old="                os.dup2(nothing, driver.pgconn.socket, inheritable=False)\n",
        new="                pass\n",
        tests=(f"{FORK}::test_a_parent_that_dies_holds_nothing_for_its_child",),
    ),
    Bug(
        name="a child goes on with its parent's transaction",
        breaks="a mutation that forks happens twice",
        file="database/transaction.py",
        old="        self.is_inherited, self.is_open = True, False\n",
        new="        pass\n",
        tests=(f"{FORK}::test_a_child_forked_within_a_mutation_commits_nothing",),
    ),
    Bug(
        name="a child waits for its parent's event loop",
        breaks="actions in a child never end",
        file="runtime/event_loop.py",
        old="        in_child.add(self._begin)\n",
        new="",
        tests=(f"{FORK}::test_actions_run_in_a_child",),
    ),
    Bug(
        name="a child waits for its parent's threads",
        breaks="what an action of a child calls never ends",
        file="runtime/thread_pool.py",
        old="        in_child.add(self._begin)\n",
        new="",
        tests=(f"{FORK}::test_actions_run_in_a_child",),
    ),
    Bug(
        name="a child counts as its parent in notifications",
        breaks="on PostgreSQL, what a child schedules starts seconds later",
        file="database/postgres/notifier.py",
        old="        in_child.add(self._begin)\n",
        new="",
        tests=(f"{FORK}::test_a_started_worker_goes_on_in_the_parent",),
    ),
    Bug(
        name="a child wakes its parent's worker",
        breaks="what a child schedules is handed to threads that it does not have",
        file="app.py",
        old="        in_child.add(self._renew_worker)\n",
        new="",
        tests=(f"{FORK}::test_a_child_of_a_running_app_can_start_a_worker_of_its_own",),
    ),
    Bug(
        name="a child keeps its parent's write lock",
        breaks="on SQLite, nothing writes after a parent died in a transaction, as long as a child lives",
        file="database/sqlite/write_lock.py",
        old="        in_child.add(self._begin)\n",
        new="",
        tests=(f"{FORK}::test_a_parent_that_dies_holds_nothing_for_its_child",),
    ),
    Bug(
        name="a child uses SQLite with its parent's locks",
        breaks="a child and its parent damage the database, as each takes the other's locks for its own",
        file="database/sqlite/database.py",
        old="        self._file.inherit_locks()\n",
        new="        pass\n",
        tests=(f"{FORK}::test_a_fork_does_not_disturb_a_long_transaction",),
    ),
    Bug(
        name="a fork does not close SQLite's connections",
        breaks="a child takes no locks of its own, so the log is deleted while it writes to it",
        file="database/sqlite/database.py",
        old="        if self._fork_gate.close():\n            self._close_connections()\n",
        new="        self._fork_gate.close()\n",
        tests=(f"{FORK}::test_what_a_child_commits_outlives_its_parents_connections",),
    ),
)
