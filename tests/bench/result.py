"""The result as data: every figure, the verdicts, and the conditions they were measured under."""

from __future__ import annotations

import os
import platform
import sqlite3
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

from .backends import DURABLE, Backends
from .environments import Environment
from .figures import Row, judge
from .redis import DURABLE as REDIS_DURABLE
from .workload import Workload

PACKAGES = ("convexpy", "SQLAlchemy", "psycopg", "pydantic")


def result(workloads: list[Workload], rows: dict[str, list[Row]], rounds: int, scale: float) -> dict[str, Any]:
    return {
        "rounds": rounds,
        "scale": scale,
        "workloads": [as_data(workload, rows[workload.name]) for workload in workloads],
    }


def as_data(workload: Workload, rows: list[Row]) -> dict[str, Any]:
    verdicts = [judge(target, rows, workload.metric(target.figure)) for target in workload.targets]
    return {
        "name": workload.name,
        "title": workload.title,
        "rows": [
            {
                "system": row.system,
                "guarantee": row.guarantee,
                "medians": {name: row.median(name) for name in row.values},
                "values": row.values,
                "problem": row.problem(),
            }
            for row in rows
        ],
        "targets": [
            {
                "target": f"{verdict.target.ours} {verdict.target}",
                "reached": verdict.reached,
                "against": verdict.against,
                "met": verdict.is_met,
            }
            for verdict in verdicts
        ],
    }


def conditions(backends: Backends, environments: list[Environment], commit: str) -> dict[str, Any]:
    """The machine, the versions and the durability that the figures depend on."""
    installed = {found.metadata["Name"]: found.version for found in distributions()}
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit,
        "machine": {"system": platform.platform(), "cores": os.cpu_count(), "disk": file_system(backends.folder)},
        "versions": {
            "Python": sys.version.split()[0],
            "SQLite": sqlite3.sqlite_version,
            "PostgreSQL": postgres_version(backends),
            **{name: installed[name] for name in PACKAGES if name in installed},
        },
        "peers": {environment.name: environment.versions() for environment in environments},
        "durability": {
            "PostgreSQL": {name: value for name, value in DURABLE.items() if value == "on"},
            "SQLite": "WAL; synchronous as the workload says",
            "Redis": REDIS_DURABLE,
        },
    }


def current_commit() -> str:
    return git("rev-parse", "--short=12", "HEAD") + (" with changes" if git("status", "--porcelain") else "")


def postgres_version(backends: Backends) -> str | None:
    """The version of the server, if one was started."""
    return backends.execute("SHOW server_version")[0] if "postgres" in vars(backends) else None


def file_system(folder: Path) -> str:
    completed = subprocess.run(["stat", "-f", "-c", "%T", folder], capture_output=True, text=True, check=False)
    return completed.stdout.strip() or "unknown"


def git(*arguments: str) -> str:
    completed = subprocess.run(
        ["git", *arguments], cwd=Path(__file__).parent, capture_output=True, text=True, check=False
    )
    return completed.stdout.strip() if completed.returncode == 0 else "unknown"
