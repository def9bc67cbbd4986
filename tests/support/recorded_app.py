"""Tables with cascades between them, and transactions of which it is asked what they wrote and read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import ForeignKey
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship

from convexpy import Convex
from convexpy.database.read_set import ReadSet
from convexpy.database.write_set import WriteSet
from convexpy.runtime.session import CallTransaction


class Base(DeclarativeBase):
    pass


class Room(Base):
    __tablename__ = "room"
    id: Mapped[int] = mapped_column(primary_key=True)
    owner: Mapped[str] = mapped_column(index=True)
    size: Mapped[int] = mapped_column(default=0)
    messages: Mapped[list[Message]] = relationship(back_populates="room", passive_deletes=True)


class Message(Base):
    __tablename__ = "message"
    id: Mapped[int] = mapped_column(primary_key=True)
    room_id: Mapped[int | None] = mapped_column(ForeignKey("room.id", ondelete="CASCADE", onupdate="CASCADE"))
    answers: Mapped[int | None] = mapped_column(ForeignKey("message.id", ondelete="SET NULL"))
    text: Mapped[str] = mapped_column(default="")
    room: Mapped[Room | None] = relationship(back_populates="messages")


class Plain(Base):
    """Nothing refers to it."""

    __tablename__ = "plain"
    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(index=True)
    v: Mapped[int] = mapped_column(default=0)


class App:
    """A database with rows, and transactions on it."""

    def __init__(self, convex: Convex) -> None:
        self.convex = convex

    def write(self, *steps: Callable[[Session], Any]) -> WriteSet:
        """What a transaction of these steps has written."""
        with self.convex.database.write() as transaction:
            part = CallTransaction(self.convex.database, self.convex.app, transaction, self.convex.clock)
            try:
                for step in steps:
                    step(part.db)
                part.flush()
            finally:
                part.close()
            transaction.commit()
        return transaction.changes.writes

    def read(self, *runs: Callable[[Session], Any]) -> list[ReadSet]:
        """What each of these runs has read, in one snapshot."""
        found = []
        with self.convex.database.read() as transaction:
            if self.convex.database.is_server:
                transaction.begin_round()  # type: ignore[attr-defined]
            for run in runs:
                transaction.reads = reads = ReadSet()
                part = CallTransaction(self.convex.database, self.convex.app, transaction, self.convex.clock)
                try:
                    run(part.db)
                finally:
                    part.close()
                transaction.settle_footprints()
                found.append(reads)
        return found

    def ddl(self, *statements: str) -> None:
        with self.convex.database.ddl() as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)

    def add_trigger(self, table: str, effect: str) -> None:
        if self.convex.database.is_server:
            self.ddl(
                f"CREATE FUNCTION act() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {effect}; RETURN NULL; END $$",
                f"CREATE TRIGGER act AFTER INSERT OR UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION act()",
            )
        else:
            for verb in ("INSERT", "UPDATE"):
                self.ddl(f"CREATE TRIGGER on_{verb} AFTER {verb} ON {table} BEGIN {effect}; END")
