"""Figures of several rounds, and the targets that they are compared with."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Metric:
    """A figure of a workload: its name with its unit, and whether higher is better."""

    name: str
    higher_is_better: bool = False


@dataclass(frozen=True)
class Target:
    """What a system should reach: a multiple of the best of ``theirs``, or an absolute figure without them."""

    figure: str
    ours: str
    theirs: tuple[str, ...] = ()
    at_least: float | None = None
    at_most: float | None = None

    def __str__(self) -> str:
        limit = f">= {self.at_least:g}" if self.at_least is not None else f"<= {self.at_most:g}"
        if not self.theirs:
            return f"{self.figure} {limit}"
        return f"{limit}x {self.theirs[0] if len(self.theirs) == 1 else 'the best of ' + ', '.join(self.theirs)}"


@dataclass
class Row:
    """The figures of one system in one workload, of every round, or why there are none."""

    system: str
    guarantee: str
    values: dict[str, list[float]] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    skipped: str | None = None

    def add(self, figures: dict[str, float]) -> None:
        for name, value in figures.items():
            self.values.setdefault(name, []).append(value)

    def median(self, figure: str) -> float | None:
        """The median of its rounds; None if any round failed: a system that loses jobs has no speed."""
        values = self.values.get(figure)
        return statistics.median(values) if values and not self.errors and self.skipped is None else None

    def problem(self) -> str | None:
        if self.skipped is not None:
            return f"skipped: {self.skipped}"
        return f"error: {self.errors[0]}" if self.errors else None


@dataclass(frozen=True)
class Verdict:
    """A target and what was reached; None where something was not measured."""

    target: Target
    reached: float | None
    against: str | None = None
    missing: tuple[str, ...] = ()

    @property
    def is_met(self) -> bool | None:
        if self.reached is None:
            return None
        if self.target.at_least is not None:
            return self.reached >= self.target.at_least
        return self.target.at_most is not None and self.reached <= self.target.at_most


def judge(target: Target, rows: list[Row], measure: Metric) -> Verdict:
    """Compare the medians of one run with a target."""
    medians = {row.system: row.median(target.figure) for row in rows}
    ours = medians.get(target.ours)
    if not target.theirs:
        return Verdict(target, ours)
    others = {name: value for name in target.theirs if (value := medians.get(name)) is not None}
    missing = tuple(name for name in target.theirs if name not in others)
    if ours is None or not others:
        return Verdict(target, None, None, missing)
    best = (max if measure.higher_is_better else min)(others, key=lambda name: others[name])
    return Verdict(target, ours / others[best] if others[best] else None, best, missing)


def ratio(row: Row, ours: Row, figure: str) -> float | None:
    """Our median divided by theirs."""
    one, other = ours.median(figure), row.median(figure)
    return one / other if one is not None and other else None
