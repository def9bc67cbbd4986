"""Query sets: queries come and go, and all results that are taken together are of one snapshot."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from app.models import Note, Order
from sqlalchemy import delete, func, select
from support.waiting import wait_until

from convexpy import (
    Convex,
    ConvexError,
    Identity,
    MutationCtx,
    Page,
    PaginationOpts,
    QueryCtx,
    mutation,
    paginate,
    query,
)
from convexpy.errors import SubscriptionClosed
from convexpy.functions.declare import Kind
from convexpy.live.query_set import QuerySet, Results, SetVersion
from convexpy.live.speeds import LIMITS, Speed

here = sys.modules[__name__]
runs: list[str] = []


@mutation
def add(ctx: MutationCtx, line: str) -> None:
    ctx.db.add(Note(text=line))
    ctx.db.add(Order(id=line))


@mutation
def remove(ctx: MutationCtx, line: str) -> None:
    ctx.db.execute(delete(Note).where(Note.text == line))


@query
def count(ctx: QueryCtx, number: int = 0) -> int:
    runs.append(f"count {number}")
    return ctx.db.scalar(select(func.count()).select_from(Note)) or 0


@query
def orders(ctx: QueryCtx) -> int:
    runs.append("orders")
    return ctx.db.scalar(select(func.count()).select_from(Order)) or 0


@query
def me(ctx: QueryCtx) -> str | None:
    runs.append("me")
    return ctx.identity.subject if ctx.identity is not None else None


@query
def failing(ctx: QueryCtx) -> int:
    raise ConvexError("CONFLICT", str(orders.handler(ctx)))


@query
def pages(ctx: QueryCtx, pagination: PaginationOpts) -> Page[str]:
    return paginate(ctx, select(Note.text).order_by(Note.id), pagination)


class Client:
    """A query set, and what a client of it knows."""

    def __init__(self, convex: Convex) -> None:
        self._convex = convex
        self._awake = threading.Event()
        self.query_set: QuerySet = convex.live.new_query_set(self._awake.set)
        self.version = SetVersion()
        self.values: dict[int, Any] = {}
        self.journals: dict[int, str | None] = {}
        self.last = 0

    def bind(
        self, name: str, args: dict[str, Any], identity: Identity | None = None, journal: str | None = None
    ) -> Callable[[], Any]:
        path = f"{__name__}:{name}"
        return lambda: self._convex.calls.bind_client(path, args, identity, kind=Kind.QUERY, journal=journal)

    def change(self, remove: tuple[int, ...] = (), **queries: Any) -> None:
        """``_0=("count", {})``: by id, a query and its arguments, or those and more of ``bind``."""
        self.version = self.version._replace(query_set=self.version.query_set + 1)
        binds = {int(number[1:]): self.bind(*query) for number, query in queries.items()}
        self.query_set.change(self.version, remove, binds)

    def log_in(self, **queries: Any) -> None:
        self.version = self.version._replace(identity=self.version.identity + 1)
        binds = {int(number[1:]): self.bind(*query) for number, query in queries.items()}
        self.query_set.change(self.version, (), binds)

    def take(self) -> Results | None:
        results = self.query_set.take(lambda time: True)
        if results is None:
            return None
        assert results.time.before > self.last
        self.last = results.time.before
        for number in results.removed:
            self.values.pop(number, None)
        for number, outcome in results.changed.items():
            self.values[number] = str(outcome.error) if outcome.error is not None else json.loads(outcome.value)
            self.journals[number] = outcome.journal
        return results

    def next(self) -> Results:
        """The next results."""
        found: list[Results] = []

        def look() -> bool:
            results = self.take()
            found.extend([] if results is None else [results])
            return bool(found)

        wait_until(look, "results")
        return found[0]

    def arrive(self) -> Results:
        """The first results with all changes."""
        while (results := self.next()).version != self.version:
            pass
        return results

    def next_of(self, values: dict[int, Any]) -> None:
        """Take results until these are the values."""
        while self.values != values:
            self.next()


@pytest.fixture
def live(database: str) -> Iterator[Convex]:
    runs.clear()
    with Convex(database, functions=here) as convex:
        yield convex


def test_only_what_has_changed_is_delivered(live: Convex) -> None:
    client = Client(live)
    client.change(_0=("count", {}), _1=("me", {}))
    client.next_of({0: 0, 1: None})
    live.run(add, line="a")
    results = client.next()
    assert results.version == SetVersion(1, 0)
    assert list(results.changed) == [0]
    assert client.values == {0: 1, 1: None}


def test_all_results_are_of_one_snapshot(live: Convex) -> None:
    client = Client(live)
    client.change(_0=("count", {}), _1=("orders", {}))
    client.next_of({0: 0, 1: 0})
    writer = threading.Thread(target=lambda: [live.run(add, line=f"{number}") for number in range(50)])
    writer.start()
    while client.values[0] < 50:
        client.next()
        assert client.values[0] == client.values[1]
    writer.join()


def test_a_query_comes_and_goes(live: Convex) -> None:
    client = Client(live)
    client.change()
    client.arrive()
    client.change(_0=("count", {}))
    client.next_of({0: 0})
    client.change((0,), _1=("orders", {}))
    results = client.arrive()
    assert (results.version, list(results.removed), client.values) == (SetVersion(3, 0), [0], {1: 0})


def test_several_changes_are_delivered_together(live: Convex) -> None:
    client = Client(live)
    client.change(_0=("count", {}))
    client.change((0,), _1=("orders", {}))
    client.change((1,), _1=("me", {}))
    client.arrive()
    assert client.values == {1: None}


def test_an_id_that_is_used_again_is_another_query(live: Convex) -> None:
    client = Client(live)
    client.change(_0=("count", {}))
    client.next_of({0: 0})
    client.change((0,), _0=("orders", {}))
    results = client.arrive()
    assert (list(results.removed), list(results.changed)) == ([0], [0])


def test_the_same_query_under_two_ids_outlives_one_of_them(live: Convex) -> None:
    client = Client(live)
    client.change(_0=("count", {}), _1=("count", {}))
    client.next_of({0: 0, 1: 0})
    client.change((0,))
    client.next_of({1: 0})
    live.run(add, line="a")
    client.next_of({1: 1})


def test_what_is_asked_for_comes_even_if_nothing_has_changed(live: Convex) -> None:
    client = Client(live)
    client.change(_0=("count", {}))
    client.next_of({0: 0})
    client.query_set.request_visit()
    assert client.next().changed == {}


def test_results_that_are_not_wanted_wait_for_later_ones(live: Convex) -> None:
    client = Client(live)
    client.change(_0=("count", {}))
    client.next_of({0: 0})
    live.run(add, line="a")
    after = live.live.versions.next()
    client.query_set.request_visit()
    found: list[Results] = []

    def take() -> bool:
        results = client.query_set.take(lambda time: time.before > after)
        found.extend([] if results is None else [results])
        return bool(found)

    wait_until(take, "results of a later snapshot")
    assert [json.loads(outcome.value) for outcome in found[0].changed.values()] == [1]


def test_a_login_runs_again_only_what_reads_the_identity(live: Convex) -> None:
    client = Client(live)
    client.change(_0=("count", {}), _1=("me", {}))
    client.next_of({0: 0, 1: None})
    runs.clear()
    ada = Identity("ada")
    client.log_in(_0=("count", {}, ada), _1=("me", {}, ada))
    results = client.arrive()
    assert (results.version, list(results.changed), client.values) == (SetVersion(1, 1), [1], {0: 0, 1: "ada"})
    assert runs == ["me"]
    live.run(add, line="a")
    client.next_of({0: 1, 1: "ada"})


def test_a_query_that_is_none_fails_and_the_others_do_not(live: Convex) -> None:
    client = Client(live)
    client.change(_0=("nothing", {}), _1=("count", {"wrong": 1}), _2=("add", {"line": "a"}), _3=("orders", {}))
    client.arrive()
    assert client.values[3] == 0
    assert "Could not find public function" in client.values[0]
    assert "wrong" in client.values[1]
    assert "as Query, but it is defined as Mutation" in client.values[2]


def test_an_error_that_changes_is_delivered(live: Convex) -> None:
    client = Client(live)
    client.change(_0=("failing", {}))
    client.next_of({0: "CONFLICT: 0"})
    live.run(add, line="a")
    client.next_of({0: "CONFLICT: 1"})


def test_a_set_that_moves_to_a_slower_group_goes_on(live: Convex, monkeypatch: pytest.MonkeyPatch) -> None:
    client = Client(live)
    client.change(_0=("count", {}), _1=("orders", {}))
    client.next_of({0: 0, 1: 0})
    monkeypatch.setitem(LIMITS, Speed.QUICK, 0.0)  # from now on, nothing is quick enough
    for number in range(5):
        live.run(add, line=f"{number}")
        client.next_of({0: number + 1, 1: number + 1})
    wait_until(lambda: [thread.group.subscriptions for thread in live.live._all_threads()] != [], "a group")
    assert {name for name, thread in live.live._threads.items() if thread.group.subscriptions} == {Speed.SLOW}
    client.change(_2=("count", {"number": 1}))
    client.next_of({0: 5, 1: 5, 2: 5})


def test_a_page_keeps_its_end_when_rows_come(live: Convex) -> None:
    for line in ("b", "c", "d"):
        live.run(add, line=line)
    opts = {"paginationOpts": {"numItems": 2, "cursor": None}}
    client, other, again = Client(live), Client(live), Client(live)
    client.change(_0=("pages", opts))
    client.arrive()
    assert client.values[0]["page"] == ["b", "c"]
    live.run(remove, line="b")
    while client.values[0]["page"] != ["c"]:
        client.next()
    other.change(_0=("pages", opts))  # it has not begun as the first has, and gets a full page
    other.arrive()
    assert other.values[0]["page"] == ["c", "d"]
    again.change(_0=("pages", opts, None, client.journals[0]))
    again.arrive()
    assert again.values[0]["page"] == ["c"]


def test_a_set_that_is_closed_is_forgotten(live: Convex) -> None:
    client = Client(live)
    client.change(_0=("count", {}))
    client.next_of({0: 0})
    client.query_set.close()
    wait_until(lambda: not live.live.groups(), "no group")


def test_an_app_that_is_closed_ends_its_sets(live: Convex) -> None:
    client = Client(live)
    client.change(_0=("count", {}))
    client.next_of({0: 0})
    live.close()
    with pytest.raises(SubscriptionClosed):
        client.take()
