"""What PostgreSQL's error codes mean: a conflict, a failure of the server or the network, or a developer's mistake.

The driver is not imported: its errors are recognized by their ``sqlstate``.
"""

from __future__ import annotations

import re
from typing import Any, Final, Protocol

# Serialization failure, deadlock, lock timeout: the same transaction may succeed a moment later.
CONFLICTS: Final = frozenset({"40001", "40P01", "40000", "55P03"})
# Classes: connection, resources, operator intervention, system, internal.
INTERNAL_CLASSES: Final = frozenset({"08", "53", "57", "58", "XX"})
INTERNAL: Final = CONFLICTS | {
    "25P03",  # idle in transaction for too long: this process or the network was frozen
    "25P04",  # transaction_timeout
    "25006",  # the server only reads: a standby, or a former primary
    "40003",  # statement completion unknown
}
# After these, and after every error without a code, the connection is not used again.
LOST: Final = frozenset({"25P03", "25P04", "25006", "57P01", "57P02", "57P03", "57P05"})
STANDBY_WORDS: Final = "hot standby"
RELATION: Final = re.compile(r'relation "([^"]+)"')
POOLER_ERRORS: Final = frozenset({"26000", "42P05"})


class DriverError(Protocol):
    """An error of the driver. ``sqlstate`` is None if it does not come from the server."""

    @property
    def sqlstate(self) -> str | None: ...


def is_conflict(error: DriverError) -> bool:
    return error.sqlstate in CONFLICTS


def conflict_table(error: Any) -> str | None:
    """The table in a conflict's error: "while updating tuple (0,1) in relation …"."""
    if error.diag.table_name:
        return str(error.diag.table_name)
    found = RELATION.search(error.diag.context or "")
    return found[1] if found else None


def is_about_rows(error: Any) -> bool:
    """Whether two transactions wrote the same rows, rather than that no serial order explains what they read."""
    return error.sqlstate in ("40P01", "55P03") or "concurrent" in (error.diag.message_primary or "")


def is_internal(error: DriverError) -> bool:
    state = error.sqlstate
    if state is None:
        return is_disconnect(error)
    if state in INTERNAL or state[:2] in INTERNAL_CLASSES or state in POOLER_ERRORS:
        return True
    return state == "0A000" and STANDBY_WORDS in str(error)


def is_lost(error: DriverError) -> bool:
    """Whether the connection must not be used again: it is broken, or its server cannot write."""
    state = error.sqlstate
    if state is None:
        return is_disconnect(error)
    return state in LOST or state.startswith("08") or (state == "0A000" and STANDBY_WORDS in str(error))


def is_disconnect(error: DriverError) -> bool:
    """Whether the connection broke. Errors of misuse have no code either, but other classes."""
    return error.sqlstate is None and any(each.__name__ == "OperationalError" for each in type(error).__mro__)
