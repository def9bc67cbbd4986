"""The rounds of a group, made by hand: what runs in which, and what is delivered."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest
from app.models import Note, Order
from sqlalchemy import func, select

from convexpy import ConvexError, MutationCtx, QueryCtx, mutation, query
from convexpy.database.live_reader import LiveReader, LiveSnapshot
from convexpy.live.group import RefreshGroup
from convexpy.live.live_call import LiveCall
from convexpy.live.outcome import Outcome
from convexpy.live.runner import QueryRunner
from convexpy.live.speeds import FunctionSpeeds
from convexpy.live.subscription import SINGLE, SnapshotTime, Subscription
from convexpy.live.version_clock import VersionClock
from convexpy.testing import ConvexTest

runs: list[str] = []


@mutation
def add(ctx: MutationCtx, line: str) -> None:
    ctx.db.add(Note(text=line))


@mutation
def order(ctx: MutationCtx, order_id: str) -> None:
    ctx.db.add(Order(id=order_id))


@query
def count(ctx: QueryCtx, number: int = 0) -> int:
    runs.append(f"count {number}")
    return ctx.db.scalar(select(func.count()).select_from(Note)) or 0


@query
def orders(ctx: QueryCtx) -> int:
    runs.append("orders")
    return ctx.db.scalar(select(func.count()).select_from(Order)) or 0


@query
def notes_once_ordered(ctx: QueryCtx) -> int:
    return count.handler(ctx) if orders.handler(ctx) else -1


@query
def busy(ctx: QueryCtx) -> int:
    runs.append("busy")
    raise sqlite3.OperationalError("database is locked")


@query
def failing(ctx: QueryCtx, number: int) -> int:
    raise ConvexError("CONFLICT", f"{number}")


class Group:
    """A group, and a way to subscribe to a query and to read what was delivered."""

    def __init__(self, convex: ConvexTest, seconds: float) -> None:
        self.convex = convex.convex
        runner = QueryRunner(self.convex.calls, self.convex.clock, FunctionSpeeds(), checks=False)
        reader = self.convex.database.live_reader
        self.group = RefreshGroup(reader, runner, self.convex.clock, round_seconds=seconds)

    def subscribe(self, function: Any, **args: Any) -> Subscription:
        return self.subscribe_all({SINGLE: (function, args)}, is_single=True)

    def subscribe_all(self, queries: dict[str, Any], *, is_single: bool = False) -> Subscription:
        bind = self.convex.calls.bind
        calls = {
            name: LiveCall(bind(function, (), args), self.convex.app) for name, (function, args) in queries.items()
        }
        subscription = Subscription(calls, is_single=is_single)
        self.group.add(subscription)
        return subscription

    def rounds(self) -> int:
        """Rounds until there is nothing left to do, and how many that were."""
        number = 1
        while self.group.round():
            number += 1
        return number


@pytest.fixture
def new_group(convex: ConvexTest) -> Iterator[Callable[..., Group]]:
    made: list[Group] = []

    def make(seconds: float = float("inf")) -> Group:
        made.append(Group(convex, seconds))
        return made[-1]

    runs.clear()
    yield make
    for each in made:
        each.group.close()


def value(subscription: Subscription) -> Any:
    update = subscription.latest.newest()
    return update and (update.value if update.error is None else update.error)


def test_ten_thousand_first_runs_do_not_delay_a_newcomer(convex: ConvexTest, new_group: Callable[..., Group]) -> None:
    group = new_group(seconds=0.0)  # a round runs one new query, and those of one subscription that waits
    many = [group.subscribe(count, number=number) for number in range(1, 101)]
    for _ in range(3):
        assert group.group.round()
    assert len(set(runs)) <= 6
    newcomer = group.subscribe(orders)
    group.group.round()
    assert value(newcomer) == 0
    assert group.rounds() > 50
    assert [value(each) for each in many] == [0] * 100
    assert len(set(runs)) == 101


def test_a_touched_query_comes_before_what_waits(convex: ConvexTest, new_group: Callable[..., Group]) -> None:
    group = new_group(seconds=0.0)
    first = group.subscribe(orders)
    group.rounds()
    assert value(first) == 0
    for number in range(1, 51):
        group.subscribe(count, number=number)
    group.group.round()
    convex.run(order, order_id="o")
    group.group.round()
    assert value(first) == 1
    assert group.group._backlog


def test_what_a_round_has_no_time_for_runs_later(convex: ConvexTest, new_group: Callable[..., Group]) -> None:
    group = new_group(seconds=0.0)
    many = [group.subscribe(count, number=number) for number in range(20)]
    group.rounds()
    assert [value(each) for each in many] == [0] * 20
    convex.run(add, line="touches all of them")
    assert group.group.round()
    assert sum(value(each) is not None for each in many) < 20
    group.rounds()
    runs.clear()
    assert group.group.round() is False
    assert runs == []
    assert [query.outcome.value for query in group.group.queries.values() if query.outcome] == [1] * 20


def test_a_subscriber_never_gets_values_of_two_snapshots(convex: ConvexTest, new_group: Callable[..., Group]) -> None:
    group = new_group(seconds=0.0)
    many = [
        group.subscribe_all({"one": (count, {"number": 2 * number}), "two": (count, {"number": 2 * number + 1})})
        for number in range(20)
    ]
    seen: list[Any] = []
    for written in range(30):
        group.group.round()
        seen += [update for each in many if (update := value(each)) is not None]
        if written % 3 == 0:
            convex.run(add, line=str(written))
    group.rounds()
    last = [value(each) for each in many]
    assert [values for values in (*seen, *filter(None, last)) if values["one"] != values["two"]] == []
    assert len(seen) > 10


def test_the_time_of_a_snapshot_is_drawn_before_it_is_opened(convex: ConvexTest) -> None:
    opened: list[int] = []
    times: list[SnapshotTime] = []

    class Numbered(Subscription):
        def offer(self, outcomes: dict[Any, Outcome], time: SnapshotTime) -> None:
            times.append(time)

    def open_reader() -> LiveReader:
        reader = convex.convex.database.live_reader()
        snapshot = reader.snapshot

        @contextmanager
        def numbered() -> Iterator[LiveSnapshot]:
            with snapshot() as found:
                opened.append(versions.next())
                yield found

        vars(reader)["snapshot"] = numbered
        return reader

    versions = VersionClock()
    runner = QueryRunner(convex.convex.calls, convex.convex.clock, FunctionSpeeds(), checks=False)
    with closing(RefreshGroup(open_reader, runner, convex.convex.clock, versions=versions)) as group:
        call = LiveCall(convex.convex.calls.bind(count, (), {}), convex.convex.app)
        group.add(Numbered({SINGLE: call}, is_single=True))
        group.round()
    assert times[0].before < opened[0] < times[0].after


def test_only_what_a_commit_touches_runs_again(convex: ConvexTest, new_group: Callable[..., Group]) -> None:
    group = new_group()
    notes, bought = group.subscribe(count), group.subscribe(orders)
    group.rounds()
    assert (value(notes), value(bought)) == (0, 0)
    runs.clear()
    convex.run(add, line="a")
    group.rounds()
    assert (value(notes), value(bought), runs) == (1, None, ["count 0"])


def test_what_the_latest_run_has_read_counts(convex: ConvexTest, new_group: Callable[..., Group]) -> None:
    group = new_group()
    subscription = group.subscribe(notes_once_ordered)
    group.rounds()
    assert value(subscription) == -1
    convex.run(order, order_id="o")
    group.rounds()
    assert value(subscription) == 0
    convex.run(add, line="it is read now, and was not at first")
    group.rounds()
    assert value(subscription) == 1


def test_an_error_like_a_databases_is_the_querys_own(convex: ConvexTest, new_group: Callable[..., Group]) -> None:
    """A query that raises it by itself fails alone: its snapshot is fine."""
    group = new_group()
    wrong, right = group.subscribe(busy), group.subscribe(count)
    group.rounds()
    assert isinstance(value(wrong), sqlite3.OperationalError)
    assert value(right) == 0
    assert runs.count("busy") == 1


def test_the_newest_error_of_several_is_raised(convex: ConvexTest, new_group: Callable[..., Group]) -> None:
    group = new_group()
    both = group.subscribe_all({"a": (failing, {"number": 1}), "b": (failing, {"number": 2})})
    group.rounds()
    assert str(value(both)) == "CONFLICT: 1"


def test_a_closed_subscription_leaves_nothing(convex: ConvexTest, new_group: Callable[..., Group]) -> None:
    group = new_group()
    kept, closed = group.subscribe(count), group.subscribe(orders)
    group.rounds()
    closed.leave()
    group.group.remove_closed()
    runs.clear()
    convex.run(order, order_id="o")
    group.rounds()
    assert runs == []
    assert len(group.group.queries) == 1
    assert list(group.group.subscriptions) == [kept]


def test_a_subscription_to_nothing_is_empty(convex: ConvexTest, new_group: Callable[..., Group]) -> None:
    group = new_group()
    nothing = group.subscribe_all({})
    group.rounds()
    assert value(nothing) == {}
