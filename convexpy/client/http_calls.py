"""``HttpCalls``: calls of functions over HTTP, sent again where that does no harm."""

from __future__ import annotations

import asyncio
import secrets
import time
from typing import Any, Final
from urllib.parse import quote

import httpx
from pydantic_core import to_json

from ..functions.declare import Kind
from .backoff import pause_seconds
from .failures import function_error, refusal
from .tokens import Token, current_token
from .values import parse

PATIENCE_SECONDS: Final = 10.0
"""For how long a call is sent again while the server cannot be reached, as during its restart."""
CONNECT_SECONDS: Final = 5.0
TRY_LATER: Final = 503


class HttpCalls:
    """Calls functions of one server. It belongs to one event loop."""

    def __init__(self, url: str, token: Token, timeout: float, agent: str) -> None:
        self._url = url
        self._token = token
        self._agent = agent
        self._client = httpx.AsyncClient(timeout=httpx.Timeout(timeout, connect=CONNECT_SECONDS))

    async def call(self, kind: Kind | None, name: str, arguments: bytes) -> Any:
        """The result of a function, as JSON in Convex's encoding.

        A query, and a mutation under a key of its own, are sent again if the answer is lost: the mutation runs once.
        An action, and a function of which the kind is not known, are only if nothing of them was sent.

        Raises:
            ConvexError: The function failed, or the server refused the call.
            ConnectionError: The server cannot be reached, or the answer was lost.
            TimeoutError: There was no answer in time.
        """
        place, _, function = name.partition(":")
        path = f"/api/{kind}" if kind is not None else f"/api/run/{quote(place)}/{quote(function or 'default')}"
        body = b'{"path":%s,"format":"convex_encoded_json","args":%s}' % (to_json(name), arguments)
        headers = {"content-type": "application/json", "convex-client": self._agent}
        if kind is Kind.MUTATION:
            headers["idempotency-key"] = secrets.token_hex(16)
        until = time.monotonic() + PATIENCE_SECONDS
        for failures in range(1, 1000):
            answer = await self._send(path, headers, body, until, is_repeatable=kind in (Kind.QUERY, Kind.MUTATION))
            if answer is not None:
                return result_of(answer)
            await asyncio.sleep(pause_seconds(failures))
        raise AssertionError("unreachable")

    async def _send(
        self, path: str, headers: dict[str, str], body: bytes, until: float, *, is_repeatable: bool
    ) -> httpx.Response | None:
        """Send a call. None: it has not happened, or may happen again, and there is time for that."""
        token = await current_token(self._token)
        if token is not None:
            headers = {**headers, "authorization": f"Bearer {token}"}
        has_time = time.monotonic() < until
        try:
            answer = await self._client.post(f"{self._url}{path}", content=body, headers=headers)
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            if has_time:
                return None
            raise ConnectionError(f"{self._url} cannot be reached: {error}") from error
        except httpx.TimeoutException as error:
            raise TimeoutError(f"{self._url} did not answer in time") from error
        except httpx.TransportError as error:
            if has_time and is_repeatable:
                return None
            lost = f"the connection to {self._url} broke before there was an answer"
            raise ConnectionError(lost if is_repeatable else f"{lost}; the function may have run") from error
        return None if answer.status_code == TRY_LATER and has_time and is_repeatable else answer

    async def close(self) -> None:
        """Close every connection."""
        await self._client.aclose()


def result_of(answer: httpx.Response) -> Any:
    """The result in an answer.

    Raises:
        ConvexError: It says that there is none.
    """
    try:
        document = parse(answer.content)
    except ValueError:
        document = None
    if answer.status_code != httpx.codes.OK or not isinstance(document, dict):
        raise refusal(answer.status_code, document)
    if document.get("status") != "success":
        raise function_error(str(document.get("errorMessage")), document)
    return document.get("value")
