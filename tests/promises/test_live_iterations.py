"""Threads and tasks iterate the values of a live query, and are woken when its subscription or the app is closed."""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType
from typing import Any

import pytest
from app.models import Note
from sqlalchemy import func, select
from support.waiting import PATIENCE_SECONDS, wait_until

from convexpy import Convex, Identity, MutationCtx, QueryCtx, SubscriptionClosed, Updates, mutation, query


@mutation
def add(ctx: MutationCtx, line: str) -> None:
    ctx.db.add(Note(text=line))


@query
def count(ctx: QueryCtx) -> int:
    return ctx.db.scalar(select(func.count()).select_from(Note)) or 0


def app() -> ModuleType:
    return sys.modules[__name__]


@pytest.fixture
def live(database: str) -> Iterator[Convex]:
    with Convex(database, functions=app()) as convex:
        yield convex


def next_of(updates: Updates[Any]) -> Any:
    return updates.get(timeout=PATIENCE_SECONDS)


def test_a_slow_reader_gets_the_newest_value(live: Convex) -> None:
    with live.subscribe(count) as behind, live.subscribe(count) as watching:
        assert next_of(behind) == 0
        for number in range(10):
            live.run(add, line=str(number))
        wait_until(lambda: next_of(watching) == 10, "all commits")
        seen = [next_of(behind)]
        while seen[-1] != 10:
            seen.append(next_of(behind))
        assert len(seen) <= 2  # the newest, and the one before it if that was delivered a moment earlier
        with pytest.raises(TimeoutError):
            behind.get(timeout=0)


def test_closing_ends_iterations_that_wait(live: Convex) -> None:
    updates = live.subscribe(count)
    began, seen = threading.Event(), []

    def iterate() -> None:
        for value in updates:
            seen.append(value)
            began.set()

    # A daemon: if it is not woken, the test fails instead of waiting for it.
    thread = threading.Thread(target=iterate, daemon=True)
    thread.start()
    assert began.wait(PATIENCE_SECONDS)
    updates.close()
    thread.join(PATIENCE_SECONDS)
    assert not thread.is_alive()
    assert seen == [0]
    assert list(updates) == []
    with pytest.raises(SubscriptionClosed):
        updates.get()


def test_closing_the_app_ends_iterations(database: str) -> None:
    with Convex(database, functions=app()) as live:
        updates = live.subscribe(count)
        assert next_of(updates) == 0
        with ThreadPoolExecutor(1) as pool:
            work = pool.submit(list, updates)
            live.close()
            assert work.result(PATIENCE_SECONDS) == []


def test_nothing_is_left_of_a_subscription_that_was_dropped(live: Convex) -> None:
    updates = live.subscribe(count)
    assert next_of(updates) == 0
    del updates
    gc.collect()
    wait_until(lambda: not any("-live-" in thread.name for thread in threading.enumerate()), "the threads end")


def test_async_code_iterates(live: Convex) -> None:
    async def use() -> list[int]:
        seen = []
        async with live.subscribe(count) as updates:
            async for number in updates:
                seen.append(number)
                if number == 3:
                    break
                await live.run_async(add, line=str(number))
        return seen

    assert asyncio.run(use()) == [0, 1, 2, 3]


def test_many_tasks_and_threads_wait_side_by_side(live: Convex) -> None:
    async def first_and_next(user: int) -> tuple[int, int]:
        async with live.with_identity(Identity(str(user))).subscribe(count) as updates:
            first = await anext(updates)
            ready.release()
            return first, await anext(updates)

    async def use() -> list[tuple[int, int]]:
        tasks = [asyncio.create_task(first_and_next(user)) for user in range(20)]
        for _ in tasks:
            await asyncio.to_thread(ready.acquire)
        await live.run_async(add, line="a")
        return await asyncio.wait_for(asyncio.gather(*tasks), PATIENCE_SECONDS)

    ready = threading.Semaphore(0)
    assert asyncio.run(use()) == [(0, 1)] * 20


def test_a_task_that_gives_up_waiting_loses_nothing(live: Convex) -> None:
    async def use() -> int:
        async with live.subscribe(count) as updates:
            assert await anext(updates) == 0
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(anext(updates), 0.01)
            await live.run_async(add, line="a")
            return await asyncio.wait_for(anext(updates), PATIENCE_SECONDS)

    assert asyncio.run(use()) == 1


def test_closing_ends_async_iterations_too(live: Convex) -> None:
    async def use() -> list[int]:
        updates = live.subscribe(count)
        seen = [await anext(updates)]
        waiting = asyncio.create_task(anext(updates, -1))
        await asyncio.sleep(0)
        updates.close()
        return [*seen, await asyncio.wait_for(waiting, PATIENCE_SECONDS)]

    assert asyncio.run(use()) == [0, -1]
