"""The contexts of ``_system`` functions: a user's contexts, with the framework's own tables and the loaded app."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection

from ..database.types import JobId
from ..functions.builders import ActionBuilder, MutationBuilder, NoContext, QueryBuilder
from ..functions.load import App
from ..functions.registry import AnyFunction
from ..runtime.admin import Admin
from ..runtime.call_executor import CallExecutor
from ..runtime.context import (
    Context,
    MutationCtx,
    QueryCtx,
    SyncActionCtx,
    internal_action,
    internal_mutation,
    internal_query,
)
from ..runtime.origin import Origin
from ..runtime.session import CallTransaction

LOOKED_EVERY: Final = timedelta(seconds=5)
"""How often a live query of the framework's own tables runs again: no commit says that it wrote to them."""


class SystemQueryCtx(QueryCtx):
    """The context of a ``_system`` query."""

    app: App
    connection: Connection
    """The connection of the call's transaction, to read the framework's own tables."""


class SystemMutationCtx(MutationCtx):
    """The context of a ``_system`` mutation."""

    app: App

    def schedule_stored(
        self,
        function: AnyFunction,
        stored_args: str,
        cron: str | None = None,
        *,
        when: datetime | None = None,
        origin: Origin | None = None,
    ) -> JobId:
        """Schedule a function with arguments as a job or a cron stores them.

        Args:
            function: What runs.
            stored_args: Its arguments.
            cron: The cron whose run it is.
            when: When it is due. None: now.
            origin: What scheduled it. None: this call.
        """
        buffer = part_of(self).buffer
        assert buffer is not None
        return buffer.add_stored(when or self.now, function, stored_args, cron, origin)

    @contextmanager
    def framework_tables(self) -> Iterator[Connection]:
        """The connection of the call's transaction, which may write to the framework's own tables in this block."""
        transaction = part_of(self).transaction
        transaction.not_batchable = True
        before, transaction.runs_handler = transaction.runs_handler, False  # one block may be within another
        try:
            yield transaction.connection
        finally:
            transaction.runs_handler = before


class SystemActionCtx(SyncActionCtx):
    """The context of a ``_system`` action."""

    calls: CallExecutor
    """Runs any function of the app."""


def with_system_query(ctx: QueryCtx) -> SystemQueryCtx:
    part = part_of(ctx)
    return ctx.extend(SystemQueryCtx, app=part.app, connection=part.transaction.connection)


def with_system_mutation(ctx: MutationCtx) -> SystemMutationCtx:
    return ctx.extend(SystemMutationCtx, app=part_of(ctx).app)


def with_system_action(ctx: SyncActionCtx) -> SystemActionCtx:
    return ctx.extend(SystemActionCtx, calls=calls_of(ctx))


def calls_of(ctx: Context) -> CallExecutor:
    """What runs the calls of a context."""
    calls: CallExecutor = vars(ctx)["_caller"]._executor
    return calls


def part_of(ctx: Context) -> CallTransaction:
    part: CallTransaction = vars(ctx)["_transaction"]
    return part


def admin_of(ctx: QueryCtx) -> Admin | None:
    """The rights of the admin key with which a client calls. None: it is no client, but Python, a job or a cron."""
    return ctx._call.admin


system_query: Final[QueryBuilder[SystemQueryCtx]] = internal_query.use(with_system_query)
system_mutation: Final[MutationBuilder[SystemMutationCtx]] = internal_mutation.use(with_system_mutation)
system_action: Final[ActionBuilder[NoContext, SystemActionCtx]] = internal_action.use(with_system_action)
