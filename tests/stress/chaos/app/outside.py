"""The world outside of the database: a log that actions append to, and the name of this process."""

from __future__ import annotations

import os
from pathlib import Path
from time import time as true_time  # taken before anybody moves the clock

from convexpy.runtime.events import Job


class World:
    """What a process sets before it runs the app."""

    log = Path(os.devnull)
    process = ""


def record(what: str, call: str, job: Job | None) -> None:
    """Append one line, whole or not at all."""
    job_id, attempt = (job.id, job.attempt) if job else ("-", 0)
    file = os.open(World.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(file, f"{what} {call} {job_id} {attempt} {os.getpid()} {true_time():.6f}\n".encode())
    finally:
        os.close(file)
