"""``convexpy worker --processes``: several workers by one command, which starts, replaces and stops them."""

from __future__ import annotations

import json
import logging
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from subprocess import TimeoutExpired
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from servers.shared import drop, new_database

from convexpy.cli import crew

from .process import DEADLINE_SECONDS, Process
from .shop import Shop
from .terminal import Terminal

WORK = """
    import os
    from pathlib import Path
    from threading import Event

    from sqlalchemy.orm import Mapped, mapped_column

    from convexpy import MutationCtx, QueryCtx, SyncActionCtx, internal_action, internal_mutation, mutation, query
    from sqlalchemy import select

    from .models import Base


    class Mark(Base):
        __tablename__ = "marks"

        id: Mapped[int] = mapped_column(primary_key=True)
        number: Mapped[int]


    @mutation
    def plan(ctx: MutationCtx, holds: int = 0, marks: int = 0) -> None:
        for _ in range(holds):
            ctx.schedule.now(hold)
        for number in range(marks):
            ctx.schedule.now(mark, number=number)


    @internal_action
    def hold(ctx: SyncActionCtx) -> None:
        assert "_CONVEXPY_MEMBER" not in os.environ  # what the app starts is none of them
        print(f"holds {os.getpid()}", flush=True)
        while not Path("gate").exists():
            Event().wait(0.01)


    @internal_mutation
    def mark(ctx: MutationCtx, number: int) -> None:
        ctx.db.add(Mark(number=number))


    @query
    def marks(ctx: QueryCtx) -> list[int]:
        return sorted(ctx.db.scalars(select(Mark.number)))
"""
RUNNING = "processes run what is scheduled"
MARK = "TEST_CREW"
# A worker that says it runs, and hears no more.
DEAF = (
    "import os, signal, socket, threading; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
    "line = socket.socket(fileno=int(os.environ['_CONVEXPY_MEMBER'].split(':')[1])); "
    "line.send(b'!'); threading.Event().wait()"
)


def configure(shop: Shop, url: str) -> None:
    # One action at a time, so that two that hold are two processes.
    settings = {"functions": "shop", "database": url, "action_concurrency": 1, "stop_grace": 30}
    lines = [f"{key} = {json.dumps(value)}" for key, value in settings.items()]
    shop.write("pyproject.toml", "\n".join(["[tool.convexpy]", *lines]) + "\n")
    shop.write("shop/work.py", WORK)
    assert shop.cli("db", "revision", "-m", "marks").exit_code == 0
    assert shop.cli("db", "upgrade").exit_code == 0


@pytest.fixture
def production(shop: Shop) -> Shop:
    configure(shop, "sqlite:///shop.db")
    return shop


@pytest.fixture(params=["sqlite", "postgres"])
def either(request: pytest.FixtureRequest, shop: Shop) -> Iterator[Shop]:
    if request.param == "sqlite":
        configure(shop, "sqlite:///shop.db")
        yield shop
        return
    url = new_database()
    configure(shop, url.set(drivername="postgresql").render_as_string(hide_password=False))
    yield shop
    drop(url)


class Workers(Process):
    """A crew of so many. Whatever a test finds, none of them outlives it."""

    def __init__(self, folder: Path, processes: int, *args: str) -> None:
        self._mark = uuid4().hex
        super().__init__(folder, "worker", "--processes", str(processes), *args, env={MARK: self._mark})

    def __exit__(self, *exception: Any) -> None:
        end_all(self._mark)
        super().__exit__(*exception)


def end_all(mark: str) -> None:
    """End every process that was started with this mark."""
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if f"{MARK}={mark}".encode() in (folder / "environ").read_bytes().split(b"\0"):
                os.kill(int(folder.name), signal.SIGKILL)


@pytest.fixture
def workers(production: Shop) -> Iterator[Workers]:
    with Workers(production.root, 2) as running:
        yield running


def pids(line: str) -> list[int]:
    """The workers that a crew says it has."""
    return [int(pid) for pid in re.findall(r"\d+", line.rpartition(": ")[2])]


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def eventually(condition: Callable[[], bool], what: str) -> None:
    deadline, pause = time.monotonic() + DEADLINE_SECONDS, threading.Event()
    while not condition():
        assert time.monotonic() < deadline, what
        pause.wait(0.02)


def holding(running: Process) -> set[int]:
    """The next two processes that hold."""
    return {int(running.line("^holds ").split()[1]) for _ in range(2)}


def test_they_share_the_jobs_and_each_runs_once(either: Shop) -> None:
    with Workers(either.root, 2) as running:
        both = pids(running.line(RUNNING))
        assert len(both) == 2
        either.cli("run", "work:plan", '{"holds": 2, "marks": 40}')
        assert holding(running) == set(both)
        either.write("gate", "")
        eventually(lambda: len(json.loads(either.cli("run", "work:marks").stdout)) >= 40, "all have run")
        assert running.stop() == 0
        assert not any(map(is_alive, both))
    assert json.loads(either.cli("run", "work:marks").stdout) == list(range(40))


def test_each_line_says_which_process_it_is_of(production: Shop, workers: Workers) -> None:
    workers.line(RUNNING)
    production.cli("run", "work:plan", '{"marks": 1}')
    assert json.loads(workers.line('"work:mark"'))["process"] in (1, 2)
    assert {json.loads(line).get("process") for line in workers.lines} == {None, 1, 2}


def test_one_that_dies_is_replaced_and_its_jobs_run(either: Shop) -> None:
    with Workers(either.root, 2) as running:
        first, second = pids(running.line(RUNNING))
        os.kill(second, signal.SIGKILL)
        assert f"process 2, pid {second}, ended: SIGKILL; another is started in 1 s" in running.line("ended")
        third = int(running.line("process 2 is started again").split("pid ")[1].split('"')[0])
        either.cli("run", "work:plan", '{"holds": 2, "marks": 3}')
        assert holding(running) == {first, third}
        either.write("gate", "")
        eventually(lambda: json.loads(either.cli("run", "work:marks").stdout) == [0, 1, 2], "all have run")
        assert running.stop() == 0


def test_one_that_was_told_to_stop_by_others_is_replaced_as_well(workers: Workers) -> None:
    first, _ = pids(workers.line(RUNNING))
    os.kill(first, signal.SIGTERM)
    workers.line(f"process 1, pid {first}, ended: exit code 0")
    workers.line("process 1 is started again")
    workers.line('running: .*"process": 1')
    assert workers.stop() == 0


def test_none_lives_on_when_their_parent_is_killed(production: Shop, workers: Workers) -> None:
    both = pids(workers.line(RUNNING))
    production.cli("run", "work:plan", '{"holds": 1}')
    workers.line("^holds")
    workers.process.kill()
    workers.line('stopping: .*"process"')
    production.write("gate", "")  # what runs may finish
    workers.line('"function":"work:hold","outcome":"success"')
    eventually(lambda: not any(map(is_alive, both)), "they have ended")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_what_runs_may_finish_and_a_second_signal_ends_them_at_once(
    production: Shop, workers: Workers, number: signal.Signals
) -> None:
    both = pids(workers.line(RUNNING))
    production.cli("run", "work:plan", '{"holds": 1}')
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


def test_told_to_stop_while_they_still_start_they_end_as_cleanly(production: Shop) -> None:
    production.write("shop/slow.py", "import threading\nprint('starts', flush=True)\nthreading.Event().wait()\n")
    with Workers(production.root, 2) as running:
        running.line("starts")
        assert running.stop() == 0


def refused(root: Path, *args: str) -> str:
    with Workers(root, 3, *args) as running:
        assert running.process.wait(DEADLINE_SECONDS) == 1
        with pytest.raises(AssertionError):
            running.line("this is the end")
        return "\n".join(running.lines)


def test_an_app_that_does_not_load_says_so_once(production: Shop) -> None:
    production.write("shop/broken.py", "x = (\n")
    text = refused(production.root)
    assert text.count("the app cannot be loaded") == 1
    assert text.count("shop/broken.py:1") == 1
    with Process(production.root, "worker") as alone:
        assert alone.process.wait(DEADLINE_SECONDS) == 1
        with pytest.raises(AssertionError):
            alone.line("this is the end")
        assert "\n".join(alone.lines) == text


def test_a_database_that_is_not_migrated_is_refused_once(production: Shop) -> None:
    assert refused(production.root, "--database", "sqlite:///new.db").count("convexpy db upgrade") == 1


def test_without_a_configured_database_they_refuse(shop: Shop) -> None:
    result = shop.cli("worker", "--processes", "2")
    assert result.exit_code == 1
    assert "CONVEXPY_DATABASE" in result.stderr


@pytest.mark.parametrize("number", ["0", "-1", "x", "1.5"])
def test_a_number_that_is_none_is_wrong_usage(production: Shop, number: str) -> None:
    result = production.cli("worker", "--processes", number)
    assert result.exit_code == 2
    assert "--processes" in result.stderr


def test_on_windows_several_are_refused(production: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_module("convexpy.cli.start"), "os", SimpleNamespace(name="nt"))
    result = production.cli("worker", "--processes", "2")
    assert result.exit_code == 2
    assert "start `convexpy worker` several times" in result.stderr


def test_one_process_is_this_very_process(production: Shop) -> None:
    with Process(production.root, "worker", "--processes", "1") as running:
        assert "process" not in json.loads(running.line("running:"))
        production.cli("run", "work:plan", '{"holds": 1}')
        assert int(running.line("^holds").split()[1]) == running.process.pid
        production.write("gate", "")
        assert running.stop() == 0


def test_one_that_keeps_dying_is_started_again_and_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(crew, "FIRST_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(crew, "LONGEST_PAUSE_SECONDS", 0.05)
    caplog.set_level(logging.WARNING, "convexpy.server")
    post = crew.Post(1, [sys.executable, "-S", "-c", "raise SystemExit(3)"])

    def dies() -> bool:
        post.fill()
        return len(caplog.records) == 5

    eventually(dies, "it has died five times")
    assert [message.rpartition(" in ")[2] for message in caplog.messages] == [
        "0.01 s",
        "0.02 s",
        "0.04 s",
        *2 * ["0.05 s"],
    ]
    monkeypatch.setattr(crew, "LONG_ENOUGH_SECONDS", 0.0)
    caplog.clear()
    eventually(lambda: post.fill() or bool(caplog.records), "it has died once more, after running long enough")
    assert "another is started in 0.01 s" in caplog.messages[0]


def test_pauses_grow_to_half_a_minute(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "convexpy.server")
    post = crew.Post(1, ["/nowhere/python"])
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(crew, "time", SimpleNamespace(monotonic=lambda: clock.now))
    for _ in range(7):
        post.fill()
        post.fill()  # it is not time yet
        clock.now += 30.0
    assert [message.rpartition(" in ")[2] for message in caplog.messages] == [
        *("1 s", "2 s", "4 s", "8 s", "16 s", "30 s", "30 s")
    ]


def test_one_that_does_not_end_is_killed(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(crew, "FAREWELL_SECONDS", 0.3)
    caplog.set_level(logging.INFO, "convexpy.server")
    deaf, codes = crew.Crew(2, [sys.executable, "-S", "-c", DEAF], 0.0), []
    thread = threading.Thread(target=lambda: codes.append(deaf.work()))
    thread.start()
    eventually(lambda: RUNNING in caplog.text, "they run")
    both = pids(next(message for message in caplog.messages if RUNNING in message))
    deaf.ask_to_stop()
    thread.join(DEADLINE_SECONDS)
    assert codes == [0]
    assert not any(map(is_alive, both))
    assert caplog.text.count("does not end and is killed") == 2
