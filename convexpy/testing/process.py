"""A process that runs jobs, as far as it exists in a test under chaos."""

from __future__ import annotations

from math import inf

from ..app import Convex
from ..database.claim import Claim
from ..dispatch.batch_policy import BatchPolicy
from ..dispatch.batch_runner import BatchRunner
from ..dispatch.turns import Turns
from ..dispatch.worker import Service
from ..runtime.together import Together
from .chaos import Life


class Willing(BatchPolicy):
    """Every function may share a transaction, however long it takes in the time of a test; unless it wants to be alone.

    What befalls one by chaos is not transaction against it either: the dice decide who runs together.
    """

    def may_share(self, name: str) -> bool:
        return not self._habit(name).not_batchable


class Process:
    """What a process that runs jobs consists of, and whether it lives."""

    def __init__(self, convex: Convex, service: Service) -> None:
        together = Together(convex.runtime.calls, most_seconds=inf)
        self.service = service
        self.group = BatchRunner(service.executor, together, Willing(), Turns(1), lambda claims: None)
        self.life = Life()
        # What was claimed for it from birth, and waits in its rooms. It is lost with the process.
        self.entered: list[Claim] = []
        service.recovery.holds = lambda: {claim.job_id for claim in self.entered}

    def take_entered(self) -> list[Claim]:
        """What is to be run now."""
        entered, self.entered = self.entered, []
        return entered
