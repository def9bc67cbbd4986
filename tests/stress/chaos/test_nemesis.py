"""A plan is made of its seed and nothing else, and leaves no kind of fault out."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest

from .nemesis import FaultKind, PlannedFault, draw
from .postgres_faults import POSTGRES_FAULTS
from .sqlite_faults import SQLITE_FAULTS

ALL = pytest.mark.parametrize("kinds", [SQLITE_FAULTS, POSTGRES_FAULTS], ids=["sqlite", "postgres"])


@ALL
def test_the_same_seed_makes_the_same_plan(kinds: list[FaultKind]) -> None:
    assert draw(kinds, 1, 300.0) == draw(kinds, 1, 300.0)
    assert draw(kinds, 1, 300.0) != draw(kinds, 2, 300.0)


@ALL
def test_every_kind_strikes_in_a_few_minutes(kinds: list[FaultKind]) -> None:
    assert {fault.kind for fault in draw(kinds, 3, 120.0)} == {kind.name for kind in kinds}


@ALL
def test_an_hour_has_two_thousand_faults(kinds: list[FaultKind]) -> None:
    assert len(draw(kinds, 3, 3600.0)) > 2500


@ALL
def test_a_lane_strikes_one_fault_after_the_other(kinds: list[FaultKind]) -> None:
    plan = draw(kinds, 4, 300.0)
    for thread in {kind.thread for kind in kinds}:
        names = {kind.name for kind in kinds if kind.thread == thread}
        for before, after in pairwise(fault for fault in plan if fault.kind in names):
            assert before.at + before.seconds <= after.at


@ALL
def test_kinds_have_names_of_their_own(kinds: list[FaultKind]) -> None:
    assert len({kind.name for kind in kinds}) == len(kinds)


def test_a_plan_can_be_read_again() -> None:
    plan = draw(SQLITE_FAULTS, 5, 60.0)
    assert [PlannedFault(**json.loads(str(fault))) for fault in plan] == plan
