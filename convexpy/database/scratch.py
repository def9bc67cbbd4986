"""An empty place of the same kind as a database, gone when the block ends."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

from sqlalchemy import Connection, Engine, StaticPool, create_engine


@contextmanager
def scratch_database(bind: Engine | Connection) -> Iterator[Connection]:
    """A connection, in a transaction, to a database in memory; on PostgreSQL to a schema that is never committed."""
    if bind.dialect.name == "postgresql":
        with bind.engine.connect() as connection:
            schema = f"convexpy_scratch_{uuid4().hex}"
            connection.exec_driver_sql(f"CREATE SCHEMA {schema}")
            connection.exec_driver_sql(f"SET LOCAL search_path TO {schema}")
            yield connection
            connection.rollback()
        return
    engine = create_engine("sqlite://", poolclass=StaticPool)
    try:
        with engine.begin() as connection:
            yield connection
    finally:
        engine.dispose()
