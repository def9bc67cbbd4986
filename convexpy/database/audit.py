"""The audit log: rows of ``_convexpy_audit``, each written by the transaction whose change it tells of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, insert, select

from .jobs import changes_of
from .tables import audit
from .types import new_job_id


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """A change: by whom, what was done, and to what. ``details``: more of it, a text or JSON."""

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
    connection.execute(insert(audit).values(id=new_job_id(by_time=True), **values))
    changes_of(connection).writes.add(audit.name)


def list_entries(connection: Connection, limit: int, before: str | None = None) -> Sequence[AuditEntry]:
    """The rows that were written last; ``before``: those before the row with this id. Ids begin with the time."""
    rows = select(audit).order_by(audit.c.id.desc()).limit(limit)
    if before is not None:
        rows = rows.where(audit.c.id < before)
    return [AuditEntry(*row) for row in connection.execute(rows)]
