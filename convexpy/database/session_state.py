"""Which statements leave something on the connection that outlives their transaction, so that no other call may get it.

On PostgreSQL settings and the role are not among them: the message that begins each transaction resets those. What a
function on the server does, and what is sent past SQLAlchemy, has no text here: of that, only settings are reset.
"""

from __future__ import annotations

import re
from typing import Final

from .savepoints import BEFORE

# Also within the text of a DO block or of a function that is created.
LEAVES_STATE: Final = re.compile(
    rf"(?:^|;|\bBEGIN\b){BEFORE}(?:PREPARE|LISTEN|LOAD|ATTACH|DETACH)\b"
    r"|\bpg_(?:try_)?advisory_lock|\bsession_authorization\b|\bSESSION\s+AUTHORIZATION\b|\bWITH\s+HOLD\b"
    r"|\bdblink_connect|\bload_extension\b",
    re.IGNORECASE | re.DOTALL,
)
TEMPORARY: Final = re.compile(r"\b(?:CREATE\b.*\b|INTO\s+)(?:TEMP|TEMPORARY)\b|\bpg_temp\b", re.IGNORECASE | re.DOTALL)
DROPPED_AT_COMMIT: Final = re.compile(r"\bON\s+COMMIT\s+DROP\b", re.IGNORECASE)
PRAGMA: Final = re.compile(
    rf"{BEFORE}PRAGMA\s+(?:\w+\s*\.\s*)?[\"`\[]?(\w+)[\"`\]]?\s*([=(]?)", re.IGNORECASE | re.DOTALL
)
# These take an argument and change nothing of the connection.
READING_PRAGMAS: Final = frozenset(
    {
        "foreign_key_check",
        "foreign_key_list",
        "index_info",
        "index_list",
        "index_xinfo",
        "integrity_check",
        "quick_check",
        "table_info",
        "table_list",
        "table_xinfo",
        "user_version",
        "application_id",
        "wal_checkpoint",
        "optimize",
        "incremental_vacuum",
    }
)


def leaves_state(statement: str) -> bool:
    """Whether the connection must be closed after the transaction of this statement."""
    if LEAVES_STATE.search(statement) is not None:
        return True
    if TEMPORARY.search(statement) is not None and DROPPED_AT_COMMIT.search(statement) is None:
        return True
    pragma = PRAGMA.match(statement)
    return pragma is not None and bool(pragma[2]) and pragma[1].lower() not in READING_PRAGMAS
