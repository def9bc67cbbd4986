"""What makes a live query cheaper: one sentence for each thing that makes it dear, the dearest first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

QUICK_MILLISECONDS: Final = 30.0
"""Slower queries are in a group of their own, and wait for each other."""
ENOUGH_RUNS: Final = 20
MOST_UNCHANGED: Final = 0.5
MANY_KEYS: Final = 100


def advice_for(query: Mapping[str, Any]) -> Iterator[str]:
    """Sentences for a query as its process describes it."""
    if query.get("readsEverything"):
        yield (
            "It may read any table: every commit makes it run again. Read by SQLAlchemy's expressions, or declare "
            "`reads=[…]`, so that what it reads is known."
        )
    for part in query.get("footprint", ()):
        yield from advice_for_table(part)
    runs, unchanged = query["runs"], query["unchanged"]
    if runs >= ENOUGH_RUNS and unchanged > MOST_UNCHANGED * runs:
        yield (
            f"{unchanged:,} of {runs:,} runs changed nothing: it reads more than it shows. Select by a key, and only "
            "the columns and rows that the value is made of."
        )
    if query.get("readsNow") and query.get("refresh") is None:
        yield (
            "It reads `ctx.now`, and no commit says that time passes: pass the time as an argument, or declare "
            "`@query(refresh=…)`."
        )
    if (query["milliseconds"] or 0.0) > QUICK_MILLISECONDS:
        yield (
            f"It takes {query['milliseconds']:,.0f} ms. Up to {QUICK_MILLISECONDS:.0f} ms it would be among the quick "
            "ones, which wait only for each other: look rows up by an index, and read fewer."
        )


def advice_for_table(part: Mapping[str, Any]) -> Iterator[str]:
    table = part["table"]
    if part["isWhole"]:
        yield (
            f"It reads `{table}` as a whole: every commit that writes to it makes it run again. Index the column that "
            "it selects by, and compare it by `==` with an argument; then it runs for those rows only."
        )
    elif part["keys"] > MANY_KEYS:
        yield (
            f"It reads {part['keys']:,} keys of `{table}`: a commit that writes any of them makes it run again. Read "
            "one page of them, or one row a query."
        )
