"""What the dispatcher knows of due times between two looks at the queue: from commits, hints, claims and capacity."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from convexpy import ActionCtx, Convex, MutationCtx, Settings, internal_action, internal_mutation, mutation
from convexpy.database import jobs
from convexpy.database.claim import Claim
from convexpy.database.types import JobId
from convexpy.dispatch.dispatcher import Dispatcher
from convexpy.functions.declare import Kind

POLL_SECONDS = 600.0


@internal_mutation
def write(ctx: MutationCtx) -> None: ...


@internal_action
async def act(ctx: ActionCtx) -> None: ...


@mutation
def plan(ctx: MutationCtx, name: str, seconds: float = 0.0) -> None:
    ctx.schedule.after(timedelta(seconds=seconds), f"{__name__}:{name}")  # type: ignore[arg-type]


@mutation
def plan_both(ctx: MutationCtx) -> None:
    ctx.schedule.after(timedelta(seconds=20), act)
    ctx.schedule.after(timedelta(seconds=10), write)


class RecordingPool:
    """A pool that keeps what it is given."""

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self.size = 10
        self.claims: list[Claim] = []

    def capacity(self) -> int:
        return self.size - len(self.claims)

    def submit(self, claim: Claim) -> None:
        self.claims.append(claim)

    def jobs(self) -> set[JobId]:
        return {claim.job_id for claim in self.claims}

    def overdue(self) -> list[Claim]:
        return []

    def drain(self) -> list[Claim]:
        return []

    def stop(self, seconds: float) -> None: ...


class Dispatching:
    """A dispatcher whose ticks the test makes. ``wakes`` counts how often it asked for one."""

    def __init__(self, convex: Convex) -> None:
        self.mutations, self.actions = RecordingPool(Kind.MUTATION), RecordingPool(Kind.ACTION)
        self.wakes = 0
        self.dispatcher: Dispatcher = convex.worker.dispatcher
        self.dispatcher.open((self.mutations, self.actions), self._wake)
        convex.database.commits.listen_to_jobs(self.dispatcher.on_commit, self.dispatcher.on_remote_commit)

    def _wake(self) -> None:
        self.wakes += 1

    def settle(self) -> float:
        """Tick until there is nothing to do now. Seconds until the next tick."""
        for _ in range(10):
            seconds = self.dispatcher.tick()
            if seconds > 0:
                return seconds
        raise AssertionError("the dispatcher does not rest")


@pytest.fixture
def convex(tmp_path: Path) -> Iterator[Convex]:
    settings = Settings(poll_interval=POLL_SECONDS, sqlite_synchronous="NORMAL")
    with Convex(f"sqlite:///{tmp_path / 'app.db'}", functions=sys.modules[__name__], settings=settings) as convex:
        convex.migrate()
        convex.worker.heartbeat.register()
        yield convex


@pytest.fixture
def dispatching(convex: Convex) -> Dispatching:
    """One that has looked, and knows of nothing."""
    dispatching = Dispatching(convex)
    assert dispatching.settle() > POLL_SECONDS / 2
    return dispatching


def test_a_commit_wakes_and_is_claimed_without_a_look(convex: Convex, dispatching: Dispatching) -> None:
    convex.run(plan, name="write")
    assert dispatching.wakes == 1
    dispatching.settle()
    assert len(dispatching.mutations.claims) == 1


def test_every_kind_of_a_commit_is_expected(convex: Convex, dispatching: Dispatching) -> None:
    convex.run(plan_both)
    assert dispatching.wakes == 1
    assert 0 < dispatching.settle() <= 10
    for kind, seconds in ((Kind.ACTION, 20), (Kind.MUTATION, 10)):
        due = dispatching.dispatcher._due[kind] - convex.clock.now()
        assert timedelta() < due <= timedelta(seconds=seconds)


def test_a_later_job_does_not_hide_an_earlier_one(convex: Convex, dispatching: Dispatching) -> None:
    convex.run(plan, name="write", seconds=30)
    convex.run(plan, name="write", seconds=86_400)
    assert dispatching.wakes == 1
    assert 0 < dispatching.settle() <= 30


def test_a_job_that_is_released_is_expected_when_it_is_due_again(convex: Convex, dispatching: Dispatching) -> None:
    convex.run(plan, name="write")
    dispatching.settle()
    (claim,), before = dispatching.mutations.claims, dispatching.wakes
    with convex.database.write_internal() as connection:
        due = convex.clock.now() + timedelta(seconds=30)
        assert jobs.release(connection, claim, claim.kind, "the database failed", due)
    assert dispatching.wakes == before + 1
    assert 0 < dispatching.settle() <= 30


def test_a_commit_during_a_claim_is_not_lost(
    convex: Convex, dispatching: Dispatching, monkeypatch: pytest.MonkeyPatch
) -> None:
    dispatcher, claim = dispatching.dispatcher, dispatching.dispatcher.claim

    def claim_and_commit(kind: Kind, limit: int) -> list[Claim]:
        claims = claim(kind, limit)
        convex.run(plan, name="write", seconds=30)
        return claims

    convex.run(plan, name="write")
    monkeypatch.setattr(dispatcher, "claim", claim_and_commit)
    monkeypatch.setattr(dispatcher, "_look", lambda empty: None)  # only the commit tells
    assert 0 < dispatching.settle() <= 30


def test_a_claim_that_failed_is_repeated(
    convex: Convex, dispatching: Dispatching, monkeypatch: pytest.MonkeyPatch
) -> None:
    convex.run(plan, name="write")
    with monkeypatch.context() as patch:
        patch.setattr(dispatching.dispatcher, "claim", lambda kind, limit: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            dispatching.dispatcher.tick()
    dispatching.settle()
    assert len(dispatching.mutations.claims) == 1


def test_a_full_pool_wakes_the_dispatcher_when_it_has_capacity(convex: Convex, dispatching: Dispatching) -> None:
    dispatching.mutations.size = 1
    convex.run(plan, name="write")
    convex.run(plan, name="write")
    assert dispatching.settle() > POLL_SECONDS / 2  # it does not look again and again
    assert len(dispatching.mutations.claims) == 1
    before = dispatching.wakes
    dispatching.mutations.size = 2
    dispatching.dispatcher.on_capacity(Kind.MUTATION)
    assert dispatching.wakes == before + 1
    dispatching.settle()
    assert len(dispatching.mutations.claims) == 2


def test_a_hint_from_another_process_is_looked_into(convex: Convex, dispatching: Dispatching) -> None:
    convex.database.commits.forget_jobs(dispatching.dispatcher.on_commit, dispatching.dispatcher.on_remote_commit)
    convex.run(plan, name="write")  # as another process would
    assert (dispatching.settle() > POLL_SECONDS / 2, dispatching.mutations.claims) == (True, [])
    dispatching.dispatcher.on_remote_commit()
    assert dispatching.wakes == 1
    dispatching.settle()
    assert len(dispatching.mutations.claims) == 1
