"""Copies a database to another one, of the same kind or not: the app's tables and the framework's, all or nothing.

Imports Alembic, which takes longer than all other imports: import it only when a database is copied.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Identity,
    MetaData,
    Table,
    func,
    inspect,
    literal,
    select,
    text,
    update,
)
from sqlalchemy import Sequence as DatabaseSequence
from sqlalchemy.exc import DBAPIError, SAWarning

from ..database.claim import ClaimKey
from ..database.jobs import finish
from ..database.tables import FRAMEWORK_TABLES, commits, conflicts, metadata_table, queue, workers
from ..database.tables import metadata as framework
from ..errors import DatabaseError
from ..migrations import revisions
from ..migrations.dev_sync import USERS_VERSION_TABLE, sync_tables
from ..migrations.framework import check_revision, migrate, recorded_revision
from ..migrations.schema_change import broken_references
from .table import TableCopy

NOT_COPIED: Final = (workers, metadata_table, commits, conflicts)
COPIED_ACTION: Final = (
    "this action was in progress when the database was copied, and the copy cannot know how it ended. "
    "It may have run in part; actions are never run again"
)

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class CopyResult:
    """What was copied."""

    rows: dict[str, int]
    """The number of rows of each table."""
    pending: int
    """The number of jobs that are pending in the target."""
    failed: int
    """The number of actions that were in progress, which are failed in the target."""
    others: list[str]
    """Tables of the source that are neither the app's nor the framework's. They were not copied."""


def copy_database(
    source: Connection, target: Connection, metadata: MetaData, migrations: Path, progress: Progress
) -> CopyResult:
    """Copy the app's tables and the framework's. The caller commits.

    The target's tables are made as the source's were: by revisions, or from the models. Pending jobs stay pending,
    claimed or not. Actions in progress are failed, because how they end is unknown.

    Args:
        source: A connection in a snapshot.
        target: A connection in a transaction.
        metadata: The app's models.
        migrations: The folder of its revisions.
        progress: Called with a table, the number of its rows so far, and the number of its rows.

    Raises:
        DatabaseError: The source differs from the models, the target is not empty, or it cannot store a value.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SAWarning)  # what it warns of is compared afterwards
        check_revision(source)
        revisions.refuse_differences(source, metadata, "the source", "Bring it up to date, then copy it")
        prepare(source, target, metadata, migrations)
        tables = copied_tables(metadata)
        problems: list[str] = []
        copies = [TableCopy(table, source, target, problems) for table in tables]
        with deferred_references(target, tables):
            for copy in copies:
                copy_table(copy, progress)
        refuse_problems(problems)
        for copy in copies:
            copy.compare()
            set_sequences(source, target, copy.table)
        failed = release_jobs(target)
        if target.dialect.name == "postgresql":
            target.execute(text("ANALYZE"))
        return CopyResult(
            rows={copy.table.key: copy.checksum.rows for copy in copies},
            pending=target.execute(select(func.count()).select_from(queue)).scalar_one(),
            failed=failed,
            others=other_tables(source, metadata),
        )


def copied_tables(metadata: MetaData) -> list[Table]:
    """The app's and the framework's, a table after those that it refers to."""
    theirs = [table for table in metadata.sorted_tables if table.key not in FRAMEWORK_TABLES]
    return [*theirs, *(table for table in framework.sorted_tables if table not in NOT_COPIED)]


def prepare(source: Connection, target: Connection, metadata: MetaData, migrations: Path) -> None:
    """Create the target's tables, which must be empty."""
    refuse_rows(target, metadata)  # before anything is created
    migrate(target)
    revision = recorded_revision(source, USERS_VERSION_TABLE)
    if revision is None:
        sync_tables(target, metadata, lambda steps: False)
    elif recorded_revision(target, USERS_VERSION_TABLE) != revision:
        run_revisions(target, metadata, migrations, revision)
    revisions.refuse_differences(target, metadata, "the target", "Begin with an empty database")


def run_revisions(target: Connection, metadata: MetaData, migrations: Path, revision: str) -> None:
    """Upgrade the target to the source's revision. Rows that the revisions insert are in the source too."""
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
    """Refuse a target that has rows; exclude other writers until the end."""
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


def copy_table(copy: TableCopy, progress: Progress) -> None:
    total = copy.count()
    progress(copy.table.key, 0, total)
    copy.run(lambda rows: progress(copy.table.key, rows, total))


def refuse_problems(problems: list[str]) -> None:
    if problems:
        listed = "\n".join(f"- {problem}" for problem in problems)
        raise DatabaseError(
            f"the target cannot store these values. Correct them in the source, then try again:\n{listed}"
        )


def release_jobs(target: Connection) -> int:
    """Release claims, whose workers are not the target's, and fail actions that had been started. How many failed."""
    started = target.execute(select(queue.c.job_id, queue.c.run_token).where(queue.c.run_token.is_not(None))).all()
    for job_id, run_token in started:
        finish(target, [ClaimKey(job_id, run_token)], COPIED_ACTION, datetime.now(UTC))
    target.execute(update(queue).where(queue.c.worker.is_not(None)).values(worker=None, claim_token=None))
    return len(started)


def other_tables(source: Connection, metadata: MetaData) -> list[str]:
    known = FRAMEWORK_TABLES | {table.name for table in metadata.tables.values()} | {USERS_VERSION_TABLE}
    return sorted(set(inspect(source).get_table_names()) - known)


@contextmanager
def deferred_references(target: Connection, tables: Sequence[Table]) -> Iterator[None]:
    """Let rows have their ids, and refer to rows that come later. References are checked at the end.

    Raises:
        DatabaseError: A row refers to one that does not exist.
    """
    if target.dialect.name != "postgresql":
        yield
        for broken, row, parent in sorted(broken_references(target), key=str):
            raise DatabaseError(f"row {row} of {broken} refers to a row of {parent} that does not exist")
        return
    late = list(late_references(target, tables))
    generated = [column for table in tables for column in table.columns if is_always_generated(column)]
    for name, on in late:
        target.exec_driver_sql(f"ALTER TABLE {on} ALTER CONSTRAINT {name} DEFERRABLE INITIALLY DEFERRED")
    for column in generated:
        set_generated(target, column, "BY DEFAULT")
    yield
    try:
        target.exec_driver_sql("SET CONSTRAINTS ALL IMMEDIATE")
    except DBAPIError as error:
        driver: Any = error.orig
        said = driver.diag.message_detail or driver  # its text leaves out values, and this copy names the row
        raise DatabaseError(f"a row refers to one that does not exist: {str(said).strip()}") from error
    for name, on in late:
        target.exec_driver_sql(f"ALTER TABLE {on} ALTER CONSTRAINT {name} NOT DEFERRABLE")
    for column in generated:
        set_generated(target, column, "ALWAYS")


def late_references(target: Connection, tables: Sequence[Table]) -> Iterator[tuple[str, str]]:
    """The foreign keys to the same table or to one that is loaded later: each name and table, quoted."""
    quote = target.dialect.identifier_preparer
    inspector = inspect(target)
    loaded: set[tuple[str | None, str]] = set()
    for table in tables:
        for key in inspector.get_foreign_keys(table.name, table.schema):
            can_wait = key.get("options", {}).get("deferrable")
            if (key["referred_schema"], key["referred_table"]) not in loaded and not can_wait:
                yield quote.quote(str(key["name"])), quote.format_table(table)
        loaded.add((table.schema, table.name))


def is_always_generated(column: Column[Any]) -> bool:
    return isinstance(column.identity, Identity) and bool(column.identity.always)


def set_generated(target: Connection, column: Column[Any], how: str) -> None:
    quote = target.dialect.identifier_preparer
    on, name = quote.format_table(column.table), quote.format_column(column)
    target.exec_driver_sql(f"ALTER TABLE {on} ALTER COLUMN {name} SET GENERATED {how}")


def set_sequences(source: Connection, target: Connection, table: Table) -> None:
    """Let the next row have the next id, and none that a deleted row had, as far as that is known."""
    if target.dialect.name != "postgresql":
        return  # SQLite takes the next id from the rows
    quote = target.dialect.identifier_preparer
    for column in table.columns:
        sequence: Any = None
        if isinstance(column.default, DatabaseSequence):
            sequence = quote.format_sequence(column.default)
        elif column.autoincrement is True or column is table.autoincrement_column or column.identity is not None:
            sequence = target.execute(
                select(func.pg_get_serial_sequence(quote.format_table(table), column.name))
            ).scalar()
        if sequence is None:
            continue
        last = target.execute(select(func.max(column))).scalar()
        last = max(filter(None, [last, last_of_sqlite(source, table)]), default=None)
        if last is not None and last > 0:
            target.execute(select(func.setval(literal(sequence), literal(last, BigInteger), True)))


def last_of_sqlite(source: Connection, table: Table) -> int | None:
    """The last id of an AUTOINCREMENT column."""
    if source.dialect.name != "sqlite" or not table.dialect_options["sqlite"]["autoincrement"]:
        return None
    given = text("SELECT seq FROM sqlite_sequence WHERE name = :name")
    return source.execute(given, {"name": table.name}).scalar()
