"""The requests of clients that were answered."""

import sqlalchemy as sa
from alembic import op

revision = "convexpy_0009"
down_revision = "convexpy_0008"

timestamp = sa.BigInteger().with_variant(sa.DateTime(timezone=True), "postgresql")


def upgrade() -> None:
    op.create_table(
        "_convexpy_requests",
        sa.Column("session", sa.Text, primary_key=True),
        sa.Column("request", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("result", sa.LargeBinary),
        sa.Column("time", timestamp, nullable=False),
    )
    op.create_index("_convexpy_requests_by_time", "_convexpy_requests", ["time"])
