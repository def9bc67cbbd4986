"""Where the server listens, and what those that reach it there may do."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address

from .finding import Finding, note, risk
from .target import Target


def check_address(target: Target) -> Iterator[Finding]:
    """What is meant for this machine only should not be served to others."""
    settings = target.settings
    if is_of_this_machine(settings.host):
        return
    seen = f"the server listens at {settings.host}"
    if settings.debug:
        yield risk(
            "address",
            f"{seen}, and debug is on",
            "whoever reaches it reads errors in full, with the values of SQL parameters",
            "Set debug to false",
        )
    if not settings.auth:
        yield note(
            "address",
            f"{seen}, and no issuer of tokens is configured",
            "whoever reaches it may call every public function, as no user",
            "Configure auth, or let only a proxy reach it",
        )


def is_of_this_machine(host: str) -> bool:
    """Whether only programs on this machine reach what listens there."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
