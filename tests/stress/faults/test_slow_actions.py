"""Slow actions have their own pool: mutations and crons go on beside them, and a job that is due starts at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from .timings import delays_beside_slow_actions, delays_when_idle, idle_cost, percentile

# On an idle machine it is a few milliseconds. Without a notification, it is the poll interval of these tests, a minute.
SOON_SECONDS = 10.0


def test_a_job_scheduled_for_now_starts_at_once(tmp_path: Path) -> None:
    delays = delays_when_idle(tmp_path, 15)
    assert len(delays.mutations) == 15
    assert len(delays.actions) == 15
    assert percentile(delays.mutations, 50) < SOON_SECONDS
    assert percentile(delays.actions, 50) < SOON_SECONDS


@pytest.mark.parametrize(("slow", "blocking"), [(100, False), (40, True)])
def test_slow_actions_delay_neither_mutations_nor_crons(slow: int, blocking: bool, tmp_path: Path) -> None:
    result = delays_beside_slow_actions(tmp_path, 15, slow=slow, blocking=blocking)
    assert result.running == min(64, slow + blocking), "more or fewer actions at once than settings.action_concurrency"
    assert len(result.delays) == 15
    assert percentile(result.delays, 50) < SOON_SECONDS
    assert percentile(result.cron_delays, 50) < SOON_SECONDS


def test_an_idle_process_asks_for_no_more_than_its_polls(tmp_path: Path) -> None:
    idle = idle_cost(tmp_path, 3.0)
    # One look at the queue and one at the crons every five seconds, and a heartbeat every ten.
    assert idle.queries <= 12, idle.kinds
