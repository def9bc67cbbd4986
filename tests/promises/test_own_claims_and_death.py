"""What a process has claimed from birth outlives that process."""

from __future__ import annotations

from pathlib import Path

import pytest
from crew import wait_until
from stress.faults import checker
from stress.faults.process import Died, Place


def test_a_process_that_is_killed_right_after_the_commit_loses_nothing(tmp_path: Path) -> None:
    place = Place(tmp_path)
    with place.child(die_at=("insert", "after")) as child, pytest.raises(Died):
        child.ready().call("work:order", label="victim", pays=1)
    assert checker.value(place.database, "SELECT count(*) FROM _convexpy_queue WHERE worker IS NOT NULL") == 1
    with place.child():
        wait_until(lambda: checker.is_quiet(place.database, 1), "the next process has run it")
    assert checker.states(place.database, "victim/pay0") == ["success"]
    assert checker.judge(place.database, place.journal, {"victim": 1}).broken == []
