"""The commit log has a row of every commit that wrote something, and says what."""

import sqlalchemy as sa
from alembic import op

revision = "convexpy_0007"
down_revision = "convexpy_0006"

COMMITS = "_convexpy_commits"
TRANSACTION_ID = "(pg_current_xact_id()::text)::bigint"


def upgrade() -> None:
    if op.get_context().dialect.name == "postgresql":
        extend()
    else:
        replace()
    has_id = sa.text("id IS NOT NULL")
    op.create_index(
        "_convexpy_commits_by_id", COMMITS, ["id"], unique=True, sqlite_where=has_id, postgresql_where=has_id
    )


def extend() -> None:
    """The rows that are there get the id of this transaction: to whoever looks, everything may have changed in it."""
    position = sa.Column("position", sa.BigInteger, nullable=False, server_default=sa.text(TRANSACTION_ID))
    op.add_column(COMMITS, position)
    op.add_column(COMMITS, sa.Column("function", sa.Text))
    op.add_column(COMMITS, sa.Column("writes", sa.Text))
    op.drop_column(COMMITS, "tables")
    op.drop_column(COMMITS, "keys")
    op.drop_constraint(f"{COMMITS}_pkey", COMMITS, type_="primary")
    op.alter_column(COMMITS, "id", nullable=True, existing_type=sa.String(32))
    op.create_index("_convexpy_commits_by_position", COMMITS, ["position"])


def replace() -> None:
    """SQLite cannot change a primary key, and renames no table while a view of the user's is broken."""
    op.execute(f"CREATE TEMPORARY TABLE {COMMITS}_before AS SELECT id, session, request FROM {COMMITS}")
    op.drop_table(COMMITS)
    op.create_table(
        COMMITS,
        sa.Column("position", sa.Integer, primary_key=True, autoincrement=False, server_default=sa.text("NULL")),
        sa.Column("id", sa.String(32)),
        sa.Column("session", sa.Text),
        sa.Column("request", sa.BigInteger),
        sa.Column("function", sa.Text),
        sa.Column("writes", sa.Text),
    )
    op.execute(f"INSERT INTO {COMMITS} (id, session, request) SELECT id, session, request FROM {COMMITS}_before")
    op.drop_table(f"{COMMITS}_before")
    op.execute("INSERT INTO _convexpy_metadata (key, value) VALUES ('unlogged_commits', '0')")
    has_session = sa.text("session IS NOT NULL")
    op.create_index(
        "_convexpy_commits_by_request", COMMITS, ["session", "request"], unique=True, sqlite_where=has_session
    )
