"""Functions that need a user: their context has one."""

from convexpy import ConvexError, MutationCtx, mutation

from .models import User


class UserMutationCtx(MutationCtx):
    """The context of a mutation that somebody called who is signed in."""

    user: User


def require_user(ctx: MutationCtx) -> UserMutationCtx:
    who = ctx.identity  # None in scheduled runs and crons: they get a user's id as an argument instead
    user = ctx.db.get(User, who.subject) if who else None
    if user is None:
        raise ConvexError("UNAUTHORIZED", "Not authenticated")
    return ctx.extend(UserMutationCtx, user=user)


auth_mutation = mutation.meta(auth="required").use(require_user)
