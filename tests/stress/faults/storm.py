"""Faults at random moments, by a seed: processes are killed, or frozen and thawed, while hundreds of jobs run."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from . import checker
from .checker import Verdict
from .process import Died, Place, Running, wait_until

NERVOUS: dict[str, Any] = {"heartbeat_interval": 0.1, "heartbeat_timeout": 0.5}


@dataclass
class Storm:
    """Figures of one storm."""

    faults: int
    verdict: Verdict
    calm_seconds: float  # from the last fault until every job was over


def give_work(child: Running, label: str, dice: Random) -> None:
    """Send an order without waiting for its commit."""
    numbers = {"pays": dice.randrange(5, 20), "sends": dice.randrange(0, 6), "children": dice.randrange(0, 3)}
    child.tell("call", "work:order", {"label": label, "sync": dice.random() < 0.5, **numbers})


def note_answer(child: Running, label: str, acknowledged: dict[str, int]) -> None:
    """Remember an order whose commit was seen, even if that was the last thing its process did."""
    with suppress(Died, TimeoutError):
        acknowledged[label] = child.answer(0)[0]


def kills(folder: Path, number: int, seed: int) -> Storm:
    """Kill a process at random moments, and start the next one on what it left."""
    place, dice, acknowledged = Place(folder), Random(seed), dict[str, int]()
    for n in range(number):
        with place.child() as child:
            give_work(child.ready(), f"order{n}", dice)
            child.wait(dice.uniform(0.05, 0.3))
            child.kill()
            note_answer(child, f"order{n}", acknowledged)
    return after_the_storm(place, number, acknowledged)


def kills_beside_a_survivor(folder: Path, number: int, seed: int) -> Storm:
    """The same, while another process goes on and recovers what each of them had claimed."""
    place, dice, acknowledged = Place(folder), Random(seed), dict[str, int]()
    with place.child(settings=NERVOUS) as survivor:
        survivor.ready()
        for n in range(number):
            with place.child(settings=NERVOUS) as child:
                give_work(child.ready(), f"order{n}", dice)
                child.wait(dice.uniform(0.05, 0.3))
                child.kill()
                note_answer(child, f"order{n}", acknowledged)
        return after_the_storm(place, number, acknowledged)


def freezes(folder: Path, number: int, seed: int) -> Storm:
    """Of two processes one is frozen for longer than the heartbeat's timeout, again and again."""
    place, dice, acknowledged = Place(folder), Random(seed), dict[str, int]()
    with place.child(settings=NERVOUS) as one, place.child(settings=NERVOUS) as other:
        pair = one.ready(), other.ready()
        for n in range(number):
            frozen, awake = dice.sample(pair, 2)
            give_work(frozen, f"frozen{n}", dice)
            frozen.wait(dice.uniform(0.0, 0.1))
            frozen.freeze()
            try:
                give_work(awake, f"awake{n}", dice)
                awake.wait(dice.uniform(0.3, 1.2))
            finally:
                frozen.thaw()
            acknowledged[f"frozen{n}"] = frozen.answer()[0]
            acknowledged[f"awake{n}"] = awake.answer()[0]
        return after_the_storm(place, number, acknowledged)


def after_the_storm(place: Place, faults: int, acknowledged: dict[str, int]) -> Storm:
    calm = time.monotonic()
    with place.child():
        try:
            wait_until(lambda: checker.is_quiet(place.database, 1), "every job is over", 90.0)
            seconds, stuck = time.monotonic() - calm, ""
        except TimeoutError as error:
            seconds, stuck = time.monotonic() - calm, str(error)
    verdict = checker.judge(place.database, place.journal, acknowledged)
    if stuck:
        verdict.broken.append(stuck)
    return Storm(faults, verdict, seconds)
