"""A client process: it calls functions on the database, runs nothing that is scheduled, and records every call."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any

from convexpy.app import Convex
from convexpy.errors import CommitUnknown, ConvexError

from .journal import Journal
from .planned_calls import CallPlanner, PlannedCall
from .process_config import ProcessConfig, Terminated, begin, next_command, open_app

PAIRS = 3
LOOKS_AT_BACKLOG_SECONDS = 0.5


class Client:
    """Calls batch after batch on a few threads, and makes a storm of calls on command."""

    def __init__(self, config: ProcessConfig, convex: Convex) -> None:
        self.convex = convex
        self._config = config
        self._intents = Journal(config.folder / "intents.jsonl")
        self._appends = Journal(config.folder / "appends.jsonl")
        self._stopping = threading.Event()
        self._storms = 0

    def run(self, thread: int) -> None:
        """What each thread does."""
        planner = self._planner(thread)
        while not self._stopping.is_set():
            if self._is_behind():
                self._stopping.wait(LOOKS_AT_BACKLOG_SECONDS)
            else:
                self.carry_out(planner, planner.batch())

    def storm(self, kind: str, pair: int, size: int) -> int:
        """Do many calls of one kind at once. How many came to their end."""
        self._storms += 1
        planner = self._planner(100 + self._storms)
        if kind == "hot rows":
            batch = [planner.hot() for _ in range(size)] + [planner.fan_out(hot_ones=8)]
        elif kind == "deadlocks":
            first = 2 * (1 + pair % PAIRS)
            batch = [planner.cross((first, first + 1)) for _ in range(size)]
        elif kind == "cancels":
            done = self.carry_out(planner, [planner.plan(-0.1, 0.6) for _ in range(size)])
            batch = [planner.cancel(*scheduled) for scheduled in planner.scheduled]
            return done + self.carry_out(planner, batch)
        else:
            raise ValueError(f"no storm is called {kind!r}")
        return self.carry_out(planner, batch)

    def stop(self) -> None:
        self._stopping.set()

    def carry_out(self, planner: CallPlanner, batch: list[PlannedCall]) -> int:
        """Record what is to be done, do it, and record the answers. How many calls were answered."""
        now = time.time()
        appends = [planned for planned in batch if planned.steps]
        proc = f"{self._config.name}-{threading.get_ident()}"
        self._appends.note(
            [{"id": each.call, "proc": proc, "t0": now, "steps": each.steps} for each in appends]
            + [{"id": f"{each.call}/0", "proc": None, "t0": now, "steps": each.then} for each in appends if each.then]
        )
        self._intents.note([{**each.line, "t0": now} for each in batch if "op" in each.line], sync=True)
        answered = 0
        for planned in batch:
            if self._stopping.is_set():
                break
            answered += self._carry_out(planner, planned) == "ok"
        return answered

    def _carry_out(self, planner: CallPlanner, planned: PlannedCall) -> str:
        began = time.time()
        outcome, answer = self._call(planned)
        ended = time.time()
        if planned.function == "append:append":
            answered = {"id": planned.call, "type": outcome, "t0": began, "t1": ended, "reads": answer}
            self._appends.note([answered])
            return outcome
        job = answer if outcome == "ok" and planned.line["op"] == "schedule" else None
        if job is not None and planned.function == "work:plan":
            planner.scheduled.append((planned.call, job))
        self._intents.note([{"call": planned.call, "outcome": outcome, "answer": answer, "job": job, "t1": ended}])
        return outcome

    def _call(self, planned: PlannedCall) -> tuple[str, Any]:
        """What the call came to: ``fail`` only if the runtime says that nothing was written."""
        try:
            return "ok", self.convex.call(planned.function, planned.args)
        except CommitUnknown as error:
            return "info", text_of(error)
        except ConvexError as error:
            return "fail", text_of(error)
        except Exception as error:
            return "info", text_of(error)

    def _is_behind(self) -> bool:
        try:
            return bool(self.convex.call("work:backlog") > self._config.enough)
        except Exception as error:
            print(f"backlog: {type(error).__name__}: {error}", flush=True)
            return True

    def _planner(self, thread: int) -> CallPlanner:
        number, life = (int(part) for part in self._config.name[1:].split("-"))
        seed = f"{self._config.seed}/{self._config.name}/{thread}"
        slow_appends = self._config.url.startswith("postgres")
        return CallPlanner(seed, number, f"c{number}-{life * 1000 + thread}", slow_appends)


def text_of(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def serve(config: ProcessConfig, pipe: Connection) -> None:
    """The main function of the process."""
    begin(config)
    with suppress(Terminated), open_app(config) as convex:
        client = Client(config, convex)
        threads = [threading.Thread(target=client.run, args=(n,), daemon=True) for n in range(config.threads)]
        for thread in threads:
            thread.start()
        pipe.send("ready")
        listen(pipe, client)
        client.stop()
        for thread in threads:
            thread.join(20)


def listen(pipe: Connection, client: Client) -> None:
    """Make the storms that are asked for, until the pipe ends."""
    with suppress(EOFError, ConnectionResetError):
        while True:
            command, *args = next_command(pipe)
            if command == "stop":
                return
            pipe.send(client.storm(command, *args))
