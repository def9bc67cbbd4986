"""Tables, contexts, middleware and builders, typed. Both checkers must find nothing wrong in this file."""

from collections.abc import AsyncIterator, Iterator
from datetime import datetime
from typing import NotRequired, TypeVar, assert_type

from pydantic import BaseModel, ConfigDict
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from typing_extensions import TypedDict

from convexpy import (
    ActionCtx,
    ConvexError,
    JobId,
    JobIdType,
    MutationCtx,
    QueryCtx,
    SyncActionCtx,
    action,
    mutation,
    query,
)


class Base(DeclarativeBase):
    pass


class User(Base):
    __tablename__ = "users"
    id: Mapped[str] = mapped_column(primary_key=True)


class Order(Base):
    __tablename__ = "orders"
    id: Mapped[str] = mapped_column(primary_key=True)
    status: Mapped[str] = mapped_column(default="new")
    reminder: Mapped[JobId | None] = mapped_column(JobIdType)
    expiry: Mapped[JobId] = mapped_column(JobIdType, unique=True)


class OrderView(BaseModel):
    model_config = ConfigDict(from_attributes=True)
    id: str
    status: str


class PendingJob(BaseModel):
    id: JobId
    name: str
    scheduled_time: datetime


class Totals(TypedDict):
    count: int
    note: NotRequired[str]


@query
def get_token(ctx: QueryCtx, client: str) -> str:
    return client


# Contexts with extras of their own, and the middleware that fills them.


class UserQueryCtx(QueryCtx):
    user: User


class UserMutationCtx(MutationCtx):
    user: User


class ClientCtx(ActionCtx):
    token: str


class SyncClientCtx(SyncActionCtx):
    token: str


DbCtx = TypeVar("DbCtx", bound=QueryCtx)


def signed_in(ctx: QueryCtx) -> User:
    user = ctx.db.get(User, ctx.identity.subject) if ctx.identity else None
    if user is None:
        raise ConvexError("UNAUTHORIZED", "Not authenticated", {"hint": "sign in"})
    return user


def read_user(ctx: QueryCtx) -> UserQueryCtx:
    return ctx.extend(UserQueryCtx, user=signed_in(ctx))


def require_user(ctx: MutationCtx) -> UserMutationCtx:
    extended = ctx.extend(UserMutationCtx, user=signed_in(ctx))
    assert_type(extended, UserMutationCtx)
    return extended


def logged(ctx: DbCtx) -> Iterator[DbCtx]:
    """One middleware for queries and mutations, that runs code after the handler too."""
    try:
        yield ctx
    finally:
        print(ctx.function.name, ctx.function.kind, ctx.function.meta.get("auth"), ctx.now, ctx.job and ctx.job.attempt)


def with_key(ctx: ActionCtx) -> ClientCtx:
    return ctx.extend(ClientCtx, token="")


async def with_token(ctx: ActionCtx) -> ClientCtx:
    return ctx.extend(ClientCtx, token=await ctx.run_query(get_token, "shop"))


async def traced(ctx: ClientCtx) -> AsyncIterator[ClientCtx]:
    yield ctx


def counted(ctx: ClientCtx) -> Iterator[ClientCtx]:
    yield ctx


def with_sync_token(ctx: SyncActionCtx) -> SyncClientCtx:
    return ctx.extend(SyncClientCtx, token=ctx.run_query(get_token, client="shop"))


def sync_counted(ctx: SyncClientCtx) -> Iterator[SyncClientCtx]:
    yield ctx


auth_query = query.meta(auth="required").use(read_user).use(logged)
auth_mutation = mutation.meta(auth="required").use(require_user).use(logged)
private_mutation = mutation.internal.meta(auth=None)
client_action = action.internal.use(with_key).use(counted)
token_action = action.meta(role="client").use(with_token).use(traced)
sync_client_action = action.use(with_sync_token).use(sync_counted)
