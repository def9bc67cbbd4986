"""Which tables a statement reads and writes, guessed from its text: good enough for conflict records, and no more."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

NAME: Final = r"(?:[\"`\[]?\w+[\"`\]]?\.)?[\"`\[]?(\w+)[\"`\]]?"
WRITTEN: Final = re.compile(
    rf"\b(?:INSERT\s+(?:OR\s+\w+\s+)?INTO|MERGE\s+INTO|UPDATE(?:\s+OR\s+\w+)?|DELETE\s+FROM|TRUNCATE(?:\s+TABLE)?)\s+"
    rf"(?:ONLY\s+)?{NAME}",
    re.IGNORECASE,
)
READ: Final = re.compile(rf"\b(?:FROM|JOIN|USING)\s+((?:ONLY\s+)?{NAME}(?:\s*,\s*{NAME})*)", re.IGNORECASE)
EACH_NAME: Final = re.compile(NAME)
CTE_NAME: Final = re.compile(r"(?:\bWITH(?:\s+RECURSIVE)?|,)\s+[\"]?(\w+)[\"]?(?:\s*\([^)]*\))?\s+AS\s+", re.IGNORECASE)
LOCK_CLAUSE: Final = re.compile(r"\bFOR\s+(?:NO\s+KEY\s+)?UPDATE\b|\bON\s+CONFLICT\b.*?\bDO\s+UPDATE\b", re.I | re.S)
LITERALS: Final = re.compile(r"'(?:[^']|'')*'|--[^\n]*|/\*.*?\*/", re.DOTALL)
KEYWORDS: Final = frozenset({"only", "select", "lateral", "set", "skip", "nowait", "of"})


@dataclass(frozen=True)
class Footprint:
    """Names of tables."""

    reads: frozenset[str] = frozenset()
    writes: frozenset[str] = frozenset()

    @property
    def touched(self) -> frozenset[str]:
        return self.reads | self.writes


@lru_cache(maxsize=4096)
def footprint(statement: str) -> Footprint:
    """The footprint of one statement."""
    text = LOCK_CLAUSE.sub(" ", LITERALS.sub(" ", statement))
    not_tables = {name.lower() for name in CTE_NAME.findall(text)} | KEYWORDS
    writes = {name for name in WRITTEN.findall(text) if name.lower() not in not_tables}
    read = [name for part in READ.finditer(text) for name in EACH_NAME.findall(part[1])]
    return Footprint(frozenset(name for name in read if name.lower() not in not_tables) - writes, frozenset(writes))


def footprint_of_all(statements: Iterable[str]) -> Footprint:
    """The footprint of a transaction."""
    each = [footprint(statement) for statement in statements]
    reads = frozenset().union(*(one.reads for one in each))
    return Footprint(reads, frozenset().union(*(one.writes for one in each)))
