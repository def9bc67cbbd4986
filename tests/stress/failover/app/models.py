"""No constraint would hide an effect that happened twice."""

from __future__ import annotations

from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    pass


class Effect(Base):
    """One run of a mutation that committed: which job it was, none for a direct call, and which process ran it."""

    __tablename__ = "effects"

    id: Mapped[int] = mapped_column(primary_key=True)
    label: Mapped[str]
    job: Mapped[str | None]
    pid: Mapped[int]
