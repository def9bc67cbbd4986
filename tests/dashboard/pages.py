"""The pages of the dashboard: where each one is, and what is opened on it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import httpx
from playwright.sync_api import Page

NAMES = ("schedules", "crons", "functions", "errors", "data", "logs", "live", "conflicts", "health", "audit")


@dataclass(frozen=True)
class Place:
    """A view: a name for its picture, its address, and what is done once it is open."""

    name: str
    path: str
    prepare: Callable[[Page], None] | None = None


def places(url: str, key: str | None) -> list[Place]:
    """Every page, with what can be opened on it: a job, a cron, a function, an error, a table."""
    found = [Place(name, name) for name in NAMES]
    if failed := first_job(url, key, "orders:charge", "failed"):
        found.append(Place("job", f"job/{failed}"))
    if ended := first_job(url, key, "orders:ship", "success"):
        found.append(Place("job-tree", f"job/{ended}"))
    found += [
        Place("cron", f"crons/{quote('prices of Silent & Sons')}"),
        Place("function", f"functions/{quote('orders:place', safe='')}"),
        Place("table", "data/orders"),
        Place("table-framework", "data/_scheduled_functions"),
        Place("palette", "schedules", lambda page: page.keyboard.press("Control+k")),
        Place("keys", "schedules", lambda page: page.keyboard.press("?")),
        Place("empty", "schedules?function=stock%3Atake&state=canceled"),
    ]
    groups = call(url, key, "_system/errors:list", {})
    if groups:
        found.append(Place("error", f"errors/{groups[0]['fingerprint']}"))
    return found


def first_job(url: str, key: str | None, name: str, state: str) -> str | None:
    """The id of a job of this function in this state."""
    jobs = call(url, key, "_system/jobs:list", {"name": name, "state": state, "limit": 1})
    return jobs[0]["id"] if jobs else None


def call(url: str, key: str | None, path: str, args: dict[str, Any]) -> Any:
    """What a query of the framework answers. None: it does not."""
    headers = {} if key is None else {"Authorization": f"Convex {key}"}
    answer = httpx.post(f"{url}/api/query", json={"path": path, "args": args, "format": "json"}, headers=headers)
    document = answer.json()
    return document.get("value") if answer.is_success else None
