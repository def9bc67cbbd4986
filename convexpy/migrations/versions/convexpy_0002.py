"""Receipts of direct calls; on PostgreSQL, room for updates in place and a queue that is kept small."""

import sqlalchemy as sa
from alembic import op

revision = "convexpy_0002"
down_revision = "convexpy_0001"

# Rows of the queue are short-lived. Vacuum must not wait until a fifth of a large table is dead.
QUEUE_STORAGE = (
    "fillfactor = 50, autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 2000, "
    "autovacuum_vacuum_cost_delay = 0, autovacuum_analyze_scale_factor = 0.0, autovacuum_analyze_threshold = 10000"
)
# A job's row is updated once or twice, and in place if its page has room.
JOBS_STORAGE = "fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05"


def upgrade() -> None:
    op.create_table("_convexpy_receipts", sa.Column("id", sa.String(32), primary_key=True))
    if op.get_context().dialect.name == "postgresql":
        op.execute(f"ALTER TABLE _convexpy_queue SET ({QUEUE_STORAGE})")
        op.execute(f"ALTER TABLE _scheduled_functions SET ({JOBS_STORAGE})")
