"""The tables. `convexpy dev` keeps the development database in step with them."""

from datetime import datetime
from typing import Any, ClassVar
from uuid import uuid4

from convexpy import JobId, JobIdType
from sqlalchemy import JSON, DateTime
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


def new_id() -> str:
    return uuid4().hex


class Base(DeclarativeBase):
    # SQLite keeps a time without its zone, so every time that is stored here is in UTC, as ctx.now is.
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        datetime: DateTime(timezone=True),
        dict[str, Any]: JSON,
        JobId: JobIdType,
    }


class User(Base):
    __tablename__ = "users"

    id: Mapped[str] = mapped_column(primary_key=True)


class LoginSession(Base):
    __tablename__ = "sessions"

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    user_id: Mapped[str]
    last_active_at: Mapped[datetime] = mapped_column(index=True)  # the clean-up looks for the oldest


class Item(Base):
    __tablename__ = "items"

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    name: Mapped[str]
    cents: Mapped[int]


class Order(Base):
    __tablename__ = "orders"

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    user_id: Mapped[str] = mapped_column(index=True)
    item: Mapped[str]
    cents: Mapped[int]
    status: Mapped[str] = mapped_column(default="new")  # then "processing", then "paid"
    receipt: Mapped[str | None]
    ordered_at: Mapped[datetime] = mapped_column(index=True)


class Subscription(Base):
    __tablename__ = "subscriptions"

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    user_id: Mapped[str] = mapped_column(index=True)
    plan_id: Mapped[str]
    expiration_job_id: Mapped[JobId | None]


class Report(Base):
    __tablename__ = "reports"

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    type: Mapped[str]
    data: Mapped[dict[str, Any]]
    created_at: Mapped[datetime] = mapped_column(index=True)
