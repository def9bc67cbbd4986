"""What the processes with live queries say of them."""

import sqlalchemy as sa
from alembic import op

revision = "convexpy_0008"
down_revision = "convexpy_0007"

timestamp = sa.BigInteger().with_variant(sa.DateTime(timezone=True), "postgresql")


def upgrade() -> None:
    op.create_table(
        "_convexpy_live",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("host", sa.Text, nullable=False),
        sa.Column("pid", sa.Integer, nullable=False),
        sa.Column("time", timestamp, nullable=False),
        sa.Column("queries", sa.Text, nullable=False),
    )
