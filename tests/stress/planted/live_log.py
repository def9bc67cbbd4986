"""Bugs in the commit log as live queries read it: commits that are missed, or found in the wrong snapshot."""

from __future__ import annotations

from typing import Final

from .bug import Bug

CHAIN: Final = "tests/stress/live_log/test_live_log.py"
ON_POSTGRES: Final = (f"{CHAIN}::test_every_commit_is_found_once_by_each_reader[postgres-200]",)
ON_SQLITE: Final = (f"{CHAIN}::test_every_commit_is_found_once_by_each_reader[sqlite-200]",)
READER: Final = "tests/database/test_live_reader.py"
LOG: Final = "tests/database/test_commit_log.py"

LIVE_LOG: Final = (
    Bug(
        name="new is what has a higher id",
        breaks="a commit of a transaction that was open for long is never seen by a live query",
        file="database/postgres/position.py",
        old="""tuple(map(int, in_progress.split(","))) if in_progress else ()""",
        new="()",
        tests=ON_POSTGRES,
    ),
    Bug(
        name="a position outlives its connection",
        breaks="after a crash of the server, commits whose ids were given out again are never seen",
        file="database/postgres/live_reader.py",
        old="is_same_connection = driver is self._driver and backend == self._backend",
        new="is_same_connection = True",
        tests=(f"{READER}::test_a_position_does_not_outlive_its_connection", *ON_POSTGRES),
    ),
    Bug(
        name="pruning leaves no mark",
        breaks="a process that was frozen shows old values for ever",
        file="database/log_pruning.py",
        old="""        CHANGE.execute(connection, {"of": MARK, "new": str(mark)})\n""",
        new="",
        tests=(*ON_POSTGRES, *ON_SQLITE),
    ),
    Bug(
        name="the mark is not looked at on SQLite",
        breaks="a process that was frozen shows old values for ever",
        file="database/sqlite/position.py",
        old=" and mark <= self.last + 1",
        new="",
        tests=ON_SQLITE,
    ),
    Bug(
        name="the log and the queries see different snapshots",
        breaks="what is committed between the two is shown in part, or not at all",
        file="database/postgres/begin.py",
        old="""self.live = self._begin("REPEATABLE READ READ ONLY\"""",
        new="""self.live = self._begin("READ COMMITTED READ ONLY\"""",
        tests=ON_POSTGRES,
    ),
    Bug(
        name="the row of the log is committed after the rest",
        breaks="a snapshot between the two shows what it does not report, and a crash between them loses the row",
        file="database/sqlite/database.py",
        old="""\
        if self.is_logged:
            self._log()
        super().send_commit()
""",
        new="""\
        super().send_commit()
        if self.is_logged:
            self._log()
""",
        tests=ON_SQLITE,
    ),
    Bug(
        name="the position moves on after an error",
        breaks="what a round could not deliver is never delivered",
        file="database/sqlite/live_reader.py",
        old="            yield LiveSnapshot(transaction, commits)\n",
        new="""\
            self._position, self._driver = position, driver
            yield LiveSnapshot(transaction, commits)
""",
        tests=(f"{READER}::test_a_snapshot_that_failed_is_reported_again",),
    ),
    Bug(
        name="rows of another server's dump are reported",
        breaks="after a dump was restored, every live query runs at every commit until the ids have got that far",
        file="database/postgres/position.py",
        old="AND position < pg_snapshot_xmax(pg_current_snapshot())::text::bigint",
        new="AND true",
        tests=(f"{READER}::test_what_a_dump_of_another_server_brought_is_not_reported",),
    ),
    Bug(
        name="the start of an action is not in the log",
        breaks="a live list of jobs shows a running action as pending",
        file="database/jobs.py",
        old="    changes_of(connection).change_jobs([claim.job_id])\n",
        new="",
        tests=(f"{LOG}::test_the_start_and_the_end_of_an_action_are_in_the_log",),
    ),
    Bug(
        name="processes notify though nobody subscribes",
        breaks="each commit of a busy app takes the lock that NOTIFY needs for its whole server, for nobody",
        file="database/postgres/live_channel.py",
        old=' WHERE NOT {IS_ALONE}"',
        new='"',
        tests=(f"{READER}::test_nothing_is_sent_while_nobody_subscribes",),
    ),
    Bug(
        name="to count commits releases SQLite's locks",
        breaks="a snapshot is torn by another process's checkpoint, and other processes are refused",
        file="database/sqlite/log_watch.py",
        old="os.pread(descriptor_of(self._index), COUNTER.size, 0)",
        new='self._index.open("rb").read(COUNTER.size)',
        tests=("tests/database/test_log_watch.py::test_to_count_commits_releases_no_lock_of_a_reader",),
    ),
    Bug(
        name="another program's commit is one of ours",
        breaks="what another program writes to a file is not seen if convexpy writes as well",
        file="database/sqlite/log_watch.py",
        old="        return (self.of_sqlite - before.of_sqlite - self.of_convexpy + before.of_convexpy) % 2**32\n",
        new="        return int(self.of_convexpy == before.of_convexpy and self.of_sqlite != before.of_sqlite)\n",
        tests=(f"{READER}::test_a_write_of_another_program_is_noticed_beside_our_own[sqlite]",),
    ),
    Bug(
        name="triggers for other programs run for convexpy as well",
        breaks="every query on a table runs again after each mutation, whatever rows it reads",
        file="migrations/versions/convexpy_0007.py",
        old="    IF current_setting('application_name') = 'convexpy' THEN\n        RETURN NULL;\n    END IF;\n",
        new="",
        tests=("tests/cli/test_live_tables.py::test_convexpys_own_writes_keep_their_keys",),
    ),
)
