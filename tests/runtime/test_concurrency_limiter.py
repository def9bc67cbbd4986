"""The concurrency limiter: slots by key, re-entrant by thread, bounded waiting, and an adaptive limit for batches."""

from __future__ import annotations

import threading
import time
from contextlib import suppress

import pytest
from support.waiting import PATIENCE_SECONDS, wait_until

from convexpy.runtime import concurrency
from convexpy.runtime.concurrency import BATCH, ConcurrencyLimiter

# Longer than any test waits: a holder is overtaken only where a test is about that.
ENDLESS = 10 * PATIENCE_SECONDS
# A thread that could go on would have done so by then; one that comes later makes a test pass, and none fail.
A_MOMENT = 0.05


class Holder:
    """A thread that holds a slot until it is asked to let go."""

    def __init__(self, limiter: ConcurrencyLimiter, key: str = BATCH) -> None:
        self.has_slot = threading.Event()
        self._may_end = threading.Event()
        self._thread = threading.Thread(target=self._hold, args=(limiter, key), daemon=True)
        self._thread.start()

    def _hold(self, limiter: ConcurrencyLimiter, key: str) -> None:
        with limiter.hold(key):
            self.has_slot.set()
            self._may_end.wait(ENDLESS)  # longer than others wait for it

    def waits(self) -> bool:
        return not self.has_slot.wait(A_MOMENT)

    def holds(self) -> bool:
        return self.has_slot.wait(PATIENCE_SECONDS)

    def end(self) -> None:
        self._may_end.set()
        self._thread.join(PATIENCE_SECONDS)
        assert not self._thread.is_alive()


def narrow(limiter: ConcurrencyLimiter, key: str) -> None:
    """Three conflicts in a row."""
    for _ in range(3):
        limiter.met_conflict(key)


def end_all(*holders: Holder) -> None:
    for holder in holders:
        holder.end()


@pytest.fixture(autouse=True)
def nothing_passes_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """Narrowing lasts, and no batch is overtaken for being slow."""
    monkeypatch.setattr(concurrency, "NARROW_SECONDS", ENDLESS)
    monkeypatch.setattr(concurrency, "BATCH_PATIENCE_SECONDS", ENDLESS)


# ---------------------------------------------------------------------------------------------- keys


def test_a_function_without_conflicts_runs_on_any_number_of_threads() -> None:
    limiter = ConcurrencyLimiter(ENDLESS, 1)
    holders = [Holder(limiter, "calm") for _ in range(5)]
    assert all(holder.holds() for holder in holders)
    end_all(*holders)


def test_a_function_whose_conflicts_are_frequent_runs_one_at_a_time() -> None:
    limiter = ConcurrencyLimiter(ENDLESS, 1)
    narrow(limiter, "busy")
    first = Holder(limiter, "busy")
    assert first.holds()
    second = Holder(limiter, "busy")
    assert second.waits()
    first.end()
    assert second.holds()
    second.end()


def test_rare_conflicts_narrow_nothing() -> None:
    limiter = ConcurrencyLimiter(ENDLESS, 1)
    for _ in range(20):
        for _ in range(9):
            with limiter.hold("busy"):
                pass
        limiter.met_conflict("busy")
    holders = [Holder(limiter, "busy") for _ in range(3)]
    assert all(holder.holds() for holder in holders)
    end_all(*holders)


def test_conflicts_of_every_second_try_are_frequent() -> None:
    limiter = ConcurrencyLimiter(ENDLESS, 1)
    for _ in range(6):
        with limiter.hold("busy"), limiter.hold("busy"):
            pass
        limiter.met_conflict("busy")
    first = Holder(limiter, "busy")
    assert first.holds()
    second = Holder(limiter, "busy")
    assert second.waits()
    end_all(first, second)


def test_other_keys_are_not_narrowed_along() -> None:
    limiter = ConcurrencyLimiter(ENDLESS, 1)
    narrow(limiter, "busy")
    holders = [Holder(limiter, key) for key in ("busy", "calm", "calm", BATCH)]
    assert all(holder.holds() for holder in holders)
    end_all(*holders)


def test_narrowing_ends_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(concurrency, "NARROW_SECONDS", 0.1)
    limiter = ConcurrencyLimiter(ENDLESS, 1)
    narrow(limiter, "busy")
    holders = [Holder(limiter, "busy") for _ in range(3)]
    assert all(holder.holds() for holder in holders)  # none has ended
    end_all(*holders)


def test_a_call_that_raises_lets_the_next_one_in() -> None:
    limiter = ConcurrencyLimiter(ENDLESS, 1)
    narrow(limiter, "busy")
    with suppress(ValueError), limiter.hold("busy"):
        raise ValueError("on purpose")
    after = Holder(limiter, "busy")
    assert after.holds()
    after.end()


# ---------------------------------------------------------------------------------------------- re-entrancy


@pytest.mark.parametrize("key", ["busy", BATCH])
def test_a_thread_that_holds_a_key_gets_it_again(key: str) -> None:
    limiter = ConcurrencyLimiter(ENDLESS, 1)
    narrow(limiter, key)
    with limiter.hold(key):
        with limiter.hold(key):
            other = Holder(limiter, key)
            assert other.waits()
        assert other.waits()  # the inner block has let nothing go
    assert other.holds()
    other.end()


@pytest.mark.parametrize("key", ["busy", BATCH])
def test_a_nested_block_does_not_wait_for_its_own_thread(key: str) -> None:
    limiter, is_inside = ConcurrencyLimiter(ENDLESS, 1), threading.Event()
    narrow(limiter, key)

    def nest() -> None:
        with limiter.hold(key), limiter.hold(key):
            is_inside.set()

    threading.Thread(target=nest, daemon=True).start()
    assert is_inside.wait(PATIENCE_SECONDS)


def test_a_thread_may_hold_several_keys() -> None:
    limiter = ConcurrencyLimiter(ENDLESS, 1)
    narrow(limiter, "busy")
    narrow(limiter, "other")
    with limiter.hold("busy"), limiter.hold("other"), limiter.hold("busy"):
        others = [Holder(limiter, "busy"), Holder(limiter, "other")]
        assert all(holder.waits() for holder in others)
    assert all(holder.holds() for holder in others)
    end_all(*others)


# ---------------------------------------------------------------------------------------------- patience


def test_a_waiter_goes_on_beside_a_call_that_hangs() -> None:
    limiter = ConcurrencyLimiter(0.05, 1)
    narrow(limiter, "busy")
    hangs = Holder(limiter, "busy")
    assert hangs.holds()
    waiter = Holder(limiter, "busy")
    assert waiter.holds()
    end_all(waiter, hangs)


def test_a_batch_waits_no_longer_than_its_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(concurrency, "BATCH_PATIENCE_SECONDS", 0.2)
    limiter = ConcurrencyLimiter(ENDLESS, 1)
    began = time.monotonic()
    hangs = Holder(limiter)
    assert hangs.holds()
    second = Holder(limiter)
    assert second.holds()
    assert time.monotonic() - began >= 0.2  # it did wait
    assert len(limiter.batches.holders) == 2  # beside the one that hangs
    end_all(second, hangs)


def test_many_that_wait_behind_one_that_hangs_all_go_on() -> None:
    limiter = ConcurrencyLimiter(0.05, 1)
    narrow(limiter, "busy")
    hangs = Holder(limiter, "busy")
    assert hangs.holds()
    waiters = [Holder(limiter, "busy") for _ in range(5)]
    assert all(waiter.holds() for waiter in waiters)
    end_all(*waiters, hangs)


# ---------------------------------------------------------------------------------------------- batches


def test_one_batch_runs_at_a_time_at_first() -> None:
    limiter = ConcurrencyLimiter(ENDLESS, 8)
    first = Holder(limiter)
    assert first.holds()
    second = Holder(limiter)
    assert second.waits()
    first.end()
    assert second.holds()
    second.end()


def test_where_batches_wait_for_the_database_more_of_them_run(monkeypatch: pytest.MonkeyPatch) -> None:
    limiter = ConcurrencyLimiter(ENDLESS, 3)
    batches = limiter.batches
    monkeypatch.setattr(concurrency, "WINDOW_SECONDS", 0.0)
    monkeypatch.setattr(concurrency, "IDLE_SHARE", 1.0)  # a thread of a loaded machine may seem busy
    monkeypatch.setattr(concurrency, "BUSY_SHARE", 2.0)
    for expected in (2, 3, 3):
        holders = [Holder(limiter) for _ in range(batches.wide)]
        assert all(holder.holds() for holder in holders)
        waiting = Holder(limiter)
        wait_until(lambda: batches._has_waited, "one more batch waits")
        holders[0].end()
        assert batches.wide == expected
        end_all(*holders[1:], waiting)


def test_where_no_batch_has_waited_no_more_of_them_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(concurrency, "WINDOW_SECONDS", 0.0)
    monkeypatch.setattr(concurrency, "IDLE_SHARE", 1.0)
    limiter = ConcurrencyLimiter(ENDLESS, 8)
    for _ in range(3):
        with limiter.hold(BATCH):
            pass
    assert limiter.batches.wide == 1


def test_where_batches_compute_fewer_of_them_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(concurrency, "WINDOW_SECONDS", 0.0)
    monkeypatch.setattr(concurrency, "BUSY_SHARE", 0.0)
    limiter = ConcurrencyLimiter(ENDLESS, 8)
    limiter.batches.wide = 3
    with limiter.hold(BATCH):
        sum(range(100_000))
    assert limiter.batches.wide == 2


def test_after_a_conflict_one_batch_runs_and_for_a_while_not_more(monkeypatch: pytest.MonkeyPatch) -> None:
    limiter = ConcurrencyLimiter(ENDLESS, 8)
    limiter.batches.wide = 3
    limiter.met_conflict(BATCH)
    assert limiter.batches.wide == 2
    alone = Holder(limiter)
    assert alone.holds()
    waiting = Holder(limiter)
    assert waiting.waits()
    monkeypatch.setattr(concurrency, "WINDOW_SECONDS", 0.0)
    monkeypatch.setattr(concurrency, "IDLE_SHARE", 1.0)  # it would grow, were there no conflict
    alone.end()
    assert waiting.holds()
    waiting.end()
    assert limiter.batches.wide <= 2


def test_conflicts_leave_at_least_one_batch() -> None:
    limiter = ConcurrencyLimiter(ENDLESS, 8)
    for _ in range(3):
        limiter.met_conflict(BATCH)
    assert limiter.batches.wide == 1
    with limiter.hold(BATCH):
        pass
