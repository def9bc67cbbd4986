"""A client over HTTP that sends a mutation again under the same key until it is answered."""

from __future__ import annotations

import asyncio
import random
from typing import Any, Final

import httpx

from .history import History
from .ledger import Ledger
from .tokens import Issuer

SECONDS: Final = 5.0
AGAIN: Final = frozenset({408, 429, 500, 502, 503, 504})


class HttpWriter:
    """Calls one mutation after the other."""

    def __init__(self, name: str, port: int, ledger: Ledger, issuer: Issuer, rng: random.Random) -> None:
        self.history = History(name)
        self._ledger = ledger
        self._issuer = issuer
        self._rng = rng
        self._caller = ""
        self._http = httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=SECONDS)

    def log_in(self, caller: str) -> None:
        """On behalf of somebody else from now on."""
        self._caller = caller

    async def add(self, key: int, token: str) -> None:
        """Call a mutation until it is answered.

        Raises:
            Wrong: The answer is none that it may have.
        """
        self._ledger.sent[token] = self._caller
        while True:
            answer = await self._post("mutation", "add", {"key": key, "token": token}, {"Idempotency-Key": token})
            if answer is not None:
                break
            await asyncio.sleep(self._rng.uniform(0.05, 0.5))
        if answer["status"] == "success":
            problem = self._ledger.resolve(token, key, int(answer["value"]))
        else:
            self._ledger.counts["failed: HTTP"] += 1
            problem = self._ledger.reject(token)
        if problem is not None:
            raise self.history.wrong(problem)

    async def act(self, token: str) -> None:
        """Call an action, once."""
        self._ledger.acts_sent.add(token)
        answer = await self._post("action", "act", {"token": token}, {})
        if answer is not None and answer["status"] == "success":
            self._ledger.acts_done.add(token)

    async def read(self, key: int, token: str) -> None:
        """A query sees what was answered before.

        Raises:
            Wrong: It does not.
        """
        done = self._ledger.done.get(token)
        answer = await self._post("query", "one", {"key": key}, {})
        if answer is not None and done is not None and int(answer["value"]) < done[1]:
            raise self.history.wrong(f"key {key} is {answer['value']} after {done[1]}")

    async def _post(self, kind: str, path: str, args: dict[str, Any], headers: dict[str, str]) -> dict[str, Any] | None:
        """The answer. None: there was none, or one that asks to try again."""
        if self._caller:
            headers = {**headers, "Authorization": f"Bearer {self._issuer.token(self._caller, 60)}"}
        body = {"path": f"counters:{path}", "args": args, "format": "convex_encoded_json"}
        try:
            response = await self._http.post(f"/api/{kind}", json=body, headers=headers)
        except httpx.TransportError as error:
            self.history.add(f"{path} {args}: {error!r}")
            self._ledger.counts[f"HTTP {type(error).__name__}"] += 1
            return None
        self.history.add(f"{path} {args}: {response.status_code} {response.text}")
        self._ledger.counts[f"HTTP {response.status_code}"] += 1
        if response.status_code in AGAIN:
            return None
        if response.status_code != 200:
            raise self.history.wrong(f"the server answers {response.status_code} {response.text}")
        answer: dict[str, Any] = response.json()
        return answer

    async def close(self) -> None:
        await self._http.aclose()
