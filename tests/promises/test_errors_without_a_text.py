"""A function that raises an error whose text cannot be made fails like any other, once."""

from __future__ import annotations

import sqlite3
from collections import Counter
from typing import Any

import pytest

from convexpy import ActionCtx, ConvexError, MutationCtx, SyncActionCtx, action, mutation
from convexpy.testing import ConvexTest

ran: Counter[str] = Counter()


class TextRaises(Exception):
    def __str__(self) -> str:
        raise LookupError


class TextIsNone(Exception):
    def __str__(self) -> Any:
        return None


class TextExits(Exception):
    def __str__(self) -> str:
        raise SystemExit


class DatabaseErrorWithoutText(sqlite3.Error):
    def __str__(self) -> str:
        raise LookupError


class AnswersNoQuestion(Exception):
    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise KeyError(name)


class KnownWithoutText(ConvexError):
    def __str__(self) -> str:
        raise LookupError


class Uninitialized(ConvexError):
    def __init__(self) -> None:
        pass


ERRORS: dict[str, type[Exception]] = {
    each.__name__: each
    for each in (
        TextRaises,
        TextIsNone,
        TextExits,
        DatabaseErrorWithoutText,
        AnswersNoQuestion,
        KnownWithoutText,
        Uninitialized,
    )
}
TEXTS = {
    "TextRaises": "TextRaises: <no text: its __str__ raised LookupError>",
    "TextIsNone": "TextIsNone: <no text: its __str__ raised TypeError>",
    "TextExits": "TextExits: <no text: its __str__ raised SystemExit>",
    "DatabaseErrorWithoutText": "DatabaseErrorWithoutText: <no text: its __str__ raised LookupError>",
    "AnswersNoQuestion": "AnswersNoQuestion",
    "KnownWithoutText": "KnownWithoutText: <no text: its __str__ raised LookupError>",
    "Uninitialized": "INTERNAL_SERVER_ERROR: an error without a message: its __init__ does not call "
    "super().__init__(code, message)",
}


@mutation
def write(ctx: MutationCtx, error: str) -> None:
    ran[error] += 1
    raise make(error)


@action
async def send(ctx: ActionCtx, error: str) -> None:
    ran[error] += 1
    raise make(error)


@action
def send_on_a_thread(ctx: SyncActionCtx, error: str) -> None:
    ran[error] += 1
    raise make(error)


@mutation
def schedule(ctx: MutationCtx, name: str, error: str) -> None:
    ctx.schedule.now({"write": write, "send": send, "send_on_a_thread": send_on_a_thread}[name], error=error)


def make(error: str) -> Exception:
    kind: Any = ERRORS[error]
    return kind("CONFLICT") if issubclass(kind, KnownWithoutText) else kind()  # type: ignore[no-any-return]


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("name", ["write", "send", "send_on_a_thread"])
@pytest.mark.in_turns
def test_its_job_fails_after_one_run_with_a_text_of_the_frameworks(convex: ConvexTest, name: str, error: str) -> None:
    ran.clear()
    convex.run(schedule, name=name, error=error)
    convex.finish_all_scheduled()
    [job] = convex.jobs(name=f"{write.name.partition(':')[0]}:{name}")
    assert job.state.kind == "failed"
    assert job.state.error is not None
    text, place = job.state.error.split("\n")
    assert text == TEXTS[error]
    assert place.startswith(f"  at {__file__}:")
    assert ran == {error: 1}


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.in_turns
def test_a_direct_call_raises_it_as_it_is_after_one_run(convex: ConvexTest, error: str) -> None:
    ran.clear()
    with pytest.raises(ERRORS[error]):
        convex.run(write, error=error)
    assert ran == {error: 1}
