"""The tables."""

from sqlalchemy import Index
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    pass


class One(Base):
    __tablename__ = "one"

    key: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    n: Mapped[int]


class Other(Base):
    """Has the same numbers, so that a snapshot that is none shows."""

    __tablename__ = "other"

    key: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    n: Mapped[int]


class Entry(Base):
    """What one mutation did. Nothing prevents that a token is here twice."""

    __tablename__ = "entries"
    __table_args__ = (Index("entries_by_key", "key", "n"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[int]
    n: Mapped[int]
    token: Mapped[str]
    caller: Mapped[str]


class Act(Base):
    """What one action did."""

    __tablename__ = "acts"

    id: Mapped[int] = mapped_column(primary_key=True)
    token: Mapped[str]
