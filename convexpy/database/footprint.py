"""Which tables a statement reads and writes, by its text. Good enough to say who was in whose way, and no more."""

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
NAMED: Final = re.compile(NAME)
CALLED: Final = re.compile(r"(?:\bWITH(?:\s+RECURSIVE)?|,)\s+[\"]?(\w+)[\"]?(?:\s*\([^)]*\))?\s+AS\s+", re.IGNORECASE)
LOCKING: Final = re.compile(r"\bFOR\s+(?:NO\s+KEY\s+)?UPDATE\b|\bON\s+CONFLICT\b.*?\bDO\s+UPDATE\b", re.I | re.S)
TEXT: Final = re.compile(r"'(?:[^']|'')*'|--[^\n]*|/\*.*?\*/", re.DOTALL)
WORDS: Final = frozenset({"only", "select", "lateral", "set", "skip", "nowait", "of"})


@dataclass(frozen=True)
class Footprint:
    """The tables that were read and those that were written."""

    reads: frozenset[str] = frozenset()
    writes: frozenset[str] = frozenset()

    @property
    def touched(self) -> frozenset[str]:
        return self.reads | self.writes


@lru_cache(maxsize=4096)
def footprint(statement: str) -> Footprint:
    """The footprint of one statement. Its values and comments play no part."""
    text = LOCKING.sub(" ", TEXT.sub(" ", statement))
    own = {name.lower() for name in CALLED.findall(text)} | WORDS
    writes = {name for name in WRITTEN.findall(text) if name.lower() not in own}
    read = [name for part in READ.finditer(text) for name in NAMED.findall(part[1])]
    return Footprint(frozenset(name for name in read if name.lower() not in own) - writes, frozenset(writes))


def footprint_of_all(statements: Iterable[str]) -> Footprint:
    """The footprint of a transaction."""
    each = [footprint(statement) for statement in statements]
    reads = frozenset().union(*(one.reads for one in each))
    return Footprint(reads, frozenset().union(*(one.writes for one in each)))
