"""``Updates``: what a subscriber iterates. It keeps the newest value only, however slow its reader is."""

from __future__ import annotations

import asyncio
import threading
import time
import weakref
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from types import TracebackType
from typing import Any, Final, Generic, NamedTuple, Self, TypeVar, cast

from ..errors import SubscriptionClosed
from .loop_calls import running_loop_calls

R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)


class Update(NamedTuple):
    """A turn of an iteration: a value, or the error of a query."""

    value: Any
    error: BaseException | None
    trace: TracebackType | None
    """Where the error was raised."""
    digest: bytes


class Latest:
    """The newest update that its readers have not taken. Written by a refresh, taken by any thread or task."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._update: Update | None = None
        self._taken: bytes | None = None
        """The digest of what was taken last."""
        self._waiting: list[Callable[[], None]] = []
        self.is_closed = False

    def offer(self, update: Update) -> None:
        """A newer update, unless it equals what the readers have."""
        with self._mutex:
            if self.is_closed:
                return
            self._update = None if update.digest == self._taken else update
            waiting, self._waiting = (self._waiting, []) if self._update else ([], self._waiting)
        for wake in waiting:
            wake()

    def take(self, wake: Callable[[], None]) -> Update | None:
        """The update. None: there is none yet, and ``wake`` will be called once to ask again.

        Raises:
            SubscriptionClosed: There will be none.
        """
        with self._mutex:
            if self.is_closed:
                raise SubscriptionClosed
            update, self._update = self._update, None
            if update is None:
                self._waiting.append(wake)
            else:
                self._taken = update.digest
            return update

    def newest(self) -> Update | None:
        """The update. None: there is none, and nobody waits for it."""
        with self._mutex:
            update, self._update = self._update, None
            if update is not None:
                self._taken = update.digest
            return update

    def forget(self, wake: Callable[[], None]) -> None:
        """Whoever waited does so no more."""
        with self._mutex, suppress(ValueError):
            self._waiting.remove(wake)

    def close(self) -> None:
        """End every iteration, also those that wait."""
        with self._mutex:
            self.is_closed, self._update = True, None
            waiting, self._waiting = self._waiting, []
        for wake in waiting:
            wake()

    def close_in_child(self) -> None:
        """In a child, where nobody else may hold the lock."""
        self._mutex = threading.Lock()
        self.close()


class Updates(Generic[R_co]):
    """The values of a live query, one after the other: iterate it, with ``for`` or ``async for``.

    The first value comes at once, then each that differs from the one before. A reader that is slow skips values and
    gets the newest. A turn raises the error of the query instead, and later turns go on. Several threads or tasks may
    iterate: each update reaches one of them.

    As a context manager, ``with`` or ``async with``, it closes itself at the end of the block.
    """

    def __init__(self, latest: Latest, leave: Callable[[], None], abandon: Callable[[], None]) -> None:
        """``leave`` ends the subscription. ``abandon`` does once this is garbage, on any thread: it takes no lock."""
        self._latest: Final = latest
        self._leave: Final = leave
        weakref.finalize(self, abandon).atexit = False

    def get(self, timeout: float | None = None) -> R_co:
        """Wait for the next value.

        Args:
            timeout: How many seconds to wait. None: without limit.

        Raises:
            TimeoutError: There was none in time.
            SubscriptionClosed: It was closed.
            Exception: What the query raised.
        """
        until = None if timeout is None else time.monotonic() + timeout
        while True:
            awake = threading.Event()
            update = self._latest.take(awake.set)
            if update is not None:
                return cast(R_co, value_of(update))
            try:
                left = None if until is None else until - time.monotonic()
                if not awake.wait(left) and left is not None:
                    raise TimeoutError(f"there was no update within {timeout:g} s")
            finally:
                self._latest.forget(awake.set)

    def close(self) -> None:
        """End the subscription. Iterations end, also those that wait."""
        self._latest.close()
        self._leave()

    @property
    def is_closed(self) -> bool:
        """Whether it was closed, by itself or with the app."""
        return self._latest.is_closed

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> R_co:
        try:
            return self.get()
        except SubscriptionClosed:
            raise StopIteration from None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> R_co:
        loop, calls = asyncio.get_running_loop(), running_loop_calls()
        while True:
            awake = loop.create_future()
            wake = partial(calls.soon, partial(finish, awake))
            try:
                update = self._latest.take(wake)
            except SubscriptionClosed:
                raise StopAsyncIteration from None
            if update is not None:
                return cast(R_co, value_of(update))
            try:
                await awake
            finally:
                self._latest.forget(wake)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exception: object) -> None:
        self.close()


def value_of(update: Update) -> Any:
    """The value of an update, or its error, raised."""
    if update.error is None:
        return update.value
    # Others raise it too, and each time it is raised its traceback grows.
    raise update.error.with_traceback(update.trace)


def finish(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
