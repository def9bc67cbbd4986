"""A short run. ``python -m tests.stress.sockets`` goes on for longer."""

from __future__ import annotations

from stress.sockets.run import Options, run


def test_sockets_keep_their_promises_under_faults() -> None:
    said: list[str] = []
    options = Options(subscribers=6, mutations=120, seconds=20, keys=3, pause=0.3, seed=2)
    assert run(options, said.append) is None, said
    assert "faults {'" in said[-1]
