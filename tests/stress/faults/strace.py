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
from .child_process import PATIENCE_SECONDS, ChildProcess, Died, Sandbox, wait_until
from .steps import PAY

CALLS = ("pwrite64", "fdatasync")
MOST = 200
ORDER = {"pays": 2, "sends": 1, "children": 1}
JOBS = 8  # of the order, and of one before it


def give_order(child: ChildProcess) -> None:
    child.send("call", "work:order", {"label": "order", **ORDER})


def stop(child: ChildProcess) -> None:
    give_order(child)
    child.send("stop")


@dataclass(frozen=True)
class Scenario:
    """The thread whose calls are counted, the commands once its process is traced, and how jobs run in it."""

    thread: str
    command: Callable[[ChildProcess], None] = give_order
    options: dict[str, Any] = field(default_factory=dict)


SCENARIOS: dict[str, Scenario] = {
    "MainThread": Scenario("MainThread"),
    "convexpy-dispatcher": Scenario("convexpy-dispatcher"),
    "convexpy-mutations": Scenario("convexpy-mutations", options={"batchable": ()}),
    "convexpy-mutations, batches": Scenario("convexpy-mutations", options={"batchable": (PAY,)}),
    "convexpy-database-1": Scenario("convexpy-database-1"),
    "MainThread, stopping": Scenario("MainThread", stop),
}


@dataclass
class Boundary:
    """A run that died on entering the nth call of a thread, or came to its end without one, and what became of it."""

    scenario: str
    call: str
    number: int
    killed: bool
    verdict: Verdict

    def __str__(self) -> str:
        return f"{self.scenario}: {self.call} {self.number}"


def is_possible() -> bool:
    return shutil.which("strace") is not None


def boundaries(folder: Path, name: str) -> Iterator[Boundary]:
    """Every boundary of a scenario, one run each."""
    for call in CALLS:
        for number in range(1, MOST):
            boundary = die_at(folder / f"{call}-{number}", name, call, number)
            yield boundary
            if not boundary.killed:
                break


def die_at(folder: Path, name: str, call: str, number: int) -> Boundary:
    sandbox, acknowledged, scenario = Sandbox(folder), {"warm": 2}, SCENARIOS[name]
    with sandbox.child(settings={"action_concurrency": 1}, checkpoint_always=True, **scenario.options) as child:
        child.ready().call("work:order", label="warm", pays=1, sends=1)  # every thread is there after this
        wait_until(lambda: checker.is_quiet(sandbox.database, 2), "the first jobs are over")
        with Traced(child.ask("threads")[scenario.thread], call, number):
            scenario.command(child)
            wait_until(lambda: is_over(child, sandbox), "it is over, or dead")
            if scenario.command is stop:
                child.wait()
        with suppress(Died):  # the boundary may lie after the last job, so that it dies just now
            child.stop()
        killed = child.wait() != 0
        with suppress(Died, TimeoutError):
            acknowledged["order"] = child.answer(0)[0]
    with sandbox.child():
        wait_until(lambda: checker.is_quiet(sandbox.database), f"everything is over after {name} {call} {number}")
    return Boundary(name, call, number, killed, checker.judge(sandbox.database, sandbox.journal, acknowledged))


def is_over(child: ChildProcess, sandbox: Sandbox) -> bool:
    return child.wait(0) is not None or checker.is_quiet(sandbox.database, JOBS)


class Traced:
    """While the block runs, the thread dies on entering its nth call, and its process with it."""

    def __init__(self, thread: int, call: str, number: int) -> None:
        inject = f"inject={call}:signal=KILL:when={number}"
        command = ["strace", "-o", "/dev/null", "-e", f"trace={call}", "-e", inject, "-p", str(thread)]
        self._process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        assert self._process.stderr is not None
        line = self._process.stderr.readline()
        if "attached" not in line:
            raise PermissionError(f"strace cannot attach: {line.strip()}")

    def __enter__(self) -> None: ...

    def __exit__(self, *exception: object) -> None:
        self._process.terminate()  # it lets go of a thread that is still alive
        self._process.communicate(timeout=PATIENCE_SECONDS)
