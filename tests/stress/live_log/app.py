"""Commits that leave a token each: as a row, and in the commit log under a name that no other part uses."""

from __future__ import annotations

import random
import time
from typing import Final
from uuid import uuid4

from sqlalchemy import Column, Integer, MetaData, Table, select, text, update

from convexpy import ConvexError, MutationCtx, QueryCtx, internal_mutation, mutation, query
from convexpy.database.transaction import OpenTransaction
from convexpy.runtime.context import Context

TOKEN: Final = "token-"
# The row says itself in which transaction it was written, and since when the server ran: after a crash, ids of
# transactions that were rolled back are given out again. SQLite numbers rows in the order of the commits.
TABLE: Final = {
    "sqlite": "CREATE TABLE tokens (place INTEGER PRIMARY KEY AUTOINCREMENT, life INT DEFAULT 0, token TEXT NOT NULL)",
    "postgresql": """
        CREATE TABLE tokens (
            place bigint NOT NULL DEFAULT (pg_current_xact_id()::text)::bigint,
            life float NOT NULL DEFAULT extract(epoch FROM pg_postmaster_start_time()),
            token text NOT NULL
        )
    """,
}
# A commit adds one to a row of each table, so a committed snapshot shows equal numbers, which only grow.
KEYS: Final = 100
counters = MetaData()
ONE, OTHER = (
    Table(name, counters, Column("key", Integer, primary_key=True), Column("n", Integer, nullable=False))
    for name in ("one", "other")
)
INSERT: Final = text("INSERT INTO tokens (token) VALUES (:token)")


def transaction_of(ctx: Context) -> OpenTransaction:
    transaction: OpenTransaction = vars(ctx)["_transaction"].transaction
    return transaction


def leave_token(ctx: MutationCtx) -> str:
    token = uuid4().hex
    ctx.db.execute(INSERT, {"token": token})
    transaction_of(ctx).changes.writes.add(TOKEN + token)
    key = random.randrange(KEYS)
    for table in (ONE, OTHER):
        ctx.db.execute(update(table).where(table.c.key == key).values(n=table.c.n + 1))
    return token


@query
def one(ctx: QueryCtx, key: int) -> int:
    return ctx.db.execute(select(ONE.c.n).where(ONE.c.key == key)).scalar_one()


@query
def other(ctx: QueryCtx, key: int) -> int:
    return ctx.db.execute(select(OTHER.c.n).where(OTHER.c.key == key)).scalar_one()


@mutation
def write(ctx: MutationCtx) -> str:
    return leave_token(ctx)


@mutation
def write_slowly(ctx: MutationCtx, seconds: float) -> str:
    token = leave_token(ctx)
    time.sleep(seconds)
    return token


@mutation
def write_and_fail(ctx: MutationCtx) -> None:
    leave_token(ctx)
    raise ConvexError("CONFLICT", "on purpose")


@internal_mutation
def work(ctx: MutationCtx) -> None:
    leave_token(ctx)


@mutation
def plan(ctx: MutationCtx, many: int) -> None:
    leave_token(ctx)
    for _ in range(many):
        ctx.schedule.now(work)
