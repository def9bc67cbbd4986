"""Durations as a histogram: each bucket is wider than the one before by the square root of 2."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from typing import Final

SHORTEST: Final = 2.0**-20
"""Seconds. What took less is counted as this: about a microsecond."""
HALF_OCTAVE: Final = math.sqrt(0.5)


def bucket_of(seconds: float) -> int:
    """The bucket that a duration is counted in. Bucket ``n`` is from ``2**(n/2 - 1)`` to ``2**(n/2 - 0.5)`` seconds."""
    mantissa, exponent = math.frexp(seconds if seconds > SHORTEST else SHORTEST)
    return 2 * exponent + (mantissa >= HALF_OCTAVE)


def add_to(histogram: dict[int, int], other: Mapping[int, int]) -> None:
    """Add another histogram to one."""
    for bucket, count in other.items():
        histogram[bucket] = histogram.get(bucket, 0) + count


def merged(histograms: Iterable[Mapping[int, int]]) -> dict[int, int]:
    """The sum of several."""
    total: dict[int, int] = {}
    for each in histograms:
        add_to(total, each)
    return total


def quantile(histogram: Mapping[int, int], part: float) -> float | None:
    """The duration, in seconds, that this part of all durations does not exceed. None: there are none.

    Within a bucket, durations count as if spread evenly on a logarithmic scale, so the error is below 20 percent.
    """
    below, wanted = 0, part * sum(histogram.values())
    for bucket, count in sorted(histogram.items()):
        if count and below + count >= wanted:
            return float(2.0 ** (bucket / 2 - 1 + 0.5 * (wanted - below) / count))
        below += count
    return None


def to_text(histogram: Mapping[int, int]) -> str:
    """As it is stored: a JSON object of counts by bucket."""
    return json.dumps(histogram, separators=(",", ":"))


def from_text(text: str) -> dict[int, int]:
    """A histogram as it was stored."""
    return {int(bucket): count for bucket, count in json.loads(text).items()}
