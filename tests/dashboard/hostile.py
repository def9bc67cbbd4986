"""Texts that must be shown as they are, wherever a user or a program may have put them."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection, MetaData, insert

from convexpy.clock import unix_milliseconds
from convexpy.database.conflicts import ConflictRecord, add_conflicts
from convexpy.database.tables import audit, error_minutes, errors
from convexpy.database.types import new_job_id

from .figures import PROCESS, minute_of
from .past_jobs import PastJob, seconds, write_jobs

MARK: Final = "hacked"
"""The property of ``window`` that a script in one of these texts would set."""
TEXTS: Final = (
    f"<script>window.{MARK} = 1</script>",
    f'"><img src=x onerror="window.{MARK} = 1"><a href="javascript:window.{MARK} = 1">x</a>',
    f"${{window.{MARK} = 1}} {{{{window.{MARK} = 1}}}} `${{0}}` %s \\u003cscript\\u003e </script><!--",
    "\u202eאבג right to left\u2066 and isolated \u200b\u200d\ufeff",
    "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft" * 12,
    "e\u0301\u0323\u0307" * 40 + " 👩‍👩‍👧‍👦🏴‍☠️ \U0001f1e6\U0001f1f9",
    "line one\nline two\r\n\ttabbed\x1b[31m red \x07",
)


def write_hostile(connection: Connection, metadata: MetaData, now: datetime) -> None:
    """Store each text in names, arguments, errors, tracebacks, rows, groups of errors, changes and conflicts."""
    write_jobs(connection, [job for n, text in enumerate(TEXTS) for job in jobs_with(text, n, now)])
    for n, text in enumerate(TEXTS):
        customer = {"id": f"hostile{n}{text[:20]}", "name": text, "email": f"{n}{text}", "is_regular": False}
        connection.execute(insert(metadata.tables["users"]), {**customer, "joined_at": now})
        fingerprint = f"{n:016x}"
        group = {"fingerprint": fingerprint, "function": text, "exception": text, "place": text, "message": text}
        times = {"times": n + 1, "first_time": now - timedelta(hours=1), "last_time": now - seconds(n)}
        connection.execute(insert(errors), {**group, **times, "trace": text, "job_id": None})
        minute = {"minute": minute_of(now), "fingerprint": fingerprint, "process": PROCESS, "times": n + 1}
        connection.execute(insert(error_minutes), minute)
        change = {"id": new_job_id(by_time=True), "time": now, "actor": text, "action": text, "target": text}
        connection.execute(insert(audit), {**change, "details": text})
    add_conflicts(connection, [ConflictRecord(text, text, text, 3, now) for text in TEXTS])


def jobs_with(text: str, number: int, now: datetime) -> list[PastJob]:
    """A job that failed, and one of an unknown function that waits."""
    began = now - seconds(number + 1)
    failed = PastJob(
        new_job_id(),
        "mail:send",
        "action",
        {"to": text, "text": text, text: [text, {text: text}]},
        began,
        "failed",
        started=began,
        completed=began + seconds(0.1),
        error=f"ValueError: {text}",
        trace=f'Traceback (most recent call last):\n  File "{text}", line 1, in {text}\n    {text}\nValueError: {text}',
        request=f"request {text}"[:200],
        origin=json.dumps({"function": text, "caller": text, "started": unix_milliseconds(now)}),
    )
    waiting = replace(
        failed,
        id=new_job_id(),
        name=f"hostile:{text}",
        scheduled=now + timedelta(days=1, minutes=number),
        state="pending",
        started=None,
        completed=None,
        error=None,
        trace=None,
        last_error=text,
    )
    return [failed, waiting]
