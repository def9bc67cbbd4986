"""``convexpy start``: servers that share a port and a worker, and their end."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from .development import wait_for
from .process import DEADLINE_SECONDS, Process
from .serving import call, connected, served_shop, url_in
from .shop import Shop
from .workers import eventually, is_alive

DATABASE = ("--database", "sqlite:///.convexpy/dev.db")


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Shop]:
    with served_shop(tmp_path) as shop:
        yield shop


def document(process: Process, pattern: str) -> dict[str, Any]:
    """The next line of the log that matches."""
    found: dict[str, Any] = json.loads(process.line(pattern))
    return found


def test_servers_share_a_port_and_a_worker_runs_the_jobs(served: Shop) -> None:
    with Process(served.root, "start", *DATABASE, "--port", "0", "--workers", "2") as process:
        url = url_in(process, "serving at")
        names = document(process, "running 3 processes")["message"].partition(": ")[2].split(", ")
        pids = {name: int(pid) for name, _, pid in (each.rpartition(" ") for each in names)}
        assert list(pids) == ["server 1", "server 2", "worker"]
        for asleep, awake in (("server 1", "server 2"), ("server 2", "server 1")):
            os.kill(pids[asleep], signal.SIGSTOP)
            assert httpx.get(f"{url}/version").status_code == 200
            assert document(process, '"/version"')["process"] == awake
            os.kill(pids[asleep], signal.SIGCONT)

        call(url, "mutation", "orders:place", order_id="o1", delay_seconds=0)
        assert document(process, '"orders:place"')["process"].startswith("server")
        assert document(process, '"orders:charge"')["process"] == "worker"
        assert call(url, "query", "orders:statuses") == {"o1": "paid"}

        os.kill(pids["server 1"], signal.SIGKILL)
        process.line(f"process server 1, pid {pids['server 1']}, ended: SIGKILL; restart in 1 s")
        assert httpx.get(f"{url}/version").status_code == 200
        document(process, "process server 1 restarted")
        assert document(process, "serving at")["process"] == "server 1"
        assert process.stop() == 0
        assert not any(map(is_alive, pids.values()))


def test_what_runs_is_answered_before_it_stops(served: Shop) -> None:
    with Process(served.root, "start", *DATABASE, "--port", "0") as process:
        url = url_in(process, "serving at")
        process.line("running 2 processes: server ")
        with connected(url) as connection:
            connection.mutate(0, "work:wait_for_gate", order_id="o1")
            wait_for(served.root / "waits")
            process.process.send_signal(signal.SIGTERM)
            process.line('stopping: .*"server"')
            eventually(lambda: is_refused(url), "it takes no more connections")
            served.write("gate", "")
            response = connection.receive("MutationResponse")
            assert (response["success"], response["result"]) == (True, "o1")
            assert connection.close_code() == 1012
        assert process.process.wait(DEADLINE_SECONDS) == 0
    with served.convex() as convex:
        assert convex.call("orders:statuses") == {"o1": "new"}


def is_refused(url: str) -> bool:
    try:
        httpx.get(f"{url}/version")
    except httpx.ConnectError:
        return True
    except httpx.TransportError:
        pass
    return False


@pytest.mark.parametrize("number", ["0", "-1", "x"])
def test_an_invalid_number_of_servers_is_wrong_usage(shop: Shop, number: str) -> None:
    result = shop.cli("start", "--workers", number)
    assert result.exit_code == 2
    assert "--workers" in result.stderr
