"""A short run. ``python -m tests.stress.doors`` goes on for longer."""

from __future__ import annotations

from stress.doors.run import Options, run


def test_nonsense_harms_no_server_and_no_other_client() -> None:
    said: list[str] = []
    assert run(Options(frames=400, seconds=20, huge=0, schemas=0), said.append) is None, said
