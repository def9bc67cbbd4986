"""Faults that strike processes of the app, on either database."""

from __future__ import annotations

import resource
import signal
import time
from typing import Final

from .crew import Member, forks
from .nemesis import Blow, Kind
from .scene import Scene, is_stopped, thaw

UP_SECONDS: Final = 10.0
STOP_SECONDS: Final = 30.0
DUMP_SECONDS: Final = 2.0
JUMPS: Final = (-3600.0, -30.0, -5.0, 6.0, 20.0)
BURNERS: Final = 3


def kill_worker(scene: Scene, blow: Blow) -> bool:
    member = scene.worker(blow.target)
    killed = member.kill()
    scene.workers.replace(member)
    return killed


def kill_client(scene: Scene, blow: Blow) -> bool:
    member = scene.clients[blow.target]
    killed = member.kill()
    scene.clients.replace(member)
    return killed


def freeze_worker(scene: Scene, blow: Blow) -> bool:
    """SIGSTOP for longer than the heartbeat's timeout, so that others give the worker up; then SIGCONT."""
    with scene.set_apart(blow.target) as member:
        if not scene.wait_until(member.is_ready, UP_SECONDS):
            return False
        member.signal(signal.SIGSTOP)
        try:
            stopped = scene.wait_until(lambda: is_stopped(member.pid), 1.0)
            scene.wait(blow.seconds)
            return stopped and is_stopped(member.pid)
        finally:
            thaw(member)


def stop_worker(scene: Scene, blow: Blow) -> bool:
    """SIGTERM, a clean stop, and a new process."""
    member = scene.worker(blow.target)
    if not scene.wait_until(member.is_ready, UP_SECONDS):
        return False
    member.signal(signal.SIGTERM)
    code = member.wait(STOP_SECONDS)
    if code is None:
        member.signal(signal.SIGUSR1)
        member.wait(DUMP_SECONDS)
        scene.complaints.append(f"{member.name} did not stop within {STOP_SECONDS:g} s of SIGTERM; its log says why")
        member.kill()
    scene.workers.replace(member)
    return code == 0


def jump_clock(scene: Scene, blow: Blow) -> bool:
    """A worker's time of day is wrong for a while."""
    with scene.set_apart(blow.target) as member:
        if not scene.wait_until(member.is_ready, UP_SECONDS):
            return False
        moved = member.ask("clock", JUMPS[blow.target % len(JUMPS)])
        try:
            scene.wait(blow.seconds)
        finally:
            member.ask("clock", 0.0)
        scene.wait(2.0)  # until it has run what it claimed by the wrong time
        return bool(moved == "moved")


def starve(scene: Scene, blow: Blow) -> bool:
    """Others want the processors, too."""
    burners = [forks().Process(target=burn, args=(blow.seconds,), daemon=True) for _ in range(BURNERS)]
    for burner in burners:
        burner.start()
    scene.wait(blow.seconds)
    for burner in burners:
        burner.join(10)
    return all(burner.exitcode == 0 for burner in burners)


def burn(seconds: float) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        pass


def storm_hot_rows(scene: Scene, blow: Blow) -> bool:
    return bool(scene.clients[blow.target].ask("hot rows", blow.target, 10) > 0)


def storm_cancels(scene: Scene, blow: Blow) -> bool:
    return bool(scene.clients[blow.target].ask("cancels", blow.target, 15) > 0)


def fill_disk(scene: Scene, blow: Blow) -> bool:
    """No file may grow any more, as on a full disk, for one worker."""
    member = scene.workers[blow.target]
    if not scene.wait_until(member.is_ready, UP_SECONDS):
        return False
    limit(member, 0)
    try:
        scene.wait(blow.seconds)
        return member.is_alive and resource.prlimit(member.pid, resource.RLIMIT_FSIZE)[0] == 0
    finally:
        limit(member, resource.RLIM_INFINITY)


def limit(member: Member, size: int) -> None:
    if member.is_alive:
        resource.prlimit(member.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


PROCESS_FAULTS: Final = [
    Kind("kill -9 of a worker", "processes", kill_worker, weight=5, rest=0.5),
    Kind("kill -9 of a client", "processes", kill_client, weight=3, rest=0.5),
    Kind("stop and restart of a worker", "processes", stop_worker, weight=2, rest=0.5),
    Kind("freeze of a worker", "freezes", freeze_worker, weight=1, seconds=(4.2, 5.5)),
    Kind("clock jump of a worker", "freezes", jump_clock, weight=2, seconds=(0.5, 2.0)),
    Kind("starvation of the processors", "load", starve, weight=1, seconds=(0.3, 1.0)),
    Kind("storm on hot rows", "load", storm_hot_rows, weight=3),
    Kind("storm of cancels", "load", storm_cancels, weight=3),
]
