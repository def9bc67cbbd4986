"""The app under the benchmark: a mutation that does nothing, one that updates a row and inserts one, and a probe."""

from __future__ import annotations

import queue
import time

from sqlalchemy import update
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from convexpy import MutationCtx, mutation

COUNTERS = 1000
started: queue.SimpleQueue[float] = queue.SimpleQueue()


class Base(DeclarativeBase):
    pass


class Counter(Base):
    __tablename__ = "counter"
    id: Mapped[int] = mapped_column(primary_key=True)
    n: Mapped[int] = mapped_column(default=0)


class Entry(Base):
    __tablename__ = "entry"
    id: Mapped[int] = mapped_column(primary_key=True)
    job: Mapped[int]
    note: Mapped[str]


@mutation
def nothing(ctx: MutationCtx, i: int) -> None:
    """The price of a job itself."""


@mutation
def work(ctx: MutationCtx, i: int) -> None:
    """One UPDATE and one INSERT, as an app would write them."""
    ctx.db.execute(update(Counter).where(Counter.id == i % COUNTERS).values(n=Counter.n + 1))
    ctx.db.add(Entry(job=i, note="x"))


@mutation
def probe(ctx: MutationCtx) -> None:
    """Says when its first line ran."""
    started.put(time.perf_counter())


@mutation
def schedule_probe(ctx: MutationCtx) -> None:
    ctx.schedule.now(probe)
