"""Scheduled arguments: what was scheduled is what runs, and what would not come back the same is refused.

No line of the checklist is about them alone; F8, S6 and S11 stand on them.
"""

from __future__ import annotations

import math
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import IntEnum, StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from app.models import Base
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import AfterValidator, BaseModel, ConfigDict, PrivateAttr, SecretStr
from support.apps import START, app_of
from support.cart import SKU, Cart, Color, Line

from convexpy import Identity, InvalidArguments, JobId, MutationCtx, internal_mutation, mutation
from convexpy.testing import ConvexTest

arrived: list[Any] = []


@pytest.fixture(autouse=True)
def nothing_arrived() -> None:
    arrived.clear()


class Level(IntEnum):
    LOW = 1
    HIGH = 2


class MaybeNumber(BaseModel):
    """A model in which NaN has no JSON form."""

    number: float | None = None


@dataclass
class Point:
    """A plain dataclass."""

    x: float
    y: float


class Pair(NamedTuple):
    """A tuple with names."""

    x: int
    y: int


class Word(StrEnum):
    ONE = "one"


class Text(str):
    """Equal to a plain string."""


class Moment(datetime):
    """Equal to a plain datetime."""


class Holder(BaseModel):
    """A model whose field may be anything."""

    value: Any


class Blob(BaseModel):
    """A model with bytes, which by itself has no JSON form for most of them."""

    data: bytes
    parts: list[bytes] = []
    inner: Blob | None = None


class HexBlob(BaseModel):
    """A model that says itself how its bytes are written."""

    model_config = ConfigDict(ser_json_bytes="hex", val_json_bytes="hex")

    data: bytes


@dataclass
class Packet:
    """A plain dataclass with bytes."""

    data: bytes


class Remembering(BaseModel):
    """A model that keeps something beside its fields."""

    _seen: int = PrivateAttr(default=0)


def remembering() -> Remembering:
    made = Remembering()
    made._seen = 1
    return made


@dataclass
class Compared:
    """Equality leaves a field out."""

    number: int
    level: Any = field(compare=False)


BERLIN = ZoneInfo("Europe/Berlin")
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
    (datetime, datetime(2030, 1, 7, 12, tzinfo=ZoneInfo("UTC"))),
    (Pair, Pair(1, 2)),
    (list[Pair], [Pair(1, 2)]),
    (Word, Word.ONE),
    (dict[Word, Level], {Word.ONE: Level.LOW}),
    (deque[int], deque([1, 2])),
    (Holder, Holder(value=[1, {"a": None}])),
    (timedelta, timedelta(days=-3, microseconds=1)),
    (Decimal, Decimal("0.1000000000000000000000000001")),
    (UUID, SKU),
    (Color, Color.RED),
    (Color, Color.TWO),
    (Level, Level.HIGH),
    (Literal["a", 1], 1),
    (bytes, bytes(range(256))),
    (list[bytes], [b"", b"\xff"]),
    (Blob, Blob(data=b"\xff\x00", parts=[b"\xfe", b""], inner=Blob(data=b"\x80"))),
    (Packet | None, Packet(b"\xff")),
    (dict[str, HexBlob], {"a": HexBlob(data=b"\xff")}),
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
        (Any, (1, 2)),
        (Any, [Pair(1, 2)]),
        (Sequence[int], Pair(1, 2)),
        (Any, Level.HIGH),
        (Any, Word.ONE),
        (Any, {"level": Level.HIGH}),
        (Any, {Word.ONE: 1}),
        (Any, Text("x")),
        (Holder, Holder(value=Level.HIGH)),
        (Remembering, remembering()),
        (Compared, Compared(1, Level.HIGH)),
        (datetime, datetime(2030, 3, 30, 12, tzinfo=BERLIN)),
        (list[datetime], [datetime(2030, 3, 30, 12, tzinfo=BERLIN)]),
        (datetime, datetime(2030, 10, 27, 2, 30, fold=1)),
        (datetime, Moment(2030, 1, 1)),
        (deque[int], deque([1, 2], maxlen=2)),
    ],
    ids=lambda each: type(each).__name__,
)
@pytest.mark.in_turns
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
