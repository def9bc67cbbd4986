"""What every contestant's script has in common: it does what it is told on standard input, or works until it is ended.

python -m tests.bench.peers.huey PLACE ask     reads commands, one JSON list a line, and answers each with a line
python -m tests.bench.peers.huey PLACE work    says ready, waits for a line, and runs jobs until it is ended
"""

from __future__ import annotations

import json
import os
import random
import sqlite3
import sys
import time
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from ..marks import FOLDER, Observed
from ..place import Place

WARM_UP = 5


class Player:
    """One contestant at one place."""

    LEFT: ClassVar[str] = ""
    """SQL that counts the jobs that are not over."""
    DONE: ClassVar[str] = ""
    """SQL that counts the jobs that succeeded, for who keeps them."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.options = place.options

    def prepare(self) -> None:
        """Make the queue's own tables."""

    def fill(self, job: str, jobs: int) -> None:
        """Put this many jobs into the queue, by the fastest way there is; ``job`` is "nothing" or "work"."""
        raise NotImplementedError

    def work(self) -> None:
        """Run jobs until the process is ended."""
        raise NotImplementedError

    def left(self) -> int:
        return self.count(self.LEFT)

    def pending(self) -> int:
        """How many jobs are in the queue."""
        return self.left()

    def done(self) -> int | None:
        return self.count(self.DONE) if self.DONE else None

    def caller(self) -> Callable[[int], object]:
        """What saves one row and enqueues one job, in one transaction."""
        raise NotImplementedError

    def sender(self) -> Callable[[int], object]:
        """What enqueues the job that marks the start of this sample, and returns once that is committed."""
        raise NotImplementedError

    def calls(self, calls: int) -> float:
        """Seconds of this many calls, one after the other."""
        call = self.caller()
        call(0)
        begun = time.monotonic()
        for i in range(1, calls):
            call(i)
        return time.monotonic() - begun

    def latencies(self, samples: int) -> list[tuple[float, float]]:
        """Milliseconds until the first line of the handler, while nothing else is going on.

        From the return of COMMIT, and from the call that enqueues. The first flatters whoever wakes others while the
        committing process is still being answered; the second has the transaction in it.
        """
        observed = Observed(Path(self.place.marks))
        send = self.sender()
        found = []
        for i in range(samples + WARM_UP):
            time.sleep(random.uniform(0.005, 0.035))
            called = time.monotonic()
            send(i)
            committed = time.monotonic()
            while (started := observed.started(i)) is None:
                time.sleep(0.0002)
                if time.monotonic() - committed > 20:
                    raise TimeoutError(f"sample {i} did not start within 20 seconds")
            found.append(((started - committed) * 1000, (started - called) * 1000))
        return found[WARM_UP:]

    def count(self, statement: str) -> int:
        """What a statement counts."""
        (row,) = self._connection.execute(statement)
        return int(row[0] or 0)

    @cached_property
    def _connection(self) -> Any:
        if self.place.database == "sqlite":
            return sqlite3.connect(self.place.name, isolation_level=None, timeout=30)
        import psycopg

        return psycopg.connect(self.place.name, autocommit=True)


def play(kind: Callable[[Place], Player]) -> None:
    """Be this contestant, as the command line says."""
    place = Place.from_json(sys.argv[1])
    os.environ[FOLDER] = place.marks
    # What libraries print is no answer.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    player = kind(place)
    if sys.argv[2] == "work":
        print("ready", file=answers)
        sys.stdin.readline()
        player.work()
        return
    for line in sys.stdin:
        command, *arguments = json.loads(line)
        try:
            answer = {"result": getattr(player, command)(*arguments)}
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"[:500]}
        print(json.dumps(answer), file=answers)
