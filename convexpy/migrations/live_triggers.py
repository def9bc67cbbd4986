"""A revision that makes writes past convexpy seen by live queries: triggers on the tables that other programs write.

The triggers call a function that the framework's own revision has made. They are PostgreSQL's: SQLite counts the
commits to its file, so that none by another program goes unnoticed there.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from sqlalchemy import Engine, MetaData, make_url

from .revisions import make_revision

TRIGGER: Final = "_convexpy_live"
FUNCTION: Final = "_convexpy_live_write"
PREPARER: Final = make_url("postgresql+psycopg://").get_dialect()().identifier_preparer
ONLY_POSTGRESQL: Final = """
    if op.get_context().dialect.name != "postgresql":
        return  # SQLite counts commits
"""


def write_revision(engine: Engine, metadata: MetaData, folder: Path, tables: Sequence[str], *, install: bool) -> Path:
    """Write a revision that installs the triggers on tables, or one that removes them.

    Raises:
        DatabaseError: The folder holds more than revisions.
    """
    verb = "see" if install else "do not see"
    path = make_revision(engine, metadata, folder, f"{verb} writes to {' '.join(tables)}", autogenerate=False)
    assert path is not None, "Alembic says where it wrote"
    steps = install_steps(tables), remove_steps(tables)
    there, back = steps if install else reversed(steps)
    text = path.read_text(encoding="utf-8")
    for name, step in (("upgrade", there), ("downgrade", back)):
        text = text.replace(f"def {name}() -> None:\n    pass\n", f"def {name}() -> None:{ONLY_POSTGRESQL}{step}")
    path.write_text(text, encoding="utf-8")
    return path


def install_steps(tables: Sequence[str]) -> str:
    """One trigger a table, for each statement. It is enabled in sessions that replicate or restore as well."""
    return executed(
        line
        for table in map(quoted, tables)
        for line in (
            f"CREATE OR REPLACE TRIGGER {TRIGGER} AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON {table}"
            f" FOR EACH STATEMENT EXECUTE FUNCTION {FUNCTION}()",
            f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {TRIGGER}",
        )
    )


def remove_steps(tables: Sequence[str]) -> str:
    return executed(f"DROP TRIGGER IF EXISTS {TRIGGER} ON {table}" for table in map(quoted, tables))


def executed(statements: Iterable[str]) -> str:
    return "".join(f"    op.execute({json.dumps(statement, ensure_ascii=False)})\n" for statement in statements)


def quoted(table: str) -> str:
    return ".".join(PREPARER.quote(part) for part in table.split("."))
