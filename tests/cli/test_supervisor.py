"""``convexpy worker --processes``: one command that starts, restarts and stops several workers."""

from __future__ import annotations

import json
import logging
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Iterator
from subprocess import TimeoutExpired
from types import SimpleNamespace
from uuid import uuid4

import pytest
from servers.shared import drop, new_database

from convexpy.cli import supervisor

from .process import DEADLINE_SECONDS
from .shop import Shop
from .terminal import Terminal
from .workers import MARK, RUNNING, Workers, configure, end_all, eventually, holding, is_alive, pids, plan

# A worker that reports that it runs, and then ignores every request to stop.
DEAF = (
    "import os, signal, socket, threading; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
    "connection = socket.socket(fileno=int(os.environ['_CONVEXPY_CHILD_PROCESS'].split(':')[2])); "
    "connection.send(b'!'); threading.Event().wait()"
)


@pytest.fixture
def production(shop: Shop) -> Shop:
    configure(shop, "sqlite:///shop.db")
    return shop


@pytest.fixture(params=[pytest.param("sqlite", marks=pytest.mark.long), "postgres"])
def either(request: pytest.FixtureRequest, shop: Shop) -> Iterator[Shop]:
    if request.param == "sqlite":
        configure(shop, "sqlite:///shop.db")
        yield shop
        return
    url = new_database()
    configure(shop, url.set(drivername="postgresql").render_as_string(hide_password=False))
    yield shop
    drop(url)


@pytest.fixture
def workers(production: Shop) -> Iterator[Workers]:
    with Workers(production.root, 2) as running:
        yield running


def test_they_share_the_jobs_and_each_runs_once(either: Shop) -> None:
    with Workers(either.root, 2) as running:
        both = pids(running.line(RUNNING))
        assert len(both) == 2
        plan(either, '{"holds": 2, "marks": 40}')
        assert holding(running) == set(both)
        either.write("gate", "")
        eventually(lambda: len(json.loads(either.cli("run", "work:marks").stdout)) >= 40, "all have run")
        assert running.stop() == 0
        assert not any(map(is_alive, both))
    assert json.loads(either.cli("run", "work:marks").stdout) == list(range(40))


def test_each_line_says_which_process_it_is_of(production: Shop, workers: Workers) -> None:
    workers.line(RUNNING)
    plan(production, '{"marks": 1}')
    assert json.loads(workers.line('"work:mark"'))["process"] in (1, 2)
    assert {json.loads(line).get("process") for line in workers.lines} == {None, 1, 2}


def test_a_worker_that_dies_is_replaced_and_its_jobs_run(either: Shop) -> None:
    with Workers(either.root, 2) as running:
        first, second = pids(running.line(RUNNING))
        os.kill(second, signal.SIGKILL)
        assert f"process 2, pid {second}, ended: SIGKILL; restart in 1 s" in running.line("ended")
        third = int(running.line("process 2 restarted").split("pid ")[1].split('"')[0])
        plan(either, '{"holds": 2, "marks": 3}')
        assert holding(running) == {first, third}
        either.write("gate", "")
        eventually(lambda: json.loads(either.cli("run", "work:marks").stdout) == [0, 1, 2], "all have run")
        assert running.stop() == 0


def test_a_worker_that_another_program_stops_is_replaced_as_well(workers: Workers) -> None:
    first, _ = pids(workers.line(RUNNING))
    os.kill(first, signal.SIGTERM)
    workers.line(f"process 1, pid {first}, ended: exit code 0")
    workers.line("process 1 restarted")
    workers.line('running: .*"process": 1')
    assert workers.stop() == 0


def test_no_worker_outlives_its_supervisor(production: Shop, workers: Workers) -> None:
    both = pids(workers.line(RUNNING))
    plan(production, '{"holds": 1}')
    workers.line("^holds")
    workers.process.kill()
    workers.line('stopping: .*"process"')
    production.write("gate", "")  # the running job may finish
    workers.line('"function":"work:hold","outcome":"success"')
    eventually(lambda: not any(map(is_alive, both)), "they have ended")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_running_jobs_may_finish_and_a_second_signal_kills_them(
    production: Shop, workers: Workers, number: signal.Signals
) -> None:
    both = pids(workers.line(RUNNING))
    plan(production, '{"holds": 1}')
    workers.line("^holds")
    workers.process.send_signal(number)
    for _ in both:
        workers.line('stopping: .*"process"')
    assert workers.process.poll() is None
    deadline = time.monotonic() + DEADLINE_SECONDS
    while workers.process.poll() is None:  # one right after the first counts as the same
        assert time.monotonic() < deadline, "it does not end"
        workers.process.send_signal(number)
        try:
            workers.process.wait(0.2)
        except TimeoutExpired:
            continue
    assert workers.process.returncode == -number
    eventually(lambda: not any(map(is_alive, both)), "they have ended")


def test_ctrl_c_on_a_terminal_stops_them_all(production: Shop) -> None:
    mark = uuid4().hex
    with Terminal(production.root, "worker", "--processes", "2", env={MARK: mark}) as terminal:
        both = pids(re.sub(r"\s+$", "", terminal.read(RUNNING + r": \d+, \d+\s").rstrip()))
        assert re.search(r"^\[2\] \S+ INFO running", terminal.shown, re.MULTILINE)
        terminal.type("\x03")
        try:
            assert terminal.process.wait(DEADLINE_SECONDS) == 0
            assert not any(map(is_alive, both))
        finally:
            end_all(mark)
        assert "Traceback" not in terminal.shown


def test_a_signal_while_workers_start_ends_them_cleanly(production: Shop) -> None:
    production.write("shop/slow.py", "import threading\nprint('starts', flush=True)\nthreading.Event().wait()\n")
    with Workers(production.root, 2) as running:
        running.line("starts")
        assert running.stop() == 0


def test_a_worker_that_keeps_dying_is_restarted_again_and_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(supervisor, "FIRST_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(supervisor, "LONGEST_PAUSE_SECONDS", 0.05)
    caplog.set_level(logging.WARNING, "convexpy.server")
    slot = supervisor.ProcessSlot(supervisor.Role("1", [sys.executable, "-S", "-c", "raise SystemExit(3)"]))

    def dies() -> bool:
        slot.tick()
        return len(caplog.records) == 5

    eventually(dies, "it has died five times")
    assert [message.rpartition(" in ")[2] for message in caplog.messages] == [
        "0.01 s",
        "0.02 s",
        "0.04 s",
        *2 * ["0.05 s"],
    ]
    monkeypatch.setattr(supervisor, "HEALTHY_SECONDS", 0.0)
    caplog.clear()
    eventually(lambda: slot.tick() or bool(caplog.records), "it has died once more, after running long enough")
    assert "restart in 0.01 s" in caplog.messages[0]


def test_pauses_grow_to_half_a_minute(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "convexpy.server")
    slot = supervisor.ProcessSlot(supervisor.Role("1", ["/nowhere/python"]))
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(supervisor, "time", SimpleNamespace(monotonic=lambda: clock.now))
    for _ in range(7):
        slot.tick()
        slot.tick()  # it is not time yet
        clock.now += 30.0
    assert [message.rpartition(" in ")[2] for message in caplog.messages] == [
        *("1 s", "2 s", "4 s", "8 s", "16 s", "30 s", "30 s")
    ]


def test_a_worker_that_does_not_end_is_killed(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(supervisor, "EXIT_SECONDS", 0.3)
    caplog.set_level(logging.INFO, "convexpy.server")
    roles = [supervisor.Role(name, [sys.executable, "-S", "-c", DEAF]) for name in ("1", "2")]
    deaf, codes = supervisor.Supervisor(roles, 0.0), []
    thread = threading.Thread(target=lambda: codes.append(deaf.run()))
    thread.start()
    eventually(lambda: "worker processes" in caplog.text, "they run")
    both = pids(next(message for message in caplog.messages if "worker processes" in message))
    deaf.request_stop()
    thread.join(DEADLINE_SECONDS)
    assert codes == [0]
    assert not any(map(is_alive, both))
    assert caplog.text.count("does not end: killed") == 2
