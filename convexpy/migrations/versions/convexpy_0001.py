"""The framework's first tables. A revision that was released is never edited: a change of tables.py is a new one."""

import sqlalchemy as sa
from alembic import op

revision = "convexpy_0001"
down_revision = None

# Copies of the types in types.py, which may change.
job_id = sa.String(32)
timestamp = sa.BigInteger().with_variant(sa.DateTime(timezone=True), "postgresql")
stored_json = sa.Text()


def upgrade() -> None:
    create_jobs()
    create_queue()
    create_finished()
    create_workers()
    create_crons()
    create_notes()


def create_partial_index(name: str, table: str, columns: list[str], where: str) -> None:
    op.create_index(name, table, columns, sqlite_where=sa.text(where), postgresql_where=sa.text(where))


def create_jobs() -> None:
    op.create_table(
        "_scheduled_functions",
        sa.Column("id", job_id, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("kind", sa.String(8), nullable=False),
        sa.Column("args", stored_json, nullable=False),
        sa.Column("scheduled_time", timestamp, nullable=False),
        sa.Column("state_kind", sa.String(10), nullable=False),
        sa.Column("state_error", sa.Text),
        sa.Column("completed_time", timestamp),
        sa.Column("cron", sa.Text),
        sa.Column("parent", job_id),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("last_error", sa.Text),
        sa.Column("next_try", timestamp),
        sa.Column("started_time", timestamp),
    )
    op.create_index("_scheduled_functions_by_name", "_scheduled_functions", ["name", "scheduled_time"])
    create_partial_index(
        "_scheduled_functions_by_cron", "_scheduled_functions", ["cron", "scheduled_time"], "cron IS NOT NULL"
    )


def create_queue() -> None:
    op.create_table(
        "_convexpy_queue",
        sa.Column("job_id", job_id, primary_key=True),
        sa.Column("kind", sa.String(8), nullable=False),
        sa.Column("due_time", timestamp, nullable=False),
        sa.Column("position", sa.BigInteger, nullable=False),
        sa.Column("worker", sa.String(32)),
        sa.Column("claim_token", sa.String(32)),
        sa.Column("run_token", sa.String(32)),
    )
    create_partial_index(
        "_convexpy_queue_unclaimed", "_convexpy_queue", ["kind", "due_time", "position"], "worker IS NULL"
    )
    create_partial_index("_convexpy_queue_claimed", "_convexpy_queue", ["worker"], "worker IS NOT NULL")


def create_finished() -> None:
    op.create_table(
        "_convexpy_finished",
        sa.Column("state_kind", sa.String(10), nullable=False),
        sa.Column("completed_time", timestamp, nullable=False),
        sa.Column("job_id", job_id, nullable=False),
        sa.PrimaryKeyConstraint("state_kind", "completed_time", "job_id"),
        sqlite_with_rowid=False,
    )


def create_workers() -> None:
    op.create_table(
        "_convexpy_workers",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("started_time", timestamp, nullable=False),
        sa.Column("heartbeat_time", timestamp, nullable=False),
        sa.Column("place", sa.Text, nullable=False),
        sa.Column("pid", sa.Integer, nullable=False),
    )


def create_crons() -> None:
    op.create_table(
        "_convexpy_crons",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("schedule", sa.Text, nullable=False),
        sa.Column("function", sa.Text, nullable=False),
        sa.Column("args", stored_json, nullable=False),
        sa.Column("next_time", timestamp, nullable=False),
        sa.Column("last_time", timestamp),
        sa.Column("last_job", job_id),
    )
    op.create_index("ix__convexpy_crons_next_time", "_convexpy_crons", ["next_time"])


def create_notes() -> None:
    op.create_table("_convexpy_notes", sa.Column("key", sa.Text, primary_key=True), sa.Column("value", sa.Text))
