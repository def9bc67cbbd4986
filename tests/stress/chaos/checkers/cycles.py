"""Cycles in the order of transactions, each named after the weakest kinds of edges that close it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Final

from .components import components, shortest_path
from .dependencies import KINDS, RT, RW, WR, WW, Dependencies, Graph
from .verdict import Violation
from .versions import Versions

# How many edges one search for a short cycle may look at. Only runs that are wrong through and through have components
# so large; there, a cycle is then not the shortest, or G-single may be called G2-item.
BUDGET: Final = 2_000_000


def anomalies(dependencies: Dependencies, versions: Versions) -> Iterator[Violation]:
    """One cycle of every component, without the time of day where there is one, and else with it."""
    graph = dependencies.graph
    by_values = components(graph, versions.committed, WW | WR | RW, versions.committed)
    for component in by_values:
        yield violation("", Component(graph, component, 0), dependencies, versions)
    explained = {node for component in by_values for node in component}
    everything = range(len(graph))
    for component in components(graph, everything, WW | WR | RW | RT, everything):
        if explained.isdisjoint(component):
            yield violation("-realtime", Component(graph, component, RT), dependencies, versions)


class Component:
    """Transactions that each come before all the others."""

    def __init__(self, graph: Graph, nodes: list[int], always: int) -> None:
        self.graph = graph
        self._nodes = nodes
        self._inside = set(nodes)
        self._always = always
        edges = sum(len(graph[node]) for node in nodes)
        self._tries = max(1, BUDGET // max(1, edges))

    def cycle(self) -> tuple[str, list[int], int]:
        """Its name, the nodes in order, the first also at the end, and the kinds of edges it was found by."""
        for name, kinds in (("G0", WW), ("G1c", WW | WR)):
            cycle = self._shortest(kinds | self._always)
            if cycle:
                return name, cycle, kinds | self._always
        kinds = WW | WR | self._always
        single = self._closed_by_one_read(kinds)
        if single:
            return "G-single", single, kinds
        kinds |= RW
        return "G2-item", self._shortest(kinds), kinds

    def _shortest(self, mask: int) -> list[int]:
        loops = components(self.graph, self._nodes, mask, self._inside)
        found = [
            shortest_path(self.graph, node, node, mask, set(loop)) for loop in loops for node in loop[: self._tries]
        ]
        return min(filter(None, found), key=len, default=[])

    def _closed_by_one_read(self, mask: int) -> list[int]:
        """The shortest way from what overwrote a read back to its reader, without a second such edge."""
        reads = [(node, after) for node in self._nodes for after, kinds in self.graph[node].items() if kinds & RW]
        found = [
            [reader, *shortest_path(self.graph, writer, reader, mask, self._inside)]
            for reader, writer in reads[: self._tries]
            if writer in self._inside
        ]
        return min((cycle for cycle in found if len(cycle) > 1), key=len, default=[])


def violation(suffix: str, component: Component, dependencies: Dependencies, versions: Versions) -> Violation:
    name, nodes, kinds = component.cycle()
    first = next(index for index, node in enumerate(nodes) if node < dependencies.barriers)
    nodes = nodes[first:-1] + nodes[: first + 1]
    about, text, by_time = [versions.name(nodes[0])], versions.name(nodes[0]), False
    for node, after in pairwise(nodes):
        by_time = by_time or after >= dependencies.barriers
        if after < dependencies.barriers:
            edge = "rt" if by_time else edge_name(component.graph[node][after], kinds)
            text += f" —{edge}→ {versions.name(after)}"
            about.append(versions.name(after))
            by_time = False
    return Violation(name + suffix, f"no order allows {text}", tuple(about[:-1]))


def edge_name(edge: int, kinds: int) -> str:
    """The strongest reason for an edge that the search followed; the one edge it did not follow is a read's."""
    return next((name for kind, name in KINDS.items() if kind & edge & kinds), "rw")
