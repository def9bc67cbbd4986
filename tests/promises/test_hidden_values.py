"""Values that a handler sends to the database do not appear in errors, which are kept and logged."""

from __future__ import annotations

import enum
import logging
import traceback
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Enum, ForeignKey, text
from sqlalchemy.exc import StatementError
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from convexpy import MutationCtx, Settings, mutation
from convexpy.testing import ConvexTest

SECRET = "hunter2"


class Base(DeclarativeBase):
    pass


class Color(enum.Enum):
    RED = "red"


class Account(Base):
    __tablename__ = "hidden_accounts"

    id: Mapped[int] = mapped_column(primary_key=True)
    password: Mapped[str] = mapped_column(unique=True)
    color: Mapped[Color | None] = mapped_column(Enum(Color, native_enum=False, validate_strings=True))
    friend: Mapped[str | None] = mapped_column(
        ForeignKey("hidden_accounts.password", deferrable=True, initially="DEFERRED")
    )


def twice(ctx: MutationCtx) -> None:
    ctx.db.add_all([Account(id=1, password=SECRET), Account(id=2, password=SECRET)])


def missing(ctx: MutationCtx) -> None:
    ctx.db.execute(text("INSERT INTO hidden_accounts (id, password) VALUES (NULL, :password)"), {"password": SECRET})
    ctx.db.execute(text("INSERT INTO hidden_accounts (password) VALUES (NULL)"))


def no_such_table(ctx: MutationCtx) -> None:
    ctx.db.execute(text("SELECT * FROM nowhere WHERE password = :password"), {"password": SECRET})


def no_member(ctx: MutationCtx) -> None:
    color: Any = SECRET
    ctx.db.add(Account(password="x", color=color))


def no_friend(ctx: MutationCtx) -> None:
    ctx.db.add(Account(password="x", friend=SECRET))  # refused by COMMIT


def no_number(ctx: MutationCtx) -> None:
    ctx.db.execute(text("SELECT CAST(:password AS INTEGER)"), {"password": SECRET})
    raise ValueError  # only one of the databases minds


STATEMENTS = {each.__name__: each for each in (twice, missing, no_such_table, no_member, no_friend, no_number)}


@mutation
def write(ctx: MutationCtx, how: str) -> None:
    STATEMENTS[how](ctx)


@mutation
def schedule(ctx: MutationCtx, how: str) -> None:
    ctx.schedule.now(write, how=how)


@pytest.fixture(params=["hidden", "in debug mode"])
def is_hidden(request: pytest.FixtureRequest) -> bool:
    return bool(request.param == "hidden")


@pytest.fixture
def convex(request: pytest.FixtureRequest, database: str, is_hidden: bool) -> Iterator[ConvexTest]:
    settings = Settings(debug=not is_hidden)
    with ConvexTest(request.module, metadata=Base.metadata, database_url=database, settings=settings) as convex:
        yield convex


@pytest.mark.parametrize("how", STATEMENTS)
@pytest.mark.parametrize("is_hidden", [True])
def test_no_value_is_in_an_error_in_a_job_or_in_the_log(
    convex: ConvexTest, caplog: pytest.LogCaptureFixture, how: str
) -> None:
    caplog.set_level(logging.DEBUG)
    with pytest.raises((StatementError, ValueError)) as caught:
        convex.run(write, how=how)
    assert SECRET not in "".join(traceback.format_exception(caught.value))
    convex.run(schedule, how=how)
    convex.run_due()
    [job] = convex.jobs(state="failed")
    assert job.state.error is not None
    assert SECRET not in job.state.error
    assert SECRET not in caplog.text


def test_in_debug_mode_they_are_shown(convex: ConvexTest, is_hidden: bool) -> None:
    with pytest.raises(StatementError) as caught:
        convex.run(write, how="twice")
    assert (SECRET in str(caught.value)) is not is_hidden


@pytest.mark.parametrize("is_hidden", [True])
def test_what_the_server_says_of_the_row_is_still_there_for_programs(convex: ConvexTest) -> None:
    with pytest.raises(StatementError) as caught:
        convex.run(write, how="twice")
    original: Any = caught.value.orig
    if hasattr(original, "diag"):
        assert SECRET in original.diag.message_detail
    assert "unique" in str(caught.value).lower()
