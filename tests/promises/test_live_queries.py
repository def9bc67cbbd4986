"""A live query: a subscriber gets its value at once, and again whenever a commit has changed it."""

from __future__ import annotations

import random
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from types import ModuleType
from typing import Any

import pytest
from app.models import Note, Order, Subscription, User
from sqlalchemy import func, select, text
from support.waiting import PATIENCE_SECONDS, wait_until

from convexpy import (
    CallNotAllowed,
    Convex,
    ConvexError,
    FunctionNotFound,
    FunctionTimeout,
    Identity,
    InvalidArguments,
    JobId,
    MutationCtx,
    QueryCtx,
    Settings,
    Updates,
    internal,
    mutation,
    query,
)

runs: list[str] = []
"""The runs of queries that say so, by name."""
gate = threading.Event()
"""While it is closed, ``slow`` waits."""


@mutation
def add(ctx: MutationCtx, line: str) -> None:
    ctx.db.add(Note(text=line))


@mutation
def rename(ctx: MutationCtx, old: str, new: str) -> None:
    ctx.db.scalars(select(Note).where(Note.text == old)).one().text = new


@mutation
def add_later(ctx: MutationCtx, line: str) -> JobId:
    return ctx.schedule.now(add, line=line)


@query
def count(ctx: QueryCtx) -> int:
    runs.append("count")
    return ctx.db.scalar(select(func.count()).select_from(Note)) or 0


@query
def lines(ctx: QueryCtx) -> list[str]:
    return list(ctx.db.scalars(select(Note.text).order_by(Note.id)))


@query
def line(ctx: QueryCtx, number: int) -> str | None:
    runs.append("line")
    return ctx.db.scalar(select(Note.text).where(Note.id == number))


@query
def nested(ctx: QueryCtx) -> int:
    return 10 * ctx.run_query(count)


@query
def strict(ctx: QueryCtx) -> int:
    number = ctx.db.scalar(select(func.count()).select_from(Note)) or 0
    if number % 2:
        raise ConvexError("CONFLICT", f"{number} is odd")
    return number


@query
def broken(ctx: QueryCtx) -> int:
    ctx.db.scalar(select(func.count()).select_from(Note))
    return ctx.db.execute(text("SELECT nothing FROM nowhere")).scalar_one()


@query
def with_setting(ctx: QueryCtx) -> str:
    if ctx.db.get_bind().dialect.name == "sqlite":
        return "mine"
    ctx.db.execute(text("SELECT set_config('convexpy.test', 'mine', true)"))
    return str(ctx.db.execute(text("SELECT current_setting('convexpy.test', true)")).scalar_one())


@query
def setting(ctx: QueryCtx) -> str:
    if ctx.db.get_bind().dialect.name == "sqlite":
        return ""
    ctx.db.scalar(select(func.count()).select_from(Note))
    return ctx.db.scalar(select(func.coalesce(func.current_setting("convexpy.test", True), ""))) or ""


@query
def whoami(ctx: QueryCtx) -> str | None:
    runs.append("whoami")
    return ctx.identity.subject if ctx.identity else None


@query
def slow(ctx: QueryCtx) -> int:
    number = ctx.db.scalar(select(func.count()).select_from(Note)) or 0
    runs.append("slow")
    gate.wait(PATIENCE_SECONDS)
    return number


@query
def endless(ctx: QueryCtx) -> int:
    number = ctx.db.scalar(select(func.count()).select_from(Note)) or 0
    while number == 1:
        pass
    return number


@query
def job_state(ctx: QueryCtx, job_id: JobId) -> str:
    job = ctx.system.get(job_id)
    return job.state.kind if job else "unknown"


@query(refresh=timedelta(milliseconds=100))
def clock(ctx: QueryCtx) -> float:
    return ctx.now.timestamp()


@mutation
def open_accounts(ctx: MutationCtx) -> None:
    ctx.db.add_all([Subscription(id=1, user_id="a", plan="100"), Subscription(id=2, user_id="b", plan="0")])


@mutation
def transfer(ctx: MutationCtx, amount: int) -> None:
    first, second = ctx.db.get_one(Subscription, 1), ctx.db.get_one(Subscription, 2)
    first.plan, second.plan = str(int(first.plan) - amount), str(int(second.plan) + amount)


@query
def balance(ctx: QueryCtx, account: int) -> int:
    return int(ctx.db.get_one(Subscription, account).plan)


@pytest.fixture(autouse=True)
def no_runs() -> Iterator[None]:
    runs.clear()
    gate.set()
    yield
    gate.set()


def app() -> ModuleType:
    return sys.modules[__name__]


@pytest.fixture
def live(database: str) -> Iterator[Convex]:
    with Convex(database, functions=app()) as convex:
        yield convex


def next_of(updates: Updates[Any]) -> Any:
    return updates.get(timeout=PATIENCE_SECONDS)


def test_the_first_value_comes_at_once_and_then_each_change(live: Convex) -> None:
    with live.subscribe(lines) as updates:
        assert next_of(updates) == []
        for number in range(3):
            live.run(add, line=str(number))
            assert next_of(updates) == [str(each) for each in range(number + 1)]


def test_a_value_that_equals_the_last_one_is_not_delivered(live: Convex) -> None:
    live.run(add, line="a")
    with live.subscribe(count) as counts, live.subscribe(lines) as all_lines:
        assert (next_of(counts), next_of(all_lines)) == (1, ["a"])
        live.run(rename, old="a", new="b")
        assert next_of(all_lines) == ["b"]
        live.run(add, line="c")
        assert next_of(counts) == 2


def test_values_of_one_subscriber_are_of_one_snapshot(live: Convex) -> None:
    live.run(open_accounts)
    stop = threading.Event()

    def move() -> None:
        while not stop.is_set():
            live.run(transfer, amount=random.randint(-9, 9))

    accounts = {"first": (balance, {"account": 1}), "second": (balance, {"account": 2})}
    with ThreadPoolExecutor(2) as pool, live.subscribe_all(accounts) as updates:
        work = [pool.submit(move) for _ in range(2)]
        try:
            seen = [next_of(updates) for _ in range(60)]
        finally:
            stop.set()
        for each in work:
            each.result()
        assert [values for values in seen if values["first"] + values["second"] != 100] == []
        last = {"first": live.run(balance, account=1), "second": live.run(balance, account=2)}
        newest = seen[-1]
        while newest != last:
            newest = next_of(updates)


def test_an_error_is_delivered_once_and_mended_by_the_next_commit(live: Convex) -> None:
    with live.subscribe(strict) as updates, live.subscribe(lines) as others:
        assert next_of(updates) == 0
        live.run(add, line="a")
        with pytest.raises(ConvexError, match="1 is odd"):
            next_of(updates)
        live.run(rename, old="a", new="b")
        wait_until(lambda: next_of(others) == ["b"], "the rename")
        live.run(add, line="c")
        assert next_of(updates) == 2


def test_the_same_value_comes_again_after_an_error(live: Convex) -> None:
    with live.subscribe_all({"strict": (strict, {})}) as updates:
        assert next_of(updates) == {"strict": 0}
        live.run(add, line="a")
        with pytest.raises(ConvexError, match="1 is odd"):
            next_of(updates)
        live.run(add, line="b")
        assert next_of(updates) == {"strict": 2}


def test_what_cannot_begin_is_refused_at_once(live: Convex) -> None:
    with pytest.raises(CallNotAllowed, match="add is a mutation"):
        live.subscribe(add, line="a")  # type: ignore[arg-type]
    with pytest.raises(InvalidArguments):
        live.subscribe(line, number="x")  # type: ignore[arg-type]
    with pytest.raises(FunctionNotFound):
        live.subscribe(internal.nothing)  # type: ignore[arg-type]
    with pytest.raises(InvalidArguments):
        live.subscribe_all({"a": (count, {}), "b": (line, {})})


def test_a_statement_that_fails_fails_its_query_alone(live: Convex) -> None:
    with live.subscribe(broken) as failing, live.subscribe(lines) as others:
        for number in range(3):
            with pytest.raises(Exception, match="nowhere") if number == 0 else pytest.raises(TimeoutError):
                failing.get(timeout=PATIENCE_SECONDS if number == 0 else 0)
            assert next_of(others) == [str(each) for each in range(number)]
            live.run(add, line=str(number))


def test_a_setting_of_one_query_is_not_met_by_another(live: Convex) -> None:
    queries = {"mine": (with_setting, {}), "others": (setting, {})}
    with live.subscribe_all(queries) as updates, live.subscribe(lines) as all_lines:
        assert next_of(updates) == {"mine": "mine", "others": ""}
        next_of(all_lines)
        live.run(add, line="a")
        assert next_of(all_lines) == ["a"]
        with pytest.raises(TimeoutError):
            updates.get(timeout=0)


def test_a_query_past_its_time_limit_fails_alone(database: str) -> None:
    settings = Settings(query_time_limit=timedelta(seconds=1))
    with (
        Convex(database, functions=app(), settings=settings) as live,
        live.subscribe(endless) as hanging,
        live.subscribe(count) as others,
    ):
        assert (next_of(hanging), next_of(others)) == (0, 0)
        live.run(add, line="a")
        with pytest.raises(FunctionTimeout):
            next_of(hanging)
        assert next_of(others) == 1
        live.run(add, line="b")
        assert next_of(others) == 2
        assert next_of(hanging) == 2


def test_a_slow_query_delays_only_itself(live: Convex) -> None:
    gate.clear()
    with live.subscribe(slow) as waiting, live.subscribe(lines) as quick:
        wait_until(lambda: "slow" in runs, "the slow query begins")
        assert next_of(quick) == []
        live.run(add, line="a")
        assert next_of(quick) == ["a"]
        gate.set()
        wait_until(lambda: next_of(waiting) == 1, "the slow query")
        with live.subscribe(count) as another:
            assert next_of(another) == 1


def test_equal_queries_run_once_whoever_asks(live: Convex) -> None:
    users = [live.with_identity(Identity(f"u{number}")) for number in range(20)]
    subscriptions = [user.subscribe(count) for user in users]
    for updates in subscriptions:
        assert next_of(updates) == 0
    runs.clear()
    live.run(add, line="a")
    for updates in subscriptions:
        assert next_of(updates) == 1
        updates.close()
    assert len(runs) <= 3  # and not 20: once, and once more in each of the groups that it may have changed to


def test_a_query_that_reads_the_identity_runs_for_each_user(live: Convex) -> None:
    users = [live.with_identity(Identity(f"u{number}")) for number in range(5)]
    subscriptions = [user.subscribe(whoami) for user in users]
    assert [next_of(updates) for updates in subscriptions] == [f"u{number}" for number in range(5)]
    for updates in subscriptions:
        updates.close()


def test_what_a_job_writes_is_seen_and_so_is_the_job(live: Convex) -> None:
    with live.running():
        job_id = live.run(add_later, line="a")
        with live.subscribe(job_state, job_id=job_id) as states, live.subscribe(lines) as all_lines:
            wait_until(lambda: next_of(states) == "success", "the job ends")
            if (seen := next_of(all_lines)) != ["a"]:
                assert (seen, next_of(all_lines)) == ([], ["a"])


def test_a_nested_query_counts_as_read(live: Convex) -> None:
    with live.subscribe(nested) as updates:
        assert next_of(updates) == 0
        live.run(add, line="a")
        assert next_of(updates) == 10


def test_a_query_with_refresh_runs_again_by_time(live: Convex) -> None:
    with live.subscribe(clock) as updates:
        first, second, third = next_of(updates), next_of(updates), next_of(updates)
        assert first < second < third


def test_writes_to_other_tables_run_nothing_again(live: Convex) -> None:
    with live.subscribe(count) as updates, live.subscribe(orders) as others:
        assert (next_of(updates), next_of(others)) == (0, 0)
        wait_until(lambda: settled(live), "the first runs are over")
        before = len(runs)
        live.run(add_order, order_id="o")
        assert next_of(others) == 1
        assert len(runs) == before


def settled(live: Convex) -> bool:
    """Whether functions of unknown speed have been tried, and have run in the groups where they belong then."""
    groups = live.live.groups()
    is_tried = not any(thread.name == "convexpy-live-new" for thread in threading.enumerate())
    has_run = not any(group.arrivals or any(query.is_stale for query in [*group.queries.values()]) for group in groups)
    return is_tried and has_run


@mutation
def add_order(ctx: MutationCtx, order_id: str) -> None:
    ctx.db.add(Order(id=order_id))


@query
def orders(ctx: QueryCtx) -> int:
    return ctx.db.scalar(select(func.count()).select_from(Order)) or 0


@query
def users(ctx: QueryCtx) -> list[str]:
    return list(ctx.db.scalars(select(User.id)))
