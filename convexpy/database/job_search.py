"""Lists of jobs that fit a filter, page by page: in progress, pending, then finished.

Pages go on by key. A search looks at a bounded number of jobs, and says where it goes on if the page is not full then.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from heapq import merge
from itertools import islice
from typing import Final, NamedTuple

from sqlalchemy.engine import Connection

from . import job_scans as scans
from .job_filter import SECTIONS, JobFilter, Section
from .job_rows import JobRow, fitting
from .job_scans import FIRST, LAST, Place
from .types import JobId

MOST_LOOKED_AT: Final = 20_000
MOST_OF_PREVIEW: Final = 5_000
"""So many pending jobs are looked at before those that are over."""
SMALLEST_BATCH: Final = 50
LARGEST_BATCH: Final = 4_000
# Of a job that was tried before it is due again, at most so much later.
LONGEST_RETRY: Final = timedelta(hours=1)


class Cursor(NamedTuple):
    """Where the next page begins: after a place of a section."""

    section: Section
    place: Place


@dataclass(slots=True)
class FoundJobs:
    """A page."""

    rows: list[JobRow] = field(default_factory=list)
    cursor: Cursor | None = None
    """None: there are no more."""
    is_cut: bool = False
    """The page is not full: so many jobs were looked at that the search only goes on when it is asked to."""
    has_more_pending: bool = False
    """More jobs are pending than were asked for."""


def search(
    connection: Connection,
    wanted: JobFilter,
    now: datetime,
    cursor: Cursor | None = None,
    limit: int = 100,
    most_pending: int | None = None,
) -> FoundJobs:
    """A page of the jobs that fit: in progress and finished ones latest first, pending ones soonest first.

    Args:
        connection: The connection.
        wanted: What fits.
        now: The current time.
        cursor: Where the page begins. None: at the beginning.
        limit: How many jobs a page has.
        most_pending: After so many pending ones, what is finished comes next.
    """
    found, looked_at = FoundJobs(), 0
    begin = SECTIONS.index(cursor.section) if cursor else 0
    for section in SECTIONS[begin:]:
        if not wanted.has_section(section):
            continue
        start = cursor.place if cursor and cursor.section == section else None
        room = limit - len(found.rows)
        most = min(room, most_pending) if section == "pending" and most_pending is not None else room
        places = places_of(connection, wanted, section, start, now)
        is_preview = section == "pending" and most < room
        budget = MOST_OF_PREVIEW if is_preview else MOST_LOOKED_AT - looked_at
        taken = take(connection, wanted.within(section), places, most, budget)
        found.rows += taken.rows
        is_full = len(taken.rows) == most
        if is_preview:
            found.has_more_pending = taken.has_more
            continue
        looked_at += taken.looked_at
        if taken.last is not None and (is_full or looked_at >= MOST_LOOKED_AT):
            if taken.has_more or section != SECTIONS[-1]:
                found.cursor, found.is_cut = Cursor(section, taken.last), not is_full
            return found
    return found


class Taken(NamedTuple):
    """What a scan gave that fits."""

    rows: list[JobRow]
    last: Place | None
    """The last place that was looked at."""
    looked_at: int
    """At how many."""
    has_more: bool


def take(connection: Connection, wanted: JobFilter, places: Iterator[Place], most: int, budget: int) -> Taken:
    """The first jobs that fit."""
    rows: list[JobRow] = []
    batch: list[Place] = []
    last, looked_at, size = None, 0, min(max(most, SMALLEST_BATCH), LARGEST_BATCH)
    while len(rows) < most and looked_at < budget:
        batch = list(islice(places, min(size, budget - looked_at)))
        if not batch:
            break
        fit = fitting(connection, wanted, [place.job_id for place in batch])
        for number, place in enumerate(batch, start=1):
            last, looked_at = place, looked_at + 1
            if (row := fit.get(place.job_id)) is not None:
                rows.append(row)
                if len(rows) == most:
                    batch = [each for each in batch[number:] if each.job_id in fit]
                    break
        else:
            batch = []
        size = min(4 * size, LARGEST_BATCH)
    return Taken(rows, last, looked_at, bool(batch) or next(places, None) is not None)


def places_of(
    connection: Connection, wanted: JobFilter, section: Section, start: Place | None, now: datetime
) -> Iterator[Place]:
    """The places of a section in the order of the list, from after a place."""
    if section == "finished":
        return finished_places(connection, wanted, start)
    if section == "running":
        begun = [Place(job.due_time, job.position, job.job_id) for job in scans.claimed(connection) if job.run_token]
        latest_first = sorted(begun, reverse=True)
        return iter([place for place in latest_first if start is None or place < start])
    return pending_places(connection, wanted, start or FIRST, now)


def pending_places(connection: Connection, wanted: JobFilter, start: Place, now: datetime) -> Iterator[Place]:
    since, until = wanted.range
    if (start.time, start.tie) < (since, -1):
        start = Place(since, -1, JobId(""))
    held = [Place(job.due_time, job.position, job.job_id) for job in scans.claimed(connection) if not job.run_token]
    legs: list[Iterator[Place]] = [iter(sorted(place for place in held if place[:2] > start[:2]))]
    if wanted.cron is not None:
        legs = [scans.waiting_of_cron(connection, wanted.cron, start)]
    elif wanted.functions is not None and wanted.is_by_name:
        legs += pending_of_functions(connection, wanted.functions, start, now)
    else:
        legs += scans.waiting(connection, start, until)
    places = without_repeats(merge(*legs, key=lambda place: place[:2]))
    if wanted.position is None:
        return places
    return (place for place in places if int(place.tie) < (wanted.position or 0))


def pending_of_functions(
    connection: Connection, functions: Sequence[str], start: Place, now: datetime
) -> list[Iterator[Place]]:
    """What is scheduled for later by the index of each function; what is due or is tried again from the queue."""
    later = max(start, Place(now, 0, JobId("")), key=lambda place: place[:2])
    ahead = [scans.ahead_of_function(connection, name, later) for name in functions]
    return [*ahead, *scans.waiting(connection, start, now + LONGEST_RETRY)]


def without_repeats(places: Iterator[Place]) -> Iterator[Place]:
    """A job that two scans give comes twice in a row."""
    last = None
    for place in places:
        if place.job_id != last:
            yield place
        last = place.job_id


def finished_places(connection: Connection, wanted: JobFilter, start: Place | None) -> Iterator[Place]:
    since, until = wanted.range
    place = start or LAST._replace(time=until)
    # Failed and canceled jobs are few, so that they are looked through whatever their functions are.
    if not wanted.is_by_name or not wanted.allows("success"):
        legs = [scans.ended(connection, end, place, since) for end in wanted.ends]
    elif wanted.cron is not None:
        legs = [scans.of_cron(connection, wanted.cron, place)]
    else:
        legs = [scans.of_function(connection, name, place) for name in wanted.functions or ()]
    return merge(*legs, key=lambda place: place[:2], reverse=True)
