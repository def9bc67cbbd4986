"""Whether a PostgreSQL server has as many connections as the workers may ask for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from sqlalchemy import func, select

from ..database.postgres.database import INTERNAL_CONNECTIONS as OWN
from ..database.tables import workers
from .finding import Finding, note, ok, risk
from .target import Target

LISTENING: Final = 1
LIMITS: Final = """
SELECT rolconnlimit, datconnlimit,
       (SELECT count(*) FROM pg_stat_activity
        WHERE backend_type = 'client backend' AND application_name <> 'convexpy' AND pid <> pg_backend_pid())
FROM pg_roles, pg_database WHERE rolname = current_user AND datname = current_database()
"""


def check_connections(patient: Target) -> Iterator[Finding]:
    """A worker that gets no connection waits, and its calls fail after ``lock_timeout``."""
    role, database, others = patient.connection.exec_driver_sql(LIMITS).one()
    alive = living(patient)
    each = patient.settings.database_connections + OWN + LISTENING
    free = allowed(patient, role, database) - others
    needed = max(1, alive) * each
    seen = f"{free} for convexpy; {max(1, alive)} process{'' if alive <= 1 else 'es'} of {each} may use {needed}"
    if needed > free:
        yield risk(
            "connections",
            seen,
            "calls that get no connection wait for one and then fail",
            f"Raise max_connections, or set database_connections to {max(1, free // max(1, alive) - OWN - LISTENING)}",
        )
    elif needed + each > free:
        yield note("connections", seen, "there is no room for one more process", "Raise max_connections before that")
    else:
        yield ok("connections", seen)


def allowed(patient: Target, role: int, database: int) -> int:
    """How many connections this user may have: -1 stands for no limit of the user's or the database's own."""
    kept = ("superuser_reserved_connections", "reserved_connections")
    server = patient.number("max_connections") - sum(patient.number(name) for name in kept)
    return min([server, *(limit for limit in (role, database) if limit >= 0)])


def living(patient: Target) -> int:
    """How many workers have said lately that they are alive."""
    since: Any = patient.now() - patient.settings.heartbeat_timeout
    alive = select(func.count()).select_from(workers).where(workers.c.heartbeat_time >= since)
    return int(patient.connection.execute(alive).scalar_one())
