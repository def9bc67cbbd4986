"""The trace of one call prints a row for each kind, and counts what the call passes."""

from __future__ import annotations

import pytest

from . import trace


@pytest.fixture(autouse=True)
def short_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trace, "QUIET_SECONDS", 0.05)


def test_a_row_for_each_call() -> None:
    lines: list[str] = []
    trace.main(["--samples", "3", "--warm-up", "2", "--verbose"], lines.append)
    rows = {
        line[:24].strip(): [int(number) for number in line[24:47].split()] for line in lines[1 : len(trace.KINDS) + 1]
    }
    assert list(rows) == list(trace.KINDS)
    assert all(calls >= files > 0 and threads > 0 for files, calls, threads in rows.values())
    assert rows["query"][2] == 1  # nothing but the caller's thread
    assert rows["schedule.now + run"][0] > rows["direct mutation"][0]
    assert any(line.startswith("below the command line") for line in lines)
    assert any("MainThread" in line for line in lines[len(rows) + 1 :])
