"""A short run on each database. ``python -m tests.stress.live_log`` goes on for longer."""

from __future__ import annotations

import pytest
from servers.postgres import NoServer

from stress.live_log.run import Options, run


@pytest.mark.parametrize(("database", "commits"), [("sqlite", 200), ("postgres", 200)])
def test_every_commit_is_found_once_by_each_reader(database: str, commits: int) -> None:
    said: list[str] = []
    try:
        verdict = run(Options(database, commits, seed=1, seconds=20, followers=1), said.append)
    except NoServer as error:
        pytest.skip(f"no PostgreSQL server can run here: {error}")
    assert verdict.wrong == [], said[-1]
    assert verdict.found > 2 * verdict.resets, said[-1]
