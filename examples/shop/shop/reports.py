"""The daily report: read in one transaction, written in another, and an action that stands between them."""

from typing import Any

from convexpy import ActionCtx, MutationCtx, QueryCtx, internal_action, internal_mutation, query
from pydantic import BaseModel
from sqlalchemy import select

from . import analytics, mail
from .models import Report


class ReportView(BaseModel):
    type: str
    data: dict[str, Any]


@internal_action
async def generate_daily_report(ctx: ActionCtx) -> None:
    stats = await ctx.run_query(analytics.get_daily_stats)
    await ctx.run_mutation(create, type="daily", data=stats.model_dump())
    await mail.send("the boss", f"orders {stats.orders}, paid {stats.paid}, {stats.cents / 100:.2f} €")


@internal_mutation
def create(ctx: MutationCtx, type: str, data: dict[str, Any]) -> None:
    ctx.db.add(Report(type=type, data=data, created_at=ctx.now))


@query
def latest(ctx: QueryCtx) -> ReportView | None:
    report = ctx.db.scalar(select(Report).order_by(Report.created_at.desc()).limit(1))
    return ReportView(type=report.type, data=report.data) if report is not None else None
