"""What became of every job, judged from the database file and the journal alone: ``sqlite3``, and nothing of ours."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

TERMINAL = ("success", "failed", "canceled")


@dataclass
class Verdict:
    """Counts, and every broken promise in words."""

    jobs: int = 0
    lost: int = 0
    doubled: int = 0
    stuck: int = 0
    states: Counter[str] = field(default_factory=Counter)
    processes: Counter[int] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)

    def add(self, other: Verdict) -> None:
        self.jobs += other.jobs
        self.lost += other.lost
        self.doubled += other.doubled
        self.stuck += other.stuck
        self.states += other.states
        self.processes += other.processes
        self.broken += other.broken


class Seen(NamedTuple):
    """What one job left behind: rows, lines of the journal, and jobs that it scheduled."""

    effects: int
    starts: int
    ends: int
    children: int


@contextmanager
def reading(database: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(database, timeout=30)) as connection:
        connection.row_factory = sqlite3.Row
        yield connection


def is_quiet(database: Path, least: int = 0) -> bool:
    """Whether every job is over and nothing waits, and there were at least so many jobs."""
    with reading(database) as connection:
        if connection.execute("SELECT count(*) FROM _scheduled_functions").fetchone()[0] < least:
            return False
        waiting = connection.execute("SELECT count(*) FROM _convexpy_queue").fetchone()[0]
        unfinished = "SELECT count(*) FROM _scheduled_functions WHERE state_kind IN ('pending', 'inProgress')"
        return not waiting and not connection.execute(unfinished).fetchone()[0]


def rows(database: Path, query: str, *values: Any) -> list[sqlite3.Row]:
    with reading(database) as connection:
        return connection.execute(query, values).fetchall()


def execute(database: Path, statement: str) -> None:
    with reading(database) as connection:
        connection.execute(statement)
        connection.commit()


def value(database: Path, query: str, *values: Any) -> Any:
    return rows(database, query, *values)[0][0]


def states(database: Path, label: str) -> list[str]:
    """The states of the jobs whose label is this one."""
    found = rows(database, "SELECT args, state_kind FROM _scheduled_functions")
    return [row["state_kind"] for row in found if json.loads(row["args"]).get("label") == label]


def judge(database: Path, journal: Path, acknowledged: dict[str, int] | None = None) -> Verdict:
    """Compare what happened with what may happen.

    Args:
        database: The file, with every job over.
        journal: What actions did, one line each: ``start`` or ``end``, and the job.
        acknowledged: ChildConfig whose commit the caller saw: label and number of jobs. Others committed or did not.
    """
    verdict = Verdict()
    with reading(database) as connection:
        health = connection.execute("PRAGMA integrity_check").fetchone()[0]
        if health != "ok":
            verdict.broken.append(f"integrity_check: {health}")
        jobs = {row["id"]: row for row in connection.execute("SELECT * FROM _scheduled_functions")}
        effects = connection.execute("SELECT label, job, pid FROM effects").fetchall()
        queued = connection.execute("SELECT * FROM _convexpy_queue").fetchall()
        ended = Counter(row[0] for row in connection.execute("SELECT job_id FROM _convexpy_finished"))
    verdict.jobs = len(jobs)
    verdict.states.update(row["state_kind"] for row in jobs.values())
    verdict.processes.update(row["pid"] for row in effects if row["job"] is not None)
    check_stuck(verdict, jobs, queued, ended)
    check_effects(verdict, jobs, effects, journal)
    check_orders(verdict, jobs, effects, acknowledged or {})
    check_slots(verdict, jobs)
    return verdict


def check_stuck(verdict: Verdict, jobs: dict[str, Any], queued: list[Any], ended: Counter[str]) -> None:
    """No job is unfinished, nothing is left in the queue, and each end is listed once."""
    for job in jobs.values():
        if job["state_kind"] not in TERMINAL:
            verdict.stuck += 1
            verdict.broken.append(f"stuck: {text_of(job)}")
        elif ended[job["id"]] != 1:
            verdict.broken.append(f"its end is listed {ended[job['id']]} times: {text_of(job)}")
    for row in queued:
        verdict.broken.append(f"still in the queue: {dict(row)}")


def check_effects(verdict: Verdict, jobs: dict[str, Any], effects: list[Any], journal: Path) -> None:
    """Per job: a mutation that succeeded has one effect and its children; an action started once at most."""
    by_job = Counter(row["job"] for row in effects if row["job"] is not None)
    children = Counter(job["parent"] for job in jobs.values() if job["parent"] is not None)
    written = [line.split()[:2] for line in journal.read_text().splitlines()]
    starts = Counter(job for what, job in written if what == "start")
    ends = Counter(job for what, job in written if what == "end")
    for unknown in {*by_job, *starts, *children} - set(jobs):
        verdict.broken.append(f"an effect of a job that is unknown: {unknown}")
    for job in jobs.values():
        seen = Seen(by_job[job["id"]], starts[job["id"]], ends[job["id"]], children[job["id"]])
        expected = json.loads(job["args"]).get("children", 0)
        verdict.doubled += max(seen[:3]) > 1
        if job["kind"] == "mutation":
            wanted = Seen(1, 0, 0, expected) if job["state_kind"] == "success" else Seen(0, 0, 0, 0)
            verdict.lost += seen.effects < wanted.effects
            if seen != wanted:
                verdict.broken.append(f"{seen}, not {wanted}: {text_of(job)}")
        else:
            check_action(verdict, job, seen, expected)


def check_action(verdict: Verdict, job: Any, seen: Seen, expected: int) -> None:
    if max(seen[:3]) > 1 or seen.children > expected:
        verdict.broken.append(f"more than once: {seen}: {text_of(job)}")
    if job["state_kind"] == "success" and seen != Seen(1, 1, 1, expected):
        verdict.lost += 1
        verdict.broken.append(f"{seen} after a success: {text_of(job)}")
    if job["state_kind"] == "failed" and not job["state_error"]:
        verdict.broken.append(f"failed without saying why: {text_of(job)}")


def check_slots(verdict: Verdict, jobs: dict[str, Any]) -> None:
    """Each slot of a cron became one job."""
    fired = [job for job in jobs.values() if job["cron"] and job["state_kind"] != "canceled"]
    slots = Counter((job["cron"], job["scheduled_time"]) for job in fired)
    for slot, number in slots.items():
        if number > 1:
            verdict.doubled += 1
            verdict.broken.append(f"the slot {slot} became {number} jobs")


def check_orders(verdict: Verdict, jobs: dict[str, Any], effects: list[Any], acknowledged: dict[str, int]) -> None:
    """Per order: its mark and its jobs exist together or not at all, and always if its commit was seen."""
    marks = Counter(row["label"] for row in effects if row["job"] is None)
    roots = Counter(
        json.loads(job["args"])["label"].split("/")[0]
        for job in jobs.values()
        if job["parent"] is None and "/" in json.loads(job["args"]).get("label", "")
    )
    for label, number in acknowledged.items():
        if marks[label] != 1 or roots[label] != number:
            verdict.lost += max(0, number - roots[label])
            found = f"{marks[label]} marks, {roots[label]} of {number} jobs"
            verdict.broken.append(f"order {label} was acknowledged: {found}")
    for label in {*marks, *roots} - set(acknowledged):
        if marks[label] != 1 or roots[label] == 0:
            verdict.broken.append(f"order {label}: {marks[label]} marks, {roots[label]} jobs")


def text_of(job: Any) -> str:
    state = {key: job[key] for key in ("id", "name", "args", "state_kind", "state_error", "attempts", "last_error")}
    return str(state)
