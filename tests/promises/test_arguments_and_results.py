"""Arguments and results: the signature is the schema.

No line of the checklist is about them alone; F8, S6 and S11 stand on them. The first tests are about arguments, the
others about results.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any

import pytest
from app.models import Note
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select
from support.apps import START, app_of
from support.cart import SKU, Cart

from convexpy import (
    ConvexError,
    InvalidArguments,
    InvalidResult,
    JobId,
    LoadError,
    MutationCtx,
    QueryCtx,
    mutation,
    query,
)
from convexpy.testing import ConvexTest

arrived: list[Any] = []


@pytest.fixture(autouse=True)
def nothing_arrived() -> None:
    arrived.clear()


# ---------------------------------------------------------------------------------------------- arguments


@mutation
def order(ctx: MutationCtx, item: str, count: Annotated[int, Field(gt=0)] = 1, note: str | None = None) -> int:
    arrived.append((item, count, note))
    return count


@mutation
def ship(
    ctx: MutationCtx,
    order_id: Annotated[str, Field(alias="orderId")],
    fast: Annotated[bool, Field(alias="asap")] = False,
) -> str:
    arrived.append((order_id, fast))
    return order_id


@mutation
def schedule_ship(ctx: MutationCtx) -> None:
    ctx.schedule.now(ship, order_id="o1", fast=True)
    ctx.schedule.now(ship, orderId="o2", asap=True)  # type: ignore[call-arg]


def test_a_parameter_with_an_alias_is_accepted_by_both_names(convex: ConvexTest) -> None:
    assert convex.run(ship, "o1", fast=True) == "o1"
    assert convex.run(ship, order_id="o2") == "o2"
    assert convex.run(ship, orderId="o3") == "o3"  # type: ignore[call-arg]
    assert convex.call("test_arguments_and_results:ship", {"orderId": "o4", "asap": True}) == "o4"
    assert convex.call("test_arguments_and_results:ship", {"order_id": "o5", "fast": False}) == "o5"
    assert arrived == [("o1", True), ("o2", False), ("o3", False), ("o4", True), ("o5", False)]
    arrived.clear()
    convex.run(schedule_ship)
    convex.run_due()
    assert sorted(arrived) == [("o1", True), ("o2", True)]
    with pytest.raises(InvalidArguments, match="orderId"):
        convex.call("test_arguments_and_results:ship", {})


@mutation
def schedule_badly(ctx: MutationCtx, how: str) -> None:
    if how == "missing":
        ctx.schedule.now(order)  # type: ignore[call-arg]
    elif how == "misspelt":
        ctx.schedule.now(order, item="tea", cuont=2)  # type: ignore[call-arg]
    elif how == "wrong type":
        ctx.schedule.now(order, item=5)  # type: ignore[arg-type]
    elif how == "constraint":
        ctx.schedule.now(order, item="tea", count=0)
    elif how == "too many":
        ctx.schedule.now(order, "tea", 1, None, 4)  # type: ignore[call-arg]
    elif how == "twice":
        ctx.schedule.now(order, "tea", item="tea")  # type: ignore[misc]


@pytest.mark.parametrize("how", ["missing", "misspelt", "wrong type", "constraint", "too many", "twice"])
@pytest.mark.in_turns
def test_bad_arguments_are_refused_when_scheduling(convex: ConvexTest, how: str) -> None:
    with pytest.raises(InvalidArguments, match=f"{__name__}:order") as refused:
        convex.run(schedule_badly, how=how)
    assert (refused.value.code, refused.value.status) == ("BAD_REQUEST", 400)
    assert convex.jobs() == []


def test_every_bad_argument_is_listed_with_its_path(convex: ConvexTest) -> None:
    with pytest.raises(InvalidArguments) as refused:
        convex.call(f"{__name__}:order", {"itme": "tea", "count": -1})
    assert isinstance(refused.value.data, dict)
    assert {issue["path"] for issue in refused.value.data["issues"]} == {"item", "itme", "count"}
    assert "did you mean 'item'?" in refused.value.message
    assert arrived == []


def test_arguments_are_passed_by_name_or_by_position(convex: ConvexTest) -> None:
    convex.run(order, "tea", 2, note="hot")
    convex.run(order, item="milk")
    convex.call(f"{__name__}:order", {"item": "sugar", "count": "3"})
    assert arrived == [("tea", 2, "hot"), ("milk", 1, None), ("sugar", 3, None)]


@pytest.mark.parametrize("values", [[], "tea", 5])
def test_json_arguments_are_one_object(convex: ConvexTest, values: Any) -> None:
    with pytest.raises(InvalidArguments, match="one JSON object"):
        convex.call(f"{__name__}:order", values)


class StrictWhen(BaseModel):
    """A model that converts nothing."""

    model_config = ConfigDict(strict=True)

    when: datetime
    what: bytes = b""


@query
def echo_strict(ctx: QueryCtx, value: StrictWhen, raw: bytes) -> tuple[StrictWhen, bytes]:
    arrived.append((value.when, raw))
    return value, raw


def test_call_takes_and_gives_json_values(convex: ConvexTest) -> None:
    given = {"value": {"when": "2030-01-07T12:00:00Z", "what": "_wA="}, "raw": "__8="}
    assert convex.call(f"{__name__}:echo_strict", given) == [given["value"], given["raw"]]
    assert arrived == [(START, b"\xff\xff")]


def test_run_takes_and_gives_python_values(convex: ConvexTest) -> None:
    value = StrictWhen(when=START, what=b"\xff")
    assert convex.run(echo_strict, value, raw=b"\xff") == (value, b"\xff")


def test_a_pydantic_model_may_be_a_parameter(convex: ConvexTest) -> None:
    given = {"lines": [{"sku": str(SKU), "price": "9.990", "tags": []}], "madeAt": "2030-01-07T12:00:00Z"}
    total = convex.call(f"{__name__}:total", {"cart": given})
    assert total == "9.990"
    with pytest.raises(InvalidArguments, match=r"cart\.lines\[0\]\.sku"):
        convex.call(f"{__name__}:total", {"cart": {**given, "lines": [{"price": 1}]}})


@query
def total(ctx: QueryCtx, cart: Cart) -> Decimal:
    return sum((line.price for line in cart.lines), Decimal(0))


def test_arguments_are_checked_again_when_the_job_runs(database: str) -> None:
    @mutation
    def work(ctx: MutationCtx, x: int) -> None: ...

    @mutation
    def schedule_work(ctx: MutationCtx) -> JobId:
        return ctx.schedule.after(1000, work, x=5)

    @mutation
    def changed(ctx: MutationCtx, y: str) -> None:
        arrived.append("ran")

    with ConvexTest(app_of(work, schedule_work), database_url=database, now=START) as first:
        job_id = first.run(schedule_work)
    with ConvexTest(app_of(work=changed), database_url=database, now=START) as second:
        second.advance(seconds=1)
        job = second.job(job_id)
        assert job is not None
        assert (job.state.kind, job.attempts) == ("failed", 1)
        assert job.state.error is not None
        assert "y: Field required" in job.state.error
    assert arrived == []


def test_a_new_optional_parameter_takes_the_default_of_the_day_it_runs(database: str) -> None:
    @mutation
    def work(ctx: MutationCtx, x: int) -> None: ...

    @mutation
    def schedule_work(ctx: MutationCtx) -> None:
        ctx.schedule.after(1000, work, x=5)

    @mutation
    def changed(ctx: MutationCtx, x: int, y: str = "new") -> None:
        arrived.append((x, y))

    with ConvexTest(app_of(work, schedule_work), database_url=database, now=START) as first:
        first.run(schedule_work)
    with ConvexTest(app_of(work=changed), database_url=database, now=START) as second:
        second.advance(seconds=1)
    assert arrived == [(5, "new")]


# ---------------------------------------------------------------------------------------------- results


@mutation
def promise_a_number(ctx: MutationCtx, result: Any) -> int:
    ctx.db.add(Note(text="never"))
    ctx.schedule.now(order, item="never")
    return result  # type: ignore[no-any-return]


def test_a_wrong_result_rolls_everything_back(convex: ConvexTest) -> None:
    with pytest.raises(InvalidResult, match="output validation failed") as wrong:
        convex.run(promise_a_number, result="the server's secret")
    assert isinstance(wrong.value, ConvexError)
    assert wrong.value.code == "INTERNAL_SERVER_ERROR"
    assert "secret" not in str(wrong.value)
    assert convex.jobs() == []
    with convex.db() as db:
        assert db.scalars(select(Note)).all() == []
    assert convex.run(promise_a_number, result=7) == 7
    assert len(convex.jobs()) == 1


class NoteView(BaseModel):
    """A note as callers see it."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    text: str


@mutation
def make_note(ctx: MutationCtx, text: str) -> NoteView:
    note = Note(text=text)
    ctx.db.add(note)
    ctx.db.flush()
    return NoteView.model_validate(note)


@query
def find_notes(ctx: QueryCtx) -> list[NoteView]:
    return ctx.db.scalars(select(Note)).all()  # type: ignore[return-value]


def test_rows_may_stand_in_for_a_model_that_reads_attributes(convex: ConvexTest) -> None:
    made = convex.run(make_note, text="a")
    assert convex.run(find_notes) == [made]
    assert convex.call(f"{__name__}:find_notes") == [{"id": made.id, "text": "a"}]


def test_a_function_without_a_return_annotation_may_return_anything(database: str) -> None:
    def anything(ctx, value):  # type: ignore[no-untyped-def]
        return {"got": value}

    function = query(anything)
    with ConvexTest(app_of(function), database_url=database) as convex:
        assert convex.run(function, value=1) == {"got": 1}


class NotASchema:
    """A class that pydantic knows nothing of."""


def takes_an_odd_type(ctx: Any, value: NotASchema) -> None: ...


def gives_an_odd_type(ctx: Any) -> NotASchema:
    return NotASchema()


def takes_an_unknown_name(ctx: Any, value: Missing) -> None: ...  # type: ignore[name-defined]  # noqa: F821


@pytest.mark.parametrize("handler", [takes_an_odd_type, gives_an_odd_type, takes_an_unknown_name])
def test_an_annotation_without_a_schema_is_an_error_when_the_app_loads(handler: Any) -> None:
    function = query(handler)
    with (
        pytest.raises(LoadError, match=rf"test_arguments_and_results\.py:\d+: .*{handler.__name__}"),
        ConvexTest(app_of(function)),
    ):
        pass


def test_the_class_of_a_table_is_refused_as_a_result_in_words() -> None:
    @query
    def rows(ctx: QueryCtx) -> dict[str, list[Note] | None]:
        return {}

    with pytest.raises(LoadError, match=r"Note is the class of a table.*write a pydantic model"):
        ConvexTest(app_of(rows)).__enter__()
