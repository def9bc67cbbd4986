"""Every run has context variables of its own: what it sets, no other run sees.

A direct call begins with a copy of its caller's, so that those of a request are visible in it; a job begins with none.
"""

from __future__ import annotations

from collections.abc import Coroutine, Generator
from contextvars import Context
from types import coroutine
from typing import Any, TypeVar

T = TypeVar("T")


@coroutine
def within(context: Context, work: Coroutine[Any, Any, T]) -> Generator[Any, Any, T]:
    """Await a coroutine in a context, within the current task: a task of its own could not be stopped by SystemExit."""
    step: Any = work.send
    given: Any = None
    try:
        while True:
            try:
                awaited = context.run(step, given)
            except StopIteration as end:
                result: T = end.value
                return result
            try:
                step, given = work.send, (yield awaited)
            except GeneratorExit:
                raise
            except BaseException as error:
                step, given = work.throw, error
    finally:
        context.run(work.close)
