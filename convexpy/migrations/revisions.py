"""The user's own Alembic revisions, which change the tables of every database but a development one.

The user's folder holds revision files only; env.py and the template are the framework's. The revision of a database is
in its table ``alembic_version``, as usual.

Imports Alembic, which takes longer than all other imports: import it only when it is needed.
"""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple
from uuid import uuid4

from alembic import command
from alembic.autogenerate import renderers
from alembic.autogenerate.api import AutogenContext
from alembic.config import Config
from alembic.operations import ops
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.script.revision import ResolutionError
from alembic.util import CommandError
from sqlalchemy import CheckConstraint, Connection, Engine, MetaData, StaticPool, create_engine, inspect
from sqlalchemy.exc import DBAPIError

from ..database.tables import ALEMBIC_VERSION_TABLE, FRAMEWORK_TABLES
from ..database.types import JobIdType, Timestamp
from ..errors import DatabaseError
from .autogenerate import include_name
from .checks import ChangeChecksOp, render_check
from .compare import Differences, compare_expression_indexes, comparison_plugins, without_warnings
from .definitions import comparable
from .dev_sync import USERS_VERSION_TABLE
from .enums import compare_enums
from .framework import ALEMBIC_LOCK, HEAD, alembic_config, migrate, recorded_revision
from .names import name_key, refuse_names
from .plan import plan
from .renames import Rename, case_renames, rename, reverse
from .schema_change import connected, foreign_keys_off, require_rebuilding, schema_change, schema_lock, transaction
from .sqlite_batch import with_names

logger = logging.getLogger("convexpy.migrations")


class RevisionStatus(NamedTuple):
    """A database's revision beside the newest one."""

    revision: str | None
    """The last revision that ran on the database. None: there was none."""
    head: str | None
    """The newest revision in the folder. None: there is none."""


def make_revision(
    bind: Engine | Connection, metadata: MetaData, folder: Path, message: str, autogenerate: bool = True
) -> Path | None:
    """Write a revision from the newest one to the models as they are now.

    The models are compared with what all revisions so far build in an empty scratch database, not with the database
    at hand, which may have the models' tables already, because ``convexpy dev`` made them.

    Args:
        bind: A database of the kind that the revision is for. Nothing in it is read or changed.
        metadata: The user's models.
        folder: Where the revisions are. Made if it does not exist.
        message: What the revision does; part of its file's name.
        autogenerate: False for an empty revision, to be written by hand.

    Returns:
        The new file; or None if the revisions build what the models say.

    Raises:
        DatabaseError: The folder holds more than revisions, or its revisions fail.
    """
    refuse_environment(folder)
    folder.mkdir(parents=True, exist_ok=True)
    newest(folder)  # refuse two: one may do what the other does
    if not autogenerate:
        with explained():
            return path_of(command.revision(alembic_config(folder), message))
    refuse_names(metadata, bind.dialect)
    with built(bind, folder) as connection, explained(), without_warnings(), ALEMBIC_LOCK:
        with connection.begin():  # a comparison sees no rename, so it is made of the tables under their new names
            renames = [operation for _, operation in case_renames(connection, metadata)]
            rename(connection, renames)
        config = revision_config(folder, connection, target_metadata=with_names(metadata))
        directives = partial(complete, metadata, renames)
        return path_of(command.revision(config, message, autogenerate=True, process_revision_directives=directives))


def upgrade(bind: Engine | Connection, metadata: MetaData, folder: Path, revision: str = "head") -> None:
    """Upgrade the framework's tables to this version, then the user's to a revision.

    A database whose tables were not made by revisions, but by ``convexpy dev`` for example, is refused: the first
    revision would fail at the first table that exists. ``adopt()`` is the way in.

    Args:
        bind: On SQLite an engine, or a connection outside a transaction.
        metadata: The user's models.
        folder: The folder of the revisions.
        revision: A revision's id, or ``"head"`` for the newest.

    Raises:
        DatabaseError: The database was not made by these revisions, or one of them fails.
    """
    refuse_environment(folder)
    migrate(bind)
    if current(bind, folder).head is None:
        return
    refuse_unrecorded_tables(bind, metadata)
    with connected(bind) as connection:
        run_revisions(connection, folder, revision)


def adopt(bind: Engine | Connection, metadata: MetaData, folder: Path) -> str:
    """Record that a database's tables are those of the newest revision. No revision runs.

    For a database that ``convexpy dev`` has made and that revisions change from now on.

    Returns:
        The revision that was recorded.

    Raises:
        DatabaseError: The database, the models and the newest revision differ.
    """
    refuse_environment(folder)
    migrate(bind)
    head = current(bind, folder).head
    if head is None:
        raise DatabaseError(f"{folder} has no revisions yet: write one with `convexpy db revision -m …`")
    with built(bind, folder) as connection:
        refuse_differences(connection, metadata, "the newest revision", "Write a revision with `convexpy db revision`")
    refuse_differences(bind, metadata, "this database", "Let `convexpy dev` apply the models")
    with schema_change(bind) as connection, explained(), ALEMBIC_LOCK:
        command.stamp(revision_config(folder, connection), head)
    return head


def current(bind: Engine | Connection, folder: Path) -> RevisionStatus:
    """The revision of a database, and the newest one."""
    return RevisionStatus(recorded_revision(bind, USERS_VERSION_TABLE), newest(folder))


def upgrade_sql(dialect: str, folder: Path, since: str | None = None, framework_since: str | None = None) -> str:
    """The SQL that ``upgrade()`` would run, the framework's and the user's, to be run by hand.

    Args:
        dialect: ``"sqlite"`` or ``"postgresql"``.
        folder: The folder of the revisions.
        since: The revision of the user's tables. None: there are none yet.
        framework_since: The revision of the framework's tables. None: there are none yet.

    Raises:
        DatabaseError: A revision cannot be written as SQL. On SQLite these are most changes of a table, which copy
            the table as it is.
    """
    refuse_environment(folder)
    head = newest(folder)
    sql = io.StringIO()
    offline: dict[str, Any] = {"dialect_name": dialect, "dialect_opts": {"paramstyle": "named"}, "literal_binds": True}
    with ALEMBIC_LOCK:
        if framework_since != HEAD:
            framework = alembic_config(version_table=ALEMBIC_VERSION_TABLE, output_buffer=sql, **offline)
            command.upgrade(framework, from_revision(framework_since), sql=True)
        if head not in (None, since):
            try:
                command.upgrade(alembic_config(folder, output_buffer=sql, **offline), from_revision(since), sql=True)
            except (CommandError, NotImplementedError) as error:
                raise DatabaseError(f"a revision cannot be written as SQL for {dialect}: {error}") from error
    return sql.getvalue()


def from_revision(since: str | None) -> str:
    return f"{since}:head" if since else "head"


def newest(folder: Path) -> str | None:
    with explained():
        heads = ScriptDirectory.from_config(alembic_config(folder)).get_heads()
    if len(heads) > 1:
        raise DatabaseError(
            f"{folder} has {len(heads)} newest revisions, {' and '.join(sorted(heads))}: two were written at the "
            "same time. Change `down_revision` in one of them to the other"
        )
    return heads[0] if heads else None


@contextmanager
def built(bind: Engine | Connection, folder: Path) -> Iterator[Connection]:
    """A scratch database with what all revisions build."""
    with scratch_database(bind) as connection:
        migrate(connection)
        with explained(), ALEMBIC_LOCK:
            command.upgrade(revision_config(folder, connection), "heads")
        yield connection


@contextmanager
def scratch_database(bind: Engine | Connection) -> Iterator[Connection]:
    """A connection, not in a transaction, to a database in memory; on PostgreSQL to a schema of its own."""
    if bind.dialect.name == "postgresql":
        with scratch_schema(bind.engine) as connection:
            yield connection
        return
    engine = create_engine("sqlite://", poolclass=StaticPool)
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


@contextmanager
def scratch_schema(engine: Engine) -> Iterator[Connection]:
    """Committed, because a revision may have a part outside the transaction, and dropped at the end."""
    schema = f"convexpy_scratch_{uuid4().hex}"
    with engine.connect() as connection:
        with connection.begin():
            connection.exec_driver_sql(f"CREATE SCHEMA {schema}")
            connection.exec_driver_sql(f"SET search_path TO {schema}")
        try:
            yield connection
        finally:
            connection.rollback()
            with connection.begin():
                connection.exec_driver_sql(f"DROP SCHEMA {schema} CASCADE")
            connection.invalidate()  # no other use of the pool may get its search path


def run_revisions(connection: Connection, folder: Path, revision: str) -> None:
    """Alembic begins and commits here, because a revision may have a part outside the transaction."""
    config = revision_config(folder, connection)
    config.attributes["schema_lock"] = partial(schema_lock, connection, joined=connection.in_transaction())
    with foreign_keys_off(connection), explained(), ALEMBIC_LOCK:
        require_rebuilding(connection)
        command.upgrade(config, revision)


def revision_config(folder: Path, connection: Connection, **options: Any) -> Config:
    return alembic_config(
        folder,
        connection=connection,
        compare_server_default=True,
        autogenerate_plugins=comparison_plugins(),
        include_name=include_name,
        render_as_batch=connection.dialect.name == "sqlite",
        render_item=render_item,
        **options,
    )


def render_item(kind: str, thing: Any, context: AutogenContext) -> str | Literal[False]:
    """What Alembic does not write well: imports of the user's own column types, and CHECKs with a colon."""
    if isinstance(thing, CheckConstraint) and kind == "check":
        return render_check(thing, context.dialect) or False
    if kind == "type" and isinstance(thing, JobIdType | Timestamp):
        context.imports.add("import convexpy")
        return f"convexpy.{type(thing).__name__}()"
    if kind == "type" and not type(thing).__module__.startswith("sqlalchemy."):
        context.imports.add(f"import {type(thing).__module__}")
    return False


def complete(
    metadata: MetaData, renames: list[Rename], context: MigrationContext, revision: object, directives: list[Any]
) -> None:
    """Called by Alembic before it writes: add what it cannot compare, and write no empty revision."""
    upgrade, downgrade = directives[0].upgrade_ops, directives[0].downgrade_ops
    if context.connection is not None and context.dialect.name == "sqlite":
        for model in context.opts["target_metadata"].tables.values():
            for operation in compare_expression_indexes(context.connection, model):
                upgrade.ops.append(operation)
                if isinstance(operation, ops.CreateIndexOp):
                    downgrade.ops.insert(0, operation.reverse())
    if context.connection is not None:
        add_definitions(context.connection, metadata, upgrade, downgrade)
    upgrade.ops[:0] = renames
    downgrade.ops += [reverse(operation) for operation in reversed(renames)]
    if upgrade.is_empty():
        directives.clear()


def add_definitions(
    connection: Connection, metadata: MetaData, upgrade: ops.UpgradeOps, downgrade: ops.DowngradeOps
) -> None:
    """What Alembic does not compare. What is not written as an operation becomes a comment, with what to do."""
    members, unchanged = compare_enums(connection, metadata)
    differences = Differences(connection, metadata)
    changes, problem = comparable(connection, metadata, differences.changed_tables)
    later: list[ops.MigrateOperation] = []
    for change in changes:
        model = change.model
        if change.checks:
            new_columns = frozenset(column.name for column in differences.added_columns(model))
            later.append(ChangeChecksOp(model, metadata, new_columns))
        for index in sorted(model.indexes, key=lambda each: str(each.name)):
            if index.name in change.indexes:
                later += [ops.DropIndexOp.from_index(index), ops.CreateIndexOp.from_index(index)]
        for name in change.computed:
            later.append(
                CommentOp(f"the expression of {model.key}.{name} has changed: drop the column and add it again")
            )
    if problem is not None:
        unchanged.append(f"CHECKs, expressions of indexes and Computed were not compared: {problem}")
    for each in unchanged:
        logger.warning("not in the revision: %s", each)
    if members or later:
        downgrade.ops.insert(0, CommentOp("CHECKs, indexes and enumerations: write here what they were before"))
    upgrade.ops[:0] = members
    upgrade.ops += [*later, *map(CommentOp, unchanged if upgrade.ops else ())]


class CommentOp(ops.MigrateOperation):
    """A change that has to be written by hand."""

    def __init__(self, comment: str) -> None:
        self.comment = comment

    def to_diff_tuple(self) -> tuple[str, str]:
        return ("comment", self.comment)


@renderers.dispatch_for(CommentOp)
def render_comment(context: AutogenContext, operation: CommentOp) -> list[str]:
    return [f"# By hand: {operation.comment}", "pass"]


def path_of(scripts: Any) -> Path | None:
    return Path(scripts.path) if scripts else None


def refuse_environment(folder: Path) -> None:
    if (folder / "env.py").exists():
        raise DatabaseError(
            f"{folder} is an Alembic environment of your own, as it has an env.py. Keep using `alembic` there, which "
            "leaves convexpy's tables alone; or name a folder that holds nothing but revisions"
        )


def refuse_unrecorded_tables(bind: Engine | Connection, metadata: MetaData) -> None:
    with transaction(bind) as connection:
        if recorded_revision(connection, USERS_VERSION_TABLE) is not None:
            return
        models = {table.name for table in metadata.tables.values() if not table.schema} - FRAMEWORK_TABLES
        keys = {name_key(name, connection.dialect) for name in models}
        names = inspect(connection).get_table_names()
        there = sorted(name for name in names if name_key(name, connection.dialect) in keys)
    if there:
        raise DatabaseError(
            f"this database has tables already ({', '.join(there)}), but no revision made them: `convexpy dev` did, or "
            "something else. If they are what the newest revision builds, `convexpy db upgrade --adopt` records so; "
            "otherwise start with an empty database"
        )


def refuse_differences(bind: Engine | Connection, metadata: MetaData, what: str, remedy: str) -> None:
    differences = plan(bind, metadata)
    if differences:
        listed = [*differences.safe, *differences.lossy, *differences.blocked, *differences.unchanged]
        raise DatabaseError(f"{what} and the models differ. {remedy}:\n" + "\n".join(f"- {each}" for each in listed))


@contextmanager
def explained() -> Iterator[None]:
    """Raise what Alembic and the database report as a DatabaseError."""
    try:
        with warnings.catch_warnings():
            for kept in ("Unnamed CHECK constraint", "Skipped unsupported reflection of expression-based index"):
                warnings.filterwarnings("ignore", kept)  # by sqlite_batch.py
            yield
    except CommandError as error:
        if isinstance(error.__cause__, ResolutionError):
            raise DatabaseError(
                f"there is no revision {error.__cause__.argument!r} among those in the migrations folder. Name one of "
                "its files by its id, or leave it out for the newest"
            ) from error
        raise DatabaseError(str(error)) from error
    except DBAPIError as error:
        raise DatabaseError(f"a revision failed: {str(error.orig).strip()}") from error
