"""Some rounds on each database; ``python -m tests.stress.footprints`` runs very many."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from servers.shared import drop, new_database

from convexpy import Convex, Settings

from . import no_functions
from .check import Check

ROUNDS = 48


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'footprints.db'}"
        return
    made = new_database()
    yield made.render_as_string(hide_password=False)
    drop(made)


def test_no_change_of_a_result_is_missed(url: str) -> None:
    def open_app() -> Convex:
        return Convex(url, functions=no_functions, settings=Settings(sqlite_synchronous="NORMAL"))

    with open_app() as convex:
        convex.migrate()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # SQLAlchemy's, about what is strange in random statements
        report = Check(open_app, seed=1).run(ROUNDS, lambda report: None)
    assert report.misses == []
    assert report.changed > 20, "too little has changed to show anything"
    assert report.pinned > 50
    assert report.touched < 0.8 * report.pairs
