"""Random new values, and conditions for what is changed."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from sqlalchemy import bindparam
from sqlalchemy.dialects import postgresql, sqlite

from .world import World


class WriteValues:
    """Draws values for the rows of one world."""

    def __init__(self, world: World, rng: random.Random) -> None:
        self.world = world
        self.rng = rng
        self.dialect: Any = postgresql if world.is_postgres else sqlite
        self.detached: list[Any] = []
        self.hook: Callable[[Any], None] | None = None
        self.next_id = 100

    def number(self) -> int:
        return self.rng.randrange(5)

    def item_id(self) -> int:
        return self.rng.randrange(1, 16)

    def tenant_id(self) -> Any:
        return self.world.tenant_key(self.rng.randrange(7))

    def new_id(self) -> int:
        if self.rng.random() < 0.5:
            return self.item_id()
        self.next_id += 1
        return self.next_id

    def item_values(self) -> dict[str, Any]:
        """Some columns of an item with new values."""
        values = {
            "tenant_id": self.rng.choice((None, self.tenant_id(), self.tenant_id())),
            "parent_id": self.rng.choice((None, None, self.item_id())),
            "k": self.rng.choice((None, self.number(), self.number(), self.number())),
            "flag": self.rng.choice((None, True, False)),
            "label": self.rng.choice((None, *"abcd")),
            "v": self.number(),
        }
        return {name: values[name] for name in self.rng.sample(tuple(values), self.rng.randrange(1, 7))}

    def item_condition(self, columns: Any) -> Any:
        if self.rng.random() < 0.3:
            return columns.id == self.item_id()
        return self.rng.choice(
            (
                columns.id.in_([self.item_id(), self.item_id()]),
                columns.k == self.number(),
                columns.tenant_id == self.tenant_id(),
                columns.label == self.rng.choice("abcd"),
                columns.flag == bindparam("a_flag", True, type_=columns.flag.type),
                (columns.k == self.number()) & (columns.v > 1),
                (columns.k == self.number()) | (columns.v == 1),
                columns.v == self.number(),
                columns.k.in_([self.number(), self.number()]),
            )
        )
