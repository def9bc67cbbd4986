"""Arguments and results: the signature is the schema, and what was scheduled is what runs.

No line of the checklist is about them alone; F8, S6 and S11 stand on them. The first tests are about what is stored and
comes back, the next about arguments, the last about results.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum
from pathlib import Path
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from app.models import Base, Note
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr
from sqlalchemy import select
from stage import START, app_of

from convexpy import (
    ConvexError,
    Identity,
    InvalidArguments,
    InvalidResult,
    JobId,
    LoadError,
    MutationCtx,
    QueryCtx,
    internal_mutation,
    mutation,
    query,
)
from convexpy.testing import ConvexTest

arrived: list[Any] = []


@pytest.fixture(autouse=True)
def nothing_arrived() -> None:
    arrived.clear()


class Color(Enum):
    RED = "red"
    TWO = 2


class Level(IntEnum):
    LOW = 1
    HIGH = 2


class Line(BaseModel):
    """A nested model."""

    sku: UUID
    price: Decimal
    tags: set[str] = set()


class Cart(BaseModel):
    """A model of models, with a name of its own in JSON."""

    model_config = ConfigDict(populate_by_name=True)

    lines: list[Line]
    made_at: datetime = Field(alias="madeAt")
    color: Color | None = None


class MaybeNumber(BaseModel):
    """A model in which NaN has no JSON form."""

    number: float | None = None


@dataclass
class Point:
    """A plain dataclass."""

    x: float
    y: float


SKU = UUID("12345678-1234-5678-1234-567812345678")
CART = Cart(lines=[Line(sku=SKU, price=Decimal("9.990"), tags={"a", "b"})], made_at=START, color=Color.TWO)
NESTED: Any = "deep"
for _ in range(100):
    NESTED = [NESTED]

ROUND_TRIPS: list[tuple[Any, Any]] = [
    (datetime, START + timedelta(microseconds=1)),
    (datetime, datetime(2030, 1, 7, 12, tzinfo=timezone(timedelta(hours=5, minutes=30)))),
    (datetime, datetime(2030, 1, 7, 12)),
    (date, date(2030, 1, 7)),
    (time, time(23, 59, 59, 999_999)),
    (timedelta, timedelta(days=-3, microseconds=1)),
    (Decimal, Decimal("0.1000000000000000000000000001")),
    (UUID, SKU),
    (Color, Color.RED),
    (Color, Color.TWO),
    (Level, Level.HIGH),
    (Literal["a", 1], 1),
    (bytes, bytes(range(256))),
    (list[bytes], [b"", b"\xff"]),
    (set[int], {3, 1, 2}),
    (frozenset[str], frozenset({"x"})),
    (tuple[int, str], (1, "a")),
    (tuple[int, ...], (1, 2, 3)),
    (dict[int, date], {1: date(2030, 1, 7)}),
    (Cart, CART),
    (list[Cart], [CART, CART]),
    (Point, Point(1.5, -0.0)),
    (Identity, Identity("u1", None, {"email": "a@b.c"})),
    (int | str, "1"),
    (int | str, 1),
    (float, math.nan),
    (float, math.inf),
    (list[float], [-math.inf, math.nan, 0.1]),
    (int, 2**63),
    (int, -(2**200)),
    (bool, True),
    (Path, Path("/tmp/ä")),
    (Any, {"a": [1, None, {"b": 2.5}]}),
    (Any, NESTED),
    (str, "naïve 🚲 \u2028 \\u0000 \x01 end"),
    (JobId, JobId("0" * 32)),
]


def keeping(annotation: Any, name: str = "keep") -> Any:
    """A mutation that takes one value of a type, remembers it, and returns it."""

    def keep(ctx: Any, value: Any) -> Any:
        arrived.append(value)
        return value

    keep.__name__ = name
    keep.__annotations__ = {"value": annotation, "return": annotation}
    return mutation(keep)


def same(one: Any, other: Any) -> bool:
    return repr(one) == repr(other) or one == other


@mutation
def schedule_value(ctx: MutationCtx) -> None:
    function, value = arrived.pop()
    ctx.schedule.now(function, value=value)


KEEPERS = [keeping(annotation, f"keep_{index}") for index, (annotation, _) in enumerate(ROUND_TRIPS)]


@pytest.fixture(scope="module")
def keepers() -> Iterator[ConvexTest]:
    with ConvexTest(app_of(*KEEPERS, schedule_value)) as convex:
        yield convex


@pytest.mark.parametrize("index", range(len(ROUND_TRIPS)), ids=lambda index: f"{index} {ROUND_TRIPS[index][0]}"[:40])
def test_a_scheduled_argument_arrives_as_it_was_given(keepers: ConvexTest, index: int) -> None:
    keep, value = KEEPERS[index], ROUND_TRIPS[index][1]
    arrived.append((keep, value))
    keepers.run(schedule_value)
    keepers.run_due()
    (job,) = keepers.jobs(name=keep.name)
    assert job.state.kind == "success", job.state.error
    assert same(arrived[0], value)
    assert type(arrived[0]) is type(value)
    assert same(keepers.run(keep, value=value), value)


@mutation
def keep_text(ctx: MutationCtx, text: str, numbers: list[float], extra: dict[str, int | None]) -> None:
    arrived.append((text, numbers, extra))


@mutation
def schedule_text(ctx: MutationCtx, text: str, numbers: list[float], extra: dict[str, int | None]) -> None:
    ctx.schedule.now(keep_text, text=text, numbers=numbers, extra=extra)


@pytest.fixture(scope="module")
def one_app() -> Iterator[ConvexTest]:
    with ConvexTest(sys.modules[__name__], metadata=Base.metadata) as convex:
        yield convex


text = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text, st.lists(st.floats()), st.dictionaries(text, st.none() | st.integers()))
def test_any_text_and_any_numbers_arrive(
    one_app: ConvexTest, text: str, numbers: list[float], extra: dict[str, int | None]
) -> None:
    arrived.clear()
    one_app.run(schedule_text, text, numbers, extra=extra)
    one_app.run_due()
    assert repr(arrived) == repr([(text, numbers, extra)])


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        (str, "a\0b"),
        (dict[str, int], {"a\0": 1}),
        (str, "lone \ud800 surrogate"),
        (SecretStr, SecretStr("hidden")),
        (MaybeNumber, MaybeNumber(number=math.nan)),
        (Annotated[int, AfterValidator(lambda number: number + 1)], 1),
        (Any, datetime(2030, 1, 1, tzinfo=UTC)),
        (Any, b"\xff"),
        (Any, object()),
        (Any, {(1, 2): 3}),
        (int, 10**5000),
    ],
    ids=lambda each: type(each).__name__,
)
def test_what_would_not_come_back_the_same_is_refused_when_scheduling(
    database: str, annotation: Any, value: Any
) -> None:
    keep = keeping(annotation)
    with ConvexTest(app_of(keep, schedule_value), database_url=database) as convex:
        arrived.append((keep, value))
        with pytest.raises(InvalidArguments, match="made:keep"):
            convex.run(schedule_value)
        assert convex.jobs() == []


def test_nesting_without_end_is_refused_when_scheduling(convex: ConvexTest) -> None:
    deep: Any = []
    for _ in range(5000):
        deep = [deep]
    arrived.append((take_anything, deep))
    with pytest.raises(InvalidArguments):
        convex.run(schedule_value)


@internal_mutation
def take_anything(ctx: MutationCtx, value: Any) -> None:
    arrived.append("never")


# ---------------------------------------------------------------------------------------------- arguments


@mutation
def order(ctx: MutationCtx, item: str, count: Annotated[int, Field(gt=0)] = 1, note: str | None = None) -> int:
    arrived.append((item, count, note))
    return count


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
    given = {"value": {"when": "2030-01-07T12:00:00Z", "what": "text"}, "raw": "__8="}
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
