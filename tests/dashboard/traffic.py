"""Customers of the tea shop: they order, put on kettles, and look, over HTTP and sockets."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from convexpy.client import Remote

from .shop_rows import ITEMS, SOLD_OUT, user_ids

KETTLES = 3


class Traffic:
    """Calls a server a few times a second until it is stopped."""

    def __init__(self, url: str, pause: float = 0.6) -> None:
        self._url = url
        self._pause = pause
        self._rng = random.Random(11)
        self._stopped = threading.Event()

    def stop(self) -> None:
        """End it."""
        self._stopped.set()

    @contextmanager
    def running(self) -> Iterator[None]:
        """Call on a thread of its own until the block ends."""
        thread = threading.Thread(target=self.run, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self.stop()
            thread.join()

    def run(self) -> None:
        """Call until it is stopped. What fails is left out: the server may not be there yet, or not any more."""
        watchers = [threading.Thread(target=self._watch, args=call, daemon=True) for call in self._watched()]
        for watcher in watchers:
            watcher.start()
        with httpx.Client(base_url=self._url, timeout=10) as client:
            number = 0
            while not self._stopped.wait(self._rng.expovariate(1 / self._pause)):
                number += 1
                with suppress(httpx.HTTPError):
                    self._do_something(client, number)

    def _do_something(self, client: httpx.Client, number: int) -> None:
        if number % 12 == 0:
            name = f"kettle {number // 24 % KETTLES}"
            self._call(client, "mutation", "kettle:lift" if number % 24 else "kettle:put_on", name=name)
        elif number % 9 == 0:
            send_at = (datetime.now(UTC) + timedelta(seconds=self._rng.randrange(20, 900))).isoformat()
            message = self._rng.choice(("drink your tea", "call the roaster"))
            reminder = {"user_id": self._user(), "message": message, "send_at": send_at}
            self._call(client, "mutation", "reminders:remember", **reminder)
        else:
            item = self._rng.choice([n for n in range(1, len(ITEMS) + 1) if n != SOLD_OUT])
            self._call(client, "mutation", "orders:place", user_id=self._user(), item_id=item)

    def _user(self) -> str:
        return self._rng.choice(user_ids())

    def _call(self, client: httpx.Client, kind: str, path: str, **args: Any) -> None:
        client.post(f"/api/{kind}", json={"path": path, "args": args, "format": "json"})

    def _watched(self) -> list[tuple[str, dict[str, Any]]]:
        users = [("orders:of_user", {"user_id": user}) for user in user_ids()[:4]]
        return [("orders:latest", {}), ("stock:levels", {}), *users]

    def _watch(self, name: str, args: dict[str, Any]) -> None:
        while not self._stopped.wait(1.0):
            with suppress(Exception), Remote(self._url) as remote, remote.subscribe(name, **args) as updates:
                for _ in updates:
                    if self._stopped.is_set():
                        return
