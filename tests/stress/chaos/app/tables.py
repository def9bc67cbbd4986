"""What the app's functions write. Nothing but the keys of accounts and lists is unique: an effect that happened twice
must be seen, not refused."""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    Float,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    literal_column,
)

metadata: Final = MetaData()
# So many that two transactions seldom want the same one; 0 and 1 are the hot ones, which storms use.
ACCOUNTS: Final = 2000
HOT: Final = (0, 1)
BALANCE: Final = 1000

effects: Final = Table(
    "effects",
    metadata,
    Column("call", Text, nullable=False),
    Column("job", Text),
    Column("attempt", Integer, nullable=False),
    Column("worker", Text, nullable=False),
    Column("at", Float(53), nullable=False),
    Column("giver", Integer, nullable=False),
    Column("taker", Integer, nullable=False),
)
accounts: Final = Table(
    "accounts",
    metadata,
    Column("account", Integer, primary_key=True, autoincrement=False),
    Column("balance", Integer, nullable=False),
    postgresql_with={"fillfactor": 40},  # room to change a row where it is, so that no index page is written
)
# A call that schedules one job leaves a mark: mark and job exist together or not at all.
markers: Final = Table("markers", metadata, Column("call", Text, nullable=False), Column("job", Text, nullable=False))
# A list in one row …
lists: Final = Table("lists", metadata, Column("key", Text, primary_key=True), Column("entries", Text, nullable=False))
# … and a list as a range of rows, which finds transactions that miss what others insert meanwhile.
items: Final = Table(
    "items",
    metadata,
    Column("key", Text, nullable=False),
    Column("position", Integer, nullable=False),
    Column("value", BigInteger, nullable=False),
)
Index("items_by_key", items.c.key, items.c.position)
# What a transaction read that ran as a job, where no client waits for the answer.
answers: Final = Table("answers", metadata, Column("id", Text, nullable=False), Column("reads", Text, nullable=False))


def database_time(connection: Connection) -> ColumnElement[float]:
    """The database's own time, in Unix seconds. SQLite cuts it to milliseconds, so it is one too late, never early."""
    if connection.dialect.name == "postgresql":
        return literal_column("extract(epoch from clock_timestamp())::float8")
    return literal_column("(julianday('now') - 2440587.5) * 86400.0 + 0.001")
