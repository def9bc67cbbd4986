"""What needs no machinery: every query again, each second. Queries that several subscribe to run once."""

from __future__ import annotations

import threading
import time

from sqlalchemy.orm import Session

from .adapter import run_adapter
from .live_adapter import LiveAdapter, Receive
from .session import engine


class PollingAdapter(LiveAdapter):
    _runs = 0

    def subscribe(self, receivers: list[tuple[int, Receive]]) -> None:
        threading.Thread(target=self._poll, args=(receivers,), daemon=True).start()

    def _poll(self, receivers: list[tuple[int, Receive]]) -> None:
        by_channel: dict[int, list[Receive]] = {}
        for channel, receive in receivers:
            by_channel.setdefault(channel, []).append(receive)
        known: dict[int, list[int]] = {}
        with Session(engine(self.config)) as session:
            while True:
                began = time.monotonic()
                for channel, waiting in by_channel.items():
                    value = self.query(session, channel)
                    self._runs += 1
                    if known.get(channel) != value:
                        known[channel] = value
                        for receive in waiting:
                            receive(value)
                    session.rollback()
                time.sleep(max(0.0, began + 1 - time.monotonic()))

    def runs(self) -> int:
        return self._runs


if __name__ == "__main__":
    run_adapter(PollingAdapter)
