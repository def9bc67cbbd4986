"""Calls that other threads want on an event loop."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref

from convexpy.live.loop_calls import AT_ONCE, LoopCalls, running_loop_calls


def test_a_loop_is_woken_once_for_many_calls() -> None:
    made: list[int] = []

    async def use() -> int:
        loop, done = asyncio.get_running_loop(), asyncio.Event()
        calls = running_loop_calls()
        woken: list[object] = []
        call_soon = loop.call_soon_threadsafe
        loop.call_soon_threadsafe = lambda *args: (woken.append(args), call_soon(*args))[1]  # type: ignore[method-assign]
        for number in range(100):
            calls.soon(lambda number=number: made.append(number))  # type: ignore[misc]
        calls.soon(done.set)
        await done.wait()
        return len(woken)

    assert asyncio.run(use()) == 1
    assert made == list(range(100))


def test_tasks_run_between_slices_of_calls() -> None:
    async def use() -> list[int]:
        loop, done, made, seen = asyncio.get_running_loop(), asyncio.Event(), list[int](), list[int]()
        calls = running_loop_calls()
        for number in range(2 * AT_ONCE + 1):
            calls.soon(lambda number=number: made.append(number))  # type: ignore[misc]
        calls.soon(done.set)
        loop.call_soon(lambda: seen.append(len(made)))
        await done.wait()
        return [*seen, len(made)]

    assert asyncio.run(use()) == [AT_ONCE, 2 * AT_ONCE + 1]


def test_no_call_is_lost_between_threads() -> None:
    async def use() -> list[int]:
        calls, done, made = running_loop_calls(), asyncio.Event(), []

        def note(number: int) -> None:
            made.append(number)
            if len(made) == 40_000:
                done.set()

        def send(first: int) -> None:
            for number in range(first, first + 10_000):
                calls.soon(lambda number=number: note(number))  # type: ignore[misc]

        threads = [threading.Thread(target=send, args=(first,)) for first in range(0, 40_000, 10_000)]
        for thread in threads:
            thread.start()
        await asyncio.wait_for(done.wait(), 30)
        for thread in threads:
            thread.join()
        return made

    assert sorted(asyncio.run(use())) == list(range(40_000))


def test_a_closed_loop_is_let_go() -> None:
    async def use() -> tuple[weakref.ref[asyncio.AbstractEventLoop], LoopCalls]:
        return weakref.ref(asyncio.get_running_loop()), running_loop_calls()

    loop, calls = asyncio.run(use())
    calls.soon(lambda: None)  # closed: it raises nothing
    gc.collect()
    assert loop() is None
    calls.soon(lambda: None)
