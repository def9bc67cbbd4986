"""``Verdict``: what the text of a statement says of it, before it is sent within a transaction."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, NamedTuple

from .savepoints import BEFORE, SavepointStatement, read_savepoint
from .session_state import leaves_state

# What would end or start a transaction behind the framework's back. Savepoints are the user's to use.
TRANSACTION_STATEMENT: Final = re.compile(
    BEFORE + r"(BEGIN|START\s+TRANSACTION|COMMIT|END|ABORT|PREPARE\s+TRANSACTION|ROLLBACK(?!\s+TO\b)|ROLLBACK\s*$)\b",
    re.IGNORECASE | re.DOTALL,
)
OWN_TABLE_CHANGE: Final = re.compile(
    r"\b(?:INTO|UPDATE(?:\s+OR\s+\w+)?|DELETE\s+FROM|TRUNCATE(?:\s+TABLE)?)\s+(?:ONLY\s+)?(?:\w+\.)?"
    r"[\"`\[]?(_scheduled_functions|_convexpy_\w+)",
    re.IGNORECASE,
)
# What is about a transaction, or said once in it: who shares one with others would say it for them as well.
CONCERNS_OTHERS: Final = re.compile(
    rf"^{BEFORE}(SET|RESET|PRAGMA|NOTIFY|LISTEN|UNLISTEN|DISCARD|CREATE|DROP|ALTER|LOCK|ATTACH)\b|pg_notify|set_config"
    r"|_scheduled_functions|_convexpy_",
    re.IGNORECASE | re.DOTALL,
)
# PostgreSQL executes several statements of one text, and what stands in quotes is none.
FOLLOWING_STATEMENT: Final = re.compile(
    rf";{BEFORE}(?:BEGIN|START\s+TRANSACTION|COMMIT|END|ABORT|PREPARE\s+TRANSACTION|ROLLBACK|SAVEPOINT|RELEASE)\b",
    re.IGNORECASE | re.DOTALL,
)
QUOTED: Final = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|\$(\w*)\$.*?\$\1\$|--[^\n]*|/\*.*?\*/", re.DOTALL)
# Its body has statements of its own: BEGIN ATOMIC … END on PostgreSQL, a trigger on SQLite.
CREATES_BODY: Final = re.compile(rf"{BEFORE}CREATE\b.*\bBEGIN\b", re.IGNORECASE | re.DOTALL)


class Verdict(NamedTuple):
    """What a statement's text says of it."""

    savepoint: SavepointStatement | None
    ends: bool
    leaves_state: bool
    concerns_others: bool
    own_table: str | None


@lru_cache(maxsize=5000)
def verdict_on(statement: str) -> Verdict:
    own, leaves = OWN_TABLE_CHANGE.search(statement), leaves_state(statement)
    return Verdict(
        savepoint=read_savepoint(statement),
        ends=TRANSACTION_STATEMENT.match(statement) is not None or goes_on_to_end(statement),
        leaves_state=leaves,
        concerns_others=leaves or own is not None or CONCERNS_OTHERS.search(statement) is not None,
        own_table=own[1] if own else None,
    )


def goes_on_to_end(statement: str) -> bool:
    """Whether a later statement of the same text ends the transaction, or is about a savepoint."""
    if ";" not in statement or CREATES_BODY.match(statement):
        return False
    return FOLLOWING_STATEMENT.search(QUOTED.sub(" ", statement)) is not None
