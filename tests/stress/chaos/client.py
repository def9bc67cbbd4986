"""A client process: it calls functions on the database, runs nothing that is scheduled, and writes down every call."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any

from convexpy.app import Convex
from convexpy.errors import CommitUnknown, ConvexError

from .intentions import Intention, Intentions
from .journal import Journal
from .orders import Orders, Terminated, begin, open_app, told

PAIRS = 3
LOOKS_AT_BACKLOG_SECONDS = 0.5


class Client:
    """Calls batch after batch on a few threads, and storms when it is told to."""

    def __init__(self, orders: Orders, convex: Convex) -> None:
        self.convex = convex
        self._orders = orders
        self._intents = Journal(orders.folder / "intents.jsonl")
        self._appends = Journal(orders.folder / "appends.jsonl")
        self._stopping = threading.Event()
        self._storms = 0

    def run(self, thread: int) -> None:
        """What each thread does."""
        intentions = self._intentions(thread)
        while not self._stopping.is_set():
            if self._is_behind():
                self._stopping.wait(LOOKS_AT_BACKLOG_SECONDS)
            else:
                self.carry_out(intentions, intentions.batch())

    def storm(self, kind: str, pair: int, size: int) -> int:
        """Do many calls of one kind at once. How many came to their end."""
        self._storms += 1
        intentions = self._intentions(100 + self._storms)
        if kind == "hot rows":
            batch = [intentions.hot() for _ in range(size)] + [intentions.fan_out(hot_ones=8)]
        elif kind == "deadlocks":
            first = 2 * (1 + pair % PAIRS)
            batch = [intentions.cross((first, first + 1)) for _ in range(size)]
        elif kind == "cancels":
            done = self.carry_out(intentions, [intentions.plan(-0.1, 0.6) for _ in range(size)])
            batch = [intentions.cancel(*scheduled) for scheduled in intentions.scheduled]
            return done + self.carry_out(intentions, batch)
        else:
            raise ValueError(f"no storm is called {kind!r}")
        return self.carry_out(intentions, batch)

    def stop(self) -> None:
        self._stopping.set()

    def carry_out(self, intentions: Intentions, batch: list[Intention]) -> int:
        """Write down what is to be done, do it, and write down what was heard. How many were answered."""
        now = time.time()
        appends = [intention for intention in batch if intention.steps]
        proc = f"{self._orders.name}-{threading.get_ident()}"
        self._appends.note(
            [{"id": each.call, "proc": proc, "t0": now, "steps": each.steps} for each in appends]
            + [{"id": f"{each.call}/0", "proc": None, "t0": now, "steps": each.then} for each in appends if each.then]
        )
        self._intents.note([{**each.line, "t0": now} for each in batch if "op" in each.line], sync=True)
        answered = 0
        for intention in batch:
            if self._stopping.is_set():
                break
            answered += self._carry_out(intentions, intention) == "ok"
        return answered

    def _carry_out(self, intentions: Intentions, intention: Intention) -> str:
        began = time.time()
        outcome, answer = self._call(intention)
        ended = time.time()
        if intention.function == "append:append":
            heard = {"id": intention.call, "type": outcome, "t0": began, "t1": ended, "reads": answer}
            self._appends.note([heard])
            return outcome
        job = answer if outcome == "ok" and intention.line["op"] == "schedule" else None
        if job is not None and intention.function == "work:plan":
            intentions.scheduled.append((intention.call, job))
        self._intents.note([{"call": intention.call, "outcome": outcome, "answer": answer, "job": job, "t1": ended}])
        return outcome

    def _call(self, intention: Intention) -> tuple[str, Any]:
        """What the call came to: ``fail`` only if the runtime says that nothing was written."""
        try:
            return "ok", self.convex.call(intention.function, intention.args)
        except CommitUnknown as error:
            return "info", said(error)
        except ConvexError as error:
            return "fail", said(error)
        except Exception as error:
            return "info", said(error)

    def _is_behind(self) -> bool:
        try:
            return bool(self.convex.call("work:backlog") > self._orders.enough)
        except Exception as error:
            print(f"backlog: {type(error).__name__}: {error}", flush=True)
            return True

    def _intentions(self, thread: int) -> Intentions:
        number, life = (int(part) for part in self._orders.name[1:].split("-"))
        seed = f"{self._orders.seed}/{self._orders.name}/{thread}"
        slow_appends = self._orders.url.startswith("postgres")
        return Intentions(seed, number, f"c{number}-{life * 1000 + thread}", slow_appends)


def said(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def serve(orders: Orders, pipe: Connection) -> None:
    """The main function of the process."""
    begin(orders)
    with suppress(Terminated), open_app(orders) as convex:
        client = Client(orders, convex)
        threads = [threading.Thread(target=client.run, args=(n,), daemon=True) for n in range(orders.threads)]
        for thread in threads:
            thread.start()
        pipe.send("ready")
        listen(pipe, client)
        client.stop()
        for thread in threads:
            thread.join(20)


def listen(pipe: Connection, client: Client) -> None:
    """Storm as told, until the pipe ends."""
    with suppress(EOFError, ConnectionResetError):
        while True:
            command, *args = told(pipe)
            if command == "stop":
                return
            pipe.send(client.storm(command, *args))
