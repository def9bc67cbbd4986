"""The shop's last days and next weeks: orders with their jobs, reminders, failures, runs of crons."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from convexpy.clock import unix_milliseconds

from .failures import UNKNOWN_ORDER, Samples
from .past_jobs import LostAttempt, PastJob, seconds
from .shop_rows import ITEMS, MATCHA, SOLD_OUT, email_of, order_rows, user_ids

MESSAGES = ("drink your tea", "call the roaster", "invoice for May", "new harvest is in", "the kettle wants descaling")
DAYS = 3


class History:
    """Makes jobs, always the same ones for a number and a time.

    Args:
        samples: Failures as the engine records them.
        now: Where the past ends.
        number: About how many jobs.
    """

    def __init__(self, samples: Samples, now: datetime, number: int) -> None:
        self.rng = random.Random(7)
        self._samples = samples
        self._now = now
        self._number = number
        self.orders: list[dict[str, Any]] = []

    def jobs(self) -> Iterator[PastJob]:
        """All of them: what has not happened yet is pending."""
        for _ in range(self._number // 4):
            for job in self.visit(self._now - self._age()):
                yield self._as_of_now(job)
        for _ in range(max(10, self._number // 20)):
            yield self._as_of_now(self.reminder(self._now + self._ahead()))
        yield from self.takes()
        yield from self.canceled()
        yield from self.tried_again()

    def visit(self, when: datetime) -> Iterator[PastJob]:
        """A customer's order: the charge, two mails, and the parcel."""
        user, item, quantity = self.rng.choice(user_ids()), self._item(), self.rng.choice((1, 1, 1, 2, 3))
        order, request = self._id(), self._id()
        began = when + seconds(5 + self.rng.expovariate(20))
        charge = self._job("orders:charge", {"order_id": order}, when + seconds(5), began, self._duration(0.4))
        charge = replace(charge, request=request, origin=self._origin("orders:place", when))
        if item == MATCHA and quantity == 1:
            self._order(order, user, item, quantity, "processing", when)
            yield self._failed(replace(charge, completed=began + seconds(2 + self.rng.random() / 50)))
            return
        yield charge
        assert charge.completed is not None
        mail = {"to": email_of(user), "text": f"Your receipt: {self._id()}"}
        yield replace(self._soon("mail:send", mail, charge.completed, 0.06), parent=charge.id)
        ship = self._job("orders:ship", {"order_id": order}, charge.completed + seconds(120), None, 0.02)
        ship = replace(ship, parent=charge.id)
        if self.rng.random() < 0.01:
            yield self._failed(replace(ship, args={"order_id": UNKNOWN_ORDER}))
            return
        if self.rng.random() < 0.06:
            ship = self._with_conflict(ship)
        yield ship
        assert ship.completed is not None
        self._order(order, user, item, quantity, "shipped" if ship.completed < self._now else "paid", when)
        to = user if self.rng.random() < 0.01 else email_of(user)
        sent = replace(self._soon("mail:send", {"to": to, "text": "Your tea is on its way"}, ship.completed, 0.06))
        yield self._failed(replace(sent, parent=ship.id)) if to == user else replace(sent, parent=ship.id)

    def reminder(self, when: datetime) -> PastJob:
        """What a customer is told at a time."""
        user = self.rng.choice(user_ids())
        args = {"user_id": user, "message": self.rng.choice(MESSAGES)}
        job = self._job("reminders:send", args, when, None, 0.012)
        asked = min(when, self._now) - timedelta(hours=self.rng.random() * 20)
        return replace(job, request=self._id(), origin=self._origin("reminders:remember", asked))

    def takes(self) -> Iterator[PastJob]:
        """Mutations that failed, and would not now: what a dry run is for."""
        for quantity in (2, 40, 3, 25, 1, 60, 12):
            args = {"item_id": SOLD_OUT, "quantity": quantity}
            yield self._failed(self._soon("stock:take", args, self._now - self._age(3), 0.01))

    def canceled(self) -> Iterator[PastJob]:
        """Reminders that somebody took back."""
        for _ in range(41):
            when = self._now - self._age()
            job = self.reminder(when + timedelta(hours=self.rng.randrange(1, 90)))
            yield replace(job, state="canceled", completed=when, started=None)

    def tried_again(self) -> Iterator[PastJob]:
        """Jobs that wait for their next try."""
        error = "OperationalError: the database did not answer"
        for tries, ahead in ((2, 25), (1, 41), (4, 58)):
            lost = [
                LostAttempt(self._now - seconds(60 * n + 5), 0.03, "error", error)
                for n in reversed(range(1, tries + 1))
            ]
            job = self.reminder(self._now - seconds(70 * tries))
            when = self._now + seconds(ahead)
            yield replace(
                job,
                state="pending",
                started=None,
                completed=None,
                last_error=error,
                next_try=when,
                lost=lost,
            )

    def _order(self, order: str, user: str, item: int, quantity: int, status: str, when: datetime) -> None:
        if when < self._now:
            self.orders.append(order_rows(order, user, item, quantity, status, when))

    def _as_of_now(self, job: PastJob) -> PastJob:
        """The same, or the job that waits if its end would lie ahead."""
        if job.completed is None or job.completed < self._now:
            return job
        due = max(job.scheduled, self._now + seconds(30))
        return replace(
            job, scheduled=due, state="pending", started=None, completed=None, error=None, trace=None, lost=()
        )

    def _job(
        self, name: str, args: dict[str, Any], scheduled: datetime, began: datetime | None, duration: float
    ) -> PastJob:
        kind = "mutation" if name in ("orders:ship", "reminders:send", "stock:take") else "action"
        began = began or scheduled + seconds(self.rng.expovariate(60))
        return PastJob(
            self._id(), name, kind, args, scheduled, "success", started=began, completed=began + seconds(duration)
        )

    def _soon(self, name: str, args: dict[str, Any], after: datetime, duration: float) -> PastJob:
        return self._job(name, args, after, None, self._duration(duration))

    def _failed(self, job: PastJob) -> PastJob:
        error, trace = self._samples.failures[job.name]
        return replace(job, state="failed", error=error, trace=trace)

    def _with_conflict(self, job: PastJob) -> PastJob:
        """The same after attempts that lost to another mutation."""
        assert job.started is not None
        assert job.completed is not None
        tries = self.rng.choice((1, 1, 2))
        error = "could not serialize access due to concurrent update"
        lost = tuple(
            LostAttempt(job.started + seconds(0.05 * n), 0.02, "conflict", error, "orders:place", "orders")
            for n in range(tries)
        )
        later = seconds(0.05 * tries)
        moved = replace(job, started=job.started + later, completed=job.completed + later)
        return replace(moved, lost=lost, last_error=f"conflict: {error}")

    def _origin(self, function: str, when: datetime) -> str:
        """What is known of the call that scheduled a job."""
        origin: dict[str, Any] = {
            "function": function,
            "caller": self.rng.choice(("http", "socket")),
            "started": unix_milliseconds(when),
        }
        if self.rng.random() < 0.1:
            origin["attempt"] = 2
        return json.dumps(origin, separators=(",", ":"))

    def _id(self) -> str:
        return f"{self.rng.getrandbits(128):032x}"

    def _item(self) -> int:
        return self.rng.choice([number for number in range(1, len(ITEMS) + 1) if number != SOLD_OUT])

    def _duration(self, usual: float) -> float:
        return usual * self.rng.lognormvariate(0, 0.5)

    def _age(self, hours: float | None = None) -> timedelta:
        """How long ago something was: half of it within the last two hours."""
        if hours is not None:
            return timedelta(hours=self.rng.random() * hours)
        return timedelta(hours=self.rng.random() * (2 if self.rng.random() < 0.5 else 24 * DAYS))

    def _ahead(self) -> timedelta:
        """How far ahead something is: minutes, or days."""
        if self.rng.random() < 0.3:
            return timedelta(minutes=self.rng.expovariate(1 / 8), seconds=20)
        return timedelta(days=self.rng.expovariate(1 / 9))
