"""Bounded rooms for running jobs: one for mutations, one for actions, so that slow actions delay nothing else."""

from __future__ import annotations

from typing import Protocol

from ..database.claim import Claim
from ..database.types import JobId
from ..functions.declare import Kind


class Pool(Protocol):
    """Where claimed jobs of one kind run."""

    kind: Kind

    def free(self) -> int:
        """How many more jobs may be claimed for this room."""
        ...

    def enter(self, claim: Claim) -> None:
        """Run a claim, now or as soon as there is a free hand."""
        ...

    def keep_place(self) -> bool:
        """Keep a place for a job that is claimed from its birth, unless there are jobs enough inside."""
        ...

    def give_back_place(self) -> None:
        """A place that was kept is free, or its job has entered."""
        ...

    def holds(self) -> set[JobId]:
        """The jobs that are inside."""
        ...

    def drain(self) -> list[Claim]:
        """Take out the claims that were never tried, before ``stop``."""
        ...

    def stop(self, seconds: float) -> None:
        """Let what runs finish for so long."""
        ...
