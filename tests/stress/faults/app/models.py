"""What the app's functions write. No constraint would hide an effect that happened twice."""

from __future__ import annotations

from sqlalchemy import ForeignKey
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    pass


class Effect(Base):
    """One run of a mutation that committed: which job it was, and which process ran it."""

    __tablename__ = "effects"

    id: Mapped[int] = mapped_column(primary_key=True)
    label: Mapped[str]
    job: Mapped[str | None]
    pid: Mapped[int]


class Unique(Base):
    """A table with a constraint to violate."""

    __tablename__ = "uniques"

    name: Mapped[str] = mapped_column(primary_key=True)


class Owned(Base):
    """A table with a constraint that is checked by COMMIT and not before."""

    __tablename__ = "owned"

    name: Mapped[str] = mapped_column(primary_key=True)
    owner: Mapped[str] = mapped_column(ForeignKey("uniques.name", deferrable=True, initially="DEFERRED"))
