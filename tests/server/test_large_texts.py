"""What a client sends is parsed and checked beside the event loop if it is large: others are served meanwhile."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import AfterValidator
from support.http_client import served
from support.sockets import serving

from convexpy import ActionCtx, Convex, MutationCtx, action, mutation
from convexpy.server import http_api, sync_connection
from convexpy.server.large_texts import LARGE

here = sys.modules[__name__]
noted: list[bool] = []


def note(value: Any) -> Any:
    """Note whether this is where other clients would wait for it."""
    noted.append(asyncio._get_running_loop() is not None)
    return value


def noting(work: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *args, **more: note(work(*args, **more))


Noted = Annotated[str, AfterValidator(note)]


@mutation
def take(ctx: MutationCtx, value: Noted) -> int:
    return len(value)


@action
async def pass_on(ctx: ActionCtx, value: Noted) -> int:
    return len(value)


@pytest.fixture
def notes() -> Iterator[list[bool]]:
    noted.clear()
    yield noted
    noted.clear()


def test_a_large_body_keeps_nobody_waiting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, notes: list[bool]) -> None:
    monkeypatch.setattr(http_api, "parse_object", noting(http_api.parse_object))
    with served(here, tmp_path) as (_, client):
        for size, on_loop in ((10, True), (LARGE, False)):
            notes.clear()
            assert client.call("mutation", f"{__name__}:take", {"value": "a" * size})["value"] == size
            assert notes == [on_loop, on_loop]


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
@pytest.mark.parametrize(("kind", "path"), [("Mutation", "take"), ("Action", "pass_on")])
def test_a_large_message_keeps_nobody_waiting(
    database: str, monkeypatch: pytest.MonkeyPatch, notes: list[bool], kind: str, path: str
) -> None:
    with Convex(database, functions=here) as convex, serving(convex.asgi(), here) as sockets:
        client = sockets.connect()
        monkeypatch.setattr(sync_connection, "parse_message", noting(sync_connection.parse_message))
        for number, (size, on_loop) in enumerate(((10, True), (LARGE, False))):
            notes.clear()
            client.send(type=kind, requestId=number, udfPath=f"{__name__}:{path}", args=[{"value": "a" * size}])
            assert client.receive_type(f"{kind}Response")["result"] == size
            client.receive_type("Transition")
            assert notes == [on_loop, on_loop]
