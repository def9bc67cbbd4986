"""``_system/audit``: changes by ``_system`` mutations, with their actor and their time."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated, Final

from pydantic import Field

from ..database.audit import add_entry, list_entries
from .context import LOOKED_EVERY, SystemMutationCtx, SystemQueryCtx, admin_of, system_query
from .document import Document, UnixTime

MOST_DETAILS: Final = 16 * 1024
"""So many characters of an entry's details are kept."""


class AuditEntry(Document):
    """A change."""

    id: str
    time: UnixTime
    actor: str
    """The name of the admin key, or its id if it has no name. ``dev``: the dashboard of ``convexpy dev``. ``local``:
    Python or the command line. ``job ID``: a job."""
    action: str
    """A verb, such as ``cancel``."""
    target: str
    """What it was done to, such as the id of a job."""
    details: str | None
    """More of it: a text, or JSON."""


class AuditEntries(Document):
    """A page of the audit log."""

    entries: Sequence[AuditEntry]
    cursor: str | None
    """Where the next page begins. None: there is none."""


def audit(ctx: SystemMutationCtx, action: str, target: str, details: object = None) -> None:
    """Write down a change, in the transaction that makes it.

    Args:
        ctx: The context of the mutation.
        action: A verb, such as ``cancel``.
        target: What it is done to, such as the id of a job.
        details: More of it: a text, or a value that is written as JSON.
    """
    text = details if details is None or isinstance(details, str) else json.dumps(details, default=str)
    if text is not None and len(text) > MOST_DETAILS:
        text = f"{text[:MOST_DETAILS]}…"
    with ctx.framework_tables() as connection:
        add_entry(connection, ctx.now, actor_of(ctx), action, target, text)


def actor_of(ctx: SystemMutationCtx) -> str:
    """The caller of a change, as the audit log names it."""
    if ctx.job is not None:
        return f"job {ctx.job.id}"
    admin = admin_of(ctx)
    return admin.name if admin is not None else "local"


@system_query(refresh=LOOKED_EVERY)
def list(
    ctx: SystemQueryCtx, limit: Annotated[int, Field(ge=1, le=1000)] = 100, cursor: str | None = None
) -> AuditEntries:
    """The newest changes first. ``cursor``: those that follow the page that gave it."""
    found = list_entries(ctx.connection, limit + 1, cursor)
    entries = [AuditEntry.model_validate(asdict(each)) for each in found[:limit]]
    return AuditEntries(entries=entries, cursor=entries[-1].id if len(found) > limit else None)
