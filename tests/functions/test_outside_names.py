"""Names outside: camelCase for clients if the settings say so, of functions, arguments and fields, never of data."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field, computed_field
from support.apps import app_of
from typing_extensions import TypedDict

from convexpy import (
    Convex,
    FunctionNotFound,
    InvalidArguments,
    LoadError,
    PaginationOpts,
    QueryCtx,
    Settings,
    mutation,
    query,
)
from convexpy.functions.names import outside_function, outside_name
from convexpy.runtime.context import MutationCtx


class Line(TypedDict):
    unit_price: float


@dataclass
class Address:
    zip_code: str


class Card(BaseModel):
    paid_by: Literal["card"]
    card_number: str


class Cash(BaseModel):
    paid_by: Literal["cash"]
    coin_count: int = 0


class Order(BaseModel):
    order_id: int
    order_lines: list[Line] = []
    ship_to: Address | None = None
    extra_data: dict[str, Any] = {}
    own_alias: str = Field(default="", alias="own_alias_of_mine")
    userName: str = ""
    user_name: str = ""
    _private_one: int = 0

    @computed_field
    @property
    def line_count(self) -> int:
        return len(self.order_lines)


ORDER = {
    "orderId": 1.0,
    "orderLines": [{"unitPrice": 2.0}],
    "shipTo": {"zipCode": "x"},
    "extraData": {"is_data": {"a_b": 1.0}},
    "own_alias_of_mine": "y",
    "userName": "u",
    "user_name": "v",
    "lineCount": 1.0,
}


@query
def echo_order(ctx: QueryCtx, the_order: Order, is_new: bool = True) -> Order:
    return the_order


@query
def pay(ctx: QueryCtx, pay_with: Annotated[Card | Cash, Field(discriminator="paid_by")]) -> Any:
    return {"of_data": [pay_with]}


@query
def list_page(ctx: QueryCtx, some_pages: PaginationOpts, more_than: int = 0) -> list[object]:
    return [some_pages.num_items, some_pages.cursor, some_pages.end_cursor, some_pages.id, more_than]


@mutation(aliases=["old_place:old_name"])
def place_order(ctx: MutationCtx) -> None: ...


def convex_of(names: str, folder: Path) -> Convex:
    app = app_of(echo_order, pay, list_page, place_order)
    return Convex(f"sqlite:///{folder}/shop.db", functions=app, settings=Settings.model_validate({"names": names}))


@pytest.fixture(scope="module")
def camel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Convex]:
    with convex_of("camel", tmp_path_factory.mktemp("camel")) as convex:
        yield convex


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Convex]:
    with convex_of("as written", tmp_path_factory.mktemp("plain")) as convex:
        yield convex


def called(convex: Convex, name: str, arguments: object) -> Any:
    """The result of a query, whose handler needs no database."""
    call = convex.calls.bind_client(name, arguments, None)
    result = call.function.result
    value = result.check(name, call.function.handler(None, **call.values))
    return json.loads(result.encode(name, value, camel=call.camel))


@pytest.mark.parametrize(
    ("inside", "outside"),
    [
        ("list_recent", "listRecent"),
        ("a_b_c", "aBC"),
        ("address_2", "address2"),
        ("_private_name", "_privateName"),
        ("trailing_", "trailing_"),
        ("two__words", "twoWords"),
        ("already_camelCase", "alreadyCamelCase"),
        ("MAX_SIZE", "MAX_SIZE"),
        ("x", "x"),
    ],
)
def test_a_name_is_camel_case_outside(inside: str, outside: str) -> None:
    assert outside_name(inside, camel=True) == outside
    assert outside_name(inside, camel=False) == inside


def test_a_functions_name_is_camel_case_in_every_part() -> None:
    assert outside_function("my_plugins/e_mail:send_now", camel=True) == "myPlugins/eMail:sendNow"
    assert outside_function("my_plugins/e_mail:send_now", camel=False) == "my_plugins/e_mail:send_now"


def test_functions_are_found_by_both_names(camel: Convex, plain: Convex) -> None:
    for name in ("made:placeOrder", "made:place_order", "oldPlace:oldName", "made.js:placeOrder"):
        assert camel.calls.bind_client(name, {}, None).function.name == "made:place_order"
    with pytest.raises(FunctionNotFound):
        plain.calls.bind_client("made:placeOrder", {}, None)
    assert camel.registry.find("made:place_order").name == "made:place_order"


def test_names_go_in_and_out_in_camel_case(camel: Convex) -> None:
    sent = {name: value for name, value in ORDER.items() if name != "lineCount"}
    assert called(camel, "made:echoOrder", {"theOrder": sent, "isNew": False}) == ORDER


def test_names_as_written_are_accepted_too(camel: Convex) -> None:
    sent = {"order_id": 1, "order_lines": [{"unit_price": 2}], "ship_to": {"zip_code": "x"}}
    found = called(camel, "made:echo_order", {"the_order": sent, "is_new": False})
    assert (found["orderId"], found["orderLines"], found["shipTo"]) == (1, [{"unitPrice": 2}], {"zipCode": "x"})


def test_by_default_names_are_as_written(plain: Convex) -> None:
    found = called(plain, "made:echo_order", {"the_order": {"order_id": 1, "order_lines": [{"unit_price": 2}]}})
    assert (found["order_id"], found["order_lines"], found["line_count"]) == (1, [{"unit_price": 2}], 1)
    with pytest.raises(InvalidArguments):
        called(plain, "made:echo_order", {"theOrder": {"order_id": 1}})


def test_a_discriminator_has_its_outside_name(camel: Convex) -> None:
    for arguments in (
        {"payWith": {"paidBy": "cash", "coinCount": 3}},
        {"pay_with": {"paid_by": "cash", "coin_count": 3}},
    ):
        assert called(camel, "made:pay", arguments) == {"of_data": [{"paidBy": "cash", "coinCount": 3}]}


def test_errors_name_the_outside(camel: Convex, plain: Convex) -> None:
    with pytest.raises(InvalidArguments) as error:
        camel.calls.bind_client("made:echoOrder", {"theOrder": {"orderLines": [{"unitPrice": "x"}]}, "isNw": 1}, None)
    assert isinstance(error.value.data, dict)
    paths = [issue["path"] for issue in error.value.data["issues"]]
    assert paths == ["theOrder.orderId", "theOrder.orderLines[0].unitPrice", "isNw"]
    assert "did you mean 'isNew'?" in error.value.message
    with pytest.raises(InvalidArguments, match=r"the_order\.order_id"):
        plain.calls.bind_client("made:echo_order", {"the_order": {}}, None)


@pytest.mark.parametrize("names", ["camel", "as written"])
def test_pagination_options_have_one_name(names: str, camel: Convex, plain: Convex) -> None:
    convex = camel if names == "camel" else plain
    options = {"numItems": 5.0, "cursor": None, "endCursor": "e", "id": 3.0, "maximumRowsRead": 7, "other": {}}
    for name in ("paginationOpts", "some_pages"):
        assert called(convex, "made:list_page", {name: options}) == [5, None, "e", 3, 0]
    with pytest.raises(InvalidArguments, match=r"paginationOpts\.numItems"):
        called(convex, "made:list_page", {"paginationOpts": {"numItems": 0}})
    with pytest.raises(InvalidArguments, match="did you mean 'paginationOpts'"):
        called(convex, "made:list_page", {"paginationOpt": options})
    schema = convex.registry.find("made:list_page").arguments.json_schema(camel=names == "camel")
    assert set(schema["properties"]) == {"paginationOpts", "moreThan" if names == "camel" else "more_than"}


def test_stored_arguments_keep_their_pagination(plain: Convex) -> None:
    arguments = plain.registry.find("made:list_page").arguments
    values = arguments.check("f", {"some_pages": PaginationOpts(num_items=2, id=1)})
    assert arguments.load("f", arguments.store("f", values)) == values


def test_two_pages_at_once_are_refused() -> None:
    @query
    def two_pages(ctx: QueryCtx, one: PaginationOpts, other: PaginationOpts | None = None) -> None: ...

    with pytest.raises(LoadError, match="takes PaginationOpts once"):
        two_pages.arguments  # noqa: B018


def test_schemas_have_the_names_of_clients(camel: Convex) -> None:
    function = camel.registry.find("made:echo_order")
    arguments, result = function.arguments.json_schema(camel=True), function.result.json_schema(camel=True)
    assert set(arguments["properties"]) == {"theOrder", "isNew"}
    assert arguments["properties"]["isNew"]["default"] is True
    assert set(arguments["$defs"]["Order"]["properties"]) == set(ORDER) - {"lineCount"}
    assert set(result["properties"]) == set(ORDER)
    assert set(function.result_schema["properties"]) >= {"order_id", "line_count"}
