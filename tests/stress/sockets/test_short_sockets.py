"""A short run. ``python -m tests.stress.sockets`` goes on for longer."""

from __future__ import annotations

from stress.sockets.run import Options, run


def test_sockets_keep_their_promises_under_faults() -> None:
    said: list[str] = []
    options = Options(subscribers=6, mutations=100, seconds=20, keys=3, pause=0.2, seed=3)
    assert run(options, said.append) is None, said
