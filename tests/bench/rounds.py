"""Several rounds of several workloads. Every round measures every system once; the order rotates."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress

from .backends import Backends
from .environments import Unavailable
from .figures import Row
from .process import MeasurementFailed
from .systems import System
from .table import amount
from .workload import Workload


def run(
    workloads: list[Workload], backends: Backends, rounds: int, scale: float, report: Callable[[str], None]
) -> dict[str, list[Row]]:
    """Measure everything. A system that fails or is unavailable becomes a row that says so; the run goes on."""
    build(workloads, report)
    rows = {
        workload.name: [Row(system.name, system.guarantee) for system in workload.systems] for workload in workloads
    }
    for number in range(rounds):
        for workload in workloads:
            pairs = list(zip(workload.systems, rows[workload.name], strict=True))
            first = number % len(pairs)
            for system, row in pairs[first:] + pairs[:first]:
                if row.problem() is None:
                    started_at = time.monotonic()
                    measure(workload, system, row, backends, scale)
                    outcome = row.problem() or ", ".join(
                        f"{amount(values[-1])} {name}" for name, values in row.values.items()
                    )
                    took = time.monotonic() - started_at
                    report(f"round {number + 1}/{rounds} {workload.name}: {system.name}: {outcome} ({took:.0f} s)")
    return rows


def build(workloads: list[Workload], report: Callable[[str], None]) -> None:
    """Build missing environments before anything is measured."""
    for environment in {system.environment for workload in workloads for system in workload.systems}:
        if environment is not None and not environment.is_built:
            report(f"building the environment of {environment.name}")
            with suppress(Unavailable):
                environment.python()


def measure(workload: Workload, system: System, row: Row, backends: Backends, scale: float) -> None:
    try:
        row.add(workload.run(backends, system, scale))
    except Unavailable as reason:
        row.skipped = str(reason)
    except MeasurementFailed as reason:
        row.errors.append(str(reason))
    except Exception as error:
        row.errors.append(f"{type(error).__name__}: {error}"[:300])
