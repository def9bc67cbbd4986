"""mypy as users run it on their code: with ``--strict`` alone."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]
# One cache for all that is checked: the libraries are most of the work. Between runs it stays, as a user's does.
CACHE = ROOT / ".mypy_cache" / "users"
MYPY = ("mypy", "--strict", "--follow-imports=silent", f"--cache-dir={CACHE}")


@contextmanager
def one_mypy_at_a_time() -> Iterator[None]:
    """Wait for other processes that run mypy: at once, with an empty cache, each would check the libraries."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "running").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
