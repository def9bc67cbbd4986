"""Which transaction comes before which: by what they wrote and read, and by the time of day."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from .versions import Read, Versions

# Why one transaction comes before another: it wrote the version before (ww), wrote what the other read (wr), read what
# the other replaced (rw), or was over before the other began (rt).
WW, WR, RW, RT = 1, 2, 4, 8
KINDS: Final = {WW: "ww", WR: "wr", RW: "rw", RT: "rt"}
Graph = list[dict[int, int]]


class Dependencies:
    """The graph: for every node its successors, and the kinds of edges to each, as bits.

    Nodes from ``barriers`` on are moments, not transactions: all that is over by then comes before it, and all that
    begins after it comes later. So time takes a few edges a transaction, and not one for every pair.
    """

    def __init__(self, versions: Versions, reads: Iterable[Read]) -> None:
        self.barriers = len(versions.transactions)
        self.graph: Graph = [{} for _ in versions.transactions]
        self._add_writes(versions)
        self._add_reads(versions, reads)
        self._add_time(versions)
        self.count = sum(map(len, self.graph))

    def _add(self, before: int | None, after: int | None, kind: int) -> None:
        if before is not None and after is not None and before != after:
            successors = self.graph[before]
            successors[after] = successors.get(after, 0) | kind

    def _add_writes(self, versions: Versions) -> None:
        for key, values in versions.final.items():
            writers = [versions.writer.get((key, value)) for value in values]
            for index in range(1, len(writers)):
                self._add(writers[index - 1], writers[index], WW)

    def _add_reads(self, versions: Versions, reads: Iterable[Read]) -> None:
        for reader, key, values in reads:
            final = versions.final.get(key, [])
            if values:
                self._add(versions.writer.get((key, values[-1])), reader, WR)
            if len(values) < len(final):
                self._add(reader, versions.writer.get((key, final[len(values)])), RW)

    def _add_time(self, versions: Versions) -> None:
        """One barrier for all that ended since the last beginning. At the same instant, none is before the other."""
        moments: list[tuple[float, bool, int]] = []
        for number in versions.committed:
            transaction = versions.transactions[number]
            moments.append((transaction.t0, False, number))
            if transaction.type == "ok" and transaction.t1 is not None:
                moments.append((transaction.t1, True, number))
        moments.sort()
        barrier, is_open = None, False
        for _, is_end, number in moments:
            if is_end:
                if not is_open:
                    self.graph.append({})
                    self._add(barrier, len(self.graph) - 1, RT)
                    barrier, is_open = len(self.graph) - 1, True
                self._add(number, barrier, RT)
            else:
                self._add(barrier, number, RT)
                is_open = False
