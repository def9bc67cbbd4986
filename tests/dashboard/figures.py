"""What the framework sums up and keeps beside the jobs: minutes, errors, conflicts, runs of crons, changes."""

from __future__ import annotations

import hashlib
import json
import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, delete, insert

from convexpy.database.conflicts import ConflictRecord, add_conflicts
from convexpy.database.durations import bucket_of, to_text
from convexpy.database.minutes import ALL_FUNCTIONS, RunSums
from convexpy.database.tables import audit, cron_runs, error_minutes, errors, minutes

from .failures import Samples
from .past_jobs import PastJob

MINUTE = timedelta(minutes=1)
PROCESS = "demo"
OF_GROUP = ("fingerprint", "exception", "place", "message")
"""What the engine knows of a group of errors."""
# Direct calls: how often each is made in a minute, how often it fails, and how many seconds it takes.
DIRECT = {
    "orders:place": (5.0, 0.01, 0.018),
    "orders:latest": (40.0, 0.0, 0.004),
    "stock:levels": (12.0, 0.0, 0.003),
    "orders:mark_paid": (4.0, 0.0, 0.009),
    "orders:amount_due": (4.5, 0.0, 0.002),
}
CRONS = {
    "clean up sessions": (timedelta(hours=2), 0.12, 0.0),
    "daily report": (timedelta(days=1), 0.6, 0.0),
    "prices of Darjeeling Direct": (timedelta(minutes=15), 0.25, 0.05),
    "prices of Silent & Sons": (timedelta(hours=1), 0.03, 1.0),
}
CHANGES = (
    ("mira", "cancel", "41 jobs of reminders:send", {"filter": {"function": "reminders:send"}}),
    ("mira", "retry", "orders:charge", None),
    ("jon", "pause", "prices of Silent & Sons", {"note": "They moved. New address on Monday."}),
    ("jon", "resume", "prices of Silent & Sons", None),
    ("mira", "save", "items", {"changes": [{"op": "update", "key": {"id": 13}, "set": {"stock": 3}}]}),
    ("local", "new key", "jon", None),
    ("mira", "run now", "daily report", None),
)


def write_figures(connection: Connection, past: Sequence[PastJob], samples: Samples, now: datetime) -> None:
    """Store all of it."""
    write_minutes(connection, past, now)
    write_errors(connection, past, samples)
    write_conflicts(connection, now)
    write_cron_runs(connection, now)
    write_changes(connection, now)


def write_minutes(connection: Connection, past: Iterable[PastJob], now: datetime) -> None:
    """What was run in each minute of the last day."""
    rng = random.Random(3)
    sums: dict[tuple[datetime, str], RunSums] = defaultdict(RunSums)
    first = minute_of(now) - 24 * 60 * MINUTE
    last = minute_of(now) - MINUTE
    for job in past:
        if job.completed is not None and job.state != "canceled" and first <= job.completed < last:
            for function in (job.name, ALL_FUNCTIONS):
                add_run(sums[minute_of(job.completed), function], job)
    for n in range(24 * 60 - 1):
        for function, (often, failing, usual) in DIRECT.items():
            calls = max(0, round(rng.gauss(often, often**0.5)))
            for _ in range(calls):
                failed = rng.random() < failing
                duration = usual * rng.lognormvariate(0, 0.5)
                for name in (function, ALL_FUNCTIONS):
                    add_call(sums[first + n * MINUTE, name], duration, failed=failed)
    connection.execute(insert(minutes), [minute_row(*key, each) for key, each in sums.items()])


def add_run(sums: RunSums, job: PastJob) -> None:
    add_call(sums, job.seconds, failed=job.state == "failed")
    sums.jobs += 1
    sums.job_failures += job.state == "failed"
    sums.retries += len(job.lost)


def add_call(sums: RunSums, duration: float, *, failed: bool) -> None:
    sums.calls += 1
    sums.failures += failed
    bucket = bucket_of(duration)
    sums.durations[bucket] = sums.durations.get(bucket, 0) + 1


def minute_row(minute: datetime, function: str, sums: RunSums) -> dict[str, Any]:
    return {
        "minute": minute,
        "function": function,
        "process": PROCESS,
        "calls": sums.calls,
        "failures": sums.failures,
        "retries": sums.retries,
        "jobs": sums.jobs,
        "job_failures": sums.job_failures,
        "durations": to_text(sums.durations),
    }


def write_errors(connection: Connection, past: Iterable[PastJob], samples: Samples) -> None:
    """A group for each function that failed, as the engine made it of the sample, with the counts of the history."""
    failed: dict[str, list[PastJob]] = defaultdict(list)
    for job in past:
        if job.state == "failed":
            failed[job.name].append(job)
    for function, of_function in failed.items():
        of_function.sort(key=lambda job: job.completed or job.scheduled)
        values = group_values(function, of_function, samples)
        connection.execute(delete(errors).where(errors.c.fingerprint == values["fingerprint"]))
        connection.execute(insert(errors), values)
        seen = Counter(minute_of(job.completed) for job in of_function if job.completed is not None)
        rows = [
            {"minute": minute, "fingerprint": values["fingerprint"], "process": PROCESS, "times": times}
            for minute, times in seen.items()
        ]
        connection.execute(insert(error_minutes), rows)


def group_values(function: str, failed: Sequence[PastJob], samples: Samples) -> dict[str, Any]:
    error, trace = samples.failures[function]
    group = samples.groups.get(function)
    known = {} if group is None else {name: getattr(group, name) for name in OF_GROUP}
    made = {
        "fingerprint": hashlib.sha256(function.encode()).hexdigest()[:16],
        "exception": error.partition(":")[0],
        "place": None,
        "message": error.partition(": ")[2] or error,
    }
    return {
        **made,
        **known,
        "function": function,
        "trace": trace,
        "job_id": failed[-1].id,
        "times": len(failed),
        "first_time": failed[0].completed,
        "last_time": failed[-1].completed,
    }


def write_conflicts(connection: Connection, now: datetime) -> None:
    """Which mutations lost to which."""
    known = (
        ("orders:ship", "orders:place", "orders", 41, 7),
        ("stock:take", "orders:place", "items", 312, 1),
        ("orders:place", "orders:place", "items", 118, 3),
        ("stock:fill", None, "items", 9, 190),
        ("reminders:send", None, None, 2, 2900),
    )
    records = [
        ConflictRecord(function, other, table, times, now - timedelta(minutes=age))
        for function, other, table, times, age in known
    ]
    add_conflicts(connection, records)


def write_cron_runs(connection: Connection, now: datetime) -> None:
    """The last runs of each cron: some fail, and some slots are left out."""
    connection.execute(delete(cron_runs))
    connection.execute(insert(cron_runs), [row for name in CRONS for row in runs_of(name, now)])


def runs_of(name: str, now: datetime) -> Iterator[dict[str, Any]]:
    every, usual, failing = CRONS[name]
    rng = random.Random(name)
    for n in range(30, 0, -1):
        slot = minute_of(now) - n * every
        outcome = "failed" if rng.random() < failing else "success"
        reason = None
        if n in (11, 19):
            outcome, reason = "skipped", "the run before was not over" if n == 11 else "no worker ran at this time"
        runs = outcome != "skipped"
        yield {
            "cron": name,
            "slot_time": slot,
            "job_id": f"{rng.getrandbits(128):032x}" if runs else None,
            "started_time": slot + timedelta(milliseconds=rng.randrange(90)) if runs else None,
            "seconds": usual * rng.lognormvariate(0, 0.4) if runs else None,
            "outcome": outcome,
            "reason": reason,
        }


def write_changes(connection: Connection, now: datetime) -> None:
    """What was changed through the dashboard."""
    rng = random.Random(5)
    rows = []
    for n, (actor, action, target, details) in enumerate(CHANGES):
        when = now - timedelta(hours=5 * n, minutes=17 * n + 3)
        rows.append(
            {
                "id": f"{int(when.timestamp() * 1000):012x}{rng.getrandbits(80):020x}",
                "time": when,
                "actor": actor,
                "action": action,
                "target": target,
                "details": None if details is None else json.dumps(details),
            }
        )
    connection.execute(insert(audit), rows)


def minute_of(when: datetime) -> datetime:
    """The minute that a time is in."""
    return when.replace(second=0, microsecond=0)
