"""Several workers by one command, and the app that they run."""

from __future__ import annotations

import json
import os
import re
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

from .process import DEADLINE_SECONDS, Process
from .shop import Shop

WORK = """
    import os
    from pathlib import Path
    from threading import Event

    from sqlalchemy.orm import Mapped, mapped_column

    from convexpy import MutationCtx, QueryCtx, SyncActionCtx, internal_action, internal_mutation, mutation, query
    from sqlalchemy import select

    from .models import Base


    class Mark(Base):
        __tablename__ = "marks"

        id: Mapped[int] = mapped_column(primary_key=True)
        number: Mapped[int]


    @mutation
    def plan(ctx: MutationCtx, holds: int = 0, marks: int = 0) -> None:
        for _ in range(holds):
            ctx.schedule.now(hold)
        for number in range(marks):
            ctx.schedule.now(mark, number=number)


    @internal_action
    def hold(ctx: SyncActionCtx) -> None:
        assert "_CONVEXPY_CHILD_PROCESS" not in os.environ  # processes that the app starts are no workers
        print(f"holds {os.getpid()}", flush=True)
        while not Path("gate").exists():
            Event().wait(0.01)


    @internal_mutation
    def mark(ctx: MutationCtx, number: int) -> None:
        ctx.db.add(Mark(number=number))


    @query
    def marks(ctx: QueryCtx) -> list[int]:
        return sorted(ctx.db.scalars(select(Mark.number)))
"""
RUNNING = r"running \d+ worker processes"
MARK = "TEST_SUPERVISOR"


def configure(shop: Shop, url: str) -> None:
    # One action at a time, so that two that hold are two processes.
    settings = {"functions": "shop", "database": url, "action_concurrency": 1, "stop_grace": 30}
    lines = [f"{key} = {json.dumps(value)}" for key, value in settings.items()]
    shop.write("pyproject.toml", "\n".join(["[tool.convexpy]", *lines]) + "\n")
    shop.write("shop/work.py", WORK)
    shop.apply_revision()


def plan(shop: Shop, arguments: str) -> None:
    """Schedule what the workers shall do."""
    result = shop.cli("run", "work:plan", arguments)
    assert result.exit_code == 0, result.output


class Workers(Process):
    """A supervisor of so many workers. None of them outlives its test, however that ends."""

    def __init__(self, folder: Path, processes: int, *args: str) -> None:
        self._mark = uuid4().hex
        super().__init__(folder, "worker", "--processes", str(processes), *args, env={MARK: self._mark})

    def __exit__(self, *exception: Any) -> None:
        end_all(self._mark)
        super().__exit__(*exception)


def end_all(mark: str) -> None:
    """End every process that was started with this mark."""
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if f"{MARK}={mark}".encode() in (folder / "environ").read_bytes().split(b"\0"):
                os.kill(int(folder.name), signal.SIGKILL)


def pids(line: str) -> list[int]:
    """The workers that a supervisor reports."""
    return [int(pid) for pid in re.findall(r"\d+", line.rpartition(": ")[2])]


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def eventually(condition: Callable[[], bool], what: str) -> None:
    deadline, pause = time.monotonic() + DEADLINE_SECONDS, threading.Event()
    while not condition():
        assert time.monotonic() < deadline, what
        pause.wait(0.02)


def holding(running: Process) -> set[int]:
    """The next two processes that hold."""
    return {int(running.line("^holds ").split()[1]) for _ in range(2)}
