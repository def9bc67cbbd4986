"""The audit log: rows of ``_convexpy_audit``, each written by the transaction whose change it tells of."""

from __future__ import annotations

import secrets
import time as system_time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, insert, select

from .jobs import changes_of
from .tables import audit


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """A change: its actor, what was done, and to what. ``details``: more of it, a text or JSON."""

    id: str
    time: datetime
    actor: str
    action: str
    target: str
    details: str | None


def add_entry(
    connection: Connection, time: datetime, actor: str, action: str, target: str, details: str | None
) -> None:
    """Write a row of the log."""
    values = {"time": time, "actor": actor, "action": action, "target": target, "details": details}
    connection.execute(insert(audit).values(id=new_id(), **values))
    changes_of(connection).writes.add(audit.name)


def new_id() -> str:
    """An id that is larger than those before it."""
    return f"{system_time.time_ns():016x}{secrets.token_hex(8)}"


def list_entries(connection: Connection, limit: int, before: str | None = None) -> Sequence[AuditEntry]:
    """The rows that were written last; ``before``: those before the row with this id. Ids begin with the time."""
    rows = select(audit).order_by(audit.c.id.desc()).limit(limit)
    if before is not None:
        rows = rows.where(audit.c.id < before)
    return [AuditEntry(*row) for row in connection.execute(rows)]
