"""A time without the database is two lines of the log, however many threads notice it, and however often."""

from __future__ import annotations

import logging

import pytest

from convexpy.database.outage import Outage


class Stopwatch:
    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


def test_an_outage_is_two_lines(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    now = Stopwatch()
    outage = Outage(now)
    outage.answered()
    for _ in range(100):
        outage.failed("dispatcher", OSError("no route\nto host"))
        now.seconds += 0.1
    outage.answered()  # the connections of other threads may still be broken
    outage.failed("heartbeat", OSError("broken pipe"))
    now.seconds += 3
    outage.answered()
    outage.answered()
    assert [record.getMessage() for record in caplog.records] == [
        "the database failed, and whatever needs it is tried again until it answers: no route",
        "the database answers again; it failed for 10.0 s",
    ]


def test_the_next_one_is_two_lines_again(caplog: pytest.LogCaptureFixture) -> None:
    now = Stopwatch()
    outage = Outage(now)
    for _ in range(2):
        outage.failed("dispatcher", OSError())
        now.seconds += 3
        outage.answered()
    assert len(caplog.records) == 4
