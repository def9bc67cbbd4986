"""The shop's tables, with relations between them."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar
from uuid import uuid4

from sqlalchemy import JSON, DateTime, ForeignKey
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from convexpy import JobId, JobIdType


def new_id() -> str:
    return uuid4().hex


class Base(DeclarativeBase):
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        datetime: DateTime(timezone=True),
        dict[str, Any]: JSON,
        JobId: JobIdType,
    }


class User(Base):
    """A customer."""

    __tablename__ = "users"

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    email: Mapped[str] = mapped_column(unique=True)
    is_regular: Mapped[bool] = mapped_column(default=False)
    joined_at: Mapped[datetime] = mapped_column(index=True)
    orders: Mapped[list[Order]] = relationship(back_populates="user")


class Item(Base):
    """What the shop sells."""

    __tablename__ = "items"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    cents: Mapped[int]
    stock: Mapped[int] = mapped_column(default=0)
    details: Mapped[dict[str, Any]] = mapped_column(default=dict)


class Order(Base):
    """What a customer bought."""

    __tablename__ = "orders"

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id"), index=True)
    status: Mapped[str] = mapped_column(default="new", index=True)
    cents: Mapped[int]
    receipt: Mapped[str | None]
    ordered_at: Mapped[datetime] = mapped_column(index=True)
    user: Mapped[User] = relationship(back_populates="orders")
    lines: Mapped[list[OrderLine]] = relationship(back_populates="order", passive_deletes=True)


class OrderLine(Base):
    """An item of an order."""

    __tablename__ = "order_lines"

    order_id: Mapped[str] = mapped_column(ForeignKey("orders.id", ondelete="CASCADE"), primary_key=True)
    item_id: Mapped[int] = mapped_column(ForeignKey("items.id"), primary_key=True)
    quantity: Mapped[int] = mapped_column(default=1)
    order: Mapped[Order] = relationship(back_populates="lines")


class Reminder(Base):
    """What a customer is told later, and the job that will do it."""

    __tablename__ = "reminders"

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id"), index=True)
    message: Mapped[str]
    send_at: Mapped[datetime]
    job_id: Mapped[JobId | None]


class LoginSession(Base):
    """A customer who is signed in."""

    __tablename__ = "sessions"

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id"), index=True)
    last_active_at: Mapped[datetime] = mapped_column(index=True)


class Kettle(Base):
    """Water that boils until somebody lifts the kettle."""

    __tablename__ = "kettles"

    name: Mapped[str] = mapped_column(primary_key=True)
    is_lifted: Mapped[bool] = mapped_column(default=False)


class Report(Base):
    """The figures of a day."""

    __tablename__ = "reports"

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str]
    data: Mapped[dict[str, Any]]
    created_at: Mapped[datetime] = mapped_column(index=True)
