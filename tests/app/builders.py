"""Who may call what: builders that look at the caller first."""

from __future__ import annotations

from convexpy import ConvexError, MutationCtx, mutation

from .models import User


class UserMutationCtx(MutationCtx):
    """The context of a mutation that a signed-in user called."""

    user: User


def require_user(ctx: MutationCtx) -> UserMutationCtx:
    """Let only known users through."""
    who = ctx.identity
    user = ctx.db.get(User, who.subject) if who else None
    if user is None:
        raise ConvexError("UNAUTHORIZED", "Not authenticated")
    return ctx.extend(UserMutationCtx, user=user)


def require_role(ctx: UserMutationCtx) -> UserMutationCtx:
    """Let only users through who have the role that the function's meta asks for."""
    if ctx.user.role != ctx.function.meta.get("role"):
        raise ConvexError("FORBIDDEN", "Not allowed", {"needs": ctx.function.meta.get("role")})
    return ctx


auth_mutation = mutation.meta(auth="required").use(require_user)
admin_mutation = auth_mutation.meta(role="admin").use(require_role)
