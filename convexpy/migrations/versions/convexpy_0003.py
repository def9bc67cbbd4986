"""Conflicts between functions: what `convexpy conflicts` shows."""

import sqlalchemy as sa
from alembic import op

revision = "convexpy_0003"
down_revision = "convexpy_0002"

timestamp = sa.BigInteger().with_variant(sa.DateTime(timezone=True), "postgresql")


def upgrade() -> None:
    op.create_table(
        "_convexpy_conflicts",
        sa.Column("function", sa.Text, primary_key=True),
        sa.Column("other_function", sa.Text, primary_key=True),
        sa.Column("table_name", sa.Text, primary_key=True),
        sa.Column("times", sa.BigInteger, nullable=False),
        sa.Column("last_time", timestamp, nullable=False),
    )
