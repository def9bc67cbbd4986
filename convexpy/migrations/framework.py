"""The framework's own tables: their revisions are run by Alembic, with a version table of their own."""

from __future__ import annotations

import re
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Connection, Engine, String, column, inspect, select, table

from ..database.tables import ALEMBIC_VERSION_TABLE
from ..database.url import shown_url
from ..errors import DatabaseError
from .schema_change import connected, schema_change, transaction

if TYPE_CHECKING:
    from alembic.config import Config

HEAD: Final = "convexpy_0012"
"""The newest revision that this version of convexpy knows."""

SCRIPTS: Final = Path(__file__).parent
ALEMBIC_LOCK: Final = threading.Lock()  # Alembic keeps its context in globals


def current_revision(bind: Engine | Connection) -> str | None:
    """The revision that the framework's tables are at. None: they do not exist."""
    return recorded_revision(bind, ALEMBIC_VERSION_TABLE)


def recorded_revision(bind: Engine | Connection, version_table: str) -> str | None:
    """What a version table of Alembic's says, read without importing Alembic, which is slow."""
    with transaction(bind) as connection:
        if not inspect(connection).has_table(version_table):
            return None
        recorded = select(column("version_num", String)).select_from(table(version_table))
        revisions = connection.execute(recorded).scalars()
        return ", ".join(sorted(revisions)) or None


def check_revision(bind: Engine | Connection) -> None:
    """Check that the framework's tables are those of this version of convexpy.

    Raises:
        DatabaseError: They do not exist, or are those of an older or newer version.
    """
    with connected(bind) as connection:
        current = current_revision(connection)
        if current == HEAD:
            return
        name = shown_url(connection.engine.url)
    if current is None:
        raise DatabaseError(f"{name} has no convexpy tables yet: run convex.migrate() or `convexpy db upgrade`")
    refuse_newer(current)
    raise DatabaseError(
        f"{name} was last migrated by an older convexpy (revision {current}, this version needs {HEAD}): "
        "run convex.migrate() or `convexpy db upgrade`"
    )


def migrate(bind: Engine | Connection) -> None:
    """Create the framework's tables, or upgrade them to this version.

    One transaction. Several processes may call it at once: one upgrades, the others wait and find it done.

    Raises:
        DatabaseError: A newer convexpy wrote this database, or another process keeps it locked.
    """
    with connected(bind) as connection:
        if is_current(connection):
            return
        from alembic import command  # before the lock is acquired, not while others wait for it

        with ALEMBIC_LOCK, schema_change(connection):
            if not is_current(connection):
                command.upgrade(alembic_config(connection=connection, version_table=ALEMBIC_VERSION_TABLE), HEAD)


def is_current(connection: Connection) -> bool:
    current = current_revision(connection)
    if current not in (None, HEAD):
        refuse_newer(current)
    return current == HEAD


def refuse_newer(current: str | None) -> None:
    if current is None or not re.fullmatch(r"convexpy_\d{4}", current) or current > HEAD:
        raise DatabaseError(
            f"this database was written by a newer convexpy (revision {current}, this version knows up to {HEAD}): "
            "upgrade convexpy"
        )


def alembic_config(folder: Path | None = None, /, **options: Any) -> Config:
    """Alembic's configuration, without a file.

    Args:
        folder: The folder of the revisions. Defaults to the framework's own.
        options: The arguments of ``context.configure`` in env.py.
    """
    from argparse import Namespace

    from alembic.config import Config

    from . import sqlite_batch

    sqlite_batch.register()
    config = Config(cmd_opts=Namespace(quiet=True))
    config.set_main_option("script_location", verbatim(SCRIPTS))
    config.set_main_option("version_locations", verbatim(folder or SCRIPTS / "versions"))
    config.set_main_option("path_separator", "newline")
    config.set_main_option("file_template", verbatim("%(year)d_%(month).2d_%(day).2d_%(rev)s_%(slug)s"))
    # SQLite changes tables within a transaction; Alembic assumes that its driver cannot.
    config.attributes["options"] = {"transactional_ddl": True, **options}
    return config


def verbatim(value: object) -> str:
    """A value for Alembic's configuration, in which a percent sign interpolates."""
    return str(value).replace("%", "%%")
