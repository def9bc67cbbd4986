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

Story = Literal[
    "mutation",
    "action",
    "sync action",
    "direct",
    "own mutation",
    "own action",
    "own child",
    "group",
    "group that falls apart",
    "cron",
    "rescue",
    "stop",
    "own stop",
]
PAY = "work:pay"
GROUP = 3
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


def own_claim_stations(story: Story, kind: str, move: str) -> list[Station]:
    """A job is claimed by the very transaction that schedules it."""
    return [
        Station(story, "claimed from its birth, before COMMIT", move, "before", exists=False),
        Station(story, "claimed from its birth, after COMMIT", move, "after"),
        Station(story, "before it enters its room", f"enter {kind}", "enter"),
        Station(story, "before anything", f"hand {kind}", "enter"),
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
    *own_claim_stations("own mutation", "mutation", "own mutation"),
    Station("own mutation", "in its room", "enter mutation", "done"),
    Station("own mutation", "inside the handler", "inside", "done"),
    Station("own mutation", "after COMMIT, before anything is announced", "take mutation", "after"),
    *own_claim_stations("own action", "action", "own action"),
    Station("own action", "start record, before its COMMIT", "start action", "before", starts=1),
    Station("own action", "start record committed, before its first line", "start action", "after", "failed", 0),
    Station("own action", "finish, before its COMMIT", "finish", "before", "failed", 1),
    Station("own child", "of a mutation in a group, before COMMIT", "own child", "before"),
    Station("own child", "of a mutation in a group, after COMMIT", "own child", "after"),
    Station("own child", "before it enters its room", "enter mutation", "enter"),
    Station("group", "the first one has begun", "member 1", "done"),
    Station("group", "the last one has begun", "member 3", "done"),
    Station("group", "inside the second handler", "inside 2", "done"),
    Station("group", "all have run, before their jobs are ended", "finish all", "enter"),
    Station("group", "their jobs are ended", "finish all", "done"),
    Station("group", "before COMMIT", "finish all", "before"),
    Station("group", "after COMMIT, before anything is announced", "finish all", "after"),
    Station("group", "announced, before anybody is told", "tell", "enter"),
    Station("group that falls apart", "before it does", "inside 3", "done"),
    Station("group that falls apart", "it has, before anything else", "part", "enter"),
    Station("group that falls apart", "the others run again", "again inside 2", "done"),
    Station("group that falls apart", "the others, before COMMIT", "again finish all", "before"),
    Station("group that falls apart", "the others, after COMMIT", "again finish all", "after"),
    Station("group that falls apart", "before the guilty one runs alone", "again hand mutation", "enter"),
    Station("group that falls apart", "the guilty one, before COMMIT", "again take mutation", "before"),
    Station("group that falls apart", "the guilty one, after COMMIT", "again take mutation", "after"),
    Station("cron", "its slot is taken, before the job is there", "cron", "done"),
    Station("cron", "before COMMIT", "cron", "before"),
    Station("cron", "after COMMIT", "cron", "after"),
    Station("rescue", "of a dead worker's jobs, before COMMIT", "rescue", "before", "failed", 1),
    Station("rescue", "of a dead worker's jobs, after COMMIT", "rescue", "after", "failed", 1),
    Station("stop", "giving back claims, before COMMIT", "unclaim", "before"),
    Station("stop", "giving back claims, after COMMIT", "unclaim", "after"),
    Station("own stop", "giving back claims that come too late, before COMMIT", "unclaim", "before"),
    Station("own stop", "giving back claims that come too late, after COMMIT", "unclaim", "after"),
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
    """The victim is a mutation or an action that a process looks for, and runs among others."""
    with place.child(die_at=(station.move, station.moment), own_claims=False, together=()) as child:
        order(child.ready(), "bystander", acknowledged, pays=3, sends=2, children=1)
        order(child, VICTIM, acknowledged, **victims(station), children=2, sync=station.story == "sync action")
        return child.wait() == -signal.SIGKILL


def an_own_claim(station: Station, place: Place, acknowledged: dict[str, int]) -> bool:
    """The victim, or its child, is claimed from its birth, for which there must be a place."""
    together = (PAY,) if station.story == "own child" else ()
    with place.child(die_at=(station.move, station.moment), together=together) as child:
        order(child.ready(), "bystander", acknowledged, pays=3, sends=2, children=1)
        wait_until(lambda: checker.is_quiet(place.database, 10) and child.ask("inside") == 0, "the rooms are empty")
        order(child, VICTIM, acknowledged, **victims(station), children=2)
        return child.wait() == -signal.SIGKILL


def victims(station: Station) -> dict[str, int]:
    pays = {"mutation": 1, "own mutation": 1, "own child": 1, "direct": 2}.get(station.story, 0)
    return {"pays": pays} if pays else {"sends": 1}


def a_group(station: Station, place: Place, acknowledged: dict[str, int]) -> bool:
    """The victims are several mutations that wait together behind one that holds them up."""
    last = "bad:raises" if station.story == "group that falls apart" else None
    numbers = {"holds": 1, "pays": GROUP, "children": 1}
    with place.child(die_at=(station.move, station.moment), own_claims=False, together=(PAY, last)) as child:
        held = child.ready().call("work:order_held", label=VICTIM, gate="gate", last=last, **numbers)
        acknowledged[VICTIM] = held
        wait_until(lambda: place.lines("hold") != [] and child.ask("inside") == held, "all wait in the room")
        child.open("gate")
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
    go_on: dict[str, Any] = {"go_on_at": ("give back", "enter")}  # or they would be run before they are given back
    with place.child(die_at=(station.move, station.moment), own_claims=False, **go_on) as child:
        acknowledged[VICTIM] = child.ready().call("work:order_held", label=VICTIM, gate="park", holds=1, pays=40)
        wait_until(lambda: place.lines("hold") != [], "the first mutation holds the others up")
        child.tell("stop")
        return child.wait() == -signal.SIGKILL


def a_late_claim(station: Station, place: Place, acknowledged: dict[str, int]) -> bool:
    """A process that stops has closed its rooms when a mutation commits what it had claimed for them."""
    park: dict[str, Any] = {"park_at": ("own child", "after"), "go_on_at": ("close places", "done")}
    with place.child(die_at=(station.move, station.moment), together=(PAY,), **park) as child:
        order(child.ready(), VICTIM, acknowledged, pays=1, children=1)
        wait_until(lambda: place.lines("parked") != [], "it has committed")
        child.tell("stop")
        return child.wait() == -signal.SIGKILL


STORIES: dict[Story, Callable[[Station, Place, dict[str, int]], bool]] = {
    "mutation": a_job,
    "action": a_job,
    "sync action": a_job,
    "direct": a_job,
    "own mutation": an_own_claim,
    "own action": an_own_claim,
    "own child": an_own_claim,
    "group": a_group,
    "group that falls apart": a_group,
    "cron": a_cron,
    "rescue": a_rescue,
    "stop": a_stop,
    "own stop": a_late_claim,
}


def order(child: Running, label: str, acknowledged: dict[str, int], **numbers: object) -> None:
    """Give an order, and remember it if its commit was seen."""
    with suppress(Died):
        acknowledged[label] = child.call("work:order", label=label, **numbers)


def victim_is_not(station: Station, place: Place) -> list[str]:
    """What the victim should be and is not."""
    if station.story in ("direct", "stop"):
        return []
    if "group" in station.story:
        return [text for n in range(GROUP) for text in is_not_there(station, place, f"{VICTIM}/pay{n}")]
    kind = "send" if "action" in station.story or station.story == "rescue" else "pay"
    return is_not_there(station, place, VICTIM if station.story == "cron" else f"{VICTIM}/{kind}0")


def is_not_there(station: Station, place: Place, label: str) -> list[str]:
    """What one victim should be and is not."""
    found = checker.rows(
        place.database,
        "SELECT id, state_kind, state_error FROM _scheduled_functions WHERE json_extract(args, '$.label') = ?",
        label,
    )
    if not station.exists:
        return [f"{station}: {dict(row)} exists" for row in found]
    if [row["state_kind"] for row in found] != [station.state]:
        return [f"{station}: the victim is {[dict(row) for row in found]}, not one {station.state}"]
    broken = []
    if station.state == "failed" and LOST not in found[0]["state_error"]:
        broken.append(f"{station}: it failed with {found[0]['state_error']!r}")
    if station.starts is not None and place.lines("start").count(found[0]["id"]) != station.starts:
        broken.append(f"{station}: {place.lines('start').count(found[0]['id'])} starts, not {station.starts}")
    return broken
