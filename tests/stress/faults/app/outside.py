"""The world outside of the database: a journal that survives the process, and gates that hold a handler up."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path


class World:
    """What the process that runs the app sets before it starts."""

    journal = Path(os.devnull)
    on_reach: Callable[[str, str], None] = staticmethod(lambda sandbox, label: None)


def record(what: str, job: str) -> None:
    """Append one line to the journal, and have it on the disk before this returns."""
    file = os.open(World.journal, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(file, f"{what} {job} {os.getpid()}\n".encode())
        os.fsync(file)
    finally:
        os.close(file)


def reach(sandbox: str, label: str) -> None:
    """Say that a handler has come to this sandbox."""
    World.on_reach(sandbox, label)


class Gate:
    """Closed until it is opened, once. Handlers of both colours can wait at it."""

    def __init__(self) -> None:
        self._opened: Future[None] = Future()

    def open(self) -> None:
        self._opened.set_result(None)

    def wait(self) -> None:
        self._opened.result()

    async def wait_async(self) -> None:
        await asyncio.shield(asyncio.wrap_future(self._opened))


class Gates:
    """Gates by name: handlers wait at them until their process is told to open them."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._gates: dict[str, Gate] = {}

    def __getitem__(self, name: str) -> Gate:
        with self._mutex:
            return self._gates.setdefault(name, Gate())


gates = Gates()
