"""Faults that strike processes of the app, on either database."""

from __future__ import annotations

import resource
import signal
import time
from typing import Final

from .nemesis import FaultKind, PlannedFault
from .processes import ChildProcess, forks
from .targets import Targets, is_stopped, thaw

UP_SECONDS: Final = 10.0
STOP_SECONDS: Final = 30.0
DUMP_SECONDS: Final = 2.0
JUMPS: Final = (-3600.0, -30.0, -5.0, 6.0, 20.0)
BURNERS: Final = 3


def kill_worker(targets: Targets, fault: PlannedFault) -> bool:
    process = targets.worker(fault.target)
    killed = process.kill()
    targets.workers.replace(process)
    return killed


def kill_client(targets: Targets, fault: PlannedFault) -> bool:
    process = targets.clients[fault.target]
    killed = process.kill()
    targets.clients.replace(process)
    return killed


def freeze_worker(targets: Targets, fault: PlannedFault) -> bool:
    """SIGSTOP for longer than the heartbeat's timeout, so that others give the worker up; then SIGCONT."""
    with targets.set_apart(fault.target) as process:
        if not targets.wait_until(process.is_ready, UP_SECONDS):
            return False
        process.signal(signal.SIGSTOP)
        try:
            stopped = targets.wait_until(lambda: is_stopped(process.pid), 1.0)
            targets.wait(fault.seconds)
            return stopped and is_stopped(process.pid)
        finally:
            thaw(process)


def stop_worker(targets: Targets, fault: PlannedFault) -> bool:
    """SIGTERM, a clean stop, and a new process."""
    process = targets.worker(fault.target)
    if not targets.wait_until(process.is_ready, UP_SECONDS):
        return False
    process.signal(signal.SIGTERM)
    code = process.wait(STOP_SECONDS)
    if code is None:
        process.signal(signal.SIGUSR1)
        process.wait(DUMP_SECONDS)
        targets.problems.append(f"{process.name} did not stop within {STOP_SECONDS:g} s of SIGTERM; its log says why")
        process.kill()
    targets.workers.replace(process)
    return code == 0


def jump_clock(targets: Targets, fault: PlannedFault) -> bool:
    """A worker's time of day is wrong for a while."""
    with targets.set_apart(fault.target) as process:
        if not targets.wait_until(process.is_ready, UP_SECONDS):
            return False
        moved = process.ask("clock", JUMPS[fault.target % len(JUMPS)])
        try:
            targets.wait(fault.seconds)
        finally:
            process.ask("clock", 0.0)
        targets.wait(2.0)  # until it has run what it claimed by the wrong time
        return bool(moved == "moved")


def starve(targets: Targets, fault: PlannedFault) -> bool:
    """Other processes use the processors."""
    burners = [forks().Process(target=burn, args=(fault.seconds,), daemon=True) for _ in range(BURNERS)]
    for burner in burners:
        burner.start()
    targets.wait(fault.seconds)
    for burner in burners:
        burner.join(10)
    return all(burner.exitcode == 0 for burner in burners)


def burn(seconds: float) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        pass


def storm_hot_rows(targets: Targets, fault: PlannedFault) -> bool:
    return bool(targets.clients[fault.target].ask("hot rows", fault.target, 10) > 0)


def storm_cancels(targets: Targets, fault: PlannedFault) -> bool:
    return bool(targets.clients[fault.target].ask("cancels", fault.target, 15) > 0)


def fill_disk(targets: Targets, fault: PlannedFault) -> bool:
    """No file may grow any more, as on a full disk, for one worker."""
    process = targets.workers[fault.target]
    if not targets.wait_until(process.is_ready, UP_SECONDS):
        return False
    limit(process, 0)
    try:
        targets.wait(fault.seconds)
        return process.is_alive and resource.prlimit(process.pid, resource.RLIMIT_FSIZE)[0] == 0
    finally:
        limit(process, resource.RLIM_INFINITY)


def limit(process: ChildProcess, size: int) -> None:
    if process.is_alive:
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


PROCESS_FAULTS: Final = [
    FaultKind("kill -9 of a worker", "processes", kill_worker, weight=5, rest=0.5),
    FaultKind("kill -9 of a client", "processes", kill_client, weight=3, rest=0.5),
    FaultKind("stop and restart of a worker", "processes", stop_worker, weight=2, rest=0.5),
    FaultKind("freeze of a worker", "freezes", freeze_worker, weight=1, seconds=(4.2, 5.5)),
    FaultKind("clock jump of a worker", "freezes", jump_clock, weight=2, seconds=(0.5, 2.0)),
    FaultKind("starvation of the processors", "load", starve, weight=1, seconds=(0.3, 1.0)),
    FaultKind("storm on hot rows", "load", storm_hot_rows, weight=3),
    FaultKind("storm of cancels", "load", storm_cancels, weight=3),
]
