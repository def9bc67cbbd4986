"""The shop's own tables."""

from __future__ import annotations

from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from convexpy import JobId, JobIdType


class Base(DeclarativeBase):
    """The base of the shop's tables."""


class User(Base):
    """Somebody who can sign in: the id is the subject of an identity."""

    __tablename__ = "users"

    id: Mapped[str] = mapped_column(primary_key=True)
    role: Mapped[str] = mapped_column(default="customer")


class Order(Base):
    """What a user bought."""

    __tablename__ = "orders"

    id: Mapped[str] = mapped_column(primary_key=True)
    status: Mapped[str] = mapped_column(default="new")


class Subscription(Base):
    """A plan that expires, and the job that will make it expire."""

    __tablename__ = "subscriptions"

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[str]
    plan: Mapped[str]
    expiration_job: Mapped[JobId | None] = mapped_column(JobIdType)


class Note(Base):
    """One line of text: what tests write to see whether a write was kept."""

    __tablename__ = "notes"

    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str] = mapped_column(unique=True)
