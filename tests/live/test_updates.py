"""What a reader of updates gets: the newest, once, and nothing that it has already."""

from __future__ import annotations

import threading

import pytest

from convexpy import SubscriptionClosed, Updates
from convexpy.live.updates import Latest, Update


def update(value: str) -> Update:
    return Update(value, None, None, value.encode())


def updates(latest: Latest) -> Updates[str]:
    return Updates(latest, lambda: None, lambda: None)


def test_a_reader_that_is_behind_gets_the_newest() -> None:
    latest = Latest()
    for value in "abc":
        latest.offer(update(value))
    reader = updates(latest)
    assert reader.get(0) == "c"
    with pytest.raises(TimeoutError):
        reader.get(0)


def test_a_value_that_came_back_before_it_was_taken_is_none() -> None:
    latest = Latest()
    reader = updates(latest)
    latest.offer(update("a"))
    assert reader.get(0) == "a"
    latest.offer(update("b"))
    latest.offer(update("a"))
    with pytest.raises(TimeoutError):
        reader.get(0)
    latest.offer(update("b"))
    assert reader.get(0) == "b"


def test_an_error_is_raised_again_and_again_with_the_same_traceback() -> None:
    def fail() -> None:
        raise ValueError("x")

    try:
        fail()
    except ValueError as error:
        failed = Update(None, error, error.__traceback__, b"x")
    depths = []
    for _ in range(3):
        latest = Latest()
        latest.offer(failed)
        with pytest.raises(ValueError) as raised:
            updates(latest).get(0)
        depths.append(len(raised.traceback))
    assert len(set(depths)) == 1


def test_those_that_give_up_are_forgotten() -> None:
    latest = Latest()
    for _ in range(3):
        with pytest.raises(TimeoutError):
            updates(latest).get(0)
    assert latest._waiting == []


def test_nothing_is_delivered_after_the_end() -> None:
    latest = Latest()
    latest.offer(update("a"))
    latest.close()
    latest.offer(update("b"))
    reader = updates(latest)
    assert reader.is_closed
    assert list(reader) == []
    with pytest.raises(SubscriptionClosed):
        reader.get()


def test_garbage_ends_its_subscription() -> None:
    ended = threading.Event()
    reader: Updates[str] | None = Updates(Latest(), lambda: None, ended.set)
    assert not ended.is_set()
    del reader
    assert ended.is_set()
