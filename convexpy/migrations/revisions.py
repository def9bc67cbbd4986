"""The user's own Alembic revisions, which change the tables of every database that people depend on.

The user's folder holds nothing but revision files; what Alembic wants besides is the framework's. Which revision a
database is at stands in its table ``alembic_version``, as everywhere.

This file imports Alembic, whose import takes longer than everything else: import it only when it is needed.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

from alembic import command
from alembic.autogenerate.api import AutogenContext
from alembic.config import Config
from alembic.operations import ops
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, Engine, MetaData, inspect
from sqlalchemy.exc import DBAPIError

from ..database.tables import ALEMBIC_VERSION_TABLE, FRAMEWORK_TABLES
from ..database.types import JobIdType, Timestamp
from ..errors import DatabaseError
from .autogenerate import include_name
from .compare import differing_expression_indexes, without_warnings
from .constraint_names import with_names
from .default_comparison import PLUGINS
from .dev_sync import USERS_VERSION_TABLE
from .framework import ALEMBIC_LOCK, HEAD, alembic_config, migrate, recorded_revision
from .plan import plan
from .schema_change import connected, foreign_keys_off, need_rebuilding, schema_change, transaction, turn
from .scratch import scratch_database


class RevisionStatus(NamedTuple):
    """Where a database stands."""

    revision: str | None
    """The last revision that it was brought to. None: no revision was ever run on it."""
    head: str | None
    """The newest revision in the folder. None: there is none."""


def make_revision(
    bind: Engine | Connection, metadata: MetaData, folder: Path, message: str, autogenerate: bool = True
) -> Path | None:
    """Write a revision that takes the tables from the newest revision to what the models say now.

    The models are compared with what all revisions so far build on an empty scratch database, not with the database
    at hand: that one may well be in step with the models already, because ``convexpy dev`` keeps it so.

    Args:
        bind: Says which kind of database the revision is for. Nothing of it is read or changed.
        metadata: The user's models.
        folder: Where the revisions are. Made if it does not exist.
        message: What the revision is about; part of its file's name.
        autogenerate: False for an empty revision, to be written by hand.

    Returns:
        The new file; or None if the models are what the revisions build, so that there is nothing to write.

    Raises:
        DatabaseError: The folder is not one of revisions only, or its revisions cannot be run.
    """
    refuse_environment(folder)
    folder.mkdir(parents=True, exist_ok=True)
    if not autogenerate:
        with explained():
            return path_of(command.revision(alembic_config(folder), message))
    with built(bind, folder) as connection, explained(), without_warnings(), ALEMBIC_LOCK:
        config = revision_config(folder, connection, target_metadata=with_names(metadata))
        return path_of(command.revision(config, message, autogenerate=True, process_revision_directives=complete))


def upgrade(bind: Engine | Connection, metadata: MetaData, folder: Path, revision: str = "head") -> None:
    """Bring the framework's tables to this version, then the user's to a revision.

    A database whose tables were made by ``convexpy dev``, or by anything else than revisions, is refused: running the
    first revision on it would only fail at the first table that exists. ``adopt()`` is the way in.

    Args:
        bind: On SQLite an engine, or a connection outside a transaction.
        metadata: The user's models.
        folder: Where the revisions are.
        revision: A revision's id, or ``"head"`` for the newest.

    Raises:
        DatabaseError: The database was not made by these revisions, or one of them failed.
    """
    refuse_environment(folder)
    migrate(bind)
    if current(bind, folder).head is None:
        return
    refuse_unrecorded_tables(bind, metadata)
    with connected(bind) as connection:
        run_revisions(connection, folder, revision)


def adopt(bind: Engine | Connection, metadata: MetaData, folder: Path) -> str:
    """Record that a database's tables are those of the newest revision, without running anything.

    For a database that ``convexpy dev`` has kept in step and that revisions shall keep from now on.

    Returns:
        The revision that was recorded.

    Raises:
        DatabaseError: The database, the models and the newest revision are not all three the same.
    """
    refuse_environment(folder)
    migrate(bind)
    head = current(bind, folder).head
    if head is None:
        raise DatabaseError(f"{folder} has no revisions yet: write one with `convexpy db revision -m …`")
    with built(bind, folder) as connection:
        refuse_differences(connection, metadata, "the newest revision", "Write a revision with `convexpy db revision`")
    refuse_differences(bind, metadata, "this database", "Let `convexpy dev` bring it in step")
    with schema_change(bind) as connection, explained(), ALEMBIC_LOCK:
        command.stamp(revision_config(folder, connection), head)
    return head


def current(bind: Engine | Connection, folder: Path) -> RevisionStatus:
    """Which revision a database is at, and which is the newest one."""
    return RevisionStatus(recorded_revision(bind, USERS_VERSION_TABLE), newest(folder))


def upgrade_sql(dialect: str, folder: Path, since: str | None = None, framework_since: str | None = None) -> str:
    """The SQL that ``upgrade()`` would run, the framework's and the user's, for somebody else to run.

    Args:
        dialect: ``"sqlite"`` or ``"postgresql"``.
        folder: Where the revisions are.
        since: The revision that the user's tables are at. None: there are none yet.
        framework_since: The revision that the framework's tables are at. None: there are none yet.

    Raises:
        DatabaseError: A revision cannot be written as SQL. On SQLite that is so for most changes of a table: a new
            copy of the table is made then, from what is there.
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
            f"{folder} has {len(heads)} newest revisions, {' and '.join(sorted(heads))}: two people wrote one at the "
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


def run_revisions(connection: Connection, folder: Path, revision: str) -> None:
    """Alembic begins and commits here, because a revision may ask it for a part outside the transaction."""
    config = revision_config(folder, connection)
    config.attributes["turn"] = partial(turn, connection, joined=connection.in_transaction())
    with foreign_keys_off(connection), explained(), ALEMBIC_LOCK:
        need_rebuilding(connection)
        command.upgrade(config, revision)


def revision_config(folder: Path, connection: Connection, **options: Any) -> Config:
    return alembic_config(
        folder,
        connection=connection,
        compare_server_default=True,
        autogenerate_plugins=PLUGINS,
        include_name=include_name,
        render_as_batch=connection.dialect.name == "sqlite",
        render_item=import_types,
        **options,
    )


def import_types(kind: str, thing: Any, context: AutogenContext) -> str | Literal[False]:
    """Alembic writes the user's own column types by their module, but does not import it."""
    if kind == "type" and isinstance(thing, JobIdType | Timestamp):
        context.imports.add("import convexpy")
        return f"convexpy.{type(thing).__name__}()"
    if kind == "type" and not type(thing).__module__.startswith("sqlalchemy."):
        context.imports.add(f"import {type(thing).__module__}")
    return False


def complete(context: MigrationContext, revision: object, directives: list[Any]) -> None:
    """What Alembic calls before it writes: add the indexes that it cannot compare, and write nothing if it is empty."""
    upgrade, downgrade = directives[0].upgrade_ops, directives[0].downgrade_ops
    if context.connection is not None and context.dialect.name == "sqlite":
        for model in context.opts["target_metadata"].tables.values():
            for operation in differing_expression_indexes(context.connection, model):
                upgrade.ops.append(operation)
                if isinstance(operation, ops.CreateIndexOp):
                    downgrade.ops.insert(0, operation.reverse())
    if upgrade.is_empty():
        directives.clear()


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
        there = sorted(models.intersection(inspect(connection).get_table_names()))
    if there:
        raise DatabaseError(
            f"this database has tables already ({', '.join(there)}), but no revision made them: `convexpy dev` did, or "
            "something else. If they are what the newest revision builds, `convexpy db upgrade --adopt` records so; "
            "otherwise start with an empty database"
        )


def refuse_differences(bind: Engine | Connection, metadata: MetaData, what: str, remedy: str) -> None:
    differences = plan(bind, metadata)
    if differences:
        listed = [*differences.safe, *differences.lossy, *differences.blocked]
        raise DatabaseError(f"{what} and the models differ. {remedy}:\n" + "\n".join(f"- {each}" for each in listed))


@contextmanager
def explained() -> Iterator[None]:
    """Say what Alembic and the database say, as an error of ours."""
    try:
        with warnings.catch_warnings():
            for kept in ("Unnamed CHECK constraint", "Skipped unsupported reflection of expression-based index"):
                warnings.filterwarnings("ignore", kept)  # by sqlite_rebuild.py
            yield
    except CommandError as error:
        raise DatabaseError(str(error)) from error
    except DBAPIError as error:
        raise DatabaseError(f"a revision failed: {str(error.orig).strip()}") from error
