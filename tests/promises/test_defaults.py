"""Each run gets defaults of its own: Python keeps one object for all calls, and a handler may change it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Any

import pytest
from app.models import Note
from pydantic import BaseModel, Field
from support.faults import PlannedErrors, a_conflict

from convexpy import ActionCtx, LoadError, MutationCtx, QueryCtx, SyncActionCtx, action, mutation, query
from convexpy.testing import ConvexTest

seen: list[Any] = []
planned = PlannedErrors()
MARK: Any = object()
LOCK: Any = threading.Lock()


class Options(BaseModel):
    tags: list[str] = []


@dataclass
class Choice:
    tags: list[str] = field(default_factory=list)


@pytest.fixture(autouse=True)
def nothing_seen() -> None:
    seen.clear()
    planned.reset()


def use(*containers: Any) -> None:
    """Note what a run finds, and leave something."""
    seen.append([list(each) for each in containers])
    for each in containers:
        if isinstance(each, list):
            each.append("left")
        elif isinstance(each, dict):
            each["left"] = 1
        else:
            each.add("left")


@mutation
def meet_conflicts(
    ctx: MutationCtx,
    tags: list[str] = [],  # noqa: B006
    counts: dict[str, int] = {},  # noqa: B006
    names: set[str] = set(),  # noqa: B006
    nested: tuple[list[str], int] = ([], 1),
    options: Options = Options(),  # noqa: B008
    choice: Choice = Choice(),  # noqa: B008
) -> None:
    use(tags, counts, names, nested[0], options.tags, choice.tags)
    ctx.db.add(Note(text="once"))
    ctx.db.flush()
    planned.raise_next()


def test_every_try_finds_the_defaults_as_they_were_written(convex: ConvexTest) -> None:
    planned.reset(a_conflict(), a_conflict())
    convex.run(meet_conflicts)
    assert seen == [[[]] * 6] * 3


@mutation
def schedule(ctx: MutationCtx) -> None:
    for function in (append, append_in_an_action, append_in_a_sync_action):
        ctx.schedule.now(function)
        ctx.schedule.now(function)


@mutation
def append(ctx: MutationCtx, tags: list[str] = []) -> None:  # noqa: B006
    use(tags)


@query
def append_in_a_query(ctx: QueryCtx, tags: list[str] = []) -> None:  # noqa: B006
    use(tags)


@action
async def append_in_an_action(ctx: ActionCtx, tags: list[str] = []) -> None:  # noqa: B006
    use(tags)


@action
def append_in_a_sync_action(ctx: SyncActionCtx, *, tags: list[str] = []) -> None:  # noqa: B006
    use(tags)


def test_every_job_and_every_call_of_every_kind_finds_them(convex: ConvexTest) -> None:
    convex.run(schedule)
    convex.run_due()
    functions: list[Any] = [append, append_in_a_query, append_in_an_action, append_in_a_sync_action]
    for function in functions:
        convex.run(function)
    assert seen == [[[]]] * 10


@mutation
def call_plainly(ctx: MutationCtx) -> None:
    append(ctx)
    append(ctx)
    append(ctx, ["given"])
    append(ctx, tags=["given"])
    ctx.run_mutation(append)


def test_a_plain_call_of_a_function_finds_them_too(convex: ConvexTest) -> None:
    convex.run(call_plainly)
    assert seen == [[[]], [[]], [["given"]], [["given"]], [[]]]


@mutation
def take_a_mark(ctx: MutationCtx, value: Any = MARK) -> bool:
    return value is MARK


def test_a_mark_stays_the_same_object(convex: ConvexTest) -> None:
    assert convex.run(take_a_mark) is True
    assert convex.run(take_a_mark, value=None) is False


@mutation
def take_a_lock_too(ctx: MutationCtx, lock: Any, tags: list[str]) -> None:
    assert lock is LOCK
    use(tags)
    planned.raise_next()


def test_one_argument_that_cannot_be_copied_shares_no_other(convex: ConvexTest) -> None:
    planned.reset(a_conflict())
    convex.run(take_a_lock_too, lock=LOCK, tags=["given"])
    assert seen == [[["given"]]] * 2


def ellipsis(ctx: Any, count: int = ...) -> None: ...  # type: ignore[assignment]


def ellipsis_with_constraints(ctx: Any, count: Annotated[int, Field(gt=0)] = ...) -> None: ...  # type: ignore[assignment]


def dataclass_field(ctx: Any, tags: list[str] = field(default_factory=list)) -> None: ...  # noqa: B008


@pytest.mark.parametrize(
    ("handler", "advice"),
    [(ellipsis, "remove"), (ellipsis_with_constraints, "remove"), (dataclass_field, "default itself")],
)
@pytest.mark.parametrize("builder", [query, mutation, action])
def test_what_is_no_value_is_refused_as_a_default(builder: Any, handler: Callable[..., None], advice: str) -> None:
    with pytest.raises(LoadError, match=rf"test_defaults\.py:\d+.*{advice}"):
        builder(handler)
