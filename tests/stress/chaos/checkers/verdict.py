"""What a checker found: what it looked at, and every broken promise by its name."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

# Which of the counts a violation belongs to; every other name counts as "other".
COUNTED_AS: Final = {
    "lost-job": "lost",
    "lost-effect": "lost",
    "lost-start": "lost",
    "effect-twice": "doubled mutations",
    "scheduled-twice": "doubled mutations",
    "action-started-twice": "doubled actions",
    "stuck": "stuck",
    "left-in-queue": "stuck",
    "early": "early",
    "torn-call": "torn",
    "torn-children": "torn",
    "aborted-effect": "torn",
    "aborted-job": "torn",
    "torn-transaction": "torn",
}
COUNTS: Final = (*dict.fromkeys(COUNTED_AS.values()), "other")


@dataclass(frozen=True, slots=True)
class Violation:
    """One broken promise: its name, what was seen, and the jobs, calls or transactions that it is about."""

    name: str
    text: str
    about: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.name}: {self.text}"


@dataclass
class Verdict:
    """What was looked at, what was found, and what could not be checked."""

    looked_at: Counter[str] = field(default_factory=Counter)
    figures: dict[str, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    violations: list[Violation] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        return not self.violations

    def names(self) -> Counter[str]:
        """How often each promise was broken."""
        return Counter(violation.name for violation in self.violations)

    def counts(self) -> dict[str, int]:
        """Violations by what an operator would call them: lost, doubled, stuck, early, torn and other."""
        counted = Counter(COUNTED_AS.get(violation.name, "other") for violation in self.violations)
        return {count: counted[count] for count in COUNTS}

    def first_of_each(self, number: int) -> list[Violation]:
        """The first violations, one of every name before a second of any."""
        seen: Counter[str] = Counter()
        ranked: list[tuple[int, int, Violation]] = []
        for index, violation in enumerate(self.violations):
            ranked.append((seen[violation.name], index, violation))
            seen[violation.name] += 1
        return [violation for _, _, violation in sorted(ranked)[:number]]
