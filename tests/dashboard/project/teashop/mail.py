"""The post office: a stand-in for the outside world."""

from __future__ import annotations

from convexpy import ActionCtx, internal_action


@internal_action
async def send(ctx: ActionCtx, to: str, text: str) -> None:
    """Send a mail."""
    name, at, _ = to.partition("@")
    if not at:
        raise ValueError(f"{name!r} is no address")
    ctx.log.info("mail to %s: %s", to, text)
