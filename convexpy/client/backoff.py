"""Pauses between tries."""

from __future__ import annotations

import random
from typing import Final

FIRST_SECONDS: Final = 0.1
LONGEST_SECONDS: Final = 10.0


def pause_seconds(failures: int) -> float:
    """How long to wait after so many failures in a row: it doubles, with jitter, so that clients spread."""
    return float(min(LONGEST_SECONDS, FIRST_SECONDS * 2 ** min(failures - 1, 20)) * random.uniform(0.5, 1.0))
