"""A client that behaves, whose calls have to be answered all the time."""

from __future__ import annotations

import asyncio
import time
from typing import Final

import httpx

from stress.sockets.client import Client
from stress.sockets.history import Wrong

PATIENCE: Final = 60.0
"""How long an answer may take: the machine may be busy with other things."""


class Control:
    """Calls over HTTP and over a socket, one after the other."""

    def __init__(self, port: int, client: Client) -> None:
        self._http = httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE)
        self._client = client
        self.calls = 0
        self.slowest = 0.0

    async def run(self) -> None:
        """Go on without end.

        Raises:
            Wrong: A call was not answered as it has to be.
        """
        connected = asyncio.ensure_future(self._client.run())
        calls = asyncio.ensure_future(self._call())
        try:
            await asyncio.wait([connected, calls], return_when=asyncio.FIRST_COMPLETED)
            for each in (connected, calls):
                if each.done():
                    each.result()
        finally:
            connected.cancel()
            calls.cancel()
            await asyncio.gather(connected, calls, return_exceptions=True)
            await self._http.aclose()

    async def _call(self) -> None:
        while True:
            began = time.monotonic()
            self.calls += 1
            try:
                async with asyncio.timeout(PATIENCE):
                    await self._client.call("Mutation", "add", f"control-{self.calls}", 7)
                    answer = await self._http.post("/api/query", json={"path": "counters:one", "args": {"key": 7}})
            except (TimeoutError, httpx.HTTPError) as error:
                raise Wrong(f"a client that behaves was not answered: {error!r}") from error
            if answer.status_code != 200 or answer.json().get("value", 0) < self.calls:
                raise Wrong(f"a client that behaves was answered {answer.status_code} {answer.text}")
            self.slowest = max(self.slowest, time.monotonic() - began)
            await asyncio.sleep(0.2)
