"""The cost of a worker without jobs: statements that reach the driver, and processor time."""

from __future__ import annotations

import time
from typing import Any

from sqlalchemy import Engine, event

from convexpy import Convex

BRACKETS = ("BEGIN", "COMMIT", "ROLLBACK", "SET")
SETTLING = 3.0
SERVER = "SELECT coalesce(sum(calls), 0) FROM pg_stat_statements s JOIN pg_database d ON d.oid = s.dbid"
OURS = (
    " WHERE d.datname = current_database() AND query !~* '^(BEGIN|COMMIT|ROLLBACK|SET|DEALLOCATE)'"
    " AND query !~ 'pg_stat_statements'"
)


def observe_idle(convex: Convex, seconds: float) -> dict[str, float]:
    statements: list[str] = []

    @event.listens_for(Engine, "before_cursor_execute")
    def record(connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
        if not statement.lstrip().upper().startswith(BRACKETS):
            statements.append(statement)

    def count() -> int:
        return server_calls(convex) if convex.database.url.drivername.startswith("postgresql") else len(statements)

    with convex.running():
        time.sleep(SETTLING)
        before, used = count(), time.process_time()
        time.sleep(seconds)
        used, statements_seen = time.process_time() - used, count() - before
    return {"queries/s": statements_seen / seconds, "CPU %": used / seconds * 100}


def server_calls(convex: Convex) -> int:
    """The statements that the server has counted."""
    with convex.database.write_internal() as connection:
        connection.exec_driver_sql("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
        return int(connection.exec_driver_sql(SERVER + OURS).scalar() or 0)
