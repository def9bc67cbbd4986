"""The commit log has a row of every commit that wrote something, and says what."""

import sqlalchemy as sa
from alembic import op

revision = "convexpy_0007"
down_revision = "convexpy_0006"

COMMITS = "_convexpy_commits"
# Called after each statement on a table that other programs write. convexpy's own sessions keep their log themselves.
# `pg_temp` comes last: a table there must not take the place of the log. Whether a process subscribes is asked by
# taking its lock (`LiveChannel`) for a moment.
LIVE_WRITE = """
DO $do$ BEGIN EXECUTE format($format$
CREATE FUNCTION _convexpy_live_write() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = %I, pg_temp AS $body$
DECLARE
    place text := CASE WHEN TG_TABLE_SCHEMA = current_schema() THEN '' ELSE TG_TABLE_SCHEMA || '.' END;
    written text := json_build_object(place || TG_TABLE_NAME, NULL);
BEGIN
    IF current_setting('application_name') = 'convexpy' THEN
        RETURN NULL;
    END IF;
    INSERT INTO _convexpy_commits (function, writes)
    SELECT '(' || coalesce(nullif(current_setting('application_name'), ''), 'another program') || ')', written
    WHERE NOT EXISTS (
        SELECT FROM _convexpy_commits
        WHERE "position" = (pg_current_xact_id()::text)::bigint AND writes = written
    );
    IF pg_try_advisory_lock(7165066987073795685) THEN
        PERFORM pg_advisory_unlock(7165066987073795685);
    ELSE
        PERFORM pg_notify('convexpy_live', '');
    END IF;
    RETURN NULL;
END $body$
$format$, current_schema()); END $do$
"""
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
    op.execute(LIVE_WRITE)


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
