"""The three kinds of functions, the names they get, and what cannot be one.

==== ======================================================================================
F1   test_a_query_reads_and_has_no_way_to_change_anything
F2   test_a_mutation_that_raises_keeps_no_write_no_schedule_and_no_cancel
F3   test_an_action_has_no_database, test_the_calls_of_an_action_are_transactions_of_their_own
F4   test_internal_is_a_builder_of_the_same_kind, test_the_server_reaches_internal_functions_by_its_own_door
F7   test_a_function_is_named_after_its_place, test_an_alias_reaches_the_renamed_function
F8   test_mutations_and_actions_can_be_scheduled_public_or_internal, test_a_query_cannot_be_scheduled
==== ======================================================================================
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest
from app.models import Note, Order
from app.orders import get_order, process_order
from app.plugins.email import send
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from stage import app_of

from convexpy import (
    ActionCtx,
    ConvexError,
    FunctionNotFound,
    Identity,
    InvalidSchedule,
    JobId,
    LoadError,
    MutationCtx,
    QueryCtx,
    SyncActionCtx,
    action,
    api,
    internal,
    internal_action,
    internal_mutation,
    internal_query,
    mutation,
    query,
)
from convexpy.testing import ConvexTest

promise = pytest.mark.promise
seen: list[Any] = []


@pytest.fixture(autouse=True)
def nothing_seen() -> None:
    seen.clear()


# ---------------------------------------------------------------------------------------------- the app of this file


@query
def count_notes(ctx: QueryCtx) -> int:
    """How many notes there are."""
    return ctx.db.scalars(select(func.count()).select_from(Note)).one()


@mutation
def write(ctx: MutationCtx, text: str) -> None:
    ctx.db.add(Note(text=text))


@mutation
def schedule_write(ctx: MutationCtx, text: str) -> JobId:
    return ctx.schedule.now(write, text=text)


@mutation
def do_everything_and_raise(ctx: MutationCtx, job_id: JobId) -> None:
    ctx.db.add(Note(text="never"))
    ctx.db.flush()
    ctx.schedule.now(write, text="never")
    ctx.schedule.cancel(job_id)
    raise ValueError("no")


@query
def try_everything(ctx: QueryCtx) -> list[str]:
    return [name for name in ("schedule", "run_mutation", "run_action") if hasattr(ctx, name)]


@query
def reach_for_the_schedule(ctx: QueryCtx) -> None:
    ctx.schedule.now(write, text="never")  # type: ignore[attr-defined]


@action
async def reach_for_the_database(ctx: ActionCtx) -> None:
    ctx.db.execute(select(Note))  # type: ignore[attr-defined]


@action
async def write_twice_and_fail(ctx: ActionCtx) -> None:
    await ctx.run_mutation(write, text="first")
    seen.append(await ctx.run_query(count_notes))
    await ctx.run_mutation(write, text="first")  # the text of a note is unique


@internal_query
def secret_count(ctx: QueryCtx) -> int:
    return count_notes(ctx)


@internal_mutation
def secret_write(ctx: MutationCtx, text: str) -> None:
    write(ctx, text=text)


@internal_action
def secret_action(ctx: SyncActionCtx) -> str:
    return "done"


@action
async def wave(ctx: ActionCtx) -> str:
    return "hello"


@mutation
def schedule_all_kinds(ctx: MutationCtx) -> None:
    ctx.schedule.now(write, text="public mutation")
    ctx.schedule.now(secret_write, text="internal mutation")
    ctx.schedule.now(wave)
    ctx.schedule.now(secret_action)


@mutation
def schedule_a_query(ctx: MutationCtx) -> None:
    ctx.schedule.now(count_notes)  # type: ignore[arg-type]


# ---------------------------------------------------------------------------------------------- the three kinds


@promise("F1")
def test_a_query_reads_and_has_no_way_to_change_anything(convex: ConvexTest) -> None:
    convex.run(write, text="one")
    assert convex.run(count_notes) == 1
    assert convex.run(try_everything) == []
    with pytest.raises(ConvexError, match=r"ctx\.schedule does not exist in a query") as refused:
        convex.run(reach_for_the_schedule)
    assert isinstance(refused.value, AttributeError)
    assert convex.jobs() == []


@promise("F2")
def test_a_mutation_that_raises_keeps_no_write_no_schedule_and_no_cancel(convex: ConvexTest) -> None:
    job_id = convex.run(schedule_write, text="kept")
    with pytest.raises(ValueError, match="no"):
        convex.run(do_everything_and_raise, job_id=job_id)
    assert [job.id for job in convex.jobs()] == [job_id]
    convex.run_due()
    with convex.db() as db:
        assert db.scalars(select(Note.text)).all() == ["kept"]


@promise("F3")
def test_an_action_has_no_database(convex: ConvexTest) -> None:
    with pytest.raises(ConvexError, match=r"ctx\.run_query"):
        convex.run(reach_for_the_database)


@promise("F3")
def test_the_calls_of_an_action_are_transactions_of_their_own(convex: ConvexTest) -> None:
    with pytest.raises(IntegrityError):
        convex.run(write_twice_and_fail)
    assert seen == [1]
    assert convex.run(count_notes) == 1


@promise("F4")
@pytest.mark.parametrize(
    ("public", "internal"),
    [(query, internal_query), (mutation, internal_mutation), (action, internal_action)],
)
def test_internal_is_a_builder_of_the_same_kind(public: Any, internal: Any) -> None:
    def handler(ctx: Any) -> None: ...

    assert public(handler).visibility == "public"
    for builder in (internal, public.internal):
        assert builder(handler).visibility == "internal"
        assert builder(handler).kind == public(handler).kind


@promise("F4")
def test_the_server_reaches_internal_functions_by_its_own_door(convex: ConvexTest) -> None:
    convex.run(secret_write, text="a")
    assert convex.run(secret_count) == 1
    assert convex.call(f"{__name__}:secret_count") == 1
    assert convex.run(secret_action) == "done"


# ---------------------------------------------------------------------------------------------- functions


@promise("F7")
def test_a_function_is_named_after_its_place(shop: ConvexTest) -> None:
    assert process_order.name == "orders:process_order"
    assert send.name == "plugins/email:send"
    assert {"orders:charge", "subscriptions:expire", "status:get_job_status", "plugins/email:send"} <= {
        function.name for function in shop.convex.registry.functions.values()
    }


@promise("F7")
def test_an_alias_reaches_the_renamed_function(shop: ConvexTest) -> None:
    with shop.db() as db:
        db.add(Order(id="o1"))
    shop.call("orders:paid", {"order_id": "o1"})
    assert shop.run(get_order, order_id="o1").status == "paid"


def test_aliases_are_a_list(convex: ConvexTest) -> None:
    with pytest.raises(LoadError, match=r"Write aliases=\['orders:old'\]"):
        mutation(aliases="orders:old")


@promise("F7")
def test_a_pending_job_survives_the_renaming_of_its_function(database: str) -> None:
    @mutation
    def old(ctx: MutationCtx, x: int) -> None:
        raise AssertionError("the old function is gone")

    @mutation(aliases=["made:old"])
    def new(ctx: MutationCtx, x: int) -> None:
        seen.append(x)

    @mutation
    def schedule_old(ctx: MutationCtx) -> None:
        ctx.schedule.after(1000, old, x=5)

    with ConvexTest(app_of(old, schedule_old), database_url=database) as before:
        before.run(schedule_old)
        now = before.now
    with ConvexTest(app_of(new), database_url=database, now=now) as after:
        after.advance(seconds=1)
        assert [job.state.kind for job in after.jobs()] == ["success"]
    assert seen == [5]


@mutation
def schedule_by_reference(ctx: MutationCtx, right: bool) -> JobId:
    door = internal if right else api
    return ctx.schedule.now(door.test_functions.secret_write, text="by reference")


@promise("F4", "F7")
def test_a_reference_reaches_a_function_by_its_name_and_through_the_right_door(convex: ConvexTest) -> None:
    job_id = convex.run(schedule_by_reference, right=True)
    assert convex.job(job_id).name == f"{__name__}:secret_write"  # type: ignore[union-attr]
    with pytest.raises(InvalidSchedule, match=r"is internal, so write `internal"):
        convex.run(schedule_by_reference, right=False)
    assert repr(internal.plugins.email.send) == "internal.plugins.email.send"
    assert str(api.plugins.email.send) == "plugins/email:send"


def test_a_name_that_nobody_has_is_an_error_with_the_nearest_one(shop: ConvexTest) -> None:
    with pytest.raises(FunctionNotFound, match=r"Did you mean 'orders:charge'") as missing:
        shop.call("orders:chrage", {})
    assert missing.value.code == "NOT_FOUND"


def test_a_function_carries_its_name_kind_visibility_and_schemas(convex: ConvexTest) -> None:
    assert (write.name, write.kind, write.visibility) == (f"{__name__}:write", "mutation", "public")
    assert (count_notes.kind, wave.kind) == ("query", "action")
    assert write.arguments_schema["properties"]["text"]["type"] == "string"
    assert write.arguments_schema["required"] == ["text"]
    assert write.arguments_schema["additionalProperties"] is False
    assert count_notes.result_schema == {"type": "integer"}
    assert count_notes.__doc__ == "How many notes there are."
    assert list(inspect.signature(write).parameters) == ["ctx", "text"]


def test_calling_a_function_is_calling_the_plain_handler() -> None:
    def refuse(ctx: MutationCtx) -> MutationCtx:
        raise AssertionError("the plain handler has no middleware")

    @mutation.use(refuse)
    def shout(ctx: MutationCtx, text: str) -> str:
        return text.upper() * 2

    assert shout(None, text="a") == "AA"  # type: ignore[arg-type]


def test_decorating_has_no_side_effect(convex: ConvexTest) -> None:
    @mutation
    def unknown_to_the_app(ctx: MutationCtx) -> None: ...

    with pytest.raises(FunctionNotFound):
        convex.run(unknown_to_the_app)


@promise("F8")
def test_mutations_and_actions_can_be_scheduled_public_or_internal(convex: ConvexTest) -> None:
    convex.run(schedule_all_kinds)
    convex.run_due()
    assert sorted((job.name.partition(":")[2], job.state.kind) for job in convex.jobs()) == [
        ("secret_action", "success"),
        ("secret_write", "success"),
        ("wave", "success"),
        ("write", "success"),
    ]


@promise("F8")
def test_a_query_cannot_be_scheduled(convex: ConvexTest) -> None:
    with pytest.raises(InvalidSchedule, match="is a query"):
        convex.run(schedule_a_query)
    assert convex.jobs() == []


# ---------------------------------------------------------------------------------------------- refused


def takes_args(ctx: Any, *items: int) -> None: ...
def takes_kwargs(ctx: Any, **items: int) -> None: ...
def takes_positional_only(ctx: Any, item: int, /) -> None: ...
def takes_private(ctx: Any, _item: int) -> None: ...
def takes_nothing() -> None: ...


@pytest.mark.parametrize("handler", [takes_args, takes_kwargs, takes_positional_only, takes_private, takes_nothing])
@pytest.mark.parametrize("builder", [query, mutation, action])
def test_a_signature_without_a_schema_is_refused_when_decorating(builder: Any, handler: Callable[..., None]) -> None:
    with pytest.raises(LoadError, match=rf"test_functions\.py:\d+.*{handler.__name__}"):
        builder(handler)


async def async_handler(ctx: Any) -> None: ...
def takes_the_async_context(ctx: ActionCtx) -> None: ...
async def takes_the_sync_context(ctx: SyncActionCtx) -> None: ...
def takes_a_mutation_context(ctx: MutationCtx) -> None: ...
def takes_a_query_context(ctx: QueryCtx) -> None: ...
def is_a_generator(ctx: Any) -> Any:
    yield 1


@pytest.mark.parametrize(
    ("builder", "handler", "advice"),
    [
        (query, async_handler, "Make it `def`"),
        (mutation, async_handler, "Make it `def`"),
        (action, takes_the_async_context, "SyncActionCtx, or make the action `async def`"),
        (action, takes_the_sync_context, "ActionCtx, or make the action `def`"),
        (query, takes_a_mutation_context, "QueryCtx"),
        (action, takes_a_query_context, "SyncActionCtx"),
        (query, is_a_generator, "Return a list"),
    ],
)
def test_the_wrong_colour_is_an_error_when_the_app_loads(builder: Any, handler: Any, advice: str) -> None:
    function = builder(handler)
    with pytest.raises(LoadError) as refused, ConvexTest(app_of(function)):
        pass
    (problem,) = refused.value.problems
    assert f"made:{handler.__name__}" in problem
    assert advice in problem
    assert "test_functions.py:" in problem


def test_async_middleware_under_a_plain_handler_is_an_error_when_the_app_loads() -> None:
    async def wait(ctx: Any) -> Any:
        return ctx

    def handler(ctx: Any) -> None: ...

    function: Any = query.use(wait)(handler)  # type: ignore[arg-type]
    with pytest.raises(LoadError, match="wait"), ConvexTest(app_of(function)):
        pass


def test_an_identity_is_a_subject_an_issuer_and_claims() -> None:
    identity = Identity("u1")
    assert (identity.subject, identity.issuer, identity.claims) == ("u1", None, {})
    assert Identity(subject="u1", issuer="https://i", claims={"email": "a@b.c"}).claims["email"] == "a@b.c"
