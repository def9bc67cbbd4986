"""Claims from birth under chaos: by the dice, a job that is due at once belongs to the process that lives just then."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from ..database.claim import Claim
from .chaos import LIFE, Chaos
from .process import Process

KEPT: Final = 0.5


class UnluckyPlaces:
    """The rooms of the process that lives; a direct call belongs to it as well."""

    def __init__(self, chaos: Chaos, current: Callable[[], Process]) -> None:
        self._chaos = chaos
        self._current = current

    @property
    def worker(self) -> str:
        return self._current().service.worker.id

    def keep(self, kind: str) -> bool:
        return self._is_here() and self._chaos.toss(KEPT)

    def give_back(self, kinds: Sequence[str]) -> None:
        """There is always room."""

    def enter(self, claims: Sequence[Claim]) -> None:
        if self._is_here():  # or else its process was replaced, and others recover them
            self._current().entered.extend(claims)

    def doubt(self, worker: str, token: str) -> None:
        self._current().service.dispatcher.doubt(worker, token)

    def _is_here(self) -> bool:
        """Whether the caller is the process that lives, or a direct call, and not one that others have replaced."""
        life = LIFE.get()
        return life is None or life is self._current().life
