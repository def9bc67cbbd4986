"""Whether a PostgreSQL server has as many connections as the workers may open."""

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


def check_connections(target: Target) -> Iterator[Finding]:
    """Calls that get no connection wait, and fail after ``lock_timeout``."""
    role, database, others = target.connection.exec_driver_sql(LIMITS).one()
    alive = live_workers(target)
    each = target.settings.database_connections + OWN + LISTENING
    free = allowed(target, role, database) - others
    needed = max(1, alive) * each
    seen = f"{free} for convexpy; {max(1, alive)} process{'' if alive <= 1 else 'es'} of {each} may use {needed}"
    if needed > free:
        yield risk(
            "connections",
            seen,
            "calls that get no connection wait for one, and then fail",
            f"Raise max_connections, or set database_connections to {max(1, free // max(1, alive) - OWN - LISTENING)}",
        )
    elif needed + each > free:
        yield note("connections", seen, "there is no room for one more process", "Raise max_connections before that")
    else:
        yield ok("connections", seen)


def allowed(target: Target, role: int, database: int) -> int:
    """How many connections this user may have. -1 stands for no limit of the role or of the database."""
    kept = ("superuser_reserved_connections", "reserved_connections")
    server = target.number("max_connections") - sum(target.number(name) for name in kept)
    return min([server, *(limit for limit in (role, database) if limit >= 0)])


def live_workers(target: Target) -> int:
    """How many workers have a recent heartbeat."""
    since: Any = target.now() - target.settings.heartbeat_timeout
    alive = select(func.count()).select_from(workers).where(workers.c.heartbeat_time >= since)
    return int(target.connection.execute(alive).scalar_one())
