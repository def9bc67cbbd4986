"""The user's revisions that a database lacks, and those that it has and the code does not know.

Imports Alembic only where there are revisions.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection

from ..errors import DatabaseError
from .dev_sync import USERS_VERSION_TABLE
from .framework import alembic_config, recorded_revision


@dataclass(frozen=True)
class RevisionGap:
    """What stands between a database and the revisions of the code. False if nothing does."""

    unapplied: tuple[str, ...] = ()
    """Revisions in the folder that have not run on the database, in the order in which they run."""
    unknown: tuple[str, ...] = ()
    """Revisions of the database that are not in the folder: the database is ahead of the code."""

    def __bool__(self) -> bool:
        return bool(self.unapplied or self.unknown)


def revision_gap(connection: Connection, folder: Path) -> RevisionGap:
    """Compare the revisions of a database with those in a folder. Without any in the folder there is no gap.

    The folder may be an Alembic environment of the user's own, whose version table may have another name: there a
    database without ``alembic_version`` has no gap either.

    Raises:
        DatabaseError: The revisions cannot be read.
    """
    recorded = recorded_revision(connection, USERS_VERSION_TABLE)
    is_environment = (folder / "env.py").exists()
    place = folder / "versions" if is_environment else folder
    if not any(place.glob("*.py")) or (is_environment and recorded is None):
        return RevisionGap()
    from alembic.script import ScriptDirectory

    try:
        scripts = ScriptDirectory.from_config(alembic_config(place))
        order = [script.revision for script in scripts.walk_revisions()][::-1]
        there = recorded.split(", ") if recorded else []
        known = tuple(each for each in there if each in order)
        applied = {script.revision for script in scripts.iterate_revisions(known, "base")} if known else set()
    except Exception as error:  # a revision is the user's code
        raise DatabaseError(f"the revisions in {place} cannot be read: {type(error).__name__}: {error}") from error
    unknown = tuple(each for each in there if each not in order)
    # A revision that is not known here was made after some that are, but after which of them is unknown.
    return RevisionGap(() if unknown else tuple(each for each in order if each not in applied), unknown)
