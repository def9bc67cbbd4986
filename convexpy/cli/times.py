"""Points in time and durations, as people say them."""

from __future__ import annotations

from datetime import datetime, timedelta


def duration(seconds: float) -> str:
    """``3.2 ms``, ``5 s``, ``2 h``: the largest unit that fits, with two or three digits."""
    if seconds < 1:
        return f"{seconds * 1000:.3g} ms"
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 1.5 * size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.3g} s"


def relative(when: datetime, now: datetime) -> str:
    """``in 5 s``, ``3 min ago``, ``now``."""
    distance = when - now
    if abs(distance) < timedelta(milliseconds=500):
        return "now"
    away = duration(float(round(abs(distance).total_seconds(), 0 if abs(distance) > timedelta(seconds=1) else 1)))
    return f"in {away}" if distance > timedelta(0) else f"{away} ago"


def local(when: datetime) -> str:
    """``2026-11-23 12:01:05``, in this machine's time zone."""
    return when.astimezone().strftime("%Y-%m-%d %H:%M:%S")


def clock_time(when: datetime) -> str:
    """``12:01:05``, in this machine's time zone."""
    return when.astimezone().strftime("%H:%M:%S")
