"""``kill -9`` at every station of a job's way, and what must have become of the job after a restart."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from . import checker
from .checker import Verdict
from .moves import VICTIM, Moment
from .process import Died, Place, Running, wait_until

Story = Literal["mutation", "action", "sync action", "direct", "cron", "rescue", "stop"]
LOST = "died before it finished"


@dataclass(frozen=True)
class Station:
    """Where the process kills itself, and what the victim must look like in the end."""

    story: Story
    where: str
    move: str
    moment: Moment
    state: str = "success"
    starts: int | None = None  # of the action; None: it is none
    exists: bool = True  # whether the order that was under way must be there

    def __str__(self) -> str:
        return f"{self.story}: {self.where}"


def action_stations(story: Story) -> list[Station]:
    return [
        Station(story, "claim, before its COMMIT", "claim action", "before", starts=1),
        Station(story, "claim, after its COMMIT", "claim action", "after", starts=1),
        Station(story, "claimed, before anything", "hand action", "enter", starts=1),
        Station(story, "before its start record", "start action", "enter", starts=1),
        Station(story, "start record, before its COMMIT", "start action", "before", starts=1),
        Station(story, "start record committed, before its first line", "start action", "after", "failed", 0),
        Station(story, "inside the handler", "inside", "done", "failed", 1),
        Station(story, "its own schedule, before COMMIT", "insert child", "before", "failed", 1),
        Station(story, "its own schedule, after COMMIT", "insert child", "after", "failed", 1),
        Station(story, "the mutation it calls, before COMMIT", "note", "before", "failed", 1),
        Station(story, "the mutation it calls, after COMMIT", "note", "after", "failed", 1),
        Station(story, "handler over, before its finish", "finish", "enter", "failed", 1),
        Station(story, "finish, before its COMMIT", "finish", "before", "failed", 1),
        Station(story, "finish, after its COMMIT", "finish", "after", starts=1),
    ]


STATIONS = [
    Station("mutation", "claim, before its COMMIT", "claim mutation", "before"),
    Station("mutation", "claim, after its COMMIT", "claim mutation", "after"),
    Station("mutation", "claimed, before anything", "hand mutation", "enter"),
    Station("mutation", "transaction begun, before its job is taken", "take mutation", "enter"),
    Station("mutation", "before the handler", "take mutation", "done"),
    Station("mutation", "inside the handler", "inside", "done"),
    Station("mutation", "before COMMIT", "take mutation", "before"),
    Station("mutation", "after COMMIT, before anything is announced", "take mutation", "after"),
    *action_stations("action"),
    *action_stations("sync action"),
    Station("direct", "a mutation that schedules, before COMMIT", "insert", "before", exists=False),
    Station("direct", "a mutation that schedules, after COMMIT", "insert", "after"),
    Station("cron", "its slot is taken, before the job is there", "cron", "done"),
    Station("cron", "before COMMIT", "cron", "before"),
    Station("cron", "after COMMIT", "cron", "after"),
    Station("rescue", "of a dead worker's jobs, before COMMIT", "rescue", "before", "failed", 1),
    Station("rescue", "of a dead worker's jobs, after COMMIT", "rescue", "after", "failed", 1),
    Station("stop", "giving back claims, before COMMIT", "unclaim", "before"),
    Station("stop", "giving back claims, after COMMIT", "unclaim", "after"),
]


@dataclass
class Round:
    """What one kill and the restart after it gave."""

    fired: bool
    recovery_seconds: float
    verdict: Verdict


def kill_at(station: Station, folder: Path) -> Round:
    """One round: some bystanders, the victim, the kill, a clean process that does the rest, and the verdict."""
    place = Place(folder)
    acknowledged: dict[str, int] = {}
    fired = STORIES[station.story](station, place, acknowledged)
    died = time.monotonic()
    with place.child(**with_cron(station)) as clean:
        clean.ready()
        try:
            wait_until(lambda: checker.is_quiet(place.database, 1), f"everything is over after: {station}")
        except TimeoutError as error:
            verdict = checker.judge(place.database, place.journal, acknowledged)
            verdict.broken.append(str(error))
            return Round(fired, time.monotonic() - died, verdict)
        seconds = time.monotonic() - died
    verdict = checker.judge(place.database, place.journal, acknowledged)
    verdict.broken += victim_is_not(station, place)
    return Round(fired, seconds, verdict)


def a_job(station: Station, place: Place, acknowledged: dict[str, int]) -> bool:
    """The victim is a mutation or an action that a process runs among others."""
    with place.child(die_at=(station.move, station.moment)) as child:
        order(child.ready(), "bystander", acknowledged, pays=3, sends=2, children=1)
        kinds = {"mutation": {"pays": 1}, "direct": {"pays": 2}}.get(station.story, {"sends": 1})
        order(child, VICTIM, acknowledged, **kinds, children=2, sync=station.story == "sync action")
        return child.wait() == -signal.SIGKILL


def a_cron(station: Station, place: Place, acknowledged: dict[str, int]) -> bool:
    """The victim is a slot that is due when the process starts."""
    with place.child(die_at=(station.move, station.moment), **with_cron(station)) as child:
        return child.wait() == -signal.SIGKILL


def with_cron(station: Station) -> dict[str, Any]:
    """A cron that fires once, at the first start."""
    return {"environ": {"FAULTS_CRON_SECONDS": "3600"}} if station.story == "cron" else {}


def a_rescue(station: Station, place: Place, acknowledged: dict[str, int]) -> bool:
    """The victim is an action; the process that finds it lost is killed too."""
    with place.child(die_at=("inside", "done")) as child:
        order(child.ready(), "bystander", acknowledged, pays=3, children=1)
        order(child, VICTIM, acknowledged, sends=1)
        died = child.wait() == -signal.SIGKILL
    with place.child(die_at=(station.move, station.moment)) as child:
        return child.wait() == -signal.SIGKILL and died


def a_stop(station: Station, place: Place, acknowledged: dict[str, int]) -> bool:
    """A process is killed while it gives back, at its end, what it claimed and never tried."""
    with place.child(die_at=(station.move, station.moment)) as child:
        acknowledged[VICTIM] = child.ready().call("work:order_held", label=VICTIM, gate="gate", holds=1, pays=40)
        wait_until(lambda: place.lines("hold") != [], "the first mutation holds the others up")
        child.tell("stop")  # first, so that most of them are still untried when it gives them back
        child.open("gate")
        return child.wait() == -signal.SIGKILL


STORIES: dict[Story, Callable[[Station, Place, dict[str, int]], bool]] = {
    "mutation": a_job,
    "action": a_job,
    "sync action": a_job,
    "direct": a_job,
    "cron": a_cron,
    "rescue": a_rescue,
    "stop": a_stop,
}


def order(child: Running, label: str, acknowledged: dict[str, int], **numbers: object) -> None:
    """Give an order, and remember it if its commit was seen."""
    with suppress(Died):
        acknowledged[label] = child.call("work:order", label=label, **numbers)


def victim_is_not(station: Station, place: Place) -> list[str]:
    """What the victim should be and is not."""
    if station.story in ("direct", "stop"):
        return []
    root = VICTIM if station.story == "cron" else f"{VICTIM}/pay0" if station.story == "mutation" else f"{VICTIM}/send0"
    found = checker.rows(
        place.database,
        "SELECT id, state_kind, state_error FROM _scheduled_functions WHERE json_extract(args, '$.label') = ?",
        root,
    )
    if [row["state_kind"] for row in found] != [station.state]:
        return [f"{station}: the victim is {[dict(row) for row in found]}, not one {station.state}"]
    broken = []
    if station.state == "failed" and LOST not in found[0]["state_error"]:
        broken.append(f"{station}: it failed with {found[0]['state_error']!r}")
    if station.starts is not None and place.lines("start").count(found[0]["id"]) != station.starts:
        broken.append(f"{station}: {place.lines('start').count(found[0]['id'])} starts, not {station.starts}")
    return broken
