"""The key with which cursors are signed."""

import secrets

import sqlalchemy as sa
from alembic import op

revision = "convexpy_0011"
down_revision = "convexpy_0010"


def upgrade() -> None:
    table = sa.table("_convexpy_metadata", sa.column("key", sa.Text), sa.column("value", sa.Text))
    op.execute(sa.insert(table).values(key="cursor_key", value=secrets.token_hex(32)))
