"""The app under simulation: functions that do what their plan says, and leave a trace of every step.

What a transaction did is recorded by its own rows (``Effect``), what became of a job by a trigger (``Audit``), and what
an action did in a journal outside of the database, as the outside world would record it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import DDL, BigInteger, event, select
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from convexpy import ActionCtx, JobId, MutationCtx, SyncActionCtx, internal_action, internal_mutation, mutation

Plan = dict[str, Any]


@dataclass
class World:
    """What lies outside of the database: the time as it truly is, and what actions did."""

    now: Callable[[], datetime]
    journal: list[tuple[str, str, str]] = field(default_factory=list)

    def note(self, what: str, label: str, job: object = "") -> None:
        self.journal.append((what, label, str(job or "")))


world = World(datetime.now)


class Base(DeclarativeBase):
    pass


class Effect(Base):
    """That a mutation ran, that a child was scheduled, that a job was asked to be canceled. Nothing here is unique."""

    __tablename__ = "effects"
    id: Mapped[int] = mapped_column(primary_key=True)
    what: Mapped[str]
    label: Mapped[str]
    job: Mapped[str]
    at: Mapped[int] = mapped_column(BigInteger)


class Audit(Base):
    """Every state that a job ever had, written by the database itself; and the requests to cancel in between."""

    __tablename__ = "audit"
    id: Mapped[int] = mapped_column(primary_key=True)
    job: Mapped[str]
    was: Mapped[str | None]
    became: Mapped[str | None]
    kind: Mapped[str | None]
    cron: Mapped[str | None]
    args: Mapped[str | None]
    scheduled: Mapped[int | None] = mapped_column(BigInteger)
    completed: Mapped[int | None] = mapped_column(BigInteger)
    error: Mapped[str | None]


COLUMNS = "INSERT INTO audit (job, was, became, kind, cron, args, scheduled, completed, error) VALUES"
MOVES = {
    "INSERT": ("NEW", "NEW.id, NULL, NEW.state_kind"),
    "UPDATE OF state_kind": ("NEW", "NEW.id, OLD.state_kind, NEW.state_kind"),
    "DELETE": ("OLD", "OLD.id, OLD.state_kind, NULL"),
}
TIMES = {"sqlite": "{0}", "postgresql": "(extract(epoch FROM {0}) * 1000000)::bigint"}


def triggers(dialect: str) -> Iterator[str]:
    """Statements that make the database write the audit by itself."""
    for number, (change, (row, moved)) in enumerate(MOVES.items()):
        times = [TIMES[dialect].format(f"{row}.{name}_time") for name in ("scheduled", "completed")]
        rest = f"{row}.kind, {row}.cron, {row}.args, {', '.join(times)}, {row}.state_error"
        write = f"{COLUMNS} ({moved}, {rest});"
        when = f"TRIGGER audit_{number} AFTER {change} ON _scheduled_functions"
        if dialect == "sqlite":
            yield f"CREATE TRIGGER IF NOT EXISTS {when.removeprefix('TRIGGER ')} BEGIN {write} END"
            continue
        body = f"BEGIN {write} RETURN NULL; END"
        yield f"CREATE OR REPLACE FUNCTION audit_{number}() RETURNS trigger LANGUAGE plpgsql AS $${body}$$"
        yield f"CREATE OR REPLACE {when} FOR EACH ROW EXECUTE FUNCTION audit_{number}()"


for dialect in TIMES:
    for statement in triggers(dialect):
        event.listen(Base.metadata, "after_create", DDL(statement).execute_if(dialect=dialect))


class Broken(Exception):
    """The developer's own error: the plan says that this function fails."""


class Undone(Exception):
    """A nested mutation that is rolled back alone."""


def effect(ctx: MutationCtx, what: str, label: str, job: object = "") -> None:
    at = round(world.now().timestamp() * 1_000_000)
    ctx.db.add(Effect(what=what, label=label, job=str(job or ""), at=at))
    ctx.db.flush()


def ask(schedule: Any, step: Plan) -> Any:
    """Schedule a child: a job id, or something to await."""
    child = step["plan"]
    function = {"mutation": work, "action": act, "sync action": act_sync}[child["kind"]]
    if step["how"] == "now":
        return schedule.now(function, plan=child)
    if step["how"] == "after":
        return schedule.after(step["milliseconds"], function, plan=child)
    return schedule.at(round(world.now().timestamp() * 1000) + step["milliseconds"], function, plan=child)


def perform(ctx: MutationCtx, plan: Plan) -> None:
    """What a mutation does, all of it in its transaction."""
    for step in plan["steps"]:
        if step["do"] == "schedule":
            effect(ctx, "scheduled", step["plan"]["label"], ask(ctx.schedule, step))
        elif step["do"] == "cancel":
            found = ctx.db.scalar(select(Effect.job).where(Effect.what == "scheduled", Effect.label == step["label"]))
            if found is not None and (ctx.job is None or ctx.job.id != found):
                ctx.schedule.cancel(JobId(found))
                ctx.db.add(Audit(job=found, became="asked"))
                ctx.db.flush()
        elif step["do"] == "nested":
            try:
                ctx.run_mutation(part, plan=step)
            except Undone:
                continue
    if plan.get("fails"):
        raise Broken(plan["label"])


@mutation
def order(ctx: MutationCtx, plan: Plan) -> None:
    effect(ctx, "ran", plan["label"])
    perform(ctx, plan)


@internal_mutation
def work(ctx: MutationCtx, plan: Plan) -> None:
    effect(ctx, "ran", plan["label"], ctx.job and ctx.job.id)
    perform(ctx, plan)


@internal_mutation
def part(ctx: MutationCtx, plan: Plan) -> None:
    perform(ctx, plan)
    if plan["raises"]:
        raise Undone


@internal_mutation
def note(ctx: MutationCtx, label: str) -> None:
    effect(ctx, "noted", label, ctx.job and ctx.job.id)


@internal_mutation
def tick(ctx: MutationCtx, cron: str) -> None:
    effect(ctx, "ticked", cron, ctx.job and ctx.job.id)


@internal_action
async def act(ctx: ActionCtx, plan: Plan) -> None:
    job = ctx.job and ctx.job.id
    world.note("start", plan["label"], job)
    for step in plan["steps"]:
        if step["do"] == "schedule":
            world.note("asks", step["plan"]["label"])
            world.note("scheduled", step["plan"]["label"], await ask(ctx.schedule, step))
        elif step["do"] == "cancel me" and job:
            await ctx.schedule.cancel(job)
            world.note("canceled itself", plan["label"], job)
        elif step["do"] == "note":
            world.note("asks", step["label"])
            await ctx.run_mutation(note, label=step["label"])
            world.note("noted", step["label"])
    world.note("end", plan["label"], job)
    if plan["fails"]:
        raise Broken(plan["label"])


@internal_action
def act_sync(ctx: SyncActionCtx, plan: Plan) -> None:
    job = ctx.job and ctx.job.id
    world.note("start", plan["label"], job)
    for step in plan["steps"]:
        if step["do"] == "schedule":
            world.note("asks", step["plan"]["label"])
            world.note("scheduled", step["plan"]["label"], ask(ctx.schedule, step))
        elif step["do"] == "cancel me" and job:
            ctx.schedule.cancel(job)
            world.note("canceled itself", plan["label"], job)
        elif step["do"] == "note":
            world.note("asks", step["label"])
            ctx.run_mutation(note, label=step["label"])
            world.note("noted", step["label"])
    world.note("end", plan["label"], job)
    if plan["fails"]:
        raise Broken(plan["label"])
