"""What ids of jobs look like: none can be guessed, and in a file new ones lie together."""

from __future__ import annotations

from itertools import count
from types import SimpleNamespace

import pytest

from convexpy import MutationCtx, internal_mutation, mutation
from convexpy.database import types
from convexpy.runtime.schedule import JOB_ID
from convexpy.testing import ConvexTest


@internal_mutation
def nothing(ctx: MutationCtx) -> None: ...


@mutation
def plan(ctx: MutationCtx) -> str:
    return ctx.schedule.after(1000, nothing)


def test_ids_are_different_and_hexadecimal(convex: ConvexTest) -> None:
    ids = [convex.run(plan) for _ in range(50)]
    assert len(set(ids)) == len({id_[-20:] for id_ in ids}) == 50
    assert all(JOB_ID.fullmatch(id_) for id_ in ids)


def test_ids_are_in_order_in_a_file_and_random_on_a_server(convex: ConvexTest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file is changed page by page; on a server, transactions conflict about a page that all of them change."""
    milliseconds = count(1_800_000_000_000)
    monkeypatch.setattr(types, "time", SimpleNamespace(time_ns=lambda: next(milliseconds) * 1_000_000))
    ids = [convex.run(plan) for _ in range(20)]
    assert (ids == sorted(ids)) == (convex.convex.database.url.get_backend_name() == "sqlite")
