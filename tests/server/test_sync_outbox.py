"""What a socket sends in silence, and what becomes of a client that takes nothing."""

from __future__ import annotations

import asyncio
import json
from collections.abc import MutableMapping
from typing import Any

import pytest
from support.waiting import PATIENCE_SECONDS

from convexpy.server import sync_outbox
from convexpy.server.sync_outbox import Outbox, WaitingBytes
from convexpy.server.sync_socket import Socket


class NothingNew:
    """A view that never changes."""

    def frames(self) -> list[str]:
        return []


class Client:
    """Takes frames, or none at all."""

    def __init__(self, *, reads: bool) -> None:
        self._reads = reads
        self.frames: asyncio.Queue[Any] = asyncio.Queue()
        self.is_given_up = asyncio.Event()
        self.outbox = Outbox(Socket(self.receive, self.send, 100), WaitingBytes(100), 100, self.is_given_up.set)

    async def receive(self) -> MutableMapping[str, Any]:
        raise AssertionError("nothing is read here")

    async def send(self, message: MutableMapping[str, Any]) -> None:
        if not self._reads:
            await asyncio.Event().wait()
        self.frames.put_nowait(json.loads(message["text"]))

    async def while_written(self, work: Any) -> Any:
        writing = asyncio.ensure_future(self.outbox.write(NothingNew(), lambda: None))  # type: ignore[arg-type]
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                return await work
        finally:
            writing.cancel()


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sync_outbox, "PING_SECONDS", 0.02)
    monkeypatch.setattr(sync_outbox, "SEND_SECONDS", 0.05)


def test_silence_is_broken_by_pings() -> None:
    async def two_frames() -> list[Any]:
        client = Client(reads=True)
        found: list[Any] = await client.while_written(asyncio.gather(client.frames.get(), client.frames.get()))
        return found

    assert asyncio.run(two_frames()) == [{"type": "Ping"}] * 2


def test_a_client_that_takes_nothing_is_given_up() -> None:
    async def give_up() -> None:
        client = Client(reads=False)
        client.outbox.put("{}")
        await client.while_written(client.is_given_up.wait())

    asyncio.run(give_up())


def test_a_client_that_takes_everything_is_not() -> None:
    async def many_pings() -> bool:
        client = Client(reads=True)
        await client.while_written(asyncio.gather(*[client.frames.get() for _ in range(5)]))
        return client.is_given_up.is_set()

    assert asyncio.run(many_pings()) is False
