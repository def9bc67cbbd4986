"""The names of functions, their aliases, and the references that reach them.

==== ======================================================================================
F7   test_a_function_is_named_after_its_place, test_an_alias_reaches_the_renamed_function
==== ======================================================================================
"""

from __future__ import annotations

from typing import Any

import pytest
from app.models import Note, Order
from app.orders import get_order, process_order
from app.plugins.email import send
from support.apps import app_of

from convexpy import (
    FunctionNotFound,
    InvalidSchedule,
    JobId,
    LoadError,
    MutationCtx,
    api,
    internal,
    internal_mutation,
    mutation,
)
from convexpy.testing import ConvexTest

promise = pytest.mark.promise
seen: list[Any] = []


@pytest.fixture(autouse=True)
def nothing_seen() -> None:
    seen.clear()


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


@internal_mutation
def secret_write(ctx: MutationCtx, text: str) -> None:
    ctx.db.add(Note(text=text))


@mutation
def schedule_by_reference(ctx: MutationCtx, right: bool) -> JobId:
    door = internal if right else api
    return ctx.schedule.now(door.test_function_names.secret_write, text="by reference")


@promise("F4", "F7")
def test_a_reference_finds_a_function_by_name_and_visibility(convex: ConvexTest) -> None:
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
