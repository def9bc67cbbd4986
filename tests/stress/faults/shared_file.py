"""Several processes on one file: what each did, and how long a call of one waits for the others."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from . import checker
from .checker import Verdict
from .child_process import Sandbox, wait_until

BATCH = 50


@dataclass
class SharedFileResult:
    """Figures of one run."""

    verdict: Verdict
    seconds: float
    call_seconds: list[float]

    @property
    def split(self) -> str:
        return " / ".join(str(number) for _, number in self.verdict.processes.most_common())


def two_processes(folder: Path, jobs: int, patience: float = 120.0) -> SharedFileResult:
    """Two processes share so many mutations, half of them scheduled by jobs, while both also call mutations."""
    sandbox = Sandbox(folder)
    acknowledged: dict[str, int] = {}
    waited = []
    with sandbox.child() as one, sandbox.child() as other:
        one.ready()
        other.ready()
        started = time.monotonic()
        for n in range(jobs // (2 * BATCH)):
            caller = (one, other)[n % 2]
            waited.append(caller.timed_call("work:order", label=f"order{n}", pays=BATCH, children=1))
            acknowledged[f"order{n}"] = BATCH
        wait_until(lambda: checker.is_quiet(sandbox.database, jobs), f"{jobs} jobs are over", patience)
        seconds = time.monotonic() - started
    return SharedFileResult(checker.judge(sandbox.database, sandbox.journal, acknowledged), seconds, waited)
