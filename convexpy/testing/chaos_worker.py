"""A worker under chaos: it dies and is replaced, freezes and is given up as dead, and runs everything in any order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextvars import Context
from functools import partial
from math import inf
from typing import Final

from sqlalchemy import update

from ..app import Convex
from ..clock import Clock
from ..database.claim import Claim
from ..database.errors import is_internal
from ..database.tables import workers
from ..dispatch.batch import Batch
from ..dispatch.batch_policy import BatchPolicy
from ..dispatch.worker import Worker
from ..functions.declare import Kind
from .chaos import PROCESS, Chaos, Crash, SimulatedProcess
from .faulty_database import FaultyDatabase
from .worker import MANY_RUNS, VirtualWorker

MOST_AT_ONCE: Final = 5
DELIVERED_TWICE: Final = 0.2
BATCHED: Final = 0.6


class AlwaysBatch(BatchPolicy):
    """Every function may share a transaction, whatever its latest runs were like: the seed decides which ones do."""

    def may_share(self, name: str) -> bool:
        return not self.stats(name).not_batchable


class ChaosWorker(VirtualWorker):
    """One process after the other. What one leaves behind, the next has to cope with."""

    def __init__(self, convex: Convex, database: FaultyDatabase, clock: Clock, chaos: Chaos) -> None:
        super().__init__(convex)
        self._database = database
        self._clock = clock
        self._chaos = chaos
        self._is_frozen = False
        chaos.freeze = self._freeze
        convex.calls.transactions.batch_seconds = inf
        convex.calls.transactions.new_context = context_of_process
        self._adopt(convex.worker)

    def _adopt(self, worker: Worker) -> None:
        """A process begins."""
        self.worker = worker
        self._process = SimulatedProcess()
        worker.executor.policy = AlwaysBatch()

    def replace(self, process: SimulatedProcess, worker: Worker) -> None:
        """A process counts as dead. Another one takes over: it recovers what was left, and adopts the crons."""
        self._silence(worker)
        started = False
        while not started:
            self._silence(self.worker)
            self._adopt(self.convex.new_worker())
            started = self._survives(self._process, "start", self._start_over)

    def _start_over(self) -> None:
        self.start()
        self.worker.recovery.recover_dead()  # a silent worker must be found so twice
        self.worker.crons.reconcile()  # what the one before declared counts no more

    def restart(self) -> None:
        """Another process takes over, as when a new version is deployed."""
        self.replace(self._process, self.worker)

    def run_round(self) -> bool:
        before = len(self._chaos.log)
        self._run_claims(MANY_RUNS)
        self.after_run()
        return len(self._chaos.log) == before

    def run_some(self, kind: Kind) -> int:
        return self._run_claims(self._chaos.rng.randint(1, MOST_AT_ONCE))

    def fire_crons(self) -> None:
        self._without_faults("crons", super().fire_crons)

    def maintain(self) -> None:
        self._without_faults("maintenance", super().maintain)

    def _run_claims(self, most: int) -> int:
        """Claim some of what is due, of both kinds, and run it in any order, some of it in batches."""
        process, worker, claims = self._process, self.worker, list[Claim]()
        kinds = [Kind.MUTATION, Kind.ACTION]
        self._chaos.rng.shuffle(kinds)
        for kind in kinds:
            self._do(process, worker, "claim", partial(claim_into, claims, worker, kind, most))
        for batch in batches(claims, self._chaos):
            names = ", ".join(claim.name for claim in batch)
            self._do(process, worker, names, partial(run_batch, worker, batch))
        self._reclaim(process, worker)
        return max(1, len(claims))

    def _reclaim(self, process: SimulatedProcess, worker: Worker) -> None:
        """Give back what was claimed by a COMMIT whose answer was lost. It must be found so twice."""
        for _ in range(2):
            while not process.is_dead and not self._do(process, worker, "reclaim", worker.recovery.reclaim):
                pass

    def _without_faults(self, task: str, work: Callable[[], None]) -> None:
        """Repeat it until no fault strikes, by this process or by the next."""
        before = -1
        while before < len(self._chaos.log):
            before = len(self._chaos.log)
            self._do(self._process, self.worker, task, work)

    def _do(self, process: SimulatedProcess, worker: Worker, task: str, work: Callable[[], object]) -> bool:
        """Let a process do something. Whether it was done; if the process dies of it, another one takes over."""
        if process.is_dead:
            return False
        done = self._survives(process, task, work)
        if process.is_dead:
            self.replace(process, worker)
        return done

    def _survives(self, process: SimulatedProcess, task: str, work: Callable[[], object]) -> bool:
        """Whether it was done. An internal error is passed over, as by the threads of a real process: they retry."""
        process.begin(task)
        before = PROCESS.set(process)
        try:
            work()
        except Crash:
            return False
        except Exception as error:
            if not is_internal(error):
                raise
            return False
        finally:
            PROCESS.reset(before)
        return True

    def _freeze(self) -> None:
        """The process stands still. It counts as dead, another one takes over and runs what is due; then it wakes."""
        if self._is_frozen:
            return
        self._is_frozen = True
        try:
            self.restart()
            self.fire_crons()
            self._run_claims(MOST_AT_ONCE)
        finally:
            self._is_frozen = False

    def _silence(self, worker: Worker) -> None:
        """Let the last heartbeat of a worker be so long ago that others give it up as dead."""
        long_ago = self._clock.now() - 2 * self.convex.settings.heartbeat_timeout
        silence = update(workers).where(workers.c.id == worker.heartbeat.worker).values(heartbeat_time=long_ago)
        with self._database.real.write_internal() as connection:
            connection.execute(silence)


def context_of_process() -> Context:
    """The context variables of a job's run: only that one which says in which process it is."""
    context = Context()
    context.run(PROCESS.set, PROCESS.get())
    return context


def claim_into(claims: list[Claim], worker: Worker, kind: Kind, most: int) -> None:
    claims.extend(worker.dispatcher.claim(kind, most))


def run_batch(worker: Worker, claims: Sequence[Claim]) -> None:
    """Run several mutations in one transaction, or one claim alone."""
    if len(claims) > 1:
        worker.executor.perform(Batch(claims))
    else:
        worker.run(claims[0])


def batches(claims: Sequence[Claim], chaos: Chaos) -> list[list[Claim]]:
    """The claims in any order: some mutations in batches, and some claims twice. A duplicate must do no harm."""
    rng, made = chaos.rng, list[list[Claim]]()
    for claim in claims:
        if made and is_mutation(claim) and is_mutation(made[-1][0]) and rng.random() < BATCHED:
            made[-1].append(claim)
        else:
            made.append([claim])
    made += [[claim] for claim in claims if rng.random() < DELIVERED_TWICE]
    for batch in made:
        rng.shuffle(batch)
    rng.shuffle(made)
    return made


def is_mutation(claim: Claim) -> bool:
    return claim.kind == Kind.MUTATION
