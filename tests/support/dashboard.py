"""Admin keys and sessions of the dashboard, in this process."""

from __future__ import annotations

from typing import Any, Final

import httpx

from convexpy._system import keys
from convexpy.database.admin_keys import NewKey, new_key
from convexpy.testing import ConvexTest
from support.http_client import HttpClient

OWN: Final = {"x-convexpy-dashboard": "1"}
"""What the dashboard's own pages send."""


def made_key(kit: ConvexTest, name: str = "ops", *, read_only: bool = False) -> NewKey:
    """A key that the app accepts."""
    key = new_key()
    kit.run(keys.new, key_id=key.id, digest=key.digest, name=name, read_only=read_only)
    return key


def log_in(client: HttpClient, key: NewKey, **options: Any) -> httpx.Response:
    """Show a key on the page that asks for one. The client has a session from then on."""
    return client.post("/dashboard/login", data={"key": key.text}, **options)


def cookie_of(client: HttpClient) -> str:
    """The header with which a client shows its session."""
    return f"convexpy_dashboard={client.cookies['convexpy_dashboard']}"


def call(client: HttpClient, kind: str, path: str, args: Any = None, **options: Any) -> httpx.Response:
    """Call a function as the dashboard's pages may."""
    headers = {**OWN, **options.pop("headers", {})}
    return client.post(f"/dashboard/api/{kind}", json={"path": path, "args": args or {}}, headers=headers, **options)
