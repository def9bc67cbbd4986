"""Random queries of objects, with what is loaded eagerly and lazily."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select, text
from sqlalchemy.orm import (
    Session,
    aliased,
    contains_eager,
    defer,
    joinedload,
    lazyload,
    load_only,
    selectin_polymorphic,
    selectinload,
    subqueryload,
    with_loader_criteria,
    with_polymorphic,
)

from .conditions import Conditions
from .statement_queries import Query


class ObjectQueries(Conditions):
    """Draws queries of mapped classes. Each method is a kind."""

    def query_get(self) -> Query:
        entity = self.rng.choice((self.world.Item, self.world.Special, self.world.Odd))
        key = self.item_id()
        return lambda session: row(session.get(entity, key))

    def query_objects(self) -> Query:
        item = self.world.Item
        statement = select(item).where(self.item_condition(item)).options(*self.options())
        if self.rng.random() < 0.3:
            statement = statement.order_by(item.id).limit(2)

        def run(session: Session) -> Any:
            found = session.scalars(statement).unique().all()
            return [(row(one), [row(tag) for tag in one.tags], [row(child) for child in one.children]) for one in found]

        return run

    def query_tenants(self) -> Query:
        tenant = self.world.Tenant
        loads = self.rng.choice((joinedload, selectinload, lazyload, subqueryload))
        statement = select(tenant).where(self.tenant_condition(tenant)).options(loads(tenant.items))
        if self.rng.random() < 0.3:
            statement = statement.options(with_loader_criteria(self.world.Item, self.world.Item.k == self.number()))
        return lambda session: [
            (row(one), [row(item) for item in one.items]) for one in session.scalars(statement).unique().all()
        ]

    def query_contains_eager(self) -> Query:
        tenant, item = self.world.Tenant, self.world.Item
        statement = (
            select(tenant)
            .join(tenant.items.of_type(item), isouter=self.rng.random() < 0.5)
            .where(self.item_condition(item) if self.rng.random() < 0.5 else self.tenant_condition(tenant))
            .options(contains_eager(tenant.items))
        )
        # Their order is that of the statement, which has none.
        return lambda session: [
            (row(one), sorted(repr(row(each)) for each in one.items))
            for one in session.scalars(statement).unique().all()
        ]

    def query_any(self) -> Query:
        tenant, item = self.world.Tenant, self.world.Item
        condition = self.rng.choice(
            (
                tenant.items.any(item.k == self.number()),
                ~tenant.items.any(self.item_condition(item)),
                tenant.items.any(),
            )
        )
        statement = select(tenant.id, tenant.v).where(condition)
        if self.rng.random() < 0.5:
            statement = statement.where(self.tenant_condition(tenant))
        return lambda session: session.execute(statement).all()

    def query_has(self) -> Query:
        tenant, item = self.world.Tenant, self.world.Item
        statement = select(item.id, item.v).where(item.tenant.has(self.tenant_condition(tenant)))
        if self.rng.random() < 0.4:
            statement = statement.where(item.tags.any(self.world.Tag.id == self.number()))
        return lambda session: session.execute(statement).all()

    def query_polymorphic(self) -> Query:
        special = self.world.Special
        everything = with_polymorphic(self.world.Item, [special], flat=self.rng.random() < 0.5)
        statement = self.rng.choice(
            (
                select(special).where(special.k2 == self.number()),
                select(special).where(special.k == self.number(), special.id == self.item_id()),
                select(special).where(self.item_condition(special)),
                select(everything).where(everything.k == self.number()),
                select(everything).where(everything.Special.k2 == self.number()),
                select(self.world.Odd).where(self.item_condition(self.world.Odd)),
                select(self.world.Item)
                .where(self.world.Item.k == self.number())
                .options(selectin_polymorphic(self.world.Item, [special])),
            )
        )
        return lambda session: [row(one) for one in session.scalars(statement).unique().all()]

    def query_aliased_self(self) -> Query:
        item, parent = self.world.Item, aliased(self.world.Item)
        statement = select(item.id, parent.v).join(item.parent.of_type(parent), isouter=self.rng.random() < 0.5)
        statement = statement.where(self.rng.choice((parent.id == self.item_id(), self.item_condition(item))))
        return lambda session: session.execute(statement).all()

    def query_secondary(self) -> Query:
        item, tag = self.world.Item, self.world.Tag
        statement = select(tag.id, tag.v).join(tag.items).where(self.item_condition(item))
        return lambda session: session.execute(statement).all()

    def query_from_statement(self) -> Query:
        statement = select(self.world.Tag).from_statement(text("SELECT * FROM tag WHERE v < 3"))
        return lambda session: [row(one) for one in session.scalars(statement).all()]

    def query_two_steps(self) -> Query:
        """The second statement depends on what the first has found."""
        item, tenant = self.world.Item, self.world.Tenant
        first = select(item.tenant_id).where(item.id == self.item_id())

        def run(session: Session) -> Any:
            found = session.scalars(first).first()
            return [found, session.execute(select(tenant.v).where(tenant.id == found)).all()]

        return run

    def options(self) -> list[Any]:
        item = self.world.Item
        choices: list[list[Any]] = [
            [],
            [joinedload(item.tags)],
            [selectinload(item.tags), joinedload(item.tenant)],
            [subqueryload(item.children)],
            [defer(item.label)],
            [load_only(item.v)],
            [joinedload(item.children).joinedload(item.tags)],
        ]
        return self.rng.choice(choices)


def row(one: Any) -> Any:
    """What an object says of its row."""
    if one is None:
        return None
    return (type(one).__name__, *(getattr(one, key) for key in one.__mapper__.column_attrs.keys()))  # noqa: SIM118
