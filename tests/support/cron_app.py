"""An app with crons, made on the spot, which writes down when it ran."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from convexpy import ActionCtx, Crons, MutationCtx, QueryCtx, action, mutation, query
from support.apps import app_of
from support.faults import PlannedErrors

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)

ran: list[datetime] = []
planned = PlannedErrors()


@mutation
def work(ctx: MutationCtx, label: str = "") -> None:
    planned.raise_next()
    ran.append(ctx.now)


@action
async def act(ctx: ActionCtx, label: str = "") -> None:
    planned.raise_next()
    ran.append(ctx.now)


@query
def look(ctx: QueryCtx) -> None: ...


def crons_of(declare: Callable[[Crons], object]) -> Crons:
    crons = Crons()
    declare(crons)
    return crons


def app_with(declare: Callable[[Crons], object]) -> Any:
    return app_of(work, act, look, crons=crons_of(declare))
