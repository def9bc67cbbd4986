"""``bind_client``, the way in for HTTP and sockets: names, kinds, arguments, and results as bytes."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import datetime
from uuid import UUID

import pytest
from app.models import Note
from pydantic import BaseModel, ConfigDict
from sqlalchemy import func, select
from support.apps import START, app_of

from convexpy import (
    CallNotAllowed,
    FunctionNotFound,
    Int64,
    InvalidArguments,
    InvalidResult,
    MutationCtx,
    QueryCtx,
    action,
    internal_query,
    mutation,
    query,
)
from convexpy.functions.declare import Kind
from convexpy.runtime.call_executor import CallExecutor
from convexpy.runtime.context import ActionCtx
from convexpy.testing import ConvexTest


class Strict(BaseModel):
    model_config = ConfigDict(strict=True)

    at: datetime
    id: UUID


@query
def default(ctx: QueryCtx) -> str:
    return "the default"


@query
def typed(ctx: QueryCtx, count: int, large: Int64, data: bytes, at: datetime, ratio: float = 0.5) -> list[object]:
    return [count, large == 2**62, data, at, ratio]


@query
def strict(ctx: QueryCtx, whole: Strict) -> str:
    return f"{whole.at.year} {whole.id.int}"


@internal_query
def secret(ctx: QueryCtx) -> None: ...


@mutation
def add_too_much(ctx: MutationCtx, number: int) -> int:
    ctx.db.add(Note(text="x"))
    return number


@query
def notes(ctx: QueryCtx) -> int:
    return ctx.db.scalar(select(func.count()).select_from(Note)) or 0


@action
async def act(ctx: ActionCtx) -> float:
    return math.nan


@pytest.fixture(scope="module")
def calls() -> Iterator[CallExecutor]:
    from app.models import Base

    app = app_of(default, typed, strict, secret, add_too_much, notes, act)
    with ConvexTest(app, metadata=Base.metadata, now=START) as convex:
        yield convex.convex.calls


def called(calls: CallExecutor, name: str, arguments: object = None) -> bytes:
    result = calls.run(calls.bind_client(name, {} if arguments is None else arguments, None))
    assert isinstance(result, bytes)
    return result


def test_names_are_those_of_javascript_too(calls: CallExecutor) -> None:
    for name in ("made:default", "made.js:default", "made", "made.js"):
        assert called(calls, name, [{}]) == b'"the default"'


def test_arguments_are_in_the_encoding(calls: CallExecutor) -> None:
    arguments = {
        "count": 1.0,
        "large": {"$integer": "AAAAAAAAAEA="},
        "data": {"$bytes": "AAH/"},
        "at": "2030-01-07T00:00:00Z",
        "ratio": {"$float": "AAAAAAAA+H8="},
    }
    encoded = b'[1.0,true,{"$bytes":"AAH/"},"2030-01-07T00:00:00Z",{"$float":"AAAAAAAA+H8="}]'
    assert called(calls, "made:typed", arguments) == encoded
    arguments |= {"data": "AAH/", "ratio": 1}
    assert called(calls, "made:typed", arguments) == encoded.replace(b'{"$float":"AAAAAAAA+H8="}', b"1.0")
    whole = {"at": "2030-01-07T00:00:00Z", "id": "00000000-0000-0000-0000-000000000005"}
    assert called(calls, "made:strict", {"whole": whole}) == b'"2030 5"'


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        [{}, {}],
        [[]],
        "x",
        None,
        5,
        {"number": {"$set": []}},
        {"$a": 1},
        {"number": {"$integer": ""}},
        {"number": "x"},
    ],
)
def test_other_arguments_are_refused(calls: CallExecutor, arguments: object) -> None:
    with pytest.raises(InvalidArguments, match="made:add_too_much"):
        calls.bind_client("made:add_too_much", arguments, None)


@pytest.mark.parametrize("name", ["made:secret", "made:no", "no", "", ":", "_system/jobs:list", "made:Default"])
def test_internal_and_unknown_functions_are_answered_alike(calls: CallExecutor, name: str) -> None:
    with pytest.raises(FunctionNotFound) as error:
        calls.bind_client(name, {"bad": "arguments"}, None, kind=Kind.ACTION)
    assert (error.value.message, error.value.data) == (f"Could not find public function for '{name}'.", None)


def test_a_function_of_another_kind_is_refused(calls: CallExecutor) -> None:
    with pytest.raises(CallNotAllowed) as error:
        calls.bind_client("made.js:notes", {}, None, kind=Kind.MUTATION)
    assert error.value.message == "Trying to execute made.js:notes as Mutation, but it is defined as Query."
    assert calls.bind_client("made:notes", {}, None, kind=Kind.QUERY).function.name == "made:notes"


def test_a_result_without_a_form_undoes_its_mutation(calls: CallExecutor) -> None:
    before = called(calls, "made:notes")
    with pytest.raises(InvalidResult, match=r"made:add_too_much: .*Int64"):
        called(calls, "made:add_too_much", {"number": 2**60})
    assert called(calls, "made:notes") == before
    assert called(calls, "made:add_too_much", {"number": 7}) == b"7.0"


def test_a_call_has_the_journal_of_its_client(calls: CallExecutor) -> None:
    assert calls.bind_client("made:notes", {}, None, journal="j").journal == "j"
    assert calls.bind_client("made:notes", {}, None).journal is None


def test_a_result_of_an_action_is_encoded(calls: CallExecutor) -> None:
    assert called(calls, "made:act") == b'{"$float":"AAAAAAAA+H8="}'
