"""The tables. `convexpy dev` keeps the development database in step with them."""

from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from convexpy import JobId, JobIdType


class Base(DeclarativeBase):
    pass


class Task(Base):
    __tablename__ = "tasks"

    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str]
    done: Mapped[bool] = mapped_column(default=False)
    reminder: Mapped[JobId | None] = mapped_column(JobIdType)
