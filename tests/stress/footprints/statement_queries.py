"""Random SELECT statements."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import (
    and_,
    exists,
    func,
    intersect,
    lateral,
    literal_column,
    or_,
    select,
    text,
    tuple_,
    union,
    union_all,
)
from sqlalchemy.orm import Session

from .conditions import Conditions

Query = Callable[[Session], Any]


class StatementQueries(Conditions):
    """Draws queries of tables. Each method is a kind."""

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

    def query_one_sided(self) -> Query:
        """A join whose ON is about one side only, beside the equality: it pins that side, or none."""
        item, tenant = self.entities()
        first, second = item.id.table, tenant.id.table
        if self.rng.random() < 0.5:
            first, second = second, first
        condition = self.rng.choice(
            (
                item.k == self.number(),
                item.id == self.item_id(),
                tenant.id == self.tenant_id(),
                tenant.k == self.number(),
            )
        )
        on = and_(item.tenant_id == tenant.id, condition)
        joined = first.join(second, on, isouter=True, full=self.rng.random() < 0.6)
        statement = select(tenant.id, tenant.v, item.id, item.v).select_from(joined)
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
        if self.rng.random() < 0.5:
            summed = select(func.sum(item.c.v)).where(self.item_condition(item.c)).correlate(None).scalar_subquery()
            statement = select(item.c.id, item.c.v, summed).where(self.item_condition(item.c))
            return lambda session: session.execute(statement).all()
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
        start = (
            select(item.c.id, item.c.parent_id, item.c.v).where(item.c.id == self.item_id()).cte("r", recursive=True)
        )
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
                select(log.n).where(log.id == self.rng.randrange(3, 7)),
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
                select(item.id).where(item.k == self.number(), literal_column("1 = 2 OR item.v") > 1),
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
        elif self.rng.random() < 0.5:
            counted = select(func.count()).select_from(self.world.ItemView.__table__).scalar_subquery()
            statement = select(item.v, counted).where(item.id == self.item_id())
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

    def query_tag(self) -> Query:
        tag = self.world.Tag.__table__.c
        condition = self.rng.choice((tag.id == 1 + self.number(), tag.name == self.rng.choice("abcdef")))
        return lambda session: session.execute(select(tag.id, tag.name, tag.v).where(condition)).all()

    def query_tenant_row(self) -> Query:
        tenant = self.world.Tenant.__table__.c
        statement = select(tenant.name, tenant.v).where(tenant.id == self.tenant_id())
        return lambda session: session.execute(statement).all()
