"""Random changes of objects, by the unit of work."""

from __future__ import annotations

from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session, aliased, defer, load_only

from .write_values import WriteValues


class ObjectWrites(WriteValues):
    """Draws changes of objects. Each method is a kind."""

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
            found.v = self.rng.randrange(100)
            if self.rng.random() < 0.6:
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
        found = session.scalars(
            select(aliased(item, source, adapt_on_names=True)).where(source.c.id == self.item_id())
        ).first()
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
