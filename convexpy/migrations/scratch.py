"""An empty place of the same kind as a database, gone when the block ends."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

from sqlalchemy import Connection, Engine, StaticPool, create_engine


@contextmanager
def scratch_database(bind: Engine | Connection) -> Iterator[Connection]:
    """A connection, not in a transaction, to a database in memory; on PostgreSQL to a schema of its own."""
    if bind.dialect.name == "postgresql":
        with scratch_schema(bind.engine) as connection:
            yield connection
        return
    engine = create_engine("sqlite://", poolclass=StaticPool)
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


@contextmanager
def scratch_schema(engine: Engine) -> Iterator[Connection]:
    """Committed, because a revision may ask for a part outside the transaction, and dropped at the end."""
    schema = f"convexpy_scratch_{uuid4().hex}"
    with engine.connect() as connection:
        with connection.begin():
            connection.exec_driver_sql(f"CREATE SCHEMA {schema}")
            connection.exec_driver_sql(f"SET search_path TO {schema}")
        try:
            yield connection
        finally:
            connection.rollback()
            with connection.begin():
                connection.exec_driver_sql(f"DROP SCHEMA {schema} CASCADE")
            connection.invalidate()  # its search path is not for anybody else
