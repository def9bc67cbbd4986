"""Two processes share one SQLite file and its jobs."""

from __future__ import annotations

from pathlib import Path

from .shared_file import two_processes
from .timings import delays_across, percentile


def test_two_processes_on_one_file_share_jobs_and_run_each_once(tmp_path: Path) -> None:
    result = two_processes(tmp_path, 600)
    assert result.verdict.broken == []
    assert result.verdict.states == {"success": 600}
    assert len(result.verdict.processes) == 2
    assert max(result.call_seconds) < 10.0, "a call waited for as long as the lock timeout"


def test_what_one_process_schedules_another_starts_at_once(tmp_path: Path) -> None:
    delays = delays_across(tmp_path, 100)
    print(delays)
    assert len(delays.mutations) == 100
    # Half of them, since others use this machine too. Who looks every 50 ms cannot be so soon.
    assert percentile(delays.mutations, 50) < 0.02
