"""``kill -9`` at each station of a job's way, once or twice; the long version does each twenty times."""

from __future__ import annotations

from pathlib import Path

import pytest

from .stations import STATIONS, Station, kill_at


@pytest.mark.parametrize("station", STATIONS, ids=str)
def test_a_process_killed_here_loses_and_doubles_nothing(station: Station, tmp_path: Path) -> None:
    for n in range(2):
        round = kill_at(station, tmp_path / str(n))
        assert round.fired, "the process was never killed here: the station is not on the way any more"
        assert round.verdict.broken == []
