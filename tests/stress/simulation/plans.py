"""What the functions of the app do: random trees of work, each node under a label of its own."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import count
from random import Random

from .app import Plan

KINDS = ["mutation", "mutation", "mutation", "action", "sync action"]
DEEPEST = 3


@dataclass
class Node:
    """One node as the model knows it: its plan, its parent, and whether that part is rolled back alone."""

    plan: Plan
    parent: Node | None
    is_undone: bool = False


@dataclass
class Planner:
    """Makes plans, and remembers every node of them."""

    rng: Random
    nodes: dict[str, Node] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._numbers = count(1)

    def order(self) -> Plan:
        """What a direct call does."""
        return self._node("order", f"o{next(self._numbers)}", None, False, 0)

    def crowd(self) -> Plan:
        """The same, only that all it does is to schedule several mutations for now."""
        plan = self._empty("order", f"o{next(self._numbers)}", None, False)
        node = self.nodes[plan["label"]]
        for _ in range(self.rng.randint(3, 6)):
            label = f"{plan['label']}.{next(self._numbers)}"
            child = self._node("mutation", label, node, False, DEEPEST - 1)
            plan["steps"].append({"do": "schedule", "how": "now", "milliseconds": 0, "plan": child})
        return plan

    def some_label(self) -> str:
        """A job that was planned, whether it was ever scheduled or not."""
        return self.rng.choice(list(self.nodes)) if self.nodes else "none"

    def _node(self, kind: str, label: str, parent: Node | None, is_undone: bool, depth: int) -> Plan:
        plan = self._empty(kind, label, parent, is_undone)
        self._fill(plan, self.nodes[label], is_undone, depth)
        return plan

    def _empty(self, kind: str, label: str, parent: Node | None, is_undone: bool) -> Plan:
        plan: Plan = {"kind": kind, "label": label, "fails": self.rng.random() < 0.12, "steps": []}
        self.nodes[label] = Node(plan, parent, is_undone)
        return plan

    def _fill(self, plan: Plan, node: Node, is_undone: bool, depth: int) -> None:
        most = 4 if depth == 0 else 2 if depth < DEEPEST else 0
        for _ in range(self.rng.randint(0 if depth else 1, most)):
            self._step(plan, node, is_undone, depth)

    def _step(self, plan: Plan, node: Node, is_undone: bool, depth: int) -> None:
        rng, is_action = self.rng, "action" in node.plan["kind"]
        chance = rng.random()
        if chance < 0.65:
            label = f"{node.plan['label']}.{next(self._numbers)}"
            how = rng.choice(["now", "after", "at"])
            wait = rng.choice([0, 0, 500, 1000, 5000, 60_000]) if how == "after" else rng.randint(-5000, 20_000)
            child = self._node(rng.choice(KINDS), label, node, is_undone, depth + 1)
            plan["steps"].append({"do": "schedule", "how": how, "milliseconds": wait, "plan": child})
        elif is_action and chance < 0.75:
            plan["steps"].append({"do": "cancel me"})
        elif is_action:
            self.notes.append(f"note {next(self._numbers)}")
            plan["steps"].append({"do": "note", "label": self.notes[-1]})
        elif chance < 0.8:
            plan["steps"].append({"do": "cancel", "label": self.some_label()})
        elif depth < DEEPEST:
            part: Plan = {"do": "nested", "raises": rng.random() < 0.6, "steps": []}
            plan["steps"].append(part)
            self._fill(part, node, is_undone or part["raises"], depth + 1)
