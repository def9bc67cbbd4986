"""Some races of each kind on each database; ``python -m tests.stress.races`` runs very many."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from servers.shared import Template, drop

from convexpy import Convex, Settings

from . import app
from .race import run_races

MOST_ROUNDS = 10
TEMPLATE = Template(app.Base.metadata)


@pytest.fixture(params=["sqlite", "postgres"])
def convex(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Convex]:
    copy = TEMPLATE.copy() if request.param == "postgres" else None
    url = copy.render_as_string(hide_password=False) if copy is not None else f"sqlite:///{tmp_path / 'races.db'}"
    settings = Settings(sqlite_synchronous="NORMAL")
    with Convex(url, functions=app, metadata=app.Base.metadata, settings=settings) as convex:
        convex.migrate()
        with convex.database.ddl() as connection:
            app.Base.metadata.create_all(connection)
        yield convex
    if copy is not None:
        drop(copy)


@pytest.mark.parametrize("kind", ["mutation", "action"])
def test_exactly_one_wins_and_every_answer_stays_true(convex: Convex, kind: str) -> None:
    outcomes: Counter[str] = Counter()
    for seed in range(MOST_ROUNDS):
        races = run_races(convex, kind, 120, 3, seed, progress=lambda text: None)
        assert races.broken == []
        assert races.outcomes.total() == 120
        outcomes.update(outcome.partition(",")[0] for outcome in races.outcomes.elements())
        if len(outcomes) == 2:
            break
    assert outcomes.keys() == {"canceled", "success"}, "one side always won, so nothing was shown"
