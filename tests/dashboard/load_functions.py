"""Jobs without work, for measurements. It is copied into the tea shop for them."""

from __future__ import annotations

from datetime import datetime

from convexpy import MutationCtx, internal_mutation


@internal_mutation
def nothing(ctx: MutationCtx, number: int) -> None:
    """Do nothing."""


@internal_mutation
def burst(ctx: MutationCtx, count: int) -> None:
    """Schedule jobs for now."""
    for number in range(count):
        ctx.schedule.now(nothing, number=number)


@internal_mutation
def fill(ctx: MutationCtx, count: int, when: datetime) -> None:
    """Schedule jobs for the same time."""
    for number in range(count):
        ctx.schedule.at(when, nothing, number=number)
