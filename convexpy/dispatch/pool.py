"""A pool: where claimed jobs of one kind run, up to a number at the same time."""

from __future__ import annotations

from typing import Protocol

from ..database.claim import Claim
from ..database.types import JobId
from ..functions.declare import Kind


class Pool(Protocol):
    """One for mutations and one for actions, so that slow actions delay nothing else."""

    kind: Kind

    def capacity(self) -> int:
        """How many more jobs may be claimed for this pool."""
        ...

    def submit(self, claim: Claim) -> None:
        """Run a claim, now or as soon as a thread is free."""
        ...

    def jobs(self) -> set[JobId]:
        """The jobs that wait or run here."""
        ...

    def overdue(self) -> list[Claim]:
        """Take out the claims that this pool cannot try now, for other workers."""
        ...

    def drain(self) -> list[Claim]:
        """Take out the claims that were never tried, before ``stop``."""
        ...

    def stop(self, seconds: float) -> None:
        """Let what runs finish for so long."""
        ...
