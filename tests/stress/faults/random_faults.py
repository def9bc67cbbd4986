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
from .child_process import ChildProcess, Died, Sandbox, wait_until

NERVOUS: dict[str, Any] = {"heartbeat_interval": 0.1, "heartbeat_timeout": 0.5}


@dataclass
class RandomFaultsResult:
    """Figures of one random_faults."""

    faults: int
    verdict: Verdict
    calm_seconds: float  # from the last fault until every job was over


def give_work(child: ChildProcess, label: str, rng: Random) -> None:
    """Send an order without waiting for its commit."""
    numbers = {"pays": rng.randrange(5, 20), "sends": rng.randrange(0, 6), "children": rng.randrange(0, 3)}
    child.send("call", "work:order", {"label": label, "sync": rng.random() < 0.5, **numbers})


def note_answer(child: ChildProcess, label: str, acknowledged: dict[str, int]) -> None:
    """Remember an order whose commit was seen, even if that was the last thing its process did."""
    with suppress(Died, TimeoutError):
        acknowledged[label] = child.answer(0)[0]


def kills(folder: Path, number: int, seed: int) -> RandomFaultsResult:
    """Kill a process at random moments, and start the next one on what it left."""
    sandbox, rng, acknowledged = Sandbox(folder), Random(seed), dict[str, int]()
    for n in range(number):
        with sandbox.child() as child:
            give_work(child.ready(), f"order{n}", rng)
            child.wait(rng.uniform(0.05, 0.3))
            child.kill()
            note_answer(child, f"order{n}", acknowledged)
    return after_the_faults(sandbox, number, acknowledged)


def kills_beside_a_survivor(folder: Path, number: int, seed: int) -> RandomFaultsResult:
    """The same, while another process goes on and recovers what each of them had claimed."""
    sandbox, rng, acknowledged = Sandbox(folder), Random(seed), dict[str, int]()
    with sandbox.child(settings=NERVOUS) as survivor:
        survivor.ready()
        for n in range(number):
            with sandbox.child(settings=NERVOUS) as child:
                give_work(child.ready(), f"order{n}", rng)
                child.wait(rng.uniform(0.05, 0.3))
                child.kill()
                note_answer(child, f"order{n}", acknowledged)
        return after_the_faults(sandbox, number, acknowledged)


def freezes(folder: Path, number: int, seed: int) -> RandomFaultsResult:
    """Of two processes one is frozen for longer than the heartbeat's timeout, again and again."""
    sandbox, rng, acknowledged = Sandbox(folder), Random(seed), dict[str, int]()
    with sandbox.child(settings=NERVOUS) as one, sandbox.child(settings=NERVOUS) as other:
        pair = one.ready(), other.ready()
        for n in range(number):
            frozen, awake = rng.sample(pair, 2)
            give_work(frozen, f"frozen{n}", rng)
            frozen.wait(rng.uniform(0.0, 0.1))
            frozen.freeze()
            try:
                give_work(awake, f"awake{n}", rng)
                awake.wait(rng.uniform(0.3, 1.2))
            finally:
                frozen.thaw()
            acknowledged[f"frozen{n}"] = frozen.answer()[0]
            acknowledged[f"awake{n}"] = awake.answer()[0]
        return after_the_faults(sandbox, number, acknowledged)


def after_the_faults(sandbox: Sandbox, faults: int, acknowledged: dict[str, int]) -> RandomFaultsResult:
    calm = time.monotonic()
    with sandbox.child():
        try:
            wait_until(lambda: checker.is_quiet(sandbox.database, 1), "every job is over", 90.0)
            seconds, stuck = time.monotonic() - calm, ""
        except TimeoutError as error:
            seconds, stuck = time.monotonic() - calm, str(error)
    verdict = checker.judge(sandbox.database, sandbox.journal, acknowledged)
    if stuck:
        verdict.broken.append(stuck)
    return RandomFaultsResult(faults, verdict, seconds)
