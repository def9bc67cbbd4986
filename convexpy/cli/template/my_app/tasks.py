"""Tasks that remind you of themselves, until they are done."""

from datetime import timedelta

from pydantic import BaseModel
from sqlalchemy import delete, select

from convexpy import (
    ActionCtx,
    ConvexError,
    MutationCtx,
    QueryCtx,
    internal_action,
    internal_mutation,
    internal_query,
    mutation,
    query,
)

from .models import Task


class TaskView(BaseModel):
    """A task as clients see it."""

    id: int
    text: str
    done: bool


@query
def list_all(ctx: QueryCtx) -> list[TaskView]:
    tasks = ctx.db.scalars(select(Task).order_by(Task.id))
    return [TaskView(id=task.id, text=task.text, done=task.done) for task in tasks]


@mutation
def add(ctx: MutationCtx, text: str) -> int:
    """Add a task. The reminder exists if, and only if, this commits."""
    task = Task(text=text)
    ctx.db.add(task)
    ctx.db.flush()  # gives the task its id
    task.reminder = ctx.schedule.after(timedelta(seconds=10), remind, task_id=task.id)
    return task.id


@mutation
def complete(ctx: MutationCtx, task_id: int) -> None:
    task = ctx.db.get(Task, task_id)
    if task is None:
        raise ConvexError("NOT_FOUND", f"There is no task {task_id}")
    task.done = True
    if task.reminder is not None:
        ctx.schedule.cancel(task.reminder)


@internal_query
def text_of(ctx: QueryCtx, task_id: int) -> str:
    return ctx.db.get_one(Task, task_id).text


@internal_action
async def remind(ctx: ActionCtx, task_id: int) -> None:
    """Actions talk to the outside world: send a mail here, call an API, ask a model."""
    text = await ctx.run_query(text_of, task_id=task_id)
    print(f"Do not forget: {text}", flush=True)


@internal_mutation
def forget_done(ctx: MutationCtx) -> None:
    ctx.db.execute(delete(Task).where(Task.done))
