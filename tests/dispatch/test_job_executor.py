"""What became of a job is stored, however often the database fails meanwhile."""

from __future__ import annotations

import pytest

from convexpy import Convex, MutationCtx, mutation
from convexpy.database.errors import ConnectionLost
from convexpy.testing import ConvexTest


@mutation
def nothing(ctx: MutationCtx) -> None: ...


class Store:
    """Fails the first time that it is called."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self) -> str:
        self.calls += 1
        if self.calls == 1:
            raise ConnectionLost("the database is gone for a moment")
        return "stored"


def test_storing_an_outcome_is_tried_again(convex: ConvexTest) -> None:
    store = Store()
    assert convex.convex.worker.executor.insist(store) == "stored"
    assert store.calls == 2


def test_storing_an_outcome_is_given_up_once_the_app_stops(convex: ConvexTest) -> None:
    convex.convex.worker.executor.stop()
    with pytest.raises(ConnectionLost):
        convex.convex.worker.executor.insist(Store())


def test_an_app_that_is_started_again_insists_again(convex: ConvexTest, database: str) -> None:
    with Convex(database, functions="app", clock=convex.clock) as other:
        for _ in range(2):
            other.migrate()
            with other.running():
                assert other.worker.executor.insist(Store()) == "stored"
