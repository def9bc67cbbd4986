"""A workload: which systems run, what is measured, and the targets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .backends import Backends
from .figures import Metric, Target
from .measures import Figures
from .systems import System

Run = Callable[[Backends, System, float], Figures]


@dataclass(frozen=True)
class Workload:
    name: str
    title: str
    figures: tuple[Metric, ...]
    systems: tuple[System, ...]
    targets: tuple[Target, ...]
    run: Run

    def metric(self, figure: str) -> Metric:
        return next(measure for measure in self.figures if measure.name == figure)
