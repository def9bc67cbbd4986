"""Work on what a client sends, away from the event loop if it is so large that others would wait for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, TypeVar

T = TypeVar("T")

LARGE: Final = 256 * 1024
"""To parse so many bytes takes some milliseconds, and the largest message takes seconds."""


async def work_on(size: int, work: Callable[[], T]) -> T:
    """Do this, on a thread if the text behind it is large.

    Args:
        size: Of the text, in bytes or characters.
        work: Parses it, or checks what was parsed.
    """
    return work() if size < LARGE else await asyncio.to_thread(work)
