"""Direct mutations and bare transactions in alternating blocks, so that a busy machine slows both alike."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

from convexpy import Convex

from ..app import jobs

BLOCK = 20
WARM_UP = 50


def compare(convex: Convex, bare: Callable[[int], None], calls: int) -> dict[str, float]:
    """Medians of the blocks: microseconds a call of each, their difference and their ratio."""

    def ours(i: int) -> None:
        convex.run(jobs.direct, i=i)

    for i in range(WARM_UP):
        ours(i)
        bare(i)
    blocks = max(2, calls // BLOCK)
    pairs = []
    for number in range(blocks):
        first, second = (ours, bare) if number % 2 else (bare, ours)
        one, other = per_call(first), per_call(second)
        pairs.append((one, other) if number % 2 else (other, one))
    of_ours, of_bare = (statistics.median(values) for values in zip(*pairs, strict=True))
    return {
        "convexpy us": of_ours,
        "bare us": of_bare,
        "own us": statistics.median(one - other for one, other in pairs),
        "ratio": statistics.median(one / other for one, other in pairs),
        "effects": 2 * (WARM_UP + blocks * BLOCK),
    }


def per_call(call: Callable[[int], None]) -> float:
    started_at = time.perf_counter()
    for i in range(BLOCK):
        call(i)
    return (time.perf_counter() - started_at) / BLOCK * 1e6
