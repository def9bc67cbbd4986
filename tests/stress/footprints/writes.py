"""Random steps of transactions that write."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from sqlalchemy import event
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from .object_writes import ObjectWrites
from .statement_writes import StatementWrites
from .world import World

Step = Callable[[Session], None]
# What changes whole tables hides mistakes about keys, and some mistakes are rarely seen.
WEIGHTS = {
    **dict.fromkeys(("text", "driver_text", "within_savepoint"), 0.3),
    **dict.fromkeys(("truncate_on_postgres", "by_function_on_postgres", "in_cte_on_postgres"), 0.3),
    "unique_name": 3.0,
    **dict.fromkeys(("core_delete", "upsert", "changed_key"), 2.0),
    **dict.fromkeys(("unloaded_item", "detached_object", "made_up_object", "one_row"), 2.0),
}


class Writes(ObjectWrites, StatementWrites):
    """Draws steps for one world."""

    def __init__(self, world: World, rng: random.Random) -> None:
        super().__init__(world, rng)
        self.kinds = [getattr(self, name) for name in dir(self) if name.startswith("write_")]
        ending = "_on_sqlite" if world.is_postgres else "_on_postgres"
        self.kinds = [kind for kind in self.kinds if not kind.__name__.endswith(ending)]
        self.weights = [WEIGHTS.get(kind.__name__.removeprefix("write_"), 1.0) for kind in self.kinds]
        for entity in (world.Tenant, world.Item, world.Tag):
            event.listen(entity, "before_update", self._before_update, propagate=True)

    def draw(self) -> tuple[str, Step]:
        """A step, and what kind it is."""
        kind = self.rng.choices(self.kinds, self.weights)[0]
        return kind.__name__, kind

    def _before_update(self, mapper: Any, connection: Any, target: Any) -> None:
        if self.hook is not None:
            hook, self.hook = self.hook, None
            hook(connection)

    def write_within_savepoint(self, session: Session) -> None:
        """A part that is undone, by an error or without one, or kept."""
        try:
            with session.begin_nested():
                for _ in range(self.rng.randrange(1, 3)):
                    _, step = self.draw()
                    step(session)
                session.flush()
                if self.rng.random() < 0.5:
                    raise UndoError
        except (UndoError, SQLAlchemyError):
            return


class UndoError(Exception):
    """Undoes a savepoint."""
