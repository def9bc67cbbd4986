"""Who is calling."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Identity:
    """A verified caller: ``subject`` is unique within ``issuer``. Scheduled runs and crons have none.

    Of a caller with a token, ``claims`` are all claims of the token, by the names that they have there.

    Raises:
        TypeError: The subject is not a text, or empty.
    """

    subject: str
    issuer: str | None = None
    claims: Mapping[str, object] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        if not isinstance(self.subject, str) or not self.subject:
            raise TypeError(
                f"Identity(subject={self.subject!r}): the subject is a text that is not empty, such as a user's id. "
                "Where there is no user, pass None in place of an Identity"
            )

    @property
    def token_identifier(self) -> str:
        """Convex's ``tokenIdentifier``, which no other user has: ``"issuer|subject"``, or ``"|subject"``."""
        return f"{self.issuer or ''}|{self.subject}"
