"""A basket for each session, by the argument ``sessionId`` that the hooks of convex-helpers add."""

from convexpy import MutationCtx, QueryCtx, mutation, query

from . import counters


@query
def basket(ctx: QueryCtx, sessionId: str) -> int:
    return counters.get(ctx, name=sessionId)


@mutation
def put(ctx: MutationCtx, sessionId: str, amount: int) -> int:
    return counters.add(ctx, name=sessionId, amount=amount)
