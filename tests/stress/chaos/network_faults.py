"""Faults of the network between the app and its server, by the proxy."""

from __future__ import annotations

from typing import Final

from .nemesis import FaultKind, PlannedFault
from .proxy import Cut, Mode
from .targets import Targets

CUT_SECONDS: Final = 4.0


def cut(targets: Targets, fault: PlannedFault, where: Cut) -> bool:
    """Cut one to three connections of a process at COMMIT."""
    assert targets.proxy is not None
    proxy, name = targets.proxy, targets.port_of(fault.target)
    number = 1 + fault.target % 3
    proxy.ask("cut", name, where, number)
    try:
        targets.wait_until(lambda: proxy.ask("look", name) >= number, CUT_SECONDS)
    finally:
        fired = proxy.ask("look", name)
        proxy.ask("cut", name, None, 0)
    return bool(fired > 0)


def cut_before(targets: Targets, fault: PlannedFault) -> bool:
    return cut(targets, fault, "before COMMIT")


def cut_after(targets: Targets, fault: PlannedFault) -> bool:
    return cut(targets, fault, "after COMMIT")


def suffer(targets: Targets, fault: PlannedFault, mode: Mode, value: float = 0.0) -> bool:
    """Put the network of one process into a mode for a while. Whether anything met it."""
    assert targets.proxy is not None
    proxy, name = targets.proxy, targets.port_of(fault.target)
    proxy.ask("mode", name, mode, value)
    try:
        targets.wait(fault.seconds)
    finally:
        met = proxy.ask("mode", name, "pass", 0.0)
    return bool(met > 0)


def black_hole(targets: Targets, fault: PlannedFault) -> bool:
    """Nothing passes and nothing breaks; afterwards what was sent comes late, or the connections are found dead."""
    met = suffer(targets, fault, "blackhole")
    if fault.target % 2:
        assert targets.proxy is not None
        targets.proxy.ask("reset", targets.port_of(fault.target))
    return met


def slow_down(targets: Targets, fault: PlannedFault) -> bool:
    return suffer(targets, fault, "latency", 0.005 + (fault.target % 10) * 0.01)


def partition(targets: Targets, fault: PlannedFault) -> bool:
    """Cut every connection of a process, and let it make none."""
    return suffer(targets, fault, "refuse")


NETWORK_FAULTS: Final = [
    FaultKind("cut before COMMIT", "network", cut_before, weight=4),
    FaultKind("cut after COMMIT, before its answer", "network", cut_after, weight=4),
    FaultKind("black hole", "network", black_hole, weight=2, seconds=(0.3, 3.0)),
    FaultKind("slow network", "network", slow_down, weight=1, seconds=(0.5, 2.0)),
    FaultKind("partition", "network", partition, weight=2, seconds=(0.2, 2.0)),
]
