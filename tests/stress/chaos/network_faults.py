"""Faults of the network between the app and its server, by the proxy."""

from __future__ import annotations

from typing import Final

from .nemesis import Blow, Kind
from .proxy import Cut, Mode
from .scene import Scene

CUT_SECONDS: Final = 4.0


def cut(scene: Scene, blow: Blow, where: Cut) -> bool:
    """Cut one to three connections of a process at COMMIT."""
    assert scene.proxy is not None
    proxy, name = scene.proxy, scene.port_of(blow.target)
    number = 1 + blow.target % 3
    proxy.ask("cut", name, where, number)
    try:
        scene.wait_until(lambda: proxy.ask("look", name) >= number, CUT_SECONDS)
    finally:
        fired = proxy.ask("look", name)
        proxy.ask("cut", name, None, 0)
    return bool(fired > 0)


def cut_before(scene: Scene, blow: Blow) -> bool:
    return cut(scene, blow, "before COMMIT")


def cut_after(scene: Scene, blow: Blow) -> bool:
    return cut(scene, blow, "after COMMIT")


def suffer(scene: Scene, blow: Blow, mode: Mode, value: float = 0.0) -> bool:
    """Put the network of one process into a mode for a while. Whether anything met it."""
    assert scene.proxy is not None
    proxy, name = scene.proxy, scene.port_of(blow.target)
    proxy.ask("mode", name, mode, value)
    try:
        scene.wait(blow.seconds)
    finally:
        met = proxy.ask("mode", name, "pass", 0.0)
    return bool(met > 0)


def black_hole(scene: Scene, blow: Blow) -> bool:
    """Nothing passes and nothing breaks; afterwards what was sent comes late, or the connections are found dead."""
    met = suffer(scene, blow, "blackhole")
    if blow.target % 2:
        assert scene.proxy is not None
        scene.proxy.ask("reset", scene.port_of(blow.target))
    return met


def slow_down(scene: Scene, blow: Blow) -> bool:
    return suffer(scene, blow, "latency", 0.005 + (blow.target % 10) * 0.01)


def part(scene: Scene, blow: Blow) -> bool:
    """Cut every connection of a process, and let it make none."""
    return suffer(scene, blow, "refuse")


NETWORK_FAULTS: Final = [
    Kind("cut before COMMIT", "network", cut_before, weight=4),
    Kind("cut after COMMIT, before its answer", "network", cut_after, weight=4),
    Kind("black hole", "network", black_hole, weight=2, seconds=(0.3, 3.0)),
    Kind("slow network", "network", slow_down, weight=1, seconds=(0.5, 2.0)),
    Kind("partition", "network", part, weight=2, seconds=(0.2, 2.0)),
]
