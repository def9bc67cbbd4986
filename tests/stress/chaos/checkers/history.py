"""Transactions that append to lists and read them: the history that the serializability checker judges."""

from __future__ import annotations

import json
from collections.abc import Hashable
from dataclasses import dataclass, field
from pathlib import Path
from sys import intern
from typing import Any, NamedTuple

Value = Hashable


class Op(NamedTuple):
    """``a`` appended a value to a key's list; ``r`` read the list, or None if the answer never came."""

    what: str
    key: str
    value: Any


class Transaction(NamedTuple):
    """What one transaction did: from when to when, and whether it committed: ``ok``, ``fail`` or, unknown, ``info``."""

    id: str
    t0: float
    t1: float | None
    type: str
    ops: tuple[Op, ...]

    @classmethod
    def of(cls, line: dict[str, Any]) -> Transaction:
        # As keys of JSON's objects they are text, so they are text everywhere.
        ops = tuple(Op(intern(what), intern(str(key)), value) for what, key, value in line["ops"])
        return cls(str(line["id"]), line["t0"], line.get("t1"), intern(line["type"]), ops)


@dataclass
class History:
    """Transactions, and what every list held when all was over."""

    transactions: list[Transaction] = field(default_factory=list)
    final: dict[str, list[Value]] = field(default_factory=dict)
    unreadable: int = 0


def read_history(folder: Path) -> History:
    """Read ``history.jsonl`` of a run's folder; lines that a dying process wrote in part are counted and left out.

    Raises:
        FileNotFoundError: There is no such file.
    """
    history = History()
    path = folder / "history.jsonl"
    if not path.exists():
        raise FileNotFoundError(f"{path} is missing, so this run cannot be judged; a file may be empty, not absent")
    with path.open(encoding="utf-8", errors="replace") as lines:
        for line in filter(str.strip, lines):
            try:
                read = json.loads(line)
            except ValueError:
                history.unreadable += 1
                continue
            if "final" in read:
                history.final |= {str(key): values for key, values in read["final"].items()}
            else:
                history.transactions.append(Transaction.of(read))
    return history
