"""Which snapshots a client may see while its own mutations are committed. Without a server: every order can be made."""

from __future__ import annotations

import asyncio
import json

import pytest

from convexpy.live.query_set import QuerySet, Results
from convexpy.live.subscription import SnapshotTime
from convexpy.live.version_clock import VersionClock
from convexpy.server.sync_transitions import Transitions


class Client:
    """The Transitions of one client, and snapshots for it."""

    def __init__(self) -> None:
        self.clock = VersionClock()
        self.query_set = QuerySet(lambda: None, lambda: None)  # type: ignore[arg-type, return-value]
        self.transitions = Transitions(self.query_set, self.clock, encode, may_split=False)

    def snapshot(self) -> SnapshotTime:
        return SnapshotTime(self.clock.next(), self.clock.next())

    def sees(self, snapshot: SnapshotTime) -> bool:
        """Whether a Transition of this snapshot is sent."""
        self.query_set.offer({}, snapshot)
        self.transitions.ask()
        return bool(self.transitions.frames())


def encode(results: Results) -> list[bytes]:
    return []


def test_a_snapshot_before_the_commit_is_sent_while_a_mutation_runs() -> None:
    client = Client()
    own = client.transitions.begin_mutation()
    assert client.sees(client.snapshot())
    before = client.snapshot()
    own.begins()
    assert client.sees(before)


def test_a_snapshot_that_may_have_a_mutation_waits_for_its_response() -> None:
    client = Client()
    own = client.transitions.begin_mutation()
    early = client.clock.next()
    own.begins()
    during = SnapshotTime(early, client.clock.next())
    assert not client.sees(during)
    assert not client.sees(client.snapshot())
    own.committed()
    after = client.snapshot()
    assert not client.sees(after)
    assert client.transitions.end_mutation() < after.before
    assert client.sees(after)


def test_a_snapshot_with_the_mutation_and_an_earlier_time_is_never_sent() -> None:
    client = Client()
    own = client.transitions.begin_mutation()
    own.begins()
    begun = client.clock.next()
    own.committed()
    with_it = SnapshotTime(begun, client.clock.next())
    client.transitions.end_mutation()
    assert not client.sees(with_it)
    assert client.sees(client.snapshot())


def test_a_commit_that_is_tried_again_counts_from_its_first_attempt() -> None:
    client = Client()
    own = client.transitions.begin_mutation()
    own.begins()
    between = client.snapshot()
    own.begins()
    assert not client.sees(between)


def test_a_mutation_that_failed_leaves_a_time_that_is_later() -> None:
    client = Client()
    client.transitions.begin_mutation().begins()
    before = client.snapshot()
    assert client.transitions.end_mutation() > before.after
    assert not client.sees(before)


def test_a_query_set_that_has_moved_is_looked_at_where_it_is_then() -> None:
    client = Client()
    own = client.transitions.begin_mutation()
    looked_at: list[str] = []
    client.query_set.visit = lambda: looked_at.append("the other group")
    own.begins()
    own.committed()
    assert looked_at == ["the other group"]


def test_the_next_mutation_waits_for_a_transition_that_is_overdue(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each mutation keeps back the snapshots beside its COMMIT: one after the other, they would prevent any."""

    async def run() -> None:
        client = Client()
        client.transitions.begin_mutation()
        client.transitions.end_mutation()
        await client.transitions.catch_up()  # not yet overdue
        monkeypatch.setattr(client.transitions, "_overdue_since", -1000.0)
        waiting = asyncio.ensure_future(client.transitions.catch_up())
        await asyncio.sleep(0)
        assert not waiting.done()
        client.query_set.offer({}, client.snapshot())
        (frame,) = client.transitions.frames()
        assert json.loads(frame)["modifications"] == []
        await waiting

    asyncio.run(run())
