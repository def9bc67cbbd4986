"""What the systems with live queries have in common: one process writes at a fixed rate, another one follows."""

from __future__ import annotations

import bisect
import os
import resource
import statistics
import time
from collections.abc import Callable
from typing import ClassVar

from sqlalchemy import insert
from sqlalchemy.orm import Session

from convexpy.cli.service import tune_garbage_collector

from ..app.models import Message, newest_of
from .adapter import Adapter
from .session import engine

FIRST_SECONDS = 120.0
REST_SECONDS = 3.0

Receive = Callable[[list[int]], None]


class LiveAdapter(Adapter):
    """Receives the newest numbers of channels, and notes when."""

    MOST_SAMPLED: ClassVar = 100
    """Of how many subscribers of a channel the receipts are noted."""

    def follow(self, queries: int, subscribers: int) -> None:
        """Subscribe, and return once every subscriber has its first value."""
        self._receipts: dict[int, list[tuple[int, list[tuple[float, int]]]]] = {}
        each = max(1, subscribers // queries)
        receivers = [(channel, self._receiver(channel, number)) for channel in range(queries) for number in range(each)]
        self._waiting = len(receivers)
        tune_garbage_collector()
        self.subscribe(receivers)
        deadline = time.monotonic() + FIRST_SECONDS
        while self._waiting:
            time.sleep(0.01)
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self._waiting} subscribers have no value after {FIRST_SECONDS:.0f} seconds")
        self._before = self._used()

    def subscribe(self, receivers: list[tuple[int, Receive]]) -> None:
        """Call each of these with the first value of its channel, and with every later one."""
        raise NotImplementedError

    def runs(self) -> int:
        """How many queries have run so far."""
        raise NotImplementedError

    def poster(self) -> Callable[[int, int], object]:
        """A function that writes a message and returns after its COMMIT."""
        session_engine = engine(self.config, isolation_level="SERIALIZABLE")

        def post(channel: int, number: int) -> None:
            with Session(session_engine) as session, session.begin():
                session.execute(insert(Message).values(channel=channel, number=number))

        return post

    def post(self, queries: int, rate: int, seconds: float) -> list[tuple[int, float]]:
        """Write messages at this rate. The number of each, and when its COMMIT returned."""
        post = self._post = getattr(self, "_post", None) or self.poster()
        first = self._posted = getattr(self, "_posted", 0)
        began, done = time.monotonic(), []
        for i in range(round(rate * seconds)):
            time.sleep(max(0.0, began + i / rate - time.monotonic()))
            post((first + i) * 7 % queries, first + i + 1)
            done.append((first + i + 1, time.monotonic()))
        self._posted = first + len(done)
        if (took := time.monotonic() - began) > 1.1 * seconds:
            raise TimeoutError(f"{len(done)} commits took {took:.1f} s instead of {seconds:.1f} s")
        return done

    def followed(self, commits: list[tuple[int, float]]) -> dict[str, float]:
        """How late the sampled subscribers had these numbers, or newer ones."""
        time.sleep(REST_SECONDS)
        cpu, memory, runs = (after - before for after, before in zip(self._used(), self._before, strict=True))
        late: list[float] = []
        for number, committed in commits:
            channel = (number - 1) * 7 % len(self._receipts)
            for _, receipts in self._receipts[channel]:
                found = bisect.bisect_left(receipts, number, key=lambda receipt: receipt[1])
                if found == len(receipts):
                    raise RuntimeError(f"number {number} of channel {channel} never came")
                late.append(max(0.0, receipts[found][0] - committed) * 1000)
        cuts = statistics.quantiles(late, n=100)
        written = self._posted_by_all(commits)
        return {
            "p50": cuts[49],
            "p99": cuts[98],
            "runs/commit": runs / written,
            "CPU ms/commit": cpu * 1000 / written,
            "MB": memory / 2**20,
        }

    def _posted_by_all(self, commits: list[tuple[int, float]]) -> int:
        return commits[-1][0]  # those of the warm-up as well

    def _receiver(self, channel: int, number: int) -> Receive:
        receipts: list[tuple[float, int]] = []
        sampled = self._receipts.setdefault(channel, [])
        is_sampled = number < self.MOST_SAMPLED
        if is_sampled:
            sampled.append((number, receipts))
        is_first = True

        def receive(value: list[int]) -> None:
            nonlocal is_first
            if is_first:
                is_first = False
                self._waiting -= 1
            elif is_sampled:
                receipts.append((time.monotonic(), value[0] if value else 0))

        return receive

    def _used(self) -> tuple[float, int, int]:
        """CPU seconds, bytes of memory, and runs."""
        used = resource.getrusage(resource.RUSAGE_SELF)
        with open("/proc/self/statm") as statm:
            memory = int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        return used.ru_utime + used.ru_stime, memory, self.runs()

    def query(self, session: Session, channel: int) -> list[int]:
        return list(session.scalars(newest_of(channel)))
