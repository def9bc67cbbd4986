"""A worker under chaos: it dies and is replaced, freezes and is given up, and meets everything in any order."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sqlalchemy import update

from ..app import Convex
from ..clock import Clock
from ..database.faults import is_internal
from ..database.jobs import Claim
from ..database.tables import workers
from ..dispatch.service import Service
from ..functions.declare import Kind
from .chaos import LIFE, Chaos, Crash, Life
from .disturbed import DisturbedDatabase
from .worker import MANY_RUNS, VirtualWorker

MOST_AT_ONCE = 4
DELIVERED_TWICE = 0.1


class Process:
    """What a process that runs jobs consists of, and whether it lives."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.life = Life()


class UnluckyWorker(VirtualWorker):
    """One process after the other. What one leaves behind, the next has to cope with."""

    def __init__(self, convex: Convex, database: DisturbedDatabase, clock: Clock, chaos: Chaos) -> None:
        super().__init__(convex)
        self._database = database
        self._clock = clock
        self._chaos = chaos
        self._process = Process(convex.service)
        self._someone_is_frozen = False
        chaos.freeze = self._freeze

    def replace(self, process: Process) -> None:
        """A process counts as dead. Another one takes over: it recovers what was left, and adopts the crons."""
        self._fall_silent(process)
        started = False
        while not started:
            self._fall_silent(self._process)
            self._process = new = Process(self.convex.new_service())
            self.service = new.service
            started = self._survives(new, "start", self._start_over)

    def _start_over(self) -> None:
        self.start()
        self.service.maintenance.rescue()  # who has been silent for long must be found so twice

    def restart(self) -> None:
        """Another process takes over, as when a new version is deployed."""
        self.replace(self._process)

    def run_round(self) -> bool:
        before = len(self._chaos.diary)
        self._run_claims(MANY_RUNS)
        return len(self._chaos.diary) == before

    def run_some(self, kind: Kind) -> int:
        return self._run_claims(self._chaos.dice.randint(1, MOST_AT_ONCE))

    def fire_crons(self) -> None:
        self._by_whoever_lives("crons", super().fire_crons)

    def maintain(self) -> None:
        self._by_whoever_lives("maintenance", super().maintain)

    def _run_claims(self, most: int) -> int:
        """Claim some of what is due, of both kinds, and run it in any order; some of it is handed over twice."""
        process, claims = self._process, list[Claim]()
        kinds = [Kind.MUTATION, Kind.ACTION]
        self._chaos.dice.shuffle(kinds)
        for kind in kinds:
            self._do(process, "claim", lambda kind=kind: claims.extend(process.service.dispatcher.claim(kind, most)))  # type: ignore[misc]
        # What was claimed by a COMMIT whose answer was lost, the next look at the queue gives back.
        while not process.life.is_over and not self._do(process, "look", process.service.dispatcher.tick):
            pass
        self._chaos.dice.shuffle(claims)
        for claim in with_duplicates(claims, self._chaos):
            self._do(process, claim.name, lambda claim=claim: self._execute(process.service, claim))  # type: ignore[misc]
        return max(1, len(claims))

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
        with self._database.real.internal() as connection:
            connection.execute(silence)


def with_duplicates(claims: Sequence[Claim], chaos: Chaos) -> list[Claim]:
    """The same claims, some of them twice: a wake too many must do no harm."""
    handed = list(claims)
    for claim in claims:
        if chaos.dice.random() < DELIVERED_TWICE:
            handed.insert(chaos.dice.randint(0, len(handed)), claim)
    return handed
