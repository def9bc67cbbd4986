"""Ten seconds of chaos on each database, with a handful of faults; ``python -m tests.chaos`` goes on for an hour."""

from __future__ import annotations

from pathlib import Path

import pytest
from servers.postgres import NoServer

from .report import is_clean, report_on
from .run import Database, Wishes, carry_out

A_FEW: dict[Database, tuple[str, ...]] = {
    "sqlite": (
        "kill -9 of a worker",
        "kill -9 of a client",
        "storm of cancels",
        "full disk under a worker",
        "write lock held by another program",
    ),
    "postgres": (
        "kill -9 of a worker",
        "pg_terminate_backend",
        "kill -9 of a backend",
        "cut before COMMIT",
        "cut after COMMIT, before its answer",
        "table locked by a stranger",
    ),
}


@pytest.mark.parametrize("database", ["sqlite", "postgres"])
def test_chaos_loses_and_doubles_nothing(database: Database, tmp_path: Path) -> None:
    wishes = Wishes(
        database,
        seconds=10,
        seed=7,
        folder=tmp_path,
        workers=2,
        clients=1,
        pause=1.0,
        only=A_FEW[database],
        silent=True,
    )
    try:
        outcome = carry_out(wishes)
    except NoServer as error:
        pytest.skip(str(error))
    report = report_on(wishes, outcome)
    assert is_clean(report), "\n".join([*report["problems"], *report["violations"]])
    assert min(report["fired"].values()) > 0
    assert report["jobs"] > 10
