"""Where a graph goes round in circles: its strongly connected components, and the shortest way between two nodes."""

from __future__ import annotations

from collections import deque
from collections.abc import Container, Iterable

from .dependencies import Graph


def components(graph: Graph, nodes: Iterable[int], mask: int, inside: Container[int]) -> list[list[int]]:
    """The components of two nodes or more, by edges of these kinds: Tarjan's algorithm, without recursion."""
    index: dict[int, int] = {}
    low: dict[int, int] = {}
    waiting: list[int] = []
    is_waiting: set[int] = set()
    found: list[list[int]] = []
    path: list[tuple[int, Iterable[int]]] = []

    def enter(node: int) -> None:
        index[node] = low[node] = len(index)
        waiting.append(node)
        is_waiting.add(node)
        path.append((node, (after for after, kinds in graph[node].items() if kinds & mask and after in inside)))

    def leave(node: int) -> None:
        path.pop()
        if path:
            above = path[-1][0]
            low[above] = min(low[above], low[node])
        if low[node] == index[node]:
            component = [waiting.pop()]
            while component[-1] != node:
                component.append(waiting.pop())
            is_waiting.difference_update(component)
            if len(component) > 1:
                found.append(component)

    for root in nodes:
        if root not in index:
            enter(root)
        while path:
            node, successors = path[-1]
            for after in successors:
                if after not in index:
                    enter(after)
                    break
                if after in is_waiting:
                    low[node] = min(low[node], index[after])
            else:
                leave(node)
    return found


def shortest_path(graph: Graph, start: int, goal: int, mask: int, inside: Container[int]) -> list[int]:
    """The nodes from ``start`` to ``goal``, both included, by at least one edge. Empty: there is no way."""
    came_from: dict[int, int] = {}
    reached = deque([start])
    while reached:
        node = reached.popleft()
        for after, kinds in graph[node].items():
            if not kinds & mask or after not in inside or after in came_from:
                continue
            came_from[after] = node
            if after == goal:
                path = [goal]
                while path[-1] != start or len(path) == 1:
                    path.append(came_from[path[-1]])
                return path[::-1]
            reached.append(after)
    return []
