"""The command itself, for two short minutes. On a server it is run by hand."""

from __future__ import annotations

from pathlib import Path

from .compare import compare, new_database_beside
from .growth_run import GrowthOptions, run_minutes

SHORT = GrowthOptions(minutes=2, minute_seconds=0.3, retention_minutes=0.05, hold=(1, 2), ahead=100)


def runs(url: str, folder: Path) -> None:
    minutes = list(run_minutes(url, folder, SHORT))  # it raises unless every job has succeeded
    assert [(minute.number, minute.held) for minute in minutes] == [(1, True), (2, True)]
    assert minutes[-1].megabytes > 0
    assert "jobs/s" in minutes[-1].line()
    assert 0 <= minutes[-1].stolen_percent <= 100


def compares(full: str, new: str, folder: Path) -> None:
    compared = compare(full, new, folder, rounds=1, jobs=50)
    assert len(compared.full) == len(compared.new) == 1
    assert all(rate > 0 for rate in (*compared.full, *compared.new))
    assert "ratio" in compared.line()


def test_a_short_run_on_a_file(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'app.db'}"
    runs(url, tmp_path)
    compares(url, new_database_beside(url), tmp_path)
