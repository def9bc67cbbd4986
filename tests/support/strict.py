"""mypy as users run it on their code: with ``--strict`` alone."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[2]
# One cache for all that is checked: the libraries are most of the work. Between runs it stays, as a user's does.
MYPY = ("mypy", "--strict", "--follow-imports=silent", f"--cache-dir={ROOT / '.mypy_cache' / 'users'}")
