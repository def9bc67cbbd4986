"""What the dashboard shows: runs by minute, errors, attempts, origins, pauses and runs of crons, an audit log."""

import secrets

import sqlalchemy as sa
from alembic import op

revision = "convexpy_0012"
down_revision = "convexpy_0011"

timestamp = sa.BigInteger().with_variant(sa.DateTime(timezone=True), "postgresql")
job_id = sa.String(32)


def upgrade() -> None:
    add_origins()
    add_runs()
    add_errors()
    add_crons()
    op.add_column("_convexpy_keys", sa.Column("read_only", sa.Boolean, nullable=False, server_default=sa.false()))
    op.create_table(
        "_convexpy_audit",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("time", timestamp, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("target", sa.Text, nullable=False),
        sa.Column("details", sa.Text),
    )
    op.create_index("_convexpy_audit_by_time", "_convexpy_audit", ["time"])
    op.add_column("_convexpy_conflicts", sa.Column("statements", sa.Text))
    op.create_table(
        "_convexpy_logs",
        sa.Column("process", sa.String(32), primary_key=True),
        sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("time", timestamp, nullable=False),
        sa.Column("host", sa.Text, nullable=False),
        sa.Column("pid", sa.Integer, nullable=False),
        sa.Column("lines", sa.Text, nullable=False),
    )
    op.create_index("_convexpy_logs_by_time", "_convexpy_logs", ["time"])
    # With which sessions of the dashboard are signed.
    values = sa.table("_convexpy_metadata", sa.column("key", sa.Text), sa.column("value", sa.Text))
    op.execute(sa.insert(values).values(key="session_key", value=secrets.token_hex(32)))


def add_origins() -> None:
    jobs = "_scheduled_functions"
    op.add_column(jobs, sa.Column("request", sa.Text))
    op.add_column(jobs, sa.Column("origin", sa.Text))
    for column in ("parent", "request"):
        present = sa.text(f"{column} IS NOT NULL")
        op.create_index(f"{jobs}_by_{column}", jobs, [column], sqlite_where=present, postgresql_where=present)


def add_runs() -> None:
    op.create_table(
        "_convexpy_minutes",
        sa.Column("minute", timestamp, primary_key=True),
        sa.Column("function", sa.Text, primary_key=True),
        sa.Column("process", sa.String(32), primary_key=True),
        sa.Column("calls", sa.BigInteger, nullable=False),
        sa.Column("failures", sa.BigInteger, nullable=False),
        sa.Column("retries", sa.BigInteger, nullable=False),
        sa.Column("jobs", sa.BigInteger, nullable=False),
        sa.Column("job_failures", sa.BigInteger, nullable=False),
        sa.Column("durations", sa.Text, nullable=False),
    )
    op.create_table(
        "_convexpy_attempts",
        sa.Column("job_id", job_id, primary_key=True),
        sa.Column("attempt", sa.Integer, primary_key=True),
        sa.Column("started_time", timestamp, nullable=False),
        sa.Column("seconds", sa.Float, nullable=False),
        sa.Column("outcome", sa.String(10), nullable=False),
        sa.Column("error", sa.Text),
        sa.Column("lost_to", sa.Text),
        sa.Column("lost_on", sa.Text),
    )
    op.create_index("_convexpy_attempts_by_time", "_convexpy_attempts", ["started_time"])


def add_errors() -> None:
    op.create_table(
        "_convexpy_errors",
        sa.Column("fingerprint", sa.String(16), primary_key=True),
        sa.Column("function", sa.Text, nullable=False),
        sa.Column("exception", sa.Text, nullable=False),
        sa.Column("place", sa.Text),
        sa.Column("message", sa.Text, nullable=False),
        sa.Column("job_id", job_id),
        sa.Column("times", sa.BigInteger, nullable=False),
        sa.Column("first_time", timestamp, nullable=False),
        sa.Column("last_time", timestamp, nullable=False),
        sa.Column("trace", sa.Text),
    )
    op.create_index("_convexpy_errors_by_time", "_convexpy_errors", ["last_time"])
    op.create_table(
        "_convexpy_error_minutes",
        sa.Column("minute", timestamp, primary_key=True),
        sa.Column("fingerprint", sa.String(16), primary_key=True),
        sa.Column("process", sa.String(32), primary_key=True),
        sa.Column("times", sa.BigInteger, nullable=False),
    )


def add_crons() -> None:
    for column in (
        sa.Column("paused_time", timestamp),
        sa.Column("paused_until", timestamp),
        sa.Column("paused_by", sa.Text),
        sa.Column("pause_note", sa.Text),
    ):
        op.add_column("_convexpy_crons", column)
    op.create_table(
        "_convexpy_cron_runs",
        sa.Column("cron", sa.Text, primary_key=True),
        sa.Column("slot_time", timestamp, primary_key=True),
        sa.Column("job_id", job_id),
        sa.Column("started_time", timestamp),
        sa.Column("seconds", sa.Float),
        sa.Column("outcome", sa.String(10), nullable=False),
        sa.Column("reason", sa.Text),
    )
