"""The commit log, which takes the place of the receipts; the words `metadata` and `host`."""

import sqlalchemy as sa
from alembic import op

revision = "convexpy_0004"
down_revision = "convexpy_0003"


def upgrade() -> None:
    create_commits()
    rename_table("_convexpy_notes", "_convexpy_metadata")
    with op.batch_alter_table("_convexpy_workers") as workers:
        workers.alter_column("place", new_column_name="host")


def create_commits() -> None:
    rename_table("_convexpy_receipts", "_convexpy_commits")
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


def rename_table(old: str, new: str) -> None:
    if op.get_context().dialect.name == "postgresql":
        op.rename_table(old, new)
        op.execute(f"ALTER INDEX {old}_pkey RENAME TO {new}_pkey")  # a primary key keeps its name
        return
    # Without this SQLite refuses to rename any table while a view or trigger of the user's is broken.
    before = op.get_bind().exec_driver_sql("PRAGMA legacy_alter_table").scalar_one()
    op.execute("PRAGMA legacy_alter_table = ON")
    op.rename_table(old, new)
    op.execute(f"PRAGMA legacy_alter_table = {before}")
