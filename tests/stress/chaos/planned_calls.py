"""The calls of a client, planned in batches and drawn from a seed."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field
from random import Random
from typing import Any

from .app.append import Step

KEYS_AT_ONCE = 5
CALLS_PER_KEY = 40


@dataclass
class PlannedCall:
    """One call: the function and its arguments, and the line that records it before it is sent."""

    function: str
    args: dict[str, Any]
    line: dict[str, Any]
    # Appends to lists: the steps, and those of the job's own job.
    steps: list[Step] = field(default_factory=list)
    then: list[Step] = field(default_factory=list)

    @property
    def call(self) -> str:
        return str(self.line["call"])


class CallPlanner:
    """Draws the calls of one client, from one of its starts on."""

    def __init__(self, seed: str, client: int, prefix: str, slow_appends: bool) -> None:
        self.rng = Random(seed)
        self._client = client
        self._prefix = prefix
        self._slow_appends = slow_appends
        self._number = 0
        self._values = 0
        # Jobs that this client scheduled, and may cancel: call and job.
        self.scheduled: deque[tuple[str, str]] = deque(maxlen=50)

    def batch(self) -> list[PlannedCall]:
        """What a client does by itself: mostly jobs by the dozen, and some of everything else."""
        drawn = [self.fan_out(), self.direct(), self.plan(), self.plan()]
        drawn += [self.append() for _ in range(3)] + [self.append_later()]
        if self.scheduled and self.rng.random() < 0.7:
            drawn.append(self.cancel(*self.scheduled.pop()))
        self.rng.shuffle(drawn)
        return drawn

    def direct(self) -> PlannedCall:
        call = self._next()
        return PlannedCall("work:direct", {"call": call}, self._line(call, "direct"))

    def hot(self) -> PlannedCall:
        call = self._next()
        return PlannedCall("work:hot", {"call": call}, self._line(call, "direct"))

    def cross(self, pair: tuple[int, int]) -> PlannedCall:
        call = self._next()
        giver, taker = pair if self.rng.random() < 0.5 else pair[::-1]
        return PlannedCall("work:cross", {"call": call, "giver": giver, "taker": taker}, self._line(call, "direct"))

    def fan_out(self, hot_ones: int = 0) -> PlannedCall:
        call, children = self._next(), self.rng.randrange(10, 50)
        args = {"call": call, "children": children, "grandchildren": self.rng.randrange(3), "hot_ones": hot_ones}
        return PlannedCall("work:fan_out", args, self._line(call, "direct_and_schedule", children=children))

    def plan(self, soonest: float = -1.0, latest: float = 4.0) -> PlannedCall:
        """Schedule one job, now and then in the past."""
        call, kind = self._next(), "action" if self.rng.random() < 0.3 else "mutation"
        due = round(time.time() + self.rng.uniform(soonest, latest), 3)
        line = self._line(call, "schedule", kind=kind, due=due)
        return PlannedCall("work:plan", {"call": call, "kind": kind, "due": due}, line)

    def cancel(self, target: str, job: str) -> PlannedCall:
        call = self._next()
        return PlannedCall("work:cancel", {"job": job}, self._line(call, "cancel", target=target))

    def append(self) -> PlannedCall:
        call, steps = self._next(), self._steps()
        seconds = 0.3 if self._slow_appends and self.rng.random() < 0.02 else 0.0
        return PlannedCall("append:append", {"steps": steps, "seconds": seconds}, {"call": call}, steps)

    def append_later(self) -> PlannedCall:
        call, steps = self._next(), self._steps()
        then = self._steps() if self.rng.random() < 0.5 else []
        args = {"call": call, "steps": steps, "then": then}
        return PlannedCall("append:append_later", args, self._line(call, "schedule", kind="mutation"), steps, then)

    def _line(self, call: str, op: str, **more: Any) -> dict[str, Any]:
        line = {"call": call, "client": self._client, "op": op, "kind": None, "due": None, "target": None}
        return {**line, "children": 0, **more}

    def _steps(self) -> list[Step]:
        """Two to five steps over a few keys. All clients use the same keys, and others every now and then."""
        era = self._number // CALLS_PER_KEY
        steps: list[Step] = []
        for _ in range(self.rng.randrange(2, 6)):
            key = f"{self.rng.choice('lr')}{era}-{self.rng.randrange(KEYS_AT_ONCE)}"
            if self.rng.random() < 0.5:
                self._values += 1
                steps.append(("a", key, self._value()))
            else:
                steps.append(("r", key, None))
        return steps

    def _value(self) -> int:
        """A number that no other append has: the life of the client, and the number of the append in it."""
        client, life = self._prefix[1:].split("-")
        return (int(client) * 100_000 + int(life)) * 1_000_000 + self._values

    def _next(self) -> str:
        self._number += 1
        return f"{self._prefix}-{self._number}"
