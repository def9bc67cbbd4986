"""``convexpy live``: the live queries of all processes; and ``run --watch``, which is one."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator

import pytest
from support.waiting import wait_until

from .process import Process
from .shop import Shop


def test_without_subscriptions_it_says_so(ready_shop: Shop) -> None:
    assert ready_shop.cli("live").stdout == "Nobody has subscribed to a query.\n"
    assert ready_shop.cli("live", "--json").stdout == "[]\n"


def test_the_live_queries_of_another_process_are_listed(ready_shop: Shop) -> None:
    with Process(ready_shop.root, "run", "orders:statuses", "--watch") as watcher:
        watcher.line("{}")

        def found() -> list[dict[str, object]]:
            listed: list[dict[str, object]] = json.loads(ready_shop.cli("live", "--json").stdout)
            return listed

        wait_until(lambda: found() != [], "the process says which live queries it has")
        (query,) = found()
        assert query["function"] == "orders:statuses"
        assert (query["process"], query["subscribers"]) == (watcher.process.pid, 1)
        assert query["reads"] == ["orders"]
        header, row = ready_shop.cli("live").stdout.splitlines()
        assert header.split()[:4] == ["FUNCTION", "ARGUMENTS", "SUBSCRIBERS", "READS"]
        assert row.split()[:4] == ["orders:statuses", "{}", "1", "orders"]
    wait_until(lambda: found() == [], "it is gone")


@pytest.fixture
def sigint() -> Iterator[None]:
    """Children hear SIGINT, also where the tests are started in the background, and ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("sigint")
def test_ctrl_c_ends_a_watch_cleanly(ready_shop: Shop) -> None:
    with Process(ready_shop.root, "run", "orders:statuses", "--watch") as watcher:
        watcher.line("{}")
        watcher.process.send_signal(signal.SIGINT)
        assert watcher.process.wait(20) == 130
        assert watcher.lines == ["{}"]
