"""The token that a client shows: a text, or a function that knows the newest one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

Token = str | Callable[[], str | None] | Callable[[], Awaitable[str | None]] | None
"""What ``Remote`` takes. A function is called before each request, and when a subscription connects."""


async def current_token(token: Token) -> str | None:
    """The token to show now. None: the caller is anonymous."""
    if token is None or isinstance(token, str):
        return token
    # It may ask a server, so it does not run on the loop; if it is async, it has only made a coroutine there.
    given: str | Awaitable[str | None] | None = await asyncio.to_thread(token)
    return given if given is None or isinstance(given, str) else await given
