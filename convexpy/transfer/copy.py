"""A whole database to another one, of the same kind or not: the app's tables and the framework's, all or nothing.

This file imports Alembic, whose import takes longer than everything else: import it only when a database is copied.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, MetaData, Table, func, inspect, select, text, update
from sqlalchemy.exc import SAWarning

from ..database.claim import ClaimKey
from ..database.jobs import finish
from ..database.tables import FRAMEWORK_TABLES, commits, conflicts, metadata_table, queue, workers
from ..database.tables import metadata as framework
from ..errors import DatabaseError
from ..migrations import revisions
from ..migrations.dev_sync import USERS_VERSION_TABLE, keep_in_step
from ..migrations.framework import check_revision, migrate, recorded_revision
from .loading import loading, set_sequences
from .table import TableCopy

NOT_COPIED: Final = (workers, metadata_table, commits, conflicts)
COPIED_ACTION: Final = (
    "this action was in progress when the database was copied, and the copy cannot know how it ended. "
    "It may have run in part; actions are never run again"
)

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Copied:
    """What a copy did."""

    rows: dict[str, int]
    """How many rows of each table."""
    pending: int
    """How many jobs wait in the target."""
    failed: int
    """How many actions had been in progress, and are failed in the target."""
    others: list[str]
    """Tables of the source that neither the app nor the framework knows. They were not copied."""


def copy_database(
    source: Connection, target: Connection, metadata: MetaData, migrations: Path, progress: Progress
) -> Copied:
    """Copy everything that the app and the framework know. The caller commits.

    The target is made what the source is: its tables by the revisions that the source was made by, or from the models.
    Pending jobs stay pending, claimed or not. Actions in progress are failed: nobody can say how they end.

    Args:
        source: One snapshot.
        target: A transaction.
        metadata: The app's models.
        migrations: The folder of its revisions.
        progress: Called with a table, the number of its rows so far, and the number of all of them.

    Raises:
        DatabaseError: The source is out of step with the models, the target is not empty, or it cannot keep a value.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SAWarning)  # about what is compared afterwards anyway
        check_revision(source)
        revisions.refuse_differences(source, metadata, "the source", "Bring it up to date, then copy it")
        prepare(source, target, metadata, migrations)
        tables = copied_tables(metadata)
        problems: list[str] = []
        copies = [TableCopy(table, source, target, problems) for table in tables]
        with loading(target, tables):
            for copy in copies:
                run(copy, progress)
        refuse(problems)
        for copy in copies:
            copy.compare()
            set_sequences(source, target, copy.table)
        failed = settle(target)
        if target.dialect.name == "postgresql":
            target.execute(text("ANALYZE"))
        return Copied(
            rows={copy.table.key: copy.digest.rows for copy in copies},
            pending=target.execute(select(func.count()).select_from(queue)).scalar_one(),
            failed=failed,
            others=other_tables(source, metadata),
        )


def copied_tables(metadata: MetaData) -> list[Table]:
    """The app's and the framework's, those that are referred to first."""
    theirs = [table for table in metadata.sorted_tables if table.key not in FRAMEWORK_TABLES]
    return [*theirs, *(table for table in framework.sorted_tables if table not in NOT_COPIED)]


def prepare(source: Connection, target: Connection, metadata: MetaData, migrations: Path) -> None:
    """Give the target its tables, and make sure that they are empty."""
    refuse_rows(target, metadata)  # before anything is made
    migrate(target)
    revision = recorded_revision(source, USERS_VERSION_TABLE)
    if revision is None:
        keep_in_step(target, metadata, lambda steps: False)
    elif recorded_revision(target, USERS_VERSION_TABLE) != revision:
        run_revisions(target, metadata, migrations, revision)
    revisions.refuse_differences(target, metadata, "the target", "Begin with an empty database")


def run_revisions(target: Connection, metadata: MetaData, migrations: Path, revision: str) -> None:
    """Bring the target to the source's revision. Rows that the revisions write are in the source too."""
    newest = revisions.current(target, migrations).head
    if newest != revision:
        raise DatabaseError(
            f"the source is at revision {revision}, and the newest in {migrations} is {newest or 'none'}: bring the "
            "source up to date with `convexpy db upgrade`. If an Alembic environment of your own keeps these tables, "
            "upgrade the empty target with that first"
        )
    revisions.upgrade(target, metadata, migrations, revision)
    for table in reversed(copied_tables(metadata)):
        target.execute(table.delete())


def refuse_rows(target: Connection, metadata: MetaData) -> None:
    """Refuse a target that somebody uses; keep others from writing to it until the end."""
    inspector = inspect(target)
    there = [each for each in [*copied_tables(metadata), workers] if inspector.has_table(each.name, schema=each.schema)]
    if there and target.dialect.name == "postgresql":
        names = ", ".join(map(target.dialect.identifier_preparer.format_table, there))
        target.exec_driver_sql(f"LOCK TABLE {names} IN EXCLUSIVE MODE")
    for table in there:
        if target.execute(select(text("1")).select_from(table).limit(1)).first() is not None:
            raise DatabaseError(
                f"the target is not empty: {table.key} has rows. A copy is made into an empty database only. "
                "Create a new one, or drop the tables of this one"
            )


def run(copy: TableCopy, progress: Progress) -> None:
    total = copy.count()
    progress(copy.table.key, 0, total)
    copy.run(lambda rows: progress(copy.table.key, rows, total))


def refuse(problems: list[str]) -> None:
    if problems:
        listed = "\n".join(f"- {problem}" for problem in problems)
        raise DatabaseError(
            f"the target cannot keep these values. Correct them in the source, then try again:\n{listed}"
        )


def settle(target: Connection) -> int:
    """Nobody runs anything in the target yet: give back what was claimed, fail what had been started."""
    started = target.execute(select(queue.c.job_id, queue.c.run_token).where(queue.c.run_token.is_not(None))).all()
    for job_id, run_token in started:
        finish(target, [ClaimKey(job_id, run_token)], COPIED_ACTION, datetime.now(UTC))
    target.execute(update(queue).where(queue.c.worker.is_not(None)).values(worker=None, claim_token=None))
    return len(started)


def other_tables(source: Connection, metadata: MetaData) -> list[str]:
    known = FRAMEWORK_TABLES | {table.name for table in metadata.tables.values()} | {USERS_VERSION_TABLE}
    return sorted(set(inspect(source).get_table_names()) - known)
