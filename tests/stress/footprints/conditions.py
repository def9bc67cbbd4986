"""Random values and conditions. Few values, so that conditions and writes meet."""

from __future__ import annotations

import random
from typing import Any

from sqlalchemy import and_, bindparam, case, func, not_, or_, tuple_

from .world import World


class Conditions:
    """Draws conditions about the tables of one world."""

    def __init__(self, world: World, rng: random.Random) -> None:
        self.world = world
        self.rng = rng

    def number(self) -> int:
        return self.rng.randrange(5)

    def item_id(self) -> int:
        return self.rng.randrange(1, 16)

    def tenant_id(self) -> Any:
        return self.world.tenant_key(self.rng.randrange(7))

    def item_condition(self, entity: Any) -> Any:
        number, other = self.number(), self.number()
        if hasattr(entity, "twice") and self.rng.random() < 0.05:
            return entity.twice == 2 * number
        if self.rng.random() < 0.4:
            return self.rng.choice((entity.id == self.item_id(), entity.k == number, entity.label == "a"))
        return self.rng.choice(
            (
                entity.tenant_id == self.tenant_id(),
                entity.id.in_([self.item_id(), self.item_id()]),
                entity.k == number,
                number == entity.k,
                entity.k.in_([number, other]),
                entity.k.in_([]),
                entity.tenant_id == self.tenant_id(),
                entity.tenant_id.is_(None),
                entity.tenant_id == bindparam("nothing", None, type_=entity.tenant_id.type),
                entity.flag == bindparam("flag", bool(number % 2), type_=entity.flag.type),
                entity.label == self.rng.choice("abcd"),
                entity.parent_id == self.item_id(),
                and_(entity.k == number, entity.v > 1),
                or_(entity.k == number, entity.v == 1),
                or_(entity.k == number, entity.k == other),
                not_(entity.k == number),
                not_(and_(entity.k == number, entity.v == other)),
                entity.k != number,
                entity.k.not_in([number, other]),
                entity.k > number,
                entity.k == entity.v,
                and_(or_(entity.k == number, entity.k == other), entity.label == "a"),
                case((entity.v > 1, entity.k), else_=entity.v) == number,
                tuple_(entity.k, entity.v).in_([(number, other)]),
                func.coalesce(entity.k, 0) == number,
                entity.k + 1 == number,
                entity.k.is_not_distinct_from(number),
            )
        )

    def tenant_condition(self, entity: Any) -> Any:
        return self.rng.choice(
            (
                entity.id == self.tenant_id(),
                entity.id.in_([self.tenant_id(), self.tenant_id()]),
                entity.k == self.number(),
                entity.name == self.rng.choice("abcde"),
                and_(entity.k == self.number(), entity.v < 3),
                or_(entity.k == self.number(), entity.v == 2),
            )
        )

    def on(self, item: Any, tenant: Any) -> Any:
        joined = item.tenant_id == tenant.id
        return self.rng.choice(
            (
                joined,
                tenant.id == item.tenant_id,
                and_(joined, self.item_condition(item)),
                and_(joined, self.tenant_condition(tenant)),
                and_(joined, item.k == self.number()),
                and_(joined, tenant.id == self.tenant_id()),
                and_(joined, item.k == tenant.k),
                or_(joined, item.k == self.number()),
                item.k == tenant.k,
                self.tenant_condition(tenant),
            )
        )

    def entities(self) -> tuple[Any, Any]:
        """An item and a tenant, by themselves or as aliases."""
        item, tenant = self.world.Item.__table__.c, self.world.Tenant.__table__.c
        if self.rng.random() < 0.3:
            item = self.world.Item.__table__.alias("i").c
        if self.rng.random() < 0.3:
            tenant = self.world.Tenant.__table__.alias("item_" if self.rng.random() < 0.5 else "t").c
        return item, tenant
