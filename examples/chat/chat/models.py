"""The tables. `convexpy dev` keeps the development database in step with them."""

from datetime import datetime
from typing import Any, ClassVar, Literal

from convexpy import JobId, JobIdType, Timestamp
from sqlalchemy import Index, String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

Channel = Literal["general", "random", "reading"]


class Base(DeclarativeBase):
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        Channel: String,
        datetime: Timestamp,
        JobId: JobIdType,
    }


class Message(Base):
    __tablename__ = "messages"
    __table_args__ = (Index("messages_of_a_channel", "channel", "id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    channel: Mapped[Channel]
    author_id: Mapped[str]
    author: Mapped[str]
    body: Mapped[str]
    sent_at: Mapped[datetime]


class Typist(Base):
    """Someone who is typing now. The row is there until they send, or until they have paused."""

    __tablename__ = "typists"

    channel: Mapped[Channel] = mapped_column(primary_key=True)
    user_id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    end: Mapped[JobId]
