"""Column types that mean the same on SQLite and PostgreSQL."""

from __future__ import annotations

import json
import secrets
import time
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NewType

from sqlalchemy import BigInteger, ColumnElement, DateTime, Dialect, String, Text
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.types import TypeDecorator, TypeEngine

JobId = NewType("JobId", str)
"""The id of a scheduled job: a ``str`` of its own type for type checkers."""

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND: Final = timedelta(microseconds=1)


def new_job_id(*, by_time: bool = False) -> JobId:
    """An id that cannot be guessed. ``by_time``: it begins with the time, so new ids are neighbours in an index."""
    if by_time:
        return JobId(f"{time.time_ns() // 1_000_000:012x}{secrets.token_hex(10)}")
    return JobId(secrets.token_hex(16))


class JobIdType(TypeDecorator[JobId]):
    """The column type for a JobId in a user's own table: ``mapped_column(JobIdType)``."""

    impl = String(32)
    cache_ok = True

    def process_result_value(self, value: Any, dialect: Dialect) -> JobId | None:
        return None if value is None else JobId(value)


class Timestamp(TypeDecorator[datetime]):
    """An aware UTC time: ``timestamptz`` on PostgreSQL, whole microseconds since 1970 on SQLite."""

    impl = BigInteger
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(DateTime(timezone=True) if dialect.name == "postgresql" else BigInteger())

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value!r} has no time zone: pass an aware datetime")
        return value if dialect.name == "postgresql" else (value - EPOCH) // MICROSECOND

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.astimezone(UTC) if isinstance(value, datetime) else EPOCH + value * MICROSECOND


class StoredJSON(TypeDecorator[dict[str, Any]]):
    """JSON stored as text, so that both databases return it exactly as it was written."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        return value if value is None or isinstance(value, str) else json.dumps(value, allow_nan=False)

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        return None if value is None else json.loads(value)


class TransactionId(ColumnElement[int]):
    """The id of the transaction on PostgreSQL, as a column's default; SQLite has none, and numbers rows by itself."""

    inherit_cache = True
    type = BigInteger()


@compiles(TransactionId, "postgresql")
def _transaction_id(element: TransactionId, compiler: Any, **options: Any) -> str:
    return "(pg_current_xact_id()::text)::bigint"


@compiles(TransactionId)
def _no_transaction_id(element: TransactionId, compiler: Any, **options: Any) -> str:
    return "NULL"


def bound(kind: TypeEngine[Any], value: Any, dialect: Dialect) -> Any:
    """A value after the bind processing of its type and the types that it decorates."""
    while isinstance(kind, TypeDecorator):
        if type(kind).process_bind_param is not TypeDecorator.process_bind_param:
            value = kind.process_bind_param(value, dialect)
        kind = kind.load_dialect_impl(dialect)
    return value
