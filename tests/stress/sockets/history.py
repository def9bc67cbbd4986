"""What happened lately: to one client, and to all of them; shown with the first thing that is wrong."""

from __future__ import annotations

import time
from collections import deque
from typing import Final

KEPT: Final = 40
LONGEST: Final = 400
BEGAN: Final = time.monotonic()


class Wrong(Exception):
    """A promise is broken: what, and what came before."""


class History:
    """The last frames of a client, or the last faults of a run."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._lines: deque[tuple[float, str]] = deque(maxlen=KEPT)

    def add(self, what: str) -> None:
        self._lines.append((time.monotonic() - BEGAN, what[:LONGEST]))

    def wrong(self, what: str) -> Wrong:
        """What is wrong, with the history so far."""
        return Wrong(f"{self.name}: {what}\n{self}")

    def __str__(self) -> str:
        return "\n".join(f"    {seconds:8.3f} {what}" for seconds, what in self._lines)
