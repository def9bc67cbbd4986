"""The framework's own tables, brought to this version by Alembic, under a version table of their own."""

from __future__ import annotations

import re
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Connection, Engine, String, column, inspect, select, table

from ..database.tables import ALEMBIC_VERSION_TABLE
from ..errors import DatabaseError
from .schema_change import connected, schema_change, transaction

if TYPE_CHECKING:
    from alembic.config import Config

HEAD: Final = "convexpy_0004"
"""The newest revision that this version of convexpy knows."""

SCRIPTS: Final = Path(__file__).parent
ALEMBIC_LOCK: Final = threading.Lock()  # Alembic keeps what it is doing in globals of its own


def current_revision(bind: Engine | Connection) -> str | None:
    """The revision that the framework's tables are at. None: they do not exist."""
    return recorded_revision(bind, ALEMBIC_VERSION_TABLE)


def recorded_revision(bind: Engine | Connection, version_table: str) -> str | None:
    """What a version table of Alembic's says, asked without Alembic, whose import takes longer than all the rest."""
    with transaction(bind) as connection:
        if not inspect(connection).has_table(version_table):
            return None
        recorded = select(column("version_num", String)).select_from(table(version_table))
        revisions = connection.execute(recorded).scalars()
        return ", ".join(sorted(revisions)) or None


def check_revision(bind: Engine | Connection) -> None:
    """Make sure that the framework's tables are the ones that this version of convexpy works with.

    Raises:
        DatabaseError: They do not exist, or an older or newer version of convexpy made them.
    """
    with connected(bind) as connection:
        current = current_revision(connection)
        if current == HEAD:
            return
        url = connection.engine.url
        name = url.set(drivername=url.get_backend_name()).render_as_string(hide_password=True)
    if current is None:
        raise DatabaseError(f"{name} has no convexpy tables yet: run convex.migrate() or `convexpy db upgrade`")
    refuse_newer(current)
    raise DatabaseError(
        f"{name} was last migrated by an older convexpy (revision {current}, this version needs {HEAD}): "
        "run convex.migrate() or `convexpy db upgrade`"
    )


def migrate(bind: Engine | Connection) -> None:
    """Create the framework's tables, or bring them to this version. Does nothing when they are.

    One transaction, and safe when several processes do it at once: one does, the others wait and find it done.

    Raises:
        DatabaseError: A newer convexpy wrote this database, or another process holds it for too long.
    """
    with connected(bind) as connection:
        if is_current(connection):
            return
        from alembic import command  # before the lock is taken, not while others wait for it

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
    """What Alembic needs to know, without a file of settings.

    Args:
        folder: Where the revisions are. Defaults to the framework's own.
        options: What ``context.configure`` in env.py is called with.
    """
    from argparse import Namespace

    from alembic.config import Config

    from . import sqlite_batch  # noqa: F401  (it changes what Alembic does

    config = Config(cmd_opts=Namespace(quiet=True))
    config.set_main_option("script_location", verbatim(SCRIPTS))
    config.set_main_option("version_locations", verbatim(folder or SCRIPTS / "versions"))
    config.set_main_option("path_separator", "newline")
    config.set_main_option("file_template", verbatim("%(year)d_%(month).2d_%(day).2d_%(rev)s_%(slug)s"))
    # SQLite can change tables within a transaction; Alembic assumes that its driver cannot.
    config.attributes["options"] = {"transactional_ddl": True, **options}
    return config


def verbatim(value: object) -> str:
    """For Alembic's settings, where a percent sign means something."""
    return str(value).replace("%", "%%")
