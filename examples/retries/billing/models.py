"""The tables. A payment's row is the memory of its retries, and its id the key that the provider knows it by."""

from typing import Literal
from uuid import uuid4

from convexpy import JobId, JobIdType
from sqlalchemy import String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

Status = Literal["charging", "charged", "failed", "canceled"]


class Base(DeclarativeBase):
    pass


class Account(Base):
    __tablename__ = "accounts"

    id: Mapped[str] = mapped_column(primary_key=True)
    cents: Mapped[int]


class Payment(Base):
    __tablename__ = "payments"

    id: Mapped[str] = mapped_column(primary_key=True, default=lambda: uuid4().hex)
    account_id: Mapped[str]
    cents: Mapped[int]
    status: Mapped[Status] = mapped_column(String(8), default="charging")
    failures: Mapped[int] = mapped_column(default=0)
    error: Mapped[str | None]
    receipt: Mapped[str | None]
    charge_job: Mapped[JobId | None] = mapped_column(JobIdType)  # the last attempt
    look_job: Mapped[JobId | None] = mapped_column(JobIdType)  # what will see how it went
