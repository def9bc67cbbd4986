"""The system's counters of its processors, read as the part that was stolen."""

from __future__ import annotations

from pathlib import Path

import pytest

from . import machine
from .machine import Machine

# user, nice, system, idle, waiting for the disk, two kinds of interrupts, stolen; and guests, which count as user too.
BEFORE = "cpu  1000 0 300 5000 40 0 10 50 7 0\ncpu0 500 0 150 2500 20 0 5 25 3 0\n"
AFTER = "cpu  1200 0 400 5500 40 0 10 250 9 0\ncpu0 600 0 200 2750 20 0 5 125 4 0\n"


def test_what_was_stolen_is_a_part_of_all_the_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stat = tmp_path / "stat"
    monkeypatch.setattr(machine, "STAT", stat)
    stat.write_text(BEFORE)
    began = Machine.now()
    stat.write_text(AFTER)
    assert began.stolen_since() == 100 * 200 / 1000


def test_without_counters_nothing_was_stolen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "STAT", tmp_path / "not there")
    assert Machine.now().stolen_since() == 0
