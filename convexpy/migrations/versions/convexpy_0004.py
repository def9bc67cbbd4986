"""The commit log, which replaces the receipts; the table of metadata, and the host of a worker, get their names."""

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa
from alembic import op

revision = "convexpy_0004"
down_revision = "convexpy_0003"

timestamp = sa.BigInteger().with_variant(sa.DateTime(timezone=True), "postgresql")

# SQLite makes a new copy of this table, and without a connection it cannot look at the old one.
WORKERS = sa.Table(
    "_convexpy_workers",
    sa.MetaData(),
    sa.Column("id", sa.String(32), primary_key=True),
    sa.Column("started_time", timestamp, nullable=False),
    sa.Column("heartbeat_time", timestamp, nullable=False),
    sa.Column("place", sa.Text, nullable=False),
    sa.Column("pid", sa.Integer, nullable=False),
)


def upgrade() -> None:
    with past_broken_views():
        rename_table("_convexpy_receipts", "_convexpy_commits")
        rename_table("_convexpy_notes", "_convexpy_metadata")
        with op.batch_alter_table("_convexpy_workers", copy_from=WORKERS) as workers:
            workers.alter_column("place", new_column_name="host")
    extend_commits()


@contextmanager
def past_broken_views() -> Iterator[None]:
    """By its newer rules SQLite renames no table while any view or trigger of the user's is broken."""
    context = op.get_context()
    if context.dialect.name != "sqlite":
        yield
        return
    before = 0 if context.as_sql else op.get_bind().exec_driver_sql("PRAGMA legacy_alter_table").scalar_one()
    op.execute("PRAGMA legacy_alter_table = ON")
    yield
    op.execute(f"PRAGMA legacy_alter_table = {before}")


def rename_table(old: str, new: str) -> None:
    op.rename_table(old, new)
    if op.get_context().dialect.name == "postgresql":  # where a primary key keeps its name
        op.execute(f"ALTER INDEX {old}_pkey RENAME TO {new}_pkey")


def extend_commits() -> None:
    op.add_column("_convexpy_commits", sa.Column("session", sa.Text))
    op.add_column("_convexpy_commits", sa.Column("request", sa.BigInteger))
    op.add_column("_convexpy_commits", sa.Column("tables", sa.Text))
    op.add_column("_convexpy_commits", sa.Column("keys", sa.Text))
    has_session = sa.text("session IS NOT NULL")
    op.create_index(
        "_convexpy_commits_by_request",
        "_convexpy_commits",
        ["session", "request"],
        unique=True,
        sqlite_where=has_session,
        postgresql_where=has_session,
    )
