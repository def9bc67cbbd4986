"""Who is calling."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Identity:
    """A verified caller: ``subject`` is unique within ``issuer``. Scheduled runs and crons have none."""

    subject: str
    issuer: str | None = None
    claims: Mapping[str, object] = field(default_factory=dict, hash=False)
