"""The timer: one thread that calls functions at their deadlines."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator

import pytest
from support.waiting import PATIENCE_SECONDS, wait_until

from convexpy.database.timer import Timer

LONG = 10 * PATIENCE_SECONDS


@pytest.fixture
def timer() -> Iterator[Timer]:
    timer = Timer()
    yield timer
    timer.stop()


def test_calls_come_in_the_order_of_their_deadlines(timer: Timer) -> None:
    called: list[str] = []
    last = threading.Event()
    for name, seconds in (("third", 0.1), ("first", 0.02), ("second", 0.06)):
        timer.call_later(seconds, lambda name=name: called.append(name))
    timer.call_later(0.15, last.set)
    assert last.wait(PATIENCE_SECONDS)
    assert called == ["first", "second", "third"]


def test_a_call_with_an_earlier_deadline_wakes_the_timer(timer: Timer) -> None:
    timer.call_later(LONG, lambda: None)
    wait_until(lambda: timer._sleeps_until > 0 and timer._sleeps_until != float("inf"), "it sleeps until the far one")
    called = threading.Event()
    timer.call_later(0.01, called.set)
    assert called.wait(PATIENCE_SECONDS)


def test_no_call_is_lost_while_the_timer_falls_asleep(timer: Timer) -> None:
    """Each call is the only one: the timer goes back to sleep, and is woken, hundreds of times."""
    for _ in range(300):
        called = threading.Event()
        timer.call_later(0.0001, called.set)
        assert called.wait(PATIENCE_SECONDS)


def test_calls_of_many_threads_are_all_made(timer: Timer) -> None:
    called: list[int] = []

    def ask(number: int) -> None:
        for _ in range(50):
            timer.call_later(0.001 * (number % 5), lambda: called.append(number))

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_SECONDS)
    wait_until(lambda: len(called) == 400, "all calls are made")


def test_a_canceled_call_is_not_made(timer: Timer) -> None:
    called: list[str] = []
    after = threading.Event()
    handle = timer.call_later(0.02, lambda: called.append("canceled"))
    handle.cancel()
    handle.cancel()  # twice is no error
    timer.call_later(0.05, after.set)
    assert after.wait(PATIENCE_SECONDS)
    assert called == []


def test_a_block_that_ends_in_time_calls_nothing(timer: Timer) -> None:
    called: list[str] = []
    with timer.limit(0.05, lambda: called.append("late")):
        pass
    after = threading.Event()
    timer.call_later(0.1, after.set)
    assert after.wait(PATIENCE_SECONDS)
    assert called == []


def test_a_block_that_takes_too_long_is_called_for_once(timer: Timer) -> None:
    calls = threading.Semaphore(0)
    with timer.limit(0.01, calls.release):
        assert calls.acquire(timeout=PATIENCE_SECONDS)
        assert not calls.acquire(timeout=0.05)


def test_an_exception_does_not_end_the_timer(timer: Timer, caplog: pytest.LogCaptureFixture) -> None:
    after = threading.Event()
    with caplog.at_level(logging.ERROR, "convexpy.database"):
        timer.call_later(0.001, lambda: 1 // 0)
        timer.call_later(0.001, after.set)
        assert after.wait(PATIENCE_SECONDS)
        later = threading.Event()
        timer.call_later(0.001, later.set)
        assert later.wait(PATIENCE_SECONDS)
    assert "a timer's callback failed" in caplog.text


def test_a_callback_may_ask_for_the_next_call(timer: Timer) -> None:
    rounds: list[int] = []
    done = threading.Event()

    def again() -> None:
        rounds.append(len(rounds))
        if len(rounds) == 20:
            done.set()
        else:
            timer.call_later(0.001, again)

    timer.call_later(0.001, again)
    assert done.wait(PATIENCE_SECONDS)


def test_no_thread_starts_before_the_first_call(timer: Timer) -> None:
    assert timer._thread is None
    timer.call_later(LONG, lambda: None)
    assert timer._thread is not None


def test_a_stop_ends_the_thread(timer: Timer) -> None:
    timer.call_later(LONG, lambda: None)
    thread = timer._thread
    assert thread is not None
    timer.stop()
    thread.join(PATIENCE_SECONDS)
    assert not thread.is_alive()
