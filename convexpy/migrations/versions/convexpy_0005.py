"""The traceback of a failed job."""

import sqlalchemy as sa
from alembic import op

revision = "convexpy_0005"
down_revision = "convexpy_0004"


def upgrade() -> None:
    op.add_column("_scheduled_functions", sa.Column("state_trace", sa.Text))
