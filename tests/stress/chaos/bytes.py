"""``python -m tests.stress.chaos.bytes``: the connection breaks after each byte of one transaction, in both directions.

A direct mutation must tell the truth: what was answered is there, what failed is not, and it happened once. A scheduled
one must take effect exactly once in the end, and be a success if it was recorded as one; so must each of several that
share one transaction (``batched``). With ``late``, the bytes behind the break reach the server all the same, once
everything has been decided without them.

After a COMMIT without an answer, a lookup finds out whether it happened, and the lookup may break off as well. So there
are two breaks in a row: one at the COMMIT of a direct mutation, and one after each byte that follows (``lookup``).
"""

from __future__ import annotations

import argparse
import logging
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from math import inf
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, Literal, get_args

import psycopg

sys.path.insert(0, str(Path(__file__).parents[2]))  # as pytest does

from servers.postgres import QUICK, server

from convexpy import ConvexError, Settings
from convexpy.app import Convex
from convexpy.database.errors import is_internal
from convexpy.errors import CommitUnknown
from convexpy.functions.declare import Kind
from convexpy.runtime.events import Run
from convexpy.testing.chaos_worker import AlwaysBatch

from .postgres_setup import APP_USER, DATABASE, PLAIN, create_database
from .process_config import APP, SETTINGS
from .run_database import RunDatabase
from .tap import Break, Direction, Rest, Tap

Way = Literal["direct", "scheduled", "batched", "lookup, COMMIT lost", "lookup, COMMIT late", "lookup, answer lost"]
WAYS: Final[tuple[Way, ...]] = get_args(Way)
PLAN: Final[list[tuple[Direction, Rest]]] = [
    ("to the server", "lost"),
    ("to the server", "late"),
    ("to the app", "lost"),
]
COMMIT: Final = b"COMMIT"  # the command, and the beginning of its answer
CHILDREN: Final = 2
BATCH: Final = 3
MOST_TRIES: Final = 400
TRANSACTIONS: Final = "SELECT count(DISTINCT xmin::text) FROM effects WHERE call LIKE %s"
# Nothing waits for seconds: there is a break after every byte.
IMPATIENT: Final[dict[str, Any]] = {**SETTINGS, "retry_first": 0.01, "lock_timeout": 0.5, "mutation_time_limit": 1.0}


@dataclass
class BreakTally:
    """The outcomes of one way in one direction."""

    bytes: int = 0
    broken_off: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)


class BreakTester:
    """One server, the app behind a tap, and a connection past it to see what is true."""

    def __init__(self, convex: Convex, near: Convex, tap: Tap, connection: psycopg.Connection[Any]) -> None:
        self._convex = convex
        self._near = near
        self._tap = tap
        self._connection = connection
        self._number = 0
        self._recorded: Counter[str] = Counter()
        convex.calls.transactions.batch_seconds = inf
        convex.worker.executor.policy = AlwaysBatch()
        convex.calls.listeners.add(self._on_run)
        convex.worker.heartbeat.register()

    def enumerate(self, way: Way, direction: Direction, rest: Rest, every: int = 1) -> BreakTally:
        """Break after every byte, until a whole transaction passes unharmed."""
        tally = BreakTally()
        run = {"scheduled": self._scheduled, "batched": self._batched}.get(way, self._direct)
        while True:
            self._number += 1
            outcome, wrong = run(f"c{self._number}", [*first_breaks(way), Break(direction, tally.bytes, rest)])
            if wrong:
                tally.wrong.append(f"{way}, byte {tally.bytes} {direction}, {rest}: {wrong}")
            if outcome == "unharmed":
                return tally
            if outcome == "missed" and tally.outcomes[outcome] < MOST_TRIES:
                tally.outcomes[outcome] += 1
                continue
            tally.outcomes[outcome] += 1
            tally.broken_off += 1
            tally.bytes += every

    def _direct(self, call: str, breaks: list[Break]) -> tuple[str, str]:
        self._tap.arm(*breaks)
        try:
            self._convex.call("work:fan_out", {"call": call, "children": CHILDREN})
            outcome = "ok"
        except CommitUnknown:
            outcome = "unknown"
        except ConvexError as error:
            outcome = f"failed with {type(error).__name__}"
        left = self._tap.disarm()
        effects, jobs = self._effects(call), self._count("args LIKE %s", f'%"{call}/%')
        whole, nothing = (1, CHILDREN), (0, 0)
        allowed = [whole] if outcome == "ok" else [nothing] if outcome != "unknown" else [whole, nothing]
        wrong = "" if (effects, jobs) in allowed else f"{outcome}, yet {effects} effects and {jobs} jobs"
        if left > 1:
            wrong += "no COMMIT was sent"
        return "unharmed" if left else outcome, wrong

    def _scheduled(self, call: str, breaks: list[Break]) -> tuple[str, str]:
        return self._jobs(call, 1, breaks)

    def _batched(self, call: str, breaks: list[Break]) -> tuple[str, str]:
        return self._jobs(call, BATCH, breaks)

    def _jobs(self, call: str, number: int, breaks: list[Break]) -> tuple[str, str]:
        """Schedule so many jobs, break the connection in the first round, and go on until all of them are over."""
        self._connection.execute("TRUNCATE _convexpy_queue")  # what the direct calls have scheduled stays where it is
        self._recorded.clear()
        for n in range(number):
            self._near.call("work:plan", {"call": f"{call}/{n}", "kind": "mutation", "due": time.time() - 60})
        self._tap.arm(*breaks)
        self._try_once(number)
        broke = self._tap.disarm() == 0
        wrong, tries = self._wrong_records(), 1
        while self._count("args LIKE %s AND state_kind <> 'pending'", f'%"{call}/%') < number:
            tries += 1
            if tries > MOST_TRIES:
                return "stuck", f"the jobs were not over after {tries} tries"
            time.sleep(0.01)
            self._try_once(number)
        effects = [self._effects(f"{call}/{n}") for n in range(number)]
        done = self._count("args LIKE %s AND state_kind = 'success'", f'%"{call}/%')
        if effects != [1] * number or done != number:
            wrong += f"{effects} effects, {done} successes, {self._errors(call)}; "
        wrong += self._wrong_records()
        if broke:
            return f"done at try {min(tries, 3)}", wrong
        if tries > 1:  # it failed before it came so far, by what the break before has left behind
            return "missed", wrong
        if self._number_of(TRANSACTIONS, f"{call}/%") != 1:
            wrong += "unharmed, and not in one transaction"
        return "unharmed", wrong

    def _try_once(self, number: int) -> None:
        """One round of the recovery, which finds a claim whose COMMIT was not answered, and one of the dispatcher."""
        worker = self._convex.worker
        try:
            worker.recovery.reclaim()
            if number > 1:
                worker.run_due(Kind.MUTATION, number)
                return
            for claim in worker.dispatcher.claim(Kind.MUTATION, 1):
                worker.run(claim)
        except Exception as error:
            if not is_internal(error):
                raise

    def _on_run(self, run: Run) -> None:
        if run.job is not None and run.outcome == "success":
            self._recorded[run.job.id] += 1

    def _wrong_records(self) -> str:
        """What was recorded as a success and is none, or was recorded twice."""
        query = "SELECT count(*) FROM _scheduled_functions WHERE id = ANY(%s) AND state_kind = 'success'"
        true = self._number_of(query, list(self._recorded))
        return "" if true == self._recorded.total() else f"{dict(self._recorded)} were recorded, {true} are successes; "

    def _errors(self, call: str) -> list[str]:
        query = "SELECT state_error FROM _scheduled_functions WHERE args LIKE %s AND state_error IS NOT NULL"
        return [str(error) for (error,) in self._connection.execute(query, (f'%"{call}/%',))]

    def _effects(self, call: str) -> int:
        return self._number_of("SELECT count(*) FROM effects WHERE call = %s", call)

    def _count(self, condition: str, value: str) -> int:
        return self._number_of(f"SELECT count(*) FROM _scheduled_functions WHERE {condition}", value)

    def _number_of(self, query: str, value: str | list[str]) -> int:
        row = self._connection.execute(query, (value,)).fetchone()
        assert row is not None
        return int(row[0])


def first_breaks(way: Way) -> list[Break]:
    """What has to break so that there is a lookup."""
    commit = Break("to the server", word=COMMIT)
    return {
        "lookup, COMMIT lost": [commit],
        "lookup, COMMIT late": [replace(commit, rest="late")],
        "lookup, answer lost": [replace(commit, direction="to the app")],
    }.get(way, [])


@contextmanager
def break_tester() -> Iterator[BreakTester]:
    """A server of its own, for the length of the block.

    Raises:
        NoServer: None can run here.
    """
    with server(QUICK) as made, TemporaryDirectory(prefix="chaos-bytes-") as folder:
        create_database(made)
        tap = Tap(made.port)
        near_url = f"postgresql://{APP_USER}@127.0.0.1:{made.port}/{DATABASE}?{PLAIN}"
        RunDatabase(Path(folder), near_url, IMPATIENT).prepare()
        settings = Settings(**IMPATIENT, listen_notify=False)
        far_url = near_url.replace(f":{made.port}/", f":{tap.port}/")
        with (
            Convex(near_url, functions=APP, settings=settings) as near,
            Convex(far_url, functions=APP, settings=settings) as convex,
            psycopg.connect(made.dsn(DATABASE), autocommit=True) as connection,
        ):
            connection.execute("CREATE INDEX ON effects (call)")
            convex.call("work:backlog")
            yield BreakTester(convex, near, tap, connection)
        tap.close()


@dataclass(frozen=True)
class BreakSeries:
    """Breaks after each byte: of which transaction, and how."""

    way: Way
    direction: Direction
    rest: Rest

    def __str__(self) -> str:
        return f"{self.way}, {self.direction}, {self.rest}"


PARTS: Final = [BreakSeries(way, direction, rest) for way in WAYS for direction, rest in PLAN]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.stress.chaos.bytes", description=__doc__)
    parser.add_argument("--every", type=int, default=1, help="not after each byte, but after every so many")
    parser.add_argument(
        "--part", action="append", choices=[str(part) for part in PARTS], help="only this; may be repeated"
    )
    given = parser.parse_args()
    wrong = 0
    logging.disable()  # the engine logs every break as well
    with break_tester() as tester:
        for part in PARTS:
            if given.part and str(part) not in given.part:
                continue
            began = time.monotonic()
            tally = tester.enumerate(part.way, part.direction, part.rest, given.every)
            seconds = time.monotonic() - began
            print(
                f"{part}: {tally.broken_off} breaks in {tally.bytes} bytes, "
                f"{dict(tally.outcomes)}, wrong {len(tally.wrong)}, took {seconds:.0f} s",
                flush=True,
            )
            for text in tally.wrong[:5]:
                print(f"    BROKEN {text}")
            wrong += len(tally.wrong)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
