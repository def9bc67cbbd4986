"""What a handler logs says where it comes from: the function, the job and the request."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest

from convexpy import ActionCtx, CallFilter, JobId, MutationCtx, QueryCtx, SyncActionCtx, action, mutation, query
from convexpy.testing import ConvexTest

logger = logging.getLogger(__name__)


@query
def look(ctx: QueryCtx) -> None:
    ctx.log.info("looks", extra={"shelf": 3})
    logger.info("looks, too", extra={"shelf": 3, "job": "mine"})


@mutation
def write(ctx: MutationCtx) -> None:
    ctx.log.info("before")
    ctx.run_query(look)
    logger.info("after")


@action
async def send(ctx: ActionCtx) -> None:
    ctx.log.info("before")
    await ctx.run_mutation(write)
    logger.info("after")


@action
def send_on_a_thread(ctx: SyncActionCtx) -> None:
    ctx.log.info("before")
    ctx.run_action(send)
    logger.info("after")


FUNCTIONS: dict[str, Any] = {each.__name__: each for each in (write, send, send_on_a_thread)}


@mutation
def schedule(ctx: MutationCtx, name: str) -> JobId:
    job_id: JobId = ctx.schedule.now(FUNCTIONS[name])
    return job_id


class Lines(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.addFilter(CallFilter())
        self.records: list[Any] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


@pytest.fixture
def lines() -> Iterator[Lines]:
    lines, level = Lines(), logger.level
    logger.addHandler(lines)
    logger.setLevel(logging.INFO)
    yield lines
    logger.removeHandler(lines)
    logger.setLevel(level)


def name_of(function: str) -> str:
    return f"{__name__.rpartition('.')[2]}:{function}"


@pytest.mark.parametrize("name", FUNCTIONS)
def test_all_lines_of_a_job_have_its_id_and_one_request(convex: ConvexTest, lines: Lines, name: str) -> None:
    job_id = convex.run(schedule, name=name)
    convex.run_due()
    records = [record for record in lines.records if record.getMessage() in ("before", "looks", "after")]
    assert {record.job for record in records} == {job_id}
    assert len({record.request for record in records}) == 1
    assert {record.function for record in records} <= {name_of(each) for each in (*FUNCTIONS, "look")}
    assert (records[0].function, records[-1].function) == (name_of(name), name_of(name))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_each_direct_call_is_a_request_of_its_own(convex: ConvexTest, lines: Lines, name: str) -> None:
    for _ in range(2):
        convex.run(FUNCTIONS[name])
    requests = [record.request for record in lines.records]
    assert len(set(requests)) == 2
    assert requests[: len(requests) // 2] == [requests[0]] * (len(requests) // 2)
    assert {record.job for record in lines.records} <= {None, "mine"}


def test_extra_is_kept_and_wins(convex: ConvexTest, lines: Lines) -> None:
    convex.run(look)
    adapted, plain = lines.records
    assert (adapted.shelf, adapted.function, adapted.name) == (3, name_of("look"), look.handler.__module__)
    assert (plain.shelf, plain.function, plain.job) == (3, name_of("look"), "mine")


def test_a_line_outside_of_a_call_has_none_of_it(convex: ConvexTest, lines: Lines) -> None:
    convex.run(look)
    logger.info("outside")
    assert not hasattr(lines.records[-1], "function")
