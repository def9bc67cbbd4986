"""Behind a pooler that hands out connections by transaction: nothing of ours depends on a session."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterator

import pytest
from app.models import Base, Note
from servers.pooler import pooler
from servers.postgres import NoServer
from sqlalchemy import URL, select

from convexpy import Convex, MutationCtx, QueryCtx, Settings, mutation, query

from .conftest import QUICK, rows

FEW = 2
JOBS = 40


@mutation
def plan(ctx: MutationCtx, number: int) -> None:
    ctx.schedule.now(write, number=number)


@mutation
def write(ctx: MutationCtx, number: int) -> None:
    ctx.db.add(Note(text=f"{number}"))


@query
def count(ctx: QueryCtx) -> int:
    return len(ctx.db.scalars(select(Note.text)).all())


@pytest.fixture
def pooled(url: URL) -> Iterator[URL]:
    try:
        with pooler(url, FEW) as made:
            yield made
    except NoServer as reason:
        pytest.skip(f"no pooler: {reason}")


def work_through(pooled: URL, url: URL, settings: Settings) -> None:
    text = pooled.render_as_string(hide_password=False)
    with Convex(text, functions=sys.modules[__name__], metadata=Base.metadata, settings=settings) as convex:
        for number in range(JOBS):
            convex.run(plan, number=number)
        with convex.running():
            deadline = time.monotonic() + 120
            while rows(url, "SELECT count(*) FROM _convexpy_finished") != [(JOBS,)]:
                assert time.monotonic() < deadline
        ends = "SELECT DISTINCT state_kind, state_error FROM _scheduled_functions"
        assert rows(url, ends) == [("success", None)]
        assert convex.run(count) == JOBS


def test_everything_works_with_the_settings_for_it(pooled: URL, url: URL) -> None:
    work_through(pooled, url, Settings(**QUICK, prepared_statements=False, listen_notify=False))


def test_a_pooler_without_its_setting_is_detected_and_logged(
    pooled: URL, url: URL, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "convexpy.database"):
        text = pooled.render_as_string(hide_password=False)
        settings = Settings(**QUICK, listen_notify=False)
        app = Convex(text, functions=sys.modules[__name__], metadata=Base.metadata, settings=settings)
        with app as convex, convex.running():
            for number in range(JOBS):
                convex.run(plan, number=number)
            deadline = time.monotonic() + 120
            while convex.run(count) != JOBS:
                assert time.monotonic() < deadline
    assert rows(url, "SELECT DISTINCT state_kind FROM _scheduled_functions") == [("success",)]
    assert "set prepared_statements = false" in caplog.text
