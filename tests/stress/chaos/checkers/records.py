"""The lines of a run's files, as typed records that keep only what a check needs: a long run has millions of them."""

from __future__ import annotations

from sys import intern
from typing import Any, NamedTuple

Line = dict[str, Any]


class Intent(NamedTuple):
    """What a client was about to do, and the answer: ``ok``, ``fail`` (definitely not) or ``info`` (unknown)."""

    call: str
    op: str
    due: float | None
    target: str | None
    children: int
    t0: float
    outcome: str = "info"
    answer: Any = None
    job: str | None = None
    t1: float | None = None

    @classmethod
    def of(cls, line: Line) -> Intent:
        children = line.get("children") or 0
        return cls(line["call"], intern(line["op"]), line.get("due"), line.get("target"), children, line["t0"])

    def answered(self, line: Line) -> Intent:
        outcome, answer, job = intern(line["outcome"]), line.get("answer"), line.get("job")
        return self._replace(outcome=outcome, answer=answer, job=job, t1=line.get("t1"))


class Job(NamedTuple):
    """A row of the jobs table. ``effects`` and ``children`` are how many its success must leave; None: not said.

    A job without a call in its arguments leaves nothing that could be counted. One with ``steps`` appends to lists, and
    what became of that is in the history of lists.
    """

    id: str
    kind: str
    call: str | None
    effects: int
    children: int | None
    due: float
    state: str
    error: str | None
    cron: str | None
    parent: str | None
    attempts: int
    appends: bool

    @classmethod
    def of(cls, line: Line) -> Job:
        args = line["args"]
        call, children = args.get("call"), args.get("children")
        return cls(
            line["id"],
            intern(line["kind"]),
            call,
            args.get("effects", 0 if call is None or "steps" in args else 1),
            len(children) if isinstance(children, list) else children,
            line["scheduled_time"],
            intern(line["state_kind"]),
            line["state_error"],
            line["cron"] and intern(line["cron"]),
            line["parent"],
            line["attempts"],
            "steps" in args,
        )


class Mark(NamedTuple):
    """What a call left beside the one job that it scheduled: both exist, or neither."""

    call: str
    job: str

    @classmethod
    def of(cls, line: Line) -> Mark:
        return cls(line["call"], line["job"])


class Effect(NamedTuple):
    """What a mutation wrote: for which call and job, in which attempt, when, and between which accounts it moved."""

    call: str
    job: str | None
    attempt: int | None
    at: float
    moved: tuple[Any, Any, int] | None

    @classmethod
    def of(cls, line: Line) -> Effect:
        moved = line.get("moved")
        return cls(line["call"], line["job"], line.get("attempt"), line["at"], tuple(moved) if moved else None)


class End(NamedTuple):
    """A row of the table of finished jobs."""

    job: str
    state: str

    @classmethod
    def of(cls, line: Line) -> End:
        return cls(line["job_id"], intern(line["state_kind"]))


class Move(NamedTuple):
    """One change of a job's row, as a trigger saw it. ``old`` is None for an insert, ``new`` for a delete."""

    seq: int
    old: str | None
    new: str | None
    attempts: int | None
    at: float

    @classmethod
    def of(cls, line: Line) -> Move:
        old, new = line["old"], line["new"]
        return cls(line["seq"], old and intern(old), new and intern(new), line["attempts"], line["at"])


class Step(NamedTuple):
    """One line that an action wrote outside of the database: ``start`` or ``end``."""

    what: str
    call: str
    job: str
    attempt: int
    at: float

    @classmethod
    def of(cls, line: str) -> Step:
        what, call, job, attempt, _pid, at = line.split()
        if what not in ("start", "end"):
            raise ValueError(f"an action's line begins with start or end, not {what!r}")
        return cls(intern(what), call, job, int(attempt), float(at))


class Fault(NamedTuple):
    """Something that was done to the system, from when to when."""

    kind: str
    t0: float
    t1: float

    @classmethod
    def of(cls, line: Line) -> Fault:
        return cls(intern(line["kind"]), line["t0"], line["t1"] if line.get("t1") is not None else line["t0"])


class Cron(NamedTuple):
    """A declared cron and its timetable: ``interval 60s`` or ``cron * * * * *``."""

    name: str
    schedule: str

    @classmethod
    def of(cls, line: Line) -> Cron:
        return cls(line["name"], line["schedule"])
