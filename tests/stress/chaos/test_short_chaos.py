"""Ten seconds of chaos on each database, with a handful of faults; ``tests.stress.chaos`` runs for longer."""

from __future__ import annotations

from pathlib import Path

import pytest
from servers.postgres import NoServer

from convexpy.dispatch import claim_cursor

from .run import Database, RunOptions, carry_out
from .run_report import is_clean, report_on
from .worker import claim_ahead

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
        "table locked by another client",
    ),
}


@pytest.mark.parametrize("database", ["sqlite", "postgres"])
def test_chaos_loses_and_doubles_nothing(database: Database, tmp_path: Path) -> None:
    options = RunOptions(
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
        outcome = carry_out(options)
    except NoServer as error:
        pytest.skip(str(error))
    report = report_on(options, outcome)
    assert is_clean(report), "\n".join([*report["problems"], *report["violations"]])
    assert min(report["fired"].values()) > 0
    assert report["jobs"] > 10


def test_claims_begin_where_the_last_one_ended_if_a_run_asks_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claim_cursor, "is_long", claim_cursor.is_long)  # put back afterwards
    assert not claim_cursor.is_long(0.0)
    claim_ahead()
    assert claim_cursor.is_long(0.0)
