"""What PostgreSQL's error codes mean: a conflict, a server or a network that failed, or the developer's own mistake.

Nothing here imports the driver: its errors are known by the ``sqlstate`` that they carry.
"""

from __future__ import annotations

import re
from typing import Any, Final, Protocol

# Serialization failure, deadlock, and their class: the same transaction may well succeed a moment later.
CONFLICTS: Final = frozenset({"40001", "40P01", "40000", "55P03"})
# By class: connection, resources, operator's intervention, system, the server's own errors.
INTERNAL_CLASSES: Final = frozenset({"08", "53", "57", "58", "XX"})
INTERNAL: Final = CONFLICTS | {
    "25P03",  # the transaction was idle for too long: this process was frozen, or the network was
    "25P04",  # it took too long altogether
    "25006",  # the server only reads: we are connected to a standby, or to what was the primary
    "40003",  # nobody knows whether the statement was completed
}
# After these, and after every error without a code, the connection is of no use any more.
LOST: Final = frozenset({"25P03", "25P04", "25006", "57P01", "57P02", "57P03", "57P05"})
STANDBY_WORDS: Final = "hot standby"
RELATION: Final = re.compile(r'relation "([^"]+)"')
POOLER_ERRORS: Final = frozenset({"26000", "42P05"})


class DriverError(Protocol):
    """An error of the driver's. ``sqlstate`` is None when the server did not get to say anything."""

    @property
    def sqlstate(self) -> str | None: ...


def is_conflict(error: DriverError) -> bool:
    return error.sqlstate in CONFLICTS


def conflict_table(error: Any) -> str | None:
    """The table that a conflict's error names: "while updating tuple (0,1) in relation …"."""
    if error.diag.table_name:
        return str(error.diag.table_name)
    found = RELATION.search(error.diag.context or "")
    return found[1] if found else None


def is_about_rows(error: Any) -> bool:
    """Whether two transactions wanted the same rows, rather than that no order of them explains what they read."""
    return error.sqlstate in ("40P01", "55P03") or "concurrent" in (error.diag.message_primary or "")


def is_internal(error: DriverError) -> bool:
    state = error.sqlstate
    if state is None:
        return is_gone(error)
    if state in INTERNAL or state[:2] in INTERNAL_CLASSES or state in POOLER_ERRORS:
        return True
    return state == "0A000" and STANDBY_WORDS in str(error)


def is_lost(error: DriverError) -> bool:
    """Whether the connection must not be used again: it is broken, or leads to the wrong server."""
    state = error.sqlstate
    if state is None:
        return is_gone(error)
    return state in LOST or state.startswith("08") or (state == "0A000" and STANDBY_WORDS in str(error))


def is_gone(error: DriverError) -> bool:
    """Whether the connection broke. Errors of misuse have no code either, but are of other classes."""
    return error.sqlstate is None and any(each.__name__ == "OperationalError" for each in type(error).__mro__)
