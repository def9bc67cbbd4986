"""Convex's encoding of results: the form of each type, at any depth, and what has none."""

from __future__ import annotations

import enum
import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    JsonValue,
    PlainSerializer,
    SerializeAsAny,
    WrapSerializer,
    computed_field,
    field_serializer,
    model_serializer,
)
from pydantic_core import CoreSchema, core_schema
from typing_extensions import TypedDict

from convexpy import Int64, InvalidResult, QueryCtx, query
from convexpy.functions.encoding import NotEncodable, clean_json, encode_any
from convexpy.functions.json_text import decode_values, parse_json

NAN, INFINITY = '{"$float":"AAAAAAAA+H8="}', '{"$float":"AAAAAAAA8H8="}'
MINUS_INFINITY, MINUS_ZERO = '{"$float":"AAAAAAAA8P8="}', '{"$float":"AAAAAAAAAIA="}'


class Colour(enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 3


class Inner(TypedDict):
    some_ratio: float


@dataclass
class Point:
    some_x: float
    data: bytes = b""


class Model(BaseModel):
    model_config = ConfigDict(ser_json_inf_nan="null")

    some_count: int
    ratio: float = math.nan
    large: Int64 = -1
    data: bytes = b"\0\1\xff"
    inner: Inner = {"some_ratio": math.inf}
    point: Point = Field(default_factory=lambda: Point(-math.inf))
    anything: Any = None

    @computed_field
    @property
    def next_count(self) -> int:
        return self.some_count + 1


class Loose(BaseModel):
    model_config = ConfigDict(extra="allow")


class LooseDict(TypedDict):
    __pydantic_config__ = ConfigDict(extra="allow")  # type: ignore[misc]

    a: int


class Umlaut(BaseModel):
    größe: int
    _über: int = 0


class LooseTree(BaseModel):
    model_config = ConfigDict(extra="allow")

    inner: LooseTree | None = None


class Bag(list[Any]):
    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.list_schema()


class Written(BaseModel):
    seconds: Annotated[int, PlainSerializer(lambda value: {"s": value}, when_used="json")]
    wrapped: Annotated[int, WrapSerializer(lambda value, handler: [handler(value), math.nan])] = 1
    text: Annotated[bytes, WrapSerializer(lambda value, handler: handler(value))] = b"\0\xff"
    by_field: int = 2

    @field_serializer("by_field")
    def write(self, value: int) -> list[int]:
        return [value]


class WholeModel(BaseModel):
    count: int = 1

    @model_serializer(mode="wrap")
    def write(self, handler: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
        return {**handler(self), "more": math.inf}


class Tree(BaseModel):
    size: int
    children: list[Tree] = []


class Cat(BaseModel):
    some_kind: Literal["cat"] = "cat"
    lives: int = 9


class Dog(BaseModel):
    some_kind: Literal["dog"] = "dog"
    weight: float = 1.0


def encode(annotation: Any, value: object, *, camel: bool = False) -> str:
    def handler(ctx: QueryCtx) -> Any: ...

    handler.__annotations__["return"] = annotation
    result = query(handler).result
    encoded = result.encode("shop:f", result.check("shop:f", value), camel=camel)
    json.loads(encoded, parse_constant=pytest.fail)
    return encoded.decode()


FORMS: list[tuple[Any, object, str]] = [
    (None, None, "null"),
    (bool, True, "true"),
    (int, 1, "1.0"),
    (int, -(2**53), "-9007199254740992.0"),
    (float, 1.5, "1.5"),
    (float, 1, "1.0"),
    (float, math.nan, NAN),
    (float, math.inf, INFINITY),
    (float, -math.inf, MINUS_INFINITY),
    (float, -0.0, MINUS_ZERO),
    (Int64, 123, '{"$integer":"ewAAAAAAAAA="}'),
    (Int64 | None, -1, '{"$integer":"//////////8="}'),
    (bytes, b"\0\1\xff", '{"$bytes":"AAH/"}'),
    (str | bytes, b"a", '{"$bytes":"YQ=="}'),
    (bytes | str, "a", '"a"'),
    (int | bool, True, "true"),
    (bool | int, 1, "1.0"),
    (int | str | None, "x", '"x"'),
    (list[int | float], [1, 2.5, math.nan], f"[1.0,2.5,{NAN}]"),
    (tuple[int, bytes], (1, b""), '[1.0,{"$bytes":""}]'),
    (tuple[int, ...], (1, 2), "[1.0,2.0]"),
    (set[int], {5}, "[5.0]"),
    (dict[str, float], {"é"[:0]: math.nan}, f'{{"":{NAN}}}'),
    (dict[int, int], {1: 2}, '{"1":2.0}'),
    (dict[UUID, int], {UUID(int=0): 2}, '{"00000000-0000-0000-0000-000000000000":2.0}'),
    (datetime, datetime(2030, 1, 7, tzinfo=UTC), '"2030-01-07T00:00:00Z"'),
    (date, date(2030, 1, 7), '"2030-01-07"'),
    (timedelta, timedelta(seconds=1), '"PT1S"'),
    (Decimal, Decimal("1.10"), '"1.10"'),
    (Colour, Colour.RED, '"red"'),
    (Level, Level.HIGH, "3.0"),
    (Literal["a", 1], 1, "1.0"),
    (Literal["a", 1] | None, "a", '"a"'),
    (Any, {"a": [1, math.nan, b"x", -0.0, Level.HIGH]}, f'{{"a":[1.0,{NAN},{{"$bytes":"eA=="}},{MINUS_ZERO},3.0]}}'),
    (Any, (Cat(), Point(math.nan)), f'[{{"some_kind":"cat","lives":9.0}},{{"some_x":{NAN},"data":{{"$bytes":""}}}}]'),
    (list, [1, b"x"], '[1.0,{"$bytes":"eA=="}]'),
    (Bag, [1, b"x"], '[1.0,{"$bytes":"eA=="}]'),
    (dict, {"a": 1}, '{"a":1.0}'),
    (object, 1, "1.0"),
    (JsonValue, {"a": [1, math.inf, None]}, f'{{"a":[1.0,{INFINITY},null]}}'),
    (Loose, {"a": 1, "b": b"x"}, '{"a":1.0,"b":{"$bytes":"eA=="}}'),
    (LooseDict, {"a": 1, "b": math.nan}, f'{{"a":1.0,"b":{NAN}}}'),
    (LooseTree, {"inner": {"b": 1}, "c": b""}, '{"inner":{"inner":null,"b":1.0},"c":{"$bytes":""}}'),
    (dict[Colour, int], {Colour.RED: 1}, '{"red":1.0}'),
    (dict[str | int, int], {"a": 1, 2: 3}, '{"a":1.0,"2":3.0}'),
    (Written, {"seconds": 1}, f'{{"seconds":{{"s":1.0}},"wrapped":[1.0,{NAN}],"text":"AP8=","by_field":[2.0]}}'),
    (WholeModel, {}, f'{{"count":1.0,"more":{INFINITY}}}'),
    (Tree, {"size": 1, "children": [{"size": 2}]}, '{"size":1.0,"children":[{"size":2.0,"children":[]}]}'),
    (list[Annotated[Cat | Dog, Field(discriminator="some_kind")]], [Dog()], '[{"some_kind":"dog","weight":1.0}]'),
    (SerializeAsAny[Cat], Cat(), '{"some_kind":"cat","lives":9.0}'),
    (Annotated[int, BeforeValidator(int)], "7", "7.0"),
    (Annotated[Int64, Field(gt=0)], 7, '{"$integer":"BwAAAAAAAAA="}'),
]


@pytest.mark.parametrize(("annotation", "value", "encoded"), FORMS)
def test_each_type_has_its_form(annotation: Any, value: object, encoded: str) -> None:
    assert encode(annotation, value) == encoded


def test_a_model_has_the_forms_of_all_its_parts() -> None:
    encoded = encode(list[Model], [{"some_count": 1, "anything": Model(some_count=2)}])
    one = decode_values(parse_json(encoded, max_depth=64))
    assert isinstance(one, list)
    assert one[0]["some_count"] == 1
    assert one[0]["next_count"] == 2
    for each in (one[0], one[0]["anything"]):
        assert math.isnan(each["ratio"])
        assert (each["large"], each["data"], each["inner"]) == (-1, b"\0\1\xff", {"some_ratio": math.inf})
        assert each["point"] == {"some_x": -math.inf, "data": b""}
    assert '"some_count":1.0' in encoded


@pytest.mark.parametrize(
    ("annotation", "value", "what"),
    [
        (int, 2**53 + 1, "Annotate it with convexpy.Int64"),
        (list[int | str], [-(2**60)], "Annotate it with convexpy.Int64"),
        (Any, {"a": 2**53 + 1}, "Annotate it with convexpy.Int64"),
        (dict[str, int], {"$a": 1}, "'$a' cannot be a key of an object"),
        (dict[str, int], {"é": 1}, "'é' cannot be a key of an object"),
        (dict[str, int], {"x" * 1025: 1}, "cannot be a key of an object"),
        (Any, [{"$bytes": "AAAA"}], "'$bytes' cannot be a key of an object"),
        (dict[str | int, int], {"é": 1}, "'é' cannot be a key of an object"),
        (dict[Literal["$x"], int], {"$x": 1}, "'$x' cannot be a key of an object"),
        (Loose, {"$a": 1}, "'$a' cannot be a key of an object"),
        (LooseDict, {"a": 1, "ü": 1}, "'ü' cannot be a key of an object"),
        (Umlaut, {"größe": 1}, "'größe' cannot be a key of an object"),
        (Any, object(), "Unable to serialize unknown type"),
        (str, "\ud800", "surrogates not allowed"),
    ],
)
def test_what_clients_cannot_read_is_an_error(annotation: Any, value: object, what: str) -> None:
    with pytest.raises(InvalidResult, match="shop:f: the result cannot be encoded") as error:
        encode(annotation, value)
    assert what in error.value.message


def test_a_model_that_holds_another_type_is_an_error() -> None:
    with pytest.raises(InvalidResult):
        encode(Cat, Cat.model_construct(lives="many"))


def test_a_number_too_large_names_only_the_reason() -> None:
    for annotation in (int, int | str, Any, list[Cat | int]):
        with pytest.raises(InvalidResult) as error:
            encode(annotation, [2**54] if annotation == list[Cat | int] else 2**54)
        assert error.value.message == (
            f"shop:f: the result cannot be encoded: {2**54} is beyond 2**53, and would reach clients as another number."
            " Annotate it with convexpy.Int64"
        )


def test_values_without_a_schema_are_encoded_the_same() -> None:
    for annotation, value, encoded in FORMS:
        if annotation in (Any, int, float, bytes, datetime, Decimal, Level):
            assert encode_any(value if annotation is not float else float(str(value))).decode() == encoded
    with pytest.raises(NotEncodable, match="Int64"):
        encode_any([2**60])
    with pytest.raises(NotEncodable):
        encode_any(object())


def test_clean_json_loses_types_and_no_values() -> None:
    encoded = encode(list[Any], [1, 1.5, math.nan, math.inf, -math.inf, b"\0\1\xff", None, "ä", {}, 2.0**60])
    assert clean_json(encoded.encode()).decode() == (
        '[1,1.5,"NaN","Infinity","-Infinity","AAH/",null,"ä",{},1.152921504606847e+18]'
    )
    assert clean_json(encode(Int64, 2**60).encode()) == b'"1152921504606846976"'
