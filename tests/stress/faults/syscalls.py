"""``kill -9`` at every write and every fsync of one job's way: SQLite's own method, from outside, by ``strace``.

For each thread that a job passes through, the process dies on entering that thread's first such call, then its second,
and so on, until a run comes to its end. After every commit SQLite checkpoints, so that dying there is covered too.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from . import checker
from .checker import Verdict
from .process import PATIENCE_SECONDS, Died, Place, Running, wait_until
from .stations import PAY

CALLS = ("pwrite64", "fdatasync")
MOST = 200
ORDER = {"pays": 2, "sends": 1, "children": 1}
JOBS = 8  # of the order, and of one before it


def give_order(child: Running) -> None:
    child.tell("call", "work:order", {"label": "order", **ORDER})


def stop(child: Running) -> None:
    give_order(child)
    child.tell("stop")


@dataclass(frozen=True)
class Way:
    """The thread whose calls are counted, what its process is told once it is traced, and how jobs go in it."""

    thread: str
    tell: Callable[[Running], None] = give_order
    options: dict[str, Any] = field(default_factory=dict)


LOOKED_FOR: dict[str, Any] = {"own_claims": False}
TOGETHER: dict[str, Any] = {"own_claims": False, "together": (PAY,)}
WAYS: dict[str, Way] = {
    "MainThread": Way("MainThread"),
    "convexpy-dispatcher": Way("convexpy-dispatcher", options=LOOKED_FOR),
    "convexpy-mutations": Way("convexpy-mutations"),
    "convexpy-mutations, together": Way("convexpy-mutations", options=TOGETHER),
    "convexpy-database-1": Way("convexpy-database-1"),
    "MainThread, stopping": Way("MainThread", stop),
}


@dataclass
class Boundary:
    """A run that died on entering the nth call of a thread, or came to its end without one, and what became of it."""

    way: str
    call: str
    number: int
    killed: bool
    verdict: Verdict

    def __str__(self) -> str:
        return f"{self.way}: {self.call} {self.number}"


def is_possible() -> bool:
    return shutil.which("strace") is not None


def boundaries(folder: Path, name: str) -> Iterator[Boundary]:
    """Every boundary of a way, one run each."""
    for call in CALLS:
        for number in range(1, MOST):
            boundary = die_at(folder / f"{call}-{number}", name, call, number)
            yield boundary
            if not boundary.killed:
                break


def die_at(folder: Path, name: str, call: str, number: int) -> Boundary:
    place, acknowledged, way = Place(folder), {"warm": 2}, WAYS[name]
    with place.child(settings={"action_concurrency": 1}, checkpoint_always=True, **way.options) as child:
        child.ready().call("work:order", label="warm", pays=1, sends=1)  # every thread is there after this
        wait_until(lambda: checker.is_quiet(place.database, 2), "the first jobs are over")
        with Traced(child.ask("threads")[way.thread], call, number):
            way.tell(child)
            wait_until(lambda: is_over(child, place), "it is over, or dead")
            if way.tell is stop:
                child.wait()
        with suppress(Died):  # the boundary may lie after the last job, so that it dies just now
            child.stop()
        killed = child.wait() != 0
        with suppress(Died, TimeoutError):
            acknowledged["order"] = child.answer(0)[0]
    with place.child():
        wait_until(lambda: checker.is_quiet(place.database), f"everything is over after {name} {call} {number}")
    return Boundary(name, call, number, killed, checker.judge(place.database, place.journal, acknowledged))


def is_over(child: Running, place: Place) -> bool:
    return child.wait(0) is not None or checker.is_quiet(place.database, JOBS)


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
