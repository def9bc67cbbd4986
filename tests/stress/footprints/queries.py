"""Random queries. Each is a function of a session, with its values drawn beforehand, so that it can run again."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from sqlalchemy import (
    and_,
    bindparam,
    case,
    exists,
    func,
    intersect,
    lateral,
    literal_column,
    not_,
    or_,
    select,
    text,
    tuple_,
    union,
    union_all,
)
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

from .world import World

Query = Callable[[Session], Any]


class Queries:
    """Draws queries of one world."""

    def __init__(self, world: World, rng: random.Random) -> None:
        self.world = world
        self.rng = rng
        self.kinds = [getattr(self, name) for name in dir(self) if name.startswith("query_")]
        if not world.is_postgres:
            self.kinds = [kind for kind in self.kinds if not kind.__name__.endswith("_on_postgres")]

    def draw(self) -> tuple[str, Query]:
        """A query, and what kind it is."""
        kind = self.rng.choice(self.kinds)
        return kind.__name__, kind()

    def number(self) -> int:
        return self.rng.randrange(5)

    def item_id(self) -> int:
        return self.rng.randrange(1, 16)

    def tenant_id(self) -> Any:
        return self.world.tenant_key(self.rng.randrange(7))

    def item_condition(self, entity: Any) -> Any:
        number, other = self.number(), self.number()
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

    def query_one_table(self) -> Query:
        item, _ = self.entities()
        statement = select(item.id, item.v, item.label).where(self.item_condition(item))
        if self.rng.random() < 0.4:
            statement = statement.where(self.item_condition(item))
        if self.rng.random() < 0.3:
            statement = statement.order_by(item.v.desc(), item.id).limit(2).offset(self.rng.randrange(2))
        return lambda session: session.execute(statement).all()

    def query_aggregate(self) -> Query:
        item, _ = self.entities()
        statement = select(func.count(), func.sum(item.v), func.max(item.k)).where(self.item_condition(item))
        if self.rng.random() < 0.3:
            statement = select(item.k, func.count()).where(self.item_condition(item)).group_by(item.k)
            statement = statement.having(func.count() > 1)
        return lambda session: session.execute(statement).all()

    def query_join(self) -> Query:
        item, tenant = self.entities()
        first, second = item.id.table, tenant.id.table
        if self.rng.random() < 0.5:
            first, second = second, first
        how = self.rng.choice(({}, {"isouter": True}, {"isouter": True}, {"full": True}))
        statement = select(tenant.id, tenant.v, item.id, item.v).select_from(
            first.join(second, self.on(item, tenant), **how)
        )
        for _ in range(self.rng.choice((0, 0, 1, 2))):
            condition = self.item_condition(item) if self.rng.random() < 0.5 else self.tenant_condition(tenant)
            statement = statement.where(condition)
        return lambda session: session.execute(statement).all()

    def query_three_tables(self) -> Query:
        item, tenant = self.entities()
        child = self.world.Item.__table__.alias("child")
        left, middle, right = tenant.id.table, item.id.table, child
        first = self.on(item, tenant)
        second = self.rng.choice(
            (
                child.c.parent_id == item.id,
                and_(child.c.parent_id == item.id, child.c.k == self.number()),
                and_(child.c.parent_id == item.id, item.k == self.number()),
                child.c.k == item.k,
            )
        )
        how = [self.rng.choice(({}, {"isouter": True}, {"full": True})) for _ in range(2)]
        if self.rng.random() < 0.5:
            joined = left.join(middle, first, **how[0]).join(right, second, **how[1])
        else:
            joined = left.join(middle.join(right, second, **how[1]), first, **how[0])
        statement = select(tenant.id, tenant.v, item.id, item.v, child.c.id, child.c.v).select_from(joined)
        for condition in (self.tenant_condition(tenant), self.item_condition(item), self.item_condition(child.c)):
            if self.rng.random() < 0.4:
                statement = statement.where(condition)
        return lambda session: session.execute(statement).all()

    def query_comma_join(self) -> Query:
        item, tenant = self.entities()
        statement = select(tenant.v, item.v).where(self.on(item, tenant), self.item_condition(item))
        return lambda session: session.execute(statement).all()

    def query_exists(self) -> Query:
        item, tenant = self.entities()
        inner = exists(select(1).where(self.on(item, tenant), self.item_condition(item)).correlate(tenant.id.table))
        condition = inner if self.rng.random() < 0.6 else ~inner
        if self.rng.random() < 0.3:
            condition = or_(condition, tenant.v == 1)
        statement = select(tenant.id, tenant.v).where(condition)
        if self.rng.random() < 0.5:
            statement = statement.where(self.tenant_condition(tenant))
        return lambda session: session.execute(statement).all()

    def query_scalar_subquery(self) -> Query:
        item, tenant = self.entities()
        inner = select(func.count()).where(self.on(item, tenant)).correlate(tenant.id.table).scalar_subquery()
        statement = select(tenant.id, inner).where(self.tenant_condition(tenant))
        if self.rng.random() < 0.5:
            statement = statement.order_by(inner, tenant.id).limit(2)
        return lambda session: session.execute(statement).all()

    def query_same_table_within(self) -> Query:
        item = self.world.Item.__table__
        inner = select(item.c.parent_id).where(self.item_condition(item.c))
        if self.rng.random() < 0.5:
            inner = inner.correlate(None)
        condition = item.c.id.in_(inner) if self.rng.random() < 0.6 else item.c.id.not_in(inner)
        statement = select(item.c.id, item.c.v).where(condition)
        if self.rng.random() < 0.6:
            statement = statement.where(self.item_condition(item.c))
        return lambda session: session.execute(statement).all()

    def query_subquery_in_from(self) -> Query:
        item, tenant = self.entities()
        inner = select(item.id, item.k, item.tenant_id, item.v).where(self.item_condition(item))
        if self.rng.random() < 0.4:
            inner = inner.order_by(item.id).limit(3)
        source = inner.subquery(self.rng.choice(("s", "tenant_", "i")))
        if self.rng.random() < 0.3:
            source = inner.cte("c")
        joined = source.join(tenant.id.table, source.c.tenant_id == tenant.id, isouter=self.rng.random() < 0.5)
        statement = select(source.c.id, source.c.v, tenant.v).select_from(joined).where(source.c.k == self.number())
        if self.rng.random() < 0.4:
            statement = statement.where(self.tenant_condition(tenant))
        return lambda session: session.execute(statement).all()

    def query_two_references_to_a_cte(self) -> Query:
        item, _ = self.entities()
        cte = select(item.id, item.k, item.parent_id).where(self.item_condition(item)).cte("c")
        other = cte.alias("d")
        statement = select(cte.c.id, other.c.id).where(cte.c.id == other.c.parent_id)
        return lambda session: session.execute(statement).all()

    def query_recursive(self) -> Query:
        item = self.world.Item.__table__
        start = select(item.c.id, item.c.parent_id, item.c.v).where(item.c.id == self.item_id()).cte("r", recursive=True)
        below = item.alias("below")
        whole = start.union(select(below.c.id, below.c.parent_id, below.c.v).where(below.c.parent_id == start.c.id))
        return lambda session: session.execute(select(whole.c.id, whole.c.v)).all()

    def query_union(self) -> Query:
        item, _ = self.entities()
        parts = [select(item.id, item.v).where(self.item_condition(item)) for _ in range(2)]
        special = self.world.Special.__table__.c
        parts.append(select(special.id, special.w).where(special.k2 == self.number()))
        combine = self.rng.choice((union, union_all, intersect))
        return lambda session: session.execute(combine(*parts)).all()

    def query_window(self) -> Query:
        item, _ = self.entities()
        rank = func.row_number().over(partition_by=item.k, order_by=item.id)
        statement = select(item.id, rank, func.sum(item.v).over()).where(self.item_condition(item))
        return lambda session: session.execute(statement).all()

    def query_composite_key(self) -> Query:
        pair = self.world.Pair.__table__.c
        statement = self.rng.choice(
            (
                select(pair.v).where(pair.a == self.number(), pair.b == self.number()),
                select(func.sum(pair.v)).where(pair.b == self.number()),
                select(pair.a, pair.v).where(tuple_(pair.a, pair.b).in_([(self.number(), self.number())])),
                select(pair.b, pair.v).where(pair.a.in_([self.number(), self.number()])),
            )
        )
        return lambda session: session.execute(statement).all()

    def query_log(self) -> Query:
        log = self.world.Log.__table__.c
        statement = self.rng.choice(
            (
                select(func.count()).where(log.n == self.rng.randrange(3)),
                select(log.n).where(log.id == self.rng.randrange(1, 12)),
            )
        )
        return lambda session: session.execute(statement).all()

    def query_self_pair(self) -> Query:
        one, two = self.world.Pair.__table__.alias("x"), self.world.Pair.__table__.alias("y")
        statement = select(one.c.v, two.c.v).where(one.c.b == two.c.a, one.c.a == self.number())
        if self.rng.random() < 0.5:
            statement = statement.where(two.c.b == self.number())
        return lambda session: session.execute(statement).all()

    def query_text(self) -> Query:
        item = self.world.Item.__table__.c
        values = {"k": self.number()}
        statement = self.rng.choice(
            (
                text("SELECT i.id, i.v FROM item i WHERE i.k = :k"),
                text("SELECT t.v, i.v FROM tenant t LEFT JOIN item i ON i.tenant_id = t.id AND i.k = :k"),
                select(item.id, item.v).where(item.k == self.number(), text("item.v > 1 OR item.label = 'a'")),
                select(item.id, literal_column("item.v + 1")).where(item.k == self.number()),
                select(item.id).where(item.k == self.number(), literal_column("1 = 2 OR item.v")  > 1),
                text("SELECT count(*) FROM item_view WHERE k = :k"),
                select(text("v")).select_from(text("pair")).where(text("a = 1")),
                select(item.id).where(item.id.in_(text("SELECT item_id FROM item_tag"))),
            )
        )
        has_bind = "k" in getattr(statement, "_bindparams", {})
        return lambda session: session.execute(statement, values if has_bind else {}).all()

    def query_driver_text(self) -> Query:
        number = self.number()
        return lambda session: session.connection().exec_driver_sql(f"SELECT id, v FROM item WHERE k = {number}").all()

    def query_custom_operator(self) -> Query:
        item = self.world.Item.__table__.c
        word = self.rng.choice(("OR", "||", "+"))
        right = item.v if word != "||" else item.label
        left = item.label if word == "||" else item.v
        condition = left.op(word)(right)
        if word == "OR" and self.world.is_postgres:
            condition = (item.v > 1).op("OR", is_comparison=True)(item.v < 9)
        if word == "||":
            condition = condition == "aa"
        elif word == "+":
            condition = condition == 3
        statement = select(item.id, item.v).where(item.k == self.number(), condition)
        return lambda session: session.execute(statement).all()

    def query_view(self) -> Query:
        view, item = self.world.ItemView.__table__.c, self.world.Item.__table__.c
        statement = select(view.id, view.k).where(self.rng.choice((view.k == self.number(), view.id == self.item_id())))
        if self.rng.random() < 0.4:
            statement = select(view.id, item.v).where(view.id == item.id, item.id == self.item_id())
        return lambda session: session.execute(statement).all()

    def query_lateral_on_postgres(self) -> Query:
        item, tenant = self.entities()
        inner = lateral(
            select(item.id, item.v).where(self.on(item, tenant)).order_by(item.id).limit(1).correlate(tenant.id.table)
        )
        joined = tenant.id.table.join(inner, literal_column("1") == literal_column("1"), isouter=True)
        statement = select(tenant.id, inner.c.v).select_from(joined).where(self.tenant_condition(tenant))
        return lambda session: session.execute(statement).all()

    def query_function_on_postgres(self) -> Query:
        tenant = self.world.Tenant.__table__.c
        statement = self.rng.choice(
            (
                select(func.items_of(self.number())),
                select(tenant.id, func.items_of(tenant.k)).where(tenant.k == self.number()),
                select(func.lower(tenant.name), func.now() > func.now()).where(tenant.k == self.number()),
                select(func.generate_series(1, 3).column_valued("value")),
            )
        )
        return lambda session: session.execute(statement).all()

    def query_partitions_on_postgres(self) -> Query:
        event = self.rng.choice((self.world.Event, self.world.Event0, self.world.Event1)).__table__.c
        condition = self.rng.choice(
            (event.id == self.number(), event.region == self.number(), event.tenant_id == self.tenant_id())
        )
        return lambda session: session.execute(select(event.id, event.region, event.v).where(condition)).all()

    # Objects.

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
        return lambda session: [
            (row(one), [row(each) for each in one.items]) for one in session.scalars(statement).unique().all()
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
