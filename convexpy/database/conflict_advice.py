"""What to do about a conflict: one home for what the command line, the doctor and the dashboard say."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from .footprint import LITERALS, Footprint, footprint
from .tables import FRAMEWORK_TABLES

INDEX_ADVICE: Final = "Write mapped_column(…, index=True) for the columns that mutations look rows up by"
WHOLE_TABLE: Final = (
    "a mutation that does so conflicts with every mutation that writes any of its rows; a query never does"
)
PORTIONS: Final = "Let it take 100 rows at a time, and schedule itself again until none is left"
ANOTHER: Final = "another transaction"

MOST_STATEMENTS: Final = 5
MOST_CHARACTERS: Final = 500
WHERE: Final = re.compile(r"\bWHERE\b(.*)", re.IGNORECASE | re.DOTALL)
RANGES: Final = re.compile(r"[<>]|\b(?:IN|LIKE|BETWEEN|OR|IS)\b", re.IGNORECASE)
CHANGES: Final = re.compile(r"\s*(?:WITH\b.*?\)\s*)?(UPDATE|DELETE)\b", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True)
class ConflictStatements:
    """Statements of both sides, as far as they are known, without values."""

    lost: Sequence[str] = ()
    """Of the function that was rolled back: those that read or wrote the table."""
    won: Sequence[str] = ()
    """Of the other: those that wrote it."""


def statements_about(texts: Sequence[str], table: str | None, *, writes: bool) -> list[str]:
    """The statements that read or wrote a table, or only those that wrote it, as a person reads them."""

    def is_about(found: Footprint) -> bool:
        tables = found.writes if writes else found.touched
        return bool(tables - FRAMEWORK_TABLES) if table is None else table in tables

    return [shown(text) for text in sorted(texts) if is_about(footprint(text))][:MOST_STATEMENTS]


def shown(statement: str) -> str:
    """A statement in one line, without the values that are written in it."""
    text = " ".join(LITERALS.sub(" '…' ", statement).split())
    return text if len(text) <= MOST_CHARACTERS else f"{text[:MOST_CHARACTERS]}…"


def conflict_advice(
    function: str, other: str | None, table: str | None, statements: ConflictStatements, *, is_postgres: bool
) -> str:
    """What makes the conflict rarer: who, what it does, what to do."""
    winner = other or ANOTHER
    if not is_postgres:
        return (
            f"On SQLite one mutation writes at a time: {function} waited for the write lock past `lock_timeout`, while "
            f"{winner} was open. Keep that one short: work in portions, and leave what waits for others to an action."
        )
    if table in FRAMEWORK_TABLES:
        return f"They met on convexpy's own {table}: it costs {function} another run, and there is nothing to change."
    where = f"`{table}`" if table else "the same rows"
    if is_whole_read(statements.lost):
        return f"{function} reads {where} as a whole: {WHOLE_TABLE}. {INDEX_ADVICE}."
    if changes_many(statements.won):
        return f"{winner} changes many rows of {where} at once, and meets whoever reads one of them. {PORTIONS}."
    if function == other:
        return (
            f"Calls of {function} meet each other on {where}. If each changes the same row, let it add a row of its "
            "own instead, and let a query or a cron sum them up. A small table is read as a whole: such conflicts "
            "pass as it grows."
        )
    if other is None:
        return (
            f"{function} lost to a transaction that is not known here: one of another program, or a direct call in "
            f"another process. Keep {function} short, and let it look up rows of {where} by an index."
        )
    return (
        f"{function} and {winner} read and change the same rows of {where}. The shorter both are, the rarer they meet: "
        "look rows up by an index, and leave what waits for others to an action."
    )


def is_whole_read(statements: Sequence[str]) -> bool:
    """Whether one of them reads a table without a condition."""
    return any(each.upper().startswith("SELECT") and not WHERE.search(each) for each in statements)


def changes_many(statements: Sequence[str]) -> bool:
    """Whether one of them changes or deletes rows by other conditions than equality."""
    for each in statements:
        if CHANGES.match(each):
            condition = WHERE.search(each)
            if condition is None or RANGES.search(condition[1]):
                return True
    return False
