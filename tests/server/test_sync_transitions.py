"""When a Transition is sent that changes nothing: clients wait for one after each response."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, cast

from convexpy.live.query_set import QuerySet, Results, SetVersion
from convexpy.live.subscription import SnapshotTime
from convexpy.live.version_clock import VersionClock
from convexpy.server.sync_transitions import Transitions


class Unchanged:
    """A query set that is visited again and again, and whose results stay the same."""

    def __init__(self, clock: VersionClock) -> None:
        self._clock = clock

    def take(self, is_wanted: Callable[[SnapshotTime], bool]) -> Results | None:
        time = SnapshotTime(self._clock.next(), self._clock.next())
        return Results(SetVersion(), time, {}, []) if is_wanted(time) else None

    def request_visit(self) -> None:
        pass


def test_an_empty_transition_is_sent_after_a_response_only() -> None:
    clock = VersionClock()
    query_set: Any = Unchanged(clock)
    transitions = Transitions(cast(QuerySet, query_set), clock, lambda results: [], may_split=False)
    assert transitions.frames() == []
    for _ in range(2):
        transitions.begin_mutation()
        transitions.end_mutation()
        (frame,) = transitions.frames()
        assert json.loads(frame)["modifications"] == []
        assert transitions.frames() == []
