"""Functions that need a user: their context has one."""

from dataclasses import dataclass

from convexpy import ConvexError, Identity, MutationCtx, mutation


@dataclass(frozen=True)
class User:
    id: str
    name: str


class UserMutationCtx(MutationCtx):
    """The context of a mutation that somebody called who is logged in."""

    user: User


def user_of(identity: Identity | None) -> User | None:
    """The user whose token came with the call."""
    if identity is None:
        return None
    return User(identity.subject, str(identity.claims.get("name", identity.subject)))


def require_user(ctx: MutationCtx) -> UserMutationCtx:
    user = user_of(ctx.identity)
    if user is None:
        raise ConvexError("UNAUTHORIZED", "Log in first")
    return ctx.extend(UserMutationCtx, user=user)


user_mutation = mutation.meta(auth="required").use(require_user)
