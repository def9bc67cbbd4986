"""E-mail, in a folder of its own: its functions are named after the whole path."""

from __future__ import annotations

from convexpy import SyncActionCtx, internal_action

outbox: list[str] = []


@internal_action
def send(ctx: SyncActionCtx, to: str) -> None:
    outbox.append(to)
