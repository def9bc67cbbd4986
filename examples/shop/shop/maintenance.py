"""What keeps the tables small."""

from datetime import timedelta

from convexpy import MutationCtx, internal_mutation
from pydantic import BaseModel
from sqlalchemy import delete, select

from .models import LoginSession


class CleanupResult(BaseModel):
    deleted_count: int


@internal_mutation
def cleanup_stale_data(ctx: MutationCtx) -> CleanupResult:
    """Delete the sessions of 30 days without activity, the oldest 1,000 of them: a transaction should stay short."""
    stale = (
        select(LoginSession.id)
        .where(LoginSession.last_active_at < ctx.now - timedelta(days=30))
        .order_by(LoginSession.last_active_at)
        .limit(1000)
    )
    gone = ctx.db.scalars(delete(LoginSession).where(LoginSession.id.in_(stale)).returning(LoginSession.id)).all()
    return CleanupResult(deleted_count=len(gone))
