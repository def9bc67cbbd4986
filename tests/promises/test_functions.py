"""The three kinds of functions: what each may do, and what it is.

==== ======================================================================================
F1   test_a_query_reads_and_has_no_way_to_change_anything
F2   test_a_mutation_that_raises_keeps_no_write_no_schedule_and_no_cancel
F3   test_an_action_has_no_database, test_the_calls_of_an_action_are_transactions_of_their_own
F4   test_internal_is_a_builder_of_the_same_kind, test_the_server_reaches_internal_functions_by_its_own_door
F8   test_mutations_and_actions_can_be_scheduled_public_or_internal, test_a_query_cannot_be_scheduled
==== ======================================================================================
"""

from __future__ import annotations

import inspect
from typing import Any

import pytest
from app.models import Note
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError

from convexpy import (
    ActionCtx,
    ConvexError,
    FunctionNotFound,
    Identity,
    InvalidSchedule,
    JobId,
    MutationCtx,
    QueryCtx,
    SyncActionCtx,
    action,
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


def test_an_identity_is_a_subject_an_issuer_and_claims() -> None:
    identity = Identity("u1")
    assert (identity.subject, identity.issuer, identity.claims) == ("u1", None, {})
    assert Identity(subject="u1", issuer="https://i", claims={"email": "a@b.c"}).claims["email"] == "a@b.c"
