"""Random INSERT, UPDATE and DELETE statements, also by text, functions and triggers."""

from __future__ import annotations

from sqlalchemy import bindparam, delete, func, insert, literal, select, text, update
from sqlalchemy.orm import Session

from .write_values import WriteValues


class StatementWrites(WriteValues):
    """Draws statements. Each method is a kind."""

    def write_bulk_update(self, session: Session) -> None:
        entity = self.rng.choice((self.world.Item, self.world.Odd))
        session.execute(
            update(entity).where(self.item_condition(entity)).values(**self.item_values()),
            execution_options={"synchronize_session": self.rng.choice((False, "auto", "fetch"))},
        )

    def write_bulk_delete(self, session: Session) -> None:
        session.execute(delete(self.world.Item).where(self.item_condition(self.world.Item)))

    def write_bulk_by_key(self, session: Session) -> None:
        rows = [{"id": each, "k": self.number()} for each in {self.item_id(), self.item_id()}]
        session.execute(update(self.world.Item), rows)

    def write_bulk_insert(self, session: Session) -> None:
        rows = [{"k": self.number(), "v": self.number(), "tenant_id": None} for _ in range(self.rng.randrange(1, 4))]
        if self.rng.random() < 0.5:
            session.execute(insert(self.world.Item).returning(self.world.Item.id), rows)
        else:
            session.execute(insert(self.world.Item), rows)

    def write_core_insert(self, session: Session) -> None:
        item = self.world.Item.__table__
        rows = [{"id": self.new_id(), "type": "item", "k": self.number(), "v": self.number()} for _ in range(2)]
        choice = self.rng.randrange(5)
        if choice == 0:
            session.execute(insert(item), rows)
        elif choice == 1:
            session.execute(insert(item).values(rows))
        elif choice == 2:
            session.execute(insert(item).values(type="item", k=literal(self.number()) + 1, v=self.number()))
        elif choice == 3:
            session.execute(insert(item).values(type="item", label=self.rng.choice("abcd")))
        else:
            source = select(literal("item"), item.c.tenant_id, item.c.k, item.c.v).where(self.item_condition(item.c))
            session.execute(insert(item).from_select(["type", "tenant_id", "k", "v"], source))

    def write_null_key(self, session: Session) -> None:
        row = {"n": self.number()}
        if not self.world.is_postgres and self.rng.random() < 0.7:
            row["id"] = None
        session.execute(insert(self.world.Log.__table__), [row])

    def write_core_update(self, session: Session) -> None:
        item, tenant = self.world.Item.__table__, self.world.Tenant.__table__
        choice = self.rng.randrange(6)
        if choice == 0:
            session.execute(update(item).where(item.c.k == self.number()).values(k=self.number()))
        elif choice == 1:
            session.execute(update(item).where(self.item_condition(item.c)).values(k=item.c.k + 1))
        elif choice == 2:
            statement = update(item).where(item.c.tenant_id == tenant.c.id, tenant.c.k == self.number())
            session.execute(statement.values(v=self.number(), label=self.rng.choice("abcd")))
        elif choice == 3:
            inner = select(tenant.c.id).where(tenant.c.k == self.number())
            session.execute(update(item).where(item.c.tenant_id.in_(inner)).values(v=self.number()))
        elif choice == 4:
            rows = [{"which": self.item_id(), "k": self.number()} for _ in range(2)]
            session.connection().execute(update(item).where(item.c.id == bindparam("which")), rows)
        else:
            values = {"k": self.number(), "name": self.rng.choice("abcdefgh")}
            session.execute(update(tenant).where(tenant.c.id == self.tenant_id()).values(**values))

    def write_core_key_move(self, session: Session) -> None:
        item, tenant = self.world.Item.__table__, self.world.Tenant.__table__
        statement = self.rng.choice(
            (
                update(item).where(item.c.id == self.item_id()).values(id=self.new_id()),
                update(tenant).where(tenant.c.id == self.tenant_id()).values(id=self.tenant_id()),
                update(item).where(item.c.tenant_id == self.tenant_id()).values(tenant_id=self.tenant_id()),
            )
        )
        session.execute(statement)

    def write_core_delete(self, session: Session) -> None:
        item, tenant, pair = self.world.Item.__table__, self.world.Tenant.__table__, self.world.Pair.__table__
        statements = [
            delete(item).where(self.item_condition(item.c)),
            delete(tenant).where(tenant.c.id == self.tenant_id()),
            delete(tenant).where(tenant.c.k == self.number()),
            delete(pair).where(pair.c.a == self.number()),
            delete(self.world.Tag.__table__).where(self.world.Tag.__table__.c.id == 1 + self.number()),
        ]
        if self.world.is_postgres:
            statements.append(delete(item).where(item.c.tenant_id == tenant.c.id, tenant.c.k == self.number()))
        session.execute(self.rng.choice(statements))

    def write_pair(self, session: Session) -> None:
        pair = self.world.Pair.__table__
        new = self.dialect.insert(pair).values(a=self.number(), b=self.number())
        if self.rng.random() < 0.7:
            new = new.values(v=self.number())
        choice = self.rng.randrange(4)
        if choice == 0:
            session.execute(new.on_conflict_do_nothing())
        elif choice == 1:
            session.execute(new.on_conflict_do_update(index_elements=["a", "b"], set_={"v": self.number()}))
        elif choice == 2:
            session.execute(new.on_conflict_do_update(index_elements=["a", "b"], set_={"b": 100 + self.number()}))
        else:
            session.execute(update(pair).where(pair.c.a == self.number()).values(v=pair.c.v + 1))

    def write_upsert(self, session: Session) -> None:
        """A conflict on a unique column changes a row whose other keys are not in the statement."""
        if self.rng.random() < 0.5:
            tenant = self.world.Tenant.__table__
            new = self.dialect.insert(tenant).values(
                id=self.tenant_id(), name=self.rng.choice("abcdefgh"), k=self.number(), v=self.number()
            )
            changes = {"k": new.excluded.k} if self.rng.random() < 0.5 else {"v": self.number()}
            session.execute(new.on_conflict_do_update(index_elements=["name"], set_=changes))
            return
        tag = self.world.Tag.__table__
        new = self.dialect.insert(tag).values(name=self.rng.choice("abcdef"), v=self.number())
        if self.rng.random() < 0.5:
            new = new.values(id=1 + self.number())
        target = self.rng.choice(("id", "name"))
        change = {"v": self.number()} if self.rng.random() < 0.5 else {"name": self.rng.choice("abcdef")}
        session.execute(new.on_conflict_do_update(index_elements=[target], set_=change))

    def write_replace_on_sqlite(self, session: Session) -> None:
        table = self.rng.choice((self.world.Tag, self.world.Tenant)).__table__
        key = self.tenant_id() if table is self.world.Tenant.__table__ else 1 + self.number()
        new = insert(table).values(id=key, name=self.rng.choice("abcdef"), v=self.number())
        if self.rng.random() < 0.5:
            new = new.prefix_with("OR REPLACE")
        session.execute(new)

    def write_unique_name(self, session: Session) -> None:
        """Where the constraint says ON CONFLICT REPLACE, another row gives way."""
        table = self.rng.choice((self.world.Tag, self.world.Tenant)).__table__
        key = self.tenant_id() if table is self.world.Tenant.__table__ else 1 + self.number()
        if self.rng.random() < 0.5:
            session.execute(update(table).where(table.c.id == key).values(name=self.rng.choice("abcdef")))
        else:
            session.execute(insert(table).values(id=key, name=self.rng.choice("abcdef"), v=self.number()))

    def write_text(self, session: Session) -> None:
        values = {"k": self.number(), "v": self.number(), "id": self.item_id()}
        statement = self.rng.choice(
            (
                "UPDATE item SET v = :v WHERE k = :k",
                "UPDATE item SET k = :k WHERE id = :id",
                "DELETE FROM item WHERE id = :id",
                "INSERT INTO log (n) VALUES (:k)",
                "UPDATE pair SET v = :v WHERE a = :k",
                "SELECT count(*) FROM item WHERE k = :k",
                "DELETE FROM tenant WHERE k = :k",
            )
        )
        session.execute(text(statement), values)

    def write_driver_text(self, session: Session) -> None:
        session.connection().exec_driver_sql(f"UPDATE item SET v = {self.number()} WHERE k = {self.number()}")

    def write_insert_through_view_on_postgres(self, session: Session) -> None:
        view = self.world.ItemView.__table__
        session.execute(update(view).where(view.c.k == self.number()).values(k=self.number()))

    def write_in_cte_on_postgres(self, session: Session) -> None:
        item, tenant = self.world.Item.__table__, self.world.Tenant.__table__
        gone = delete(item).where(item.c.id == self.item_id()).returning(item.c.k).cte("gone")
        if self.rng.random() < 0.5:
            session.execute(select(gone.c.k))
        else:
            session.execute(update(tenant).where(tenant.c.k.in_(select(gone.c.k))).values(v=self.number()))

    def write_truncate_on_postgres(self, session: Session) -> None:
        if self.rng.random() < 0.3:
            session.execute(text(self.rng.choice(("TRUNCATE log", "TRUNCATE pair", "TRUNCATE item CASCADE"))))

    def write_by_function_on_postgres(self, session: Session) -> None:
        session.execute(select(func.bump(self.number())))

    def write_partition_on_postgres(self, session: Session) -> None:
        event = self.rng.choice((self.world.Event, self.world.Event, self.world.Event1)).__table__
        choice = self.rng.randrange(4)
        if choice == 0:
            values = {"id": self.number(), "region": self.number() % 3, "tenant_id": None, "v": self.number()}
            session.execute(insert(self.world.Event.__table__).values(**values))
        elif choice == 1:
            session.execute(update(event).where(event.c.id == self.number()).values(v=self.number()))
        elif choice == 2:
            root = self.world.Event.__table__
            session.execute(update(root).where(root.c.id == self.number()).values(region=self.rng.randrange(3)))
        else:
            session.execute(update(event).where(event.c.id == self.number()).values(tenant_id=self.tenant_id()))
