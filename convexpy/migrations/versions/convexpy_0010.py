"""Admin keys, stored as digests."""

import sqlalchemy as sa
from alembic import op

revision = "convexpy_0010"
down_revision = "convexpy_0009"

timestamp = sa.BigInteger().with_variant(sa.DateTime(timezone=True), "postgresql")


def upgrade() -> None:
    op.create_table(
        "_convexpy_keys",
        sa.Column("id", sa.String(12), primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("created_time", timestamp, nullable=False),
    )
