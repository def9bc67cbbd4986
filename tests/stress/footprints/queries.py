"""Random queries. Each is a function of a session, with its values drawn beforehand, so that it can run again."""

from __future__ import annotations

import random

from .object_queries import ObjectQueries
from .statement_queries import Query, StatementQueries
from .world import World


class Queries(StatementQueries, ObjectQueries):
    """Draws queries of one world."""

    def __init__(self, world: World, rng: random.Random) -> None:
        super().__init__(world, rng)
        self.kinds = [getattr(self, name) for name in dir(self) if name.startswith("query_")]
        if not world.is_postgres:
            self.kinds = [kind for kind in self.kinds if not kind.__name__.endswith("_on_postgres")]

    def draw(self) -> tuple[str, Query]:
        """A query, and what kind it is."""
        kind = self.rng.choice(self.kinds)
        return kind.__name__, kind()
