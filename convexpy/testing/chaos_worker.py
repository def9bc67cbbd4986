"""A worker under chaos: it dies and is replaced, freezes and is given up, and meets everything in any order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial

from sqlalchemy import update

from ..app import Convex
from ..clock import Clock
from ..database.claim import Claim
from ..database.errors import is_internal
from ..database.tables import workers
from ..dispatch.batch import Batch
from ..functions.declare import Kind
from .chaos import LIFE, Chaos, Crash
from .faulty_database import FaultyDatabase
from .places import UnluckyPlaces
from .process import Process
from .worker import MANY_RUNS, VirtualWorker

MOST_AT_ONCE = 5
DELIVERED_TWICE = 0.1
TOGETHER = 0.6


class ChaosWorker(VirtualWorker):
    """One process after the other. What one leaves behind, the next has to cope with."""

    def __init__(self, convex: Convex, database: FaultyDatabase, clock: Clock, chaos: Chaos) -> None:
        super().__init__(convex)
        self._database = database
        self._clock = clock
        self._chaos = chaos
        self._process = Process(convex, convex.service)
        self._someone_is_frozen = False
        chaos.freeze = self._freeze
        convex.runtime.calls.places = UnluckyPlaces(chaos, lambda: self._process)

    def replace(self, process: Process) -> None:
        """A process counts as dead. Another one takes over: it recovers what was left, and adopts the crons."""
        self._fall_silent(process)
        started = False
        while not started:
            self._fall_silent(self._process)
            self._process = new = Process(self.convex, self.convex.new_service())
            self.service = new.service
            started = self._survives(new, "start", self._start_over)

    def _start_over(self) -> None:
        self.start()
        self.service.recovery.rescue()  # who has been silent for long must be found so twice

    def restart(self) -> None:
        """Another process takes over, as when a new version is deployed."""
        self.replace(self._process)

    def run_round(self) -> bool:
        before = len(self._chaos.diary)
        self._run_claims(MANY_RUNS)
        return len(self._chaos.diary) == before

    def run_some(self, kind: Kind) -> int:
        return self._run_claims(self._chaos.dice.randint(1, MOST_AT_ONCE))

    def next_job(self) -> tuple[datetime, Kind] | None:
        if self._process.entered:
            first = self._process.entered[0]
            return min(self._clock.now(), first.scheduled_time), Kind(first.kind)
        return super().next_job()

    def fire_crons(self) -> None:
        self._by_whoever_lives("crons", super().fire_crons)

    def maintain(self) -> None:
        self._by_whoever_lives("maintenance", super().maintain)

    def _run_claims(self, most: int) -> int:
        """Claim some of what is due, of both kinds, and run it in any order, some of it together.

        With it runs what was claimed from its birth.
        """
        process = self._process
        claims = process.take_entered()
        kinds = [Kind.MUTATION, Kind.ACTION]
        self._chaos.dice.shuffle(kinds)
        for kind in kinds:
            self._do(process, "claim", lambda kind=kind: claims.extend(process.service.dispatcher.claim(kind, most)))  # type: ignore[misc]
        self._look(process)
        for company in companies(claims, self._chaos):
            self._do(process, ", ".join(claim.name for claim in company), partial(self._run, process, company))
        self._look(process)
        return max(1, len(claims))

    def _look(self, process: Process) -> None:
        """Look at the queue, which gives back what was claimed by a COMMIT whose answer was lost."""
        while not process.life.is_over and not self._do(process, "look", process.service.dispatcher.tick):
            pass

    def _run(self, process: Process, claims: Sequence[Claim]) -> None:
        """Run one claim as a room does that has no others, or several in one transaction."""
        if len(claims) == 1:
            self._execute(process.service, claims[0])
        else:
            process.group.run(Batch(claims, lambda: None))

    def _by_whoever_lives(self, task: str, work: Callable[[], None]) -> None:
        """Let it be done without misfortune, if not by this process, then by the next."""
        before = -1
        while before < len(self._chaos.diary):
            before = len(self._chaos.diary)
            self._do(self._process, task, work)

    def _do(self, process: Process, task: str, work: Callable[[], object]) -> bool:
        """Let a process do something. Whether it was done; if the process dies of it, another one takes over."""
        if process.life.is_over:
            return False
        done = self._survives(process, task, work)
        if process.life.is_over:
            self.replace(process)
        return done

    def _survives(self, process: Process, task: str, work: Callable[[], object]) -> bool:
        """Whether it was done. An internal error is passed over, as by the loops of a real process: they try again."""
        process.life.begin(task)
        whose = LIFE.set(process.life)
        try:
            work()
        except Crash:
            return False
        except Exception as error:
            if not is_internal(error):
                raise
            return False
        finally:
            LIFE.reset(whose)
        return True

    def _freeze(self) -> None:
        """The process stands still. It counts as dead, another one takes over and runs what is due; then it wakes."""
        if self._someone_is_frozen:
            return
        self._someone_is_frozen = True
        try:
            self.restart()
            self.fire_crons()
            self._run_claims(MOST_AT_ONCE)
        finally:
            self._someone_is_frozen = False

    def _fall_silent(self, process: Process) -> None:
        """Let it be so long since a process was heard of that others give it up."""
        long_ago = self._clock.now() - 2 * self.convex.settings.heartbeat_timeout
        silence = update(workers).where(workers.c.id == process.service.worker.id).values(heartbeat_time=long_ago)
        with self._database.real.write_internal() as connection:
            connection.execute(silence)


def companies(claims: Sequence[Claim], chaos: Chaos) -> list[list[Claim]]:
    """The claims in any order: some mutations together, and some claims twice. A wake too many must do no harm."""
    dice, handed = chaos.dice, list[list[Claim]]()
    for claim in claims:
        if handed and is_mutation(claim) and is_mutation(handed[-1][0]) and dice.random() < TOGETHER:
            handed[-1].append(claim)
        else:
            handed.append([claim])
    for claim in claims:
        if dice.random() < DELIVERED_TWICE:
            handed.append([claim])
    for company in handed:
        dice.shuffle(company)
    dice.shuffle(handed)
    return handed


def is_mutation(claim: Claim) -> bool:
    return claim.kind == Kind.MUTATION
