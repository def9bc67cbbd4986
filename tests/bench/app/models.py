"""The tables that every system's jobs write, and the statements of one job."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import BigInteger, Integer, Select, select, update
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

COUNTERS = 1000


class Base(DeclarativeBase):
    pass


class Counter(Base):
    __tablename__ = "counter"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    n: Mapped[int] = mapped_column(BigInteger)


class Entry(Base):
    __tablename__ = "entry"
    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    job: Mapped[int] = mapped_column(BigInteger)
    note: Mapped[str]


class Message(Base):
    __tablename__ = "message"
    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    channel: Mapped[int] = mapped_column(index=True)
    number: Mapped[int]


def newest_of(channel: int) -> Select[tuple[int]]:
    """The numbers of the last ten messages of a channel, newest first."""
    return select(Message.number).where(Message.channel == channel).order_by(Message.id.desc()).limit(10)


def write(session: Session, i: int) -> None:
    """The statements of one job: an UPDATE and an INSERT, as an app writes them."""
    session.execute(update(Counter).where(Counter.id == i % COUNTERS).values(n=Counter.n + 1))
    session.add(Entry(job=i, note="x"))


def write_by_driver(execute: Callable[[str, tuple[int, ...]], object], mark: str, i: int) -> None:
    """The same as plain SQL; ``mark`` is the driver's placeholder."""
    execute(f"UPDATE counter SET n = n + 1 WHERE id = {mark}", (i % COUNTERS,))
    execute(f"INSERT INTO entry (job, note) VALUES ({mark}, 'x')", (i,))
