"""Builders and their middleware: which identities may call, what the handler gets, what happens around it.

==== ======================================================================================
F5   test_an_auth_builder_refuses_others_and_passes_the_user_on, test_a_second_middleware_reads_meta
F6   test_no_step_changes_the_builder_it_starts_from, test_meta_merges_along_the_chain
==== ======================================================================================
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from app.models import Base, Note, Order, User
from app.orders import get_order, process_order
from sqlalchemy import select
from support.apps import app_of

from convexpy import ActionCtx, ConvexError, MutationCtx, QueryCtx, action, mutation, query
from convexpy.testing import ConvexTest

promise = pytest.mark.promise
seen: list[Any] = []


@pytest.fixture(autouse=True)
def nothing_seen() -> None:
    seen.clear()


@promise("F5")
def test_an_auth_builder_refuses_others_and_passes_the_user_on(shop: ConvexTest) -> None:
    with shop.db() as db:
        db.add_all([User(id="u1"), Order(id="o1")])
    for other in (shop.with_identity(None), shop.as_user("u2")):
        with pytest.raises(ConvexError) as refused:
            other.run(process_order, order_id="o1")
        assert (refused.value.code, refused.value.message) == ("UNAUTHORIZED", "Not authenticated")
    assert shop.jobs() == []
    shop.as_user("u1").run(process_order, order_id="o1")
    assert shop.run(get_order, order_id="o1").status == "processing"


@promise("F5")
def test_a_second_middleware_reads_meta(shop: ConvexTest) -> None:
    with shop.db() as db:
        db.add_all([User(id="u1"), User(id="boss", role="admin"), Order(id="o1")])
    with pytest.raises(ConvexError) as refused:
        shop.as_user("u1").call("orders:delete_order", {"order_id": "o1"})
    assert (refused.value.code, refused.value.data) == ("FORBIDDEN", {"needs": "admin"})
    shop.as_user("boss").call("orders:delete_order", {"order_id": "o1"})
    with shop.db() as db:
        assert db.get(Order, "o1") is None


@promise("F6")
def test_no_step_changes_the_builder_it_starts_from() -> None:
    def stop(ctx: MutationCtx) -> MutationCtx:
        raise AssertionError

    def handler(ctx: MutationCtx) -> None: ...

    base = mutation.meta(a=1)
    base.meta(a=2, b=3)
    base.use(stop)
    assert base.internal is not base
    base(aliases=["old:name"])
    made = base(handler)
    assert (dict(made.meta), made.middleware, made.visibility, made.aliases) == ({"a": 1}, (), "public", ())
    assert mutation(handler).meta == {}


@promise("F6")
def test_meta_merges_along_the_chain_and_is_readable_in_the_call() -> None:
    @query.meta(auth="optional", role="user").meta(auth="required")
    def read_meta(ctx: QueryCtx) -> dict[str, Any]:
        return dict(ctx.function.meta)

    with ConvexTest(app_of(read_meta)) as convex:
        assert convex.run(read_meta) == {"auth": "required", "role": "user"}
    with pytest.raises(TypeError):
        read_meta.meta["role"] = "admin"  # type: ignore[index]


class Counted(QueryCtx):
    """A context with an extra of the first middleware."""

    count: int


class CountedAndNamed(Counted):
    """A context with an extra of the second one as well."""

    name: str
    note: str = "by default"


def add_count(ctx: QueryCtx) -> Counted:
    seen.append("count")
    return ctx.extend(Counted, count=3)


def add_name(ctx: Counted) -> CountedAndNamed:
    seen.append("name")
    return ctx.extend(CountedAndNamed, name="x" * ctx.count)


def test_middleware_runs_in_order_and_gets_what_the_one_before_returned() -> None:
    @query.use(add_count).use(add_name)
    def extras(ctx: CountedAndNamed) -> tuple[int, str, str]:
        assert isinstance(ctx, CountedAndNamed)
        return ctx.count, ctx.name, ctx.note

    with ConvexTest(app_of(extras)) as convex:
        assert convex.run(extras) == (3, "xxx", "by default")
    assert seen == ["count", "name"]


@pytest.mark.parametrize("extras", [{}, {"count": 1, "cuont": 2}])
def test_extending_a_context_with_too_little_or_too_much_is_an_error(extras: dict[str, Any]) -> None:
    def extend_badly(ctx: QueryCtx) -> Counted:
        return ctx.extend(Counted, **extras)

    @query.use(extend_badly)
    def never(ctx: Counted) -> None:
        seen.append("ran")

    with ConvexTest(app_of(never)) as convex, pytest.raises(TypeError, match=r"count|cuont"):
        convex.run(never)
    assert seen == []


def test_a_middleware_that_returns_no_context_is_an_error_that_names_it() -> None:
    def forget_to_return(ctx: QueryCtx) -> Any: ...

    @query.use(forget_to_return)
    def never(ctx: QueryCtx) -> None: ...

    with ConvexTest(app_of(never)) as convex, pytest.raises(TypeError, match="forget_to_return"):
        convex.run(never)


def around(ctx: MutationCtx) -> Iterator[MutationCtx]:
    seen.append("before")
    try:
        yield ctx
    except ValueError as error:
        seen.append(f"saw {error}")
        raise
    else:
        ctx.db.add(Note(text="from the middleware"))
    finally:
        seen.append("after")


def test_a_generator_middleware_runs_around_the_handler_in_its_transaction() -> None:
    @mutation.use(around)
    def handler(ctx: MutationCtx) -> None:
        seen.append("handler")

    with ConvexTest(app_of(handler), metadata=Base.metadata) as convex:
        convex.run(handler)
        with convex.db() as db:
            assert db.scalars(select(Note.text)).all() == ["from the middleware"]
    assert seen == ["before", "handler", "after"]


def test_a_generator_middleware_sees_and_may_replace_the_error() -> None:
    def replace(ctx: MutationCtx) -> Iterator[MutationCtx]:
        try:
            yield ctx
        except ValueError as error:
            raise ConvexError("CONFLICT", "replaced") from error

    @mutation.use(replace).use(around)
    def fail(ctx: MutationCtx) -> None:
        raise ValueError("oh")

    with ConvexTest(app_of(fail)) as convex, pytest.raises(ConvexError, match="replaced"):
        convex.run(fail)
    assert seen == ["before", "saw oh", "after"]


def test_a_generator_middleware_cannot_make_an_error_go_away() -> None:
    def swallow(ctx: MutationCtx) -> Iterator[MutationCtx]:
        try:
            yield ctx
        except ValueError:
            seen.append("swallowed")

    @mutation.use(swallow)
    def fail(ctx: MutationCtx) -> None:
        ctx.db.add(Note(text="never"))
        raise ValueError("oh")

    with ConvexTest(app_of(fail), metadata=Base.metadata) as convex:
        with pytest.raises(ValueError, match="oh"):
            convex.run(fail)
        with convex.db() as db:
            assert db.scalars(select(Note)).all() == []
    assert seen == ["swallowed"]


def test_a_middleware_that_raises_keeps_the_handler_from_running() -> None:
    def refuse(ctx: QueryCtx) -> QueryCtx:
        raise ConvexError("FORBIDDEN", "closed")

    @query.use(refuse)
    def never(ctx: QueryCtx) -> None:
        seen.append("ran")

    with ConvexTest(app_of(never)) as convex, pytest.raises(ConvexError, match="closed"):
        convex.run(never)
    assert seen == []


def test_an_async_action_may_have_middleware_of_both_colours() -> None:
    async def first(ctx: ActionCtx) -> ActionCtx:
        seen.append("async")
        return ctx

    def second(ctx: ActionCtx) -> ActionCtx:
        seen.append("plain")
        return ctx

    async def third(ctx: ActionCtx) -> AsyncIterator[ActionCtx]:
        seen.append("in")
        yield ctx
        seen.append("out")

    @action.use(first).use(second).use(third)
    async def go(ctx: ActionCtx) -> None:
        seen.append("handler")

    with ConvexTest(app_of(go)) as convex:
        convex.run(go)
    assert seen == ["async", "plain", "in", "handler", "out"]
