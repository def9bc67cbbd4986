"""Ten seconds of chaos on each database, with a handful of faults; ``python -m tests.stress.chaos`` goes on for an hour."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from servers.postgres import NoServer

from convexpy.dispatch.claim_cursor import ClaimCursor

from .report import is_clean, report_on
from .run import Database, Wishes, carry_out
from .worker import begin_where_the_last_ended

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


def test_claims_begin_where_the_last_one_ended_if_a_run_wants_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ClaimCursor, "is_long", staticmethod(ClaimCursor.is_long))  # put back afterwards
    now, frontier = datetime(2030, 1, 7, tzinfo=UTC), ClaimCursor()
    frontier.looked({"mutation": None, "action": now}, 0.0, now)
    assert frontier.places() == {}
    begin_where_the_last_ended()
    frontier.looked({"mutation": None, "action": now}, 0.0, now)
    assert frontier.places().keys() == {"mutation", "action"}
