"""URLs of databases: read without showing their secrets, and shown without them."""

from __future__ import annotations

import re
from typing import Final

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from ..errors import DatabaseError

FORMS: Final = "Write sqlite:///path/to/file.db, or postgresql://user@host/name"
SECRET: Final = re.compile("pass|secret|token|credential", re.IGNORECASE)


def read_url(url: str | URL) -> URL:
    """A URL of a database.

    Raises:
        DatabaseError: It is not one. The error shows nothing of it, as it may hold a password.
    """
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise DatabaseError(f"this is not a database URL. {FORMS}. The port is a number") from None
    if "@" in (parsed.host or ""):
        raise DatabaseError("the user or the password in the database URL contains an @. Write it as %40 there")
    return parsed


def shown_url(url: URL) -> str:
    """A URL for people: no driver, no password, and no secret among its options."""
    options = {name: "***" if SECRET.search(name) else value for name, value in url.query.items()}
    return url.set(drivername=url.get_backend_name(), query=options).render_as_string(hide_password=True)
