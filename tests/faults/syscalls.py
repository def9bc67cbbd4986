"""``kill -9`` at every write and every fsync of one job's way: SQLite's own method, from outside, by ``strace``.

For each thread that a job passes through, the process dies on entering that thread's first such call, then its second,
and so on, until a run comes to its end. After every commit SQLite checkpoints, so that dying there is covered too.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from . import checker
from .checker import Verdict
from .process import PATIENCE_SECONDS, Died, Place, Running, wait_until

CALLS = ("pwrite64", "fdatasync")
MOST = 200
WAY = {"pays": 1, "sends": 1, "children": 1}


def give_order(child: Running) -> None:
    child.tell("call", "work:order", {"label": "order", **WAY})


def stop(child: Running) -> None:
    give_order(child)
    child.tell("stop")


# What the process is told to do once it is traced, and the thread whose calls are counted.
WAYS: dict[str, Callable[[Running], None]] = {
    "MainThread": give_order,
    "convexpy-dispatcher": give_order,
    "convexpy-mutations": give_order,
    "convexpy-database-1": give_order,
    "MainThread, stopping": stop,
}


@dataclass
class Boundary:
    """A run that died on entering the nth call of a thread, or came to its end without one, and what became of it."""

    thread: str
    call: str
    number: int
    killed: bool
    verdict: Verdict

    def __str__(self) -> str:
        return f"{self.thread}: {self.call} {self.number}"


def is_possible() -> bool:
    return shutil.which("strace") is not None


def boundaries(folder: Path, thread: str) -> Iterator[Boundary]:
    """Every boundary of a thread, one run each."""
    for call in CALLS:
        for number in range(1, MOST):
            boundary = die_at(folder / f"{call}-{number}", thread, call, number)
            yield boundary
            if not boundary.killed:
                break


def die_at(folder: Path, thread: str, call: str, number: int) -> Boundary:
    place, acknowledged = Place(folder), {"warm": 2}
    with place.child(settings={"action_concurrency": 1}, checkpoint_always=True) as child:
        child.ready().call("work:order", label="warm", pays=1, sends=1)  # every thread is there after this
        wait_until(lambda: checker.is_quiet(place.database, 2), "the first jobs are over")
        with Traced(child.ask("threads")[thread.split(",")[0]], call, number):
            WAYS[thread](child)
            wait_until(lambda: child.wait(0) is not None or checker.is_quiet(place.database, 6), "it is over, or dead")
            if thread.endswith("stopping"):
                child.wait()
        with suppress(Died):  # the boundary may lie after the last job, so that it dies just now
            child.stop()
        killed = child.wait() != 0
        with suppress(Died, TimeoutError):
            acknowledged["order"] = child.answer(0)[0]
    with place.child():
        wait_until(lambda: checker.is_quiet(place.database), f"everything is over after {thread} {call} {number}")
    return Boundary(thread, call, number, killed, checker.judge(place.database, place.journal, acknowledged))


class Traced:
    """While the block runs, the thread dies on entering its nth call, and its process with it."""

    def __init__(self, thread: int, call: str, number: int) -> None:
        inject = f"inject={call}:signal=KILL:when={number}"
        command = ["strace", "-o", "/dev/null", "-e", f"trace={call}", "-e", inject, "-p", str(thread)]
        self._process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        assert self._process.stderr is not None
        said = self._process.stderr.readline()
        if "attached" not in said:
            raise PermissionError(f"strace cannot attach: {said.strip()}")

    def __enter__(self) -> None: ...

    def __exit__(self, *exception: object) -> None:
        self._process.terminate()  # it lets go of a thread that is still alive
        self._process.communicate(timeout=PATIENCE_SECONDS)
