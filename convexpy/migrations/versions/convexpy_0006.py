"""A worker's row names the crons that it declares."""

import sqlalchemy as sa
from alembic import op

revision = "convexpy_0006"
down_revision = "convexpy_0005"


def upgrade() -> None:
    op.add_column("_convexpy_workers", sa.Column("crons", sa.Text))
