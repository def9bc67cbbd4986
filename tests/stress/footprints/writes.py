"""Random steps of transactions that write: objects, bulk statements, upserts, text, savepoints."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from sqlalchemy import bindparam, delete, event, func, insert, literal, select, text, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session, aliased, defer, load_only

from .world import World

Step = Callable[[Session], None]
# What changes whole tables, which hides mistakes about keys.
UNKEYED = ("write_text", "write_driver", "write_truncate", "write_by_function", "write_in_cte", "write_within")


class Writes:
    """Draws steps for one world."""

    def __init__(self, world: World, rng: random.Random) -> None:
        self.world = world
        self.rng = rng
        self.kinds = [getattr(self, name) for name in dir(self) if name.startswith("write_")]
        ending = "_on_sqlite" if world.is_postgres else "_on_postgres"
        self.kinds = [kind for kind in self.kinds if not kind.__name__.endswith(ending)]
        self.weights = [0.3 if kind.__name__.startswith(UNKEYED) else 1.0 for kind in self.kinds]
        self.dialect: Any = postgresql if world.is_postgres else sqlite
        self.detached: list[Any] = []
        self.hook: Callable[[Any], None] | None = None
        self.next_id = 100
        for entity in (world.Tenant, world.Item, world.Tag):
            event.listen(entity, "before_update", self._before_update, propagate=True)

    def draw(self) -> tuple[str, Step]:
        kind = self.rng.choices(self.kinds, self.weights)[0]
        return kind.__name__, kind

    def _before_update(self, mapper: Any, connection: Any, target: Any) -> None:
        if self.hook is not None:
            hook, self.hook = self.hook, None
            hook(connection)

    # Values.

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

    # Objects.

    def write_new_item(self, session: Session) -> None:
        entity = self.rng.choice((self.world.Item, self.world.Special, self.world.Odd))
        values = self.item_values()
        if self.rng.random() < 0.4:
            values["id"] = self.new_id()
        if entity is self.world.Special:
            values["k2"] = self.number()
        item = entity(**values)
        if self.rng.random() < 0.3:
            item.tags.append(self.world.Tag(name=self.rng.choice("abcdef"), v=self.number()))
        session.add(item)

    def write_new_tenant(self, session: Session) -> None:
        tenant = self.world.Tenant(
            id=self.tenant_id(), name=self.rng.choice((None, *"abcdefgh")), k=self.number(), v=self.number()
        )
        if self.rng.random() < 0.4:
            tenant.items.append(self.world.Item(**self.item_values()))
        session.add(tenant)

    def write_changed_item(self, session: Session) -> None:
        item = session.get(self.world.Item, self.item_id())
        if item is not None:
            for name, value in self.item_values().items():
                setattr(item, name, value)
            if hasattr(item, "k2") and self.rng.random() < 0.5:
                item.k2 = self.number()

    def write_changed_tenant(self, session: Session) -> None:
        tenant = session.get(self.world.Tenant, self.tenant_id())
        if tenant is not None:
            tenant.v = self.rng.randrange(100)
            if self.rng.random() < 0.4:
                tenant.k = self.number()

    def write_one_row(self, session: Session) -> None:
        """The usual: one row by its key, and no key changes."""
        table, key = self.rng.choice(
            (
                (self.world.Item.__table__, self.item_id()),
                (self.world.Tenant.__table__, self.tenant_id()),
                (self.world.Tag.__table__, 1 + self.number()),
            )
        )
        session.execute(update(table).where(table.c.id == key).values(v=self.rng.randrange(100)))

    def write_new_row(self, session: Session) -> None:
        item = self.world.Item.__table__
        values = {"tenant_id": None, "k": self.number(), "label": self.rng.choice("abcd"), "flag": True, "v": 1}
        session.execute(insert(item).values(id=self.new_id(), type="item", parent_id=self.item_id(), **values))

    def write_changed_twice(self, session: Session) -> None:
        self.write_changed_item(session)
        session.flush()
        self.write_changed_item(session)

    def write_unloaded_item(self, session: Session) -> None:
        """What it was is not known, neither before nor afterwards."""
        item = self.world.Item
        options = self.rng.choice((load_only(item.v), defer(item.k), defer(item.tenant_id)))
        found = session.get(item, self.item_id(), options=[options], populate_existing=self.rng.random() < 0.5)
        if found is not None:
            if self.rng.random() < 0.3:
                session.expire(found, ["k"])
            for name, value in self.item_values().items():
                setattr(found, name, value)

    def write_changed_key(self, session: Session) -> None:
        entity, old = self.rng.choice(((self.world.Item, self.item_id()), (self.world.Tenant, self.tenant_id())))
        found = session.get(entity, old)
        if found is not None:
            found.id = self.tenant_id() if entity is self.world.Tenant else self.new_id()

    def write_moved_children(self, session: Session) -> None:
        tenant = session.get(self.world.Tenant, self.tenant_id())
        item = session.get(self.world.Item, self.item_id())
        if tenant is None or item is None:
            return
        choice = self.rng.randrange(4)
        if choice == 0:
            tenant.items.append(item)
        elif choice == 1:
            tenant.items = [item]
        elif choice == 2:
            item.children = [other for other in (session.get(self.world.Item, self.item_id()),) if other]
        else:
            item.tenant = tenant if self.rng.random() < 0.5 else None

    def write_tags(self, session: Session) -> None:
        item, tag = session.get(self.world.Item, self.item_id()), session.get(self.world.Tag, 1 + self.number())
        if item is not None and tag is not None:
            if tag in item.tags:
                item.tags.remove(tag)
            else:
                item.tags.append(tag)
            if self.rng.random() < 0.3:
                tag.name = self.rng.choice("abcdef")

    def write_deleted_object(self, session: Session) -> None:
        entity, key = self.rng.choice(
            (
                (self.world.Item, self.item_id()),
                (self.world.Tenant, self.tenant_id()),
                (self.world.Tag, 1 + self.number()),
            )
        )
        found = session.get(entity, key)
        if found is not None:
            session.delete(found)

    def write_row_switch(self, session: Session) -> None:
        """An object takes the place of one that is deleted: an UPDATE of the row."""
        found = session.get(self.world.Tag, 1 + self.number())
        if found is not None:
            key = found.id
            session.delete(found)
            session.add(self.world.Tag(id=key, name=self.rng.choice("abcdef"), v=self.number()))

    def write_detached_object(self, session: Session) -> None:
        """An object that an earlier transaction has loaded, and whose row may have changed since."""
        if self.detached and self.rng.random() < 0.8:
            item = self.detached.pop()
            if self.rng.random() < 0.3:
                item = session.merge(item, load=False)
            elif session.identity_map.get(item._sa_instance_state.key) is None:
                session.add(item)
            else:
                return
            item.v = self.rng.randrange(100)
            if self.rng.random() < 0.3:
                session.delete(item)
        found = session.get(self.world.Item, self.item_id())
        if found is not None and not session.is_modified(found):
            session.expunge(found)
            self.detached.append(found)

    def write_made_up_object(self, session: Session) -> None:
        """An object whose attributes are not what its row has."""
        item = self.world.Item
        columns = [column for column in item.__table__.c if column.name != "k"]
        source = select(*columns, (item.__table__.c.k + 1).label("k")).subquery()
        found = session.scalars(select(aliased(item, source)).where(source.c.id == self.item_id())).first()
        if found is not None:
            found.v = self.rng.randrange(100)

    def write_while_flushing(self, session: Session) -> None:
        """A listener sends statements of its own within a flush."""
        item = self.world.Item.__table__
        statement = self.rng.choice(
            (
                update(item).where(item.c.id == self.item_id()).values(k=self.number()),
                insert(item).values(type="item", k=self.number(), v=1),
                update(self.world.Tenant.__table__).values(v=self.number()),
            )
        )
        self.hook = lambda connection: connection.execute(statement)
        self.write_changed_item(session)
        session.flush()
        self.hook = None

    # Statements.

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
        session.execute(insert(self.world.Log.__table__), [{"n": self.number()}])
        if not self.world.is_postgres:
            session.execute(insert(self.world.Log.__table__), [{"id": None, "n": self.number()}])

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
