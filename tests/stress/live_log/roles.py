"""The processes of a run: writers, readers, and one that prunes."""

from __future__ import annotations

import json
import logging
import os
import random
import sys
import threading
import time
from contextlib import closing, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).parents[2]))

from sqlalchemy import text

from convexpy import Convex, Settings
from convexpy.database import log_pruning
from convexpy.database.database import connect
from convexpy.database.live_reader import LiveSnapshot
from stress.live_log import app

SETTINGS: Final[dict[str, Any]] = {
    "retry_first": 0.01,
    "retry_longest": 0.2,
    "poll_interval": 0.5,
    "heartbeat_interval": 1.0,
    "heartbeat_timeout": 4.0,
    "sqlite_synchronous": "NORMAL",
    "mutation_retries": 20,
    "stop_grace": 1.0,
}
SNAPSHOT: Final = text("SELECT pg_current_snapshot()::text, extract(epoch FROM pg_postmaster_start_time())::float")
PLACES: Final = text("SELECT coalesce(max(place), 0), 0 FROM tokens")
COUNT: Final = text("SELECT count(*) FROM tokens")
EXISTS: Final = text("SELECT count(*) FROM tokens WHERE token = :token")
# So old must be what is pruned: less than the longest pauses of a reader.
PRUNED_AFTER: Final = timedelta(seconds=0.4)
LONGEST_PAUSE_SECONDS: Final = 1.5
SUBSCRIBERS: Final = 25
# So long after its last value a subscriber ends: several times as long as a commit may take to be noticed.
QUIET_SECONDS: Final = 5.0


def write(url: str, seed: int, stop: Path) -> None:
    """Commit in many ways on two threads, and run what was scheduled."""
    with Convex(url, functions=app, settings=Settings(**SETTINGS)) as convex:

        def loop(number: int) -> None:
            rng = random.Random(seed * 100 + number)
            while not stop.exists():
                with suppress(Exception):  # what is lost is lost as a whole
                    commit(convex, rng)
                time.sleep(rng.random() * 0.01)

        threads = [threading.Thread(target=loop, args=(number,)) for number in range(2)]
        with convex.running():
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()


def commit(convex: Convex, rng: random.Random) -> None:
    which = rng.random()
    if which < 0.2:
        convex.run(app.write_and_fail)
    elif which < 0.3:
        longest = 0.3 if convex.database.is_server else 0.02
        convex.run(app.write_slowly, seconds=rng.random() * longest)
    elif which < 0.34:
        convex.run(app.plan, many=20)
    else:
        convex.run(app.write)


def read(url: str, seed: int, stop: Path, output: Path) -> None:
    """Take one snapshot after the other, and write down what each says and shows."""
    rng, woken = random.Random(seed), threading.Event()
    file = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    with closing(connect(url, Settings(**SETTINGS))) as database, closing(database.live_reader()) as reader:
        reader.listen(woken.set)
        is_last = False
        while True:
            try:
                with reader.snapshot() as snapshot:
                    line = account_of(snapshot, rng)
            except Exception as error:
                line = {"error": str(error)[:200]}
                time.sleep(0.05)
            os.write(file, (json.dumps(line) + "\n").encode())
            if is_last and "error" not in line:
                return
            is_last = stop.exists()
            woken.wait(0.0 if is_last else 0.2)
            woken.clear()
            if rng.random() < 0.01 and not is_last:
                time.sleep(rng.random() * LONGEST_PAUSE_SECONDS)


def account_of(snapshot: LiveSnapshot, rng: random.Random) -> dict[str, Any]:
    """What the log says is new, and by statements of the snapshot's own: what it contains."""
    connection = snapshot.transaction.connection
    found: list[str] | None = None
    if snapshot.commits is not None:
        tables = [table for each in snapshot.commits for table in each.writes.tables]
        found = [table.removeprefix(app.TOKEN) for table in tables if table.startswith(app.TOKEN)]
        if any(each.writes.everything for each in snapshot.commits):
            found.append("everything")
        if rng.random() < 0.2:
            time.sleep(0.005)  # others commit between the look and the queries
    is_server = connection.dialect.name == "postgresql"
    contains, life = connection.execute(SNAPSHOT if is_server else PLACES).one()
    missing = [each for each in (found or ()) if not connection.execute(EXISTS, {"token": each}).scalar()]
    count = connection.execute(COUNT).scalar()
    return {"contains": contains, "life": life, "found": found, "missing": missing, "count": count}


def follow(url: str, seed: int, stop: Path, output: Path) -> None:
    """Subscribe to two counters each, and write down every value."""
    rng = random.Random(seed)
    file = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    with Convex(url, functions=app, settings=Settings(**SETTINGS)) as convex:

        def loop(subscriber: int, key: int) -> None:
            calls = {"one": (app.one, {"key": key}), "other": (app.other, {"key": key})}
            with convex.subscribe_all(calls) as updates:
                quiet = 0.0
                while quiet < QUIET_SECONDS:
                    try:
                        line: dict[str, Any] = dict(updates.get(timeout=0.5))
                    except TimeoutError:
                        quiet = quiet + 0.5 if stop.exists() else 0.0
                        continue
                    except Exception as error:
                        line = {"error": str(error)[:200]}
                    quiet = 0.0
                    os.write(file, (json.dumps({"subscriber": subscriber, "key": key, **line}) + "\n").encode())

        threads = [
            threading.Thread(target=loop, args=(number, rng.randrange(app.KEYS))) for number in range(SUBSCRIBERS)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


def prune(url: str, seed: int, stop: Path) -> None:
    log_pruning.PRUNED_AFTER = PRUNED_AFTER  # type: ignore[misc]
    with closing(connect(url, Settings(**SETTINGS))) as database:
        while not stop.exists():
            with suppress(Exception), database.write_internal(generic_plan=True) as connection:
                log_pruning.prune_commits(connection, database.clock.now(), 200)
            time.sleep(0.05)


def main() -> None:
    logging.disable(logging.CRITICAL)
    role, url, seed, stop, *rest = sys.argv[1:]
    if role in ("read", "follow"):
        {"read": read, "follow": follow}[role](url, int(seed), Path(stop), Path(rest[0]))
    else:
        {"write": write, "prune": prune}[role](url, int(seed), Path(stop))


if __name__ == "__main__":
    main()
