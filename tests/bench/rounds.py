"""Several rounds of several workloads. In each round every contestant has its turn; who is first changes."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress

from .child import Failed
from .contestants import Peer
from .environments import Missing
from .figures import Row
from .stage import Stage
from .table import amount
from .workloads import Workload


def run(
    workloads: list[Workload], stage: Stage, rounds: int, scale: float, say: Callable[[str], None]
) -> dict[str, list[Row]]:
    """Every figure. What fails or is missing becomes a row that says so; it does not end the run."""
    build(workloads, say)
    rows = {workload.name: [Row(who.name, who.guarantee) for who in workload.contestants] for workload in workloads}
    for number in range(rounds):
        for workload in workloads:
            turns = list(zip(workload.contestants, rows[workload.name], strict=True))
            first = number % len(turns)
            for who, row in turns[first:] + turns[:first]:
                if row.problem() is None:
                    begun = time.monotonic()
                    measure(workload, who, row, stage, scale)
                    outcome = row.problem() or ", ".join(
                        f"{amount(values[-1])} {name}" for name, values in row.values.items()
                    )
                    took = time.monotonic() - begun
                    say(f"round {number + 1}/{rounds} {workload.name}: {who.name}: {outcome} ({took:.0f} s)")
    return rows


def build(workloads: list[Workload], say: Callable[[str], None]) -> None:
    """Build what is not there before anything is measured."""
    for environment in {who.environment for workload in workloads for who in workload.contestants}:
        if environment is not None and not environment.is_built:
            say(f"building the environment of {environment.name}")
            with suppress(Missing):
                environment.python()


def measure(workload: Workload, who: Peer, row: Row, stage: Stage, scale: float) -> None:
    try:
        row.add(workload.run(stage, who, scale))
    except Missing as reason:
        row.skipped = str(reason)
    except Failed as reason:
        row.errors.append(str(reason))
    except Exception as error:
        row.errors.append(f"{type(error).__name__}: {error}"[:300])
